"""Tests of how single values look on the wire."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree
from twisted.trial.unittest import SynchronousTestCase

from euca.wire.lexical import (
    READERS,
    UnreadableValue,
    UnwritableValue,
    any_text,
    date_time,
    plain_text,
    writer,
)
from euca.wire.schema import Simple


class TextTests(SynchronousTestCase):
    """Text is escaped, and refused where it could not arrive."""

    def test_markup_is_escaped(self) -> None:
        """Only the three characters of markup are written otherwise."""
        self.assertEqual(plain_text("a<b>&\"'"), "a&lt;b&gt;&amp;\"'")

    def test_beyond_ascii(self) -> None:
        """What original peers cannot read is refused for them, and kept for others."""
        with self.assertRaisesRegex(UnwritableValue, "beyond ASCII"):
            plain_text("Zürich")
        self.assertEqual(any_text("Zürich"), "Zürich")

    def test_controls(self) -> None:
        """Control characters and carriage returns are refused; tabs and lines are kept."""
        for bad in ("\r", "\0", "\x1b", "\x7f"):
            for write in (plain_text, any_text):
                with self.assertRaisesRegex(UnwritableValue, "control character"):
                    write(f"a{bad}b")
        self.assertEqual(plain_text("a\tb\nc"), "a\tb\nc")

    def test_what_xml_cannot_carry(self) -> None:
        """Lone surrogates and non-characters are refused."""
        for bad in ("\ud800", "\ufffe"):
            with self.assertRaises(UnwritableValue):
                any_text(bad)

    def test_other_types(self) -> None:
        """A number where a text is due is refused, not converted."""
        with self.assertRaisesRegex(UnwritableValue, "a string is needed, not int"):
            plain_text(5)

    @settings(deadline=None, max_examples=300)
    @given(st.text())
    def test_what_is_written_is_read(self, text: str) -> None:
        """Any text is either refused or read again the same, written in canonical form."""
        try:
            written = any_text(text)
        except UnwritableValue:
            return
        raw = f"<a>{written}</a>".encode()
        self.assertEqual(etree.fromstring(raw).text or "", text)
        self.assertEqual(etree.tostring(etree.fromstring(raw), method="c14n"), raw)


class TypedTests(SynchronousTestCase):
    """Values of the other simple types."""

    def test_times(self) -> None:
        """Times are written in UTC with milliseconds and Z, whatever their zone."""
        at = datetime(2026, 11, 21, 12, 0, 0, 123456, timezone(timedelta(hours=1)))
        self.assertEqual(date_time(at), "2026-11-21T11:00:00.123Z")
        with self.assertRaisesRegex(UnwritableValue, "with its zone"):
            date_time(datetime(2026, 11, 21))

    def test_times_read(self) -> None:
        """Times are read aware and in UTC; one without a zone is taken as UTC."""
        read = READERS[Simple.DATE_TIME]
        noon = datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC)
        for text in ("2026-11-21T12:00:00Z", "2026-11-21T12:00:00", " 2026-11-21T13:00:00+01:00\n"):
            self.assertEqual(read(text), noon)
            self.assertEqual(read(text).tzinfo, UTC)
        with self.assertRaises(UnreadableValue):
            read("12026-11-21T12:00:00Z")

    def test_bounds(self) -> None:
        """A number that its type cannot hold is refused."""
        write = writer(Simple.INT, plain=True)
        self.assertEqual(write(2**31 - 1), "2147483647")
        for bad in (2**31, -(2**31) - 1, True, "5", 5.0):
            with self.assertRaises(UnwritableValue):
                write(bad)

    def test_truth(self) -> None:
        """Truth is written as a word, and read from words and digits."""
        write: Any = writer(Simple.BOOLEAN, plain=True)
        self.assertEqual((write(True), write(False)), ("true", "false"))
        with self.assertRaises(UnwritableValue):
            write(1)
        read = READERS[Simple.BOOLEAN]
        self.assertEqual([read(t) for t in ("true", "1", "false", "0")], [True, True, False, False])

    def test_huge_numbers(self) -> None:
        """A number of too many digits is refused as unreadable, not with Python's own error."""
        with self.assertRaises(UnreadableValue):
            READERS[Simple.INTEGER]("9" * 5000)
