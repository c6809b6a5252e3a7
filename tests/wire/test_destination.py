"""Tests of the judgement whether a message is meant for this host."""

from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.interfaces import IAddress
from twisted.trial.unittest import SynchronousTestCase

from euca.auth.wsse import SecurityRefused
from euca.wire.destination import require_here

HERE = IPv4Address("TCP", "192.0.2.7", 8775)
LOOPBACK = IPv4Address("TCP", "127.0.0.1", 8775)


class DestinationTests(SynchronousTestCase):
    """A signed wsa:To says for whom a message is, and all nodes trust its signer."""

    def test_here(self) -> None:
        """A message for this address and port is taken, whatever its path."""
        here6 = IPv6Address("TCP", "2001:db8::7", 8775)
        for to, here in (
            ("http://192.0.2.7:8775/axis2/services/EucalyptusNC", HERE),
            ("http://192.0.2.7:8775", HERE),
            ("http://192.0.2.7/x", IPv4Address("TCP", "192.0.2.7", 80)),
            ("http://[2001:db8:0::7]:8775/x", here6),
        ):
            require_here(to, here)

    def test_elsewhere(self) -> None:
        """A message for another address or port is refused."""
        for to in (
            "http://192.0.2.8:8775/axis2/services/EucalyptusNC",
            "http://192.0.2.7:8774/axis2/services/EucalyptusCC",
            "http://192.0.2.7/axis2/services/EucalyptusNC",
            "http://[2001:db8::7]:8775/x",
        ):
            with self.assertRaisesRegex(SecurityRefused, "is addressed to http"):
                require_here(to, HERE)

    def test_nothing_can_be_said(self) -> None:
        """A name, a proxy on this host, or no address at all says nothing."""
        cases: tuple[tuple[str, IAddress], ...] = (
            ("http://node1.example:8775/x", HERE),
            ("", HERE),
            ("http://192.0.2.8:8775/x", LOOPBACK),
            ("http://192.0.2.8:8775/x", UNIXAddress(b"/run/x")),
        )
        for to, here in cases:
            require_here(to, here)
