"""Tests of `euca.model.identifiers`."""

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from euca.model.identifiers import (
    is_identifier,
    mac_address,
    new_identifier,
    uuid7,
    uuid7_time,
)


class IdentifierTests(SynchronousTestCase):
    """Identifiers of instances and other things."""

    def test_form(self) -> None:
        """An identifier is its prefix and eight upper-case hex digits."""
        self.assertEqual(new_identifier("i", lambda n: b"\x3e\x5a\x08\x77"), "i-3E5A0877")

    def test_check(self) -> None:
        """Only the full form with the right prefix is an identifier."""
        texts = ["i-3E5A0877", "r-3E5A0877", "i-3E5A087", "i-3E5A0877/..", "I-3E5A0877"]
        known = [is_identifier(text, "i") for text in texts]
        self.assertEqual(known, [True, False, False, False, False])

    def test_mac_address(self) -> None:
        """The hardware address carries the digits of the identifier, case as there."""
        self.assertEqual(mac_address("i-3E5A0877"), "d0:0d:3E:5A:08:77")

    def test_mac_address_of_something_else(self) -> None:
        """What is not an instance has no hardware address."""
        self.assertRaises(ValueError, mac_address, "emi-3E5A0877")

    @given(st.integers(0, (1 << 48) - 1), st.binary(min_size=10, max_size=10))
    def test_uuid7(self, milliseconds: int, randomness: bytes) -> None:
        """A version 7 UUID carries its time to the millisecond, and is of the right variant."""
        made = uuid7(milliseconds / 1000, lambda n: randomness[:n])
        self.assertEqual(made.version, 7)
        self.assertEqual(uuid7_time(made), milliseconds / 1000)
