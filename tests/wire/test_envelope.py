"""Tests of what is refused before anything is looked at."""

from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree
from twisted.trial.unittest import SynchronousTestCase

from euca.auth.wsse.names import SOAP, SOAP_11, SOAP_12, WSA
from euca.wire.envelope import MalformedEnvelope, parse

BODY = b"<s:Body><a xmlns='http://a/'/></s:Body>"


def envelope(content: bytes = BODY) -> bytes:
    """Return an envelope around the content."""
    return b'<s:Envelope xmlns:s="' + SOAP.encode() + b'">' + content + b"</s:Envelope>"


class EnvelopeTests(SynchronousTestCase):
    """An envelope has one shape, and nothing in it that could deceive or cost."""

    def refused(self, raw: bytes, why: str = "") -> None:
        """Assert that the bytes are refused."""
        with self.assertRaises(MalformedEnvelope) as caught:
            parse(raw)
        self.assertIn(why, str(caught.exception))

    def test_taken(self) -> None:
        """An envelope with and without Header, declaration and white space is taken."""
        for raw in (
            envelope(),
            envelope(b"<s:Header/>" + BODY),
            b"<?xml version='1.0' encoding='utf-8'?>" + envelope(),
            b'<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n' + envelope(),
            envelope(b"\n <s:Header/>\n " + BODY + b"\n"),
        ):
            self.assertEqual(etree.QName(parse(raw).payload).localname, "a")

    def test_addressing(self) -> None:
        """The texts of addressing headers can be asked for."""
        header = f'<s:Header><w:To xmlns:w="{WSA}">x</w:To></s:Header>'.encode()
        parsed = parse(envelope(header + BODY))
        self.assertEqual(
            (parsed.addressing().get("To", ""), parsed.addressing().get("Action", "")), ("x", "")
        )

    def test_document_type(self) -> None:
        """A document type is refused, whatever it declares."""
        self.refused(b"<!DOCTYPE s>" + envelope(), "document types")
        bomb = b'<!DOCTYPE s [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]>'
        self.refused(bomb + envelope(b"<s:Body><a>&b;</a></s:Body>"), "document types")

    def test_entities(self) -> None:
        """An entity that nobody declared is refused."""
        self.refused(envelope(b"<s:Body><a>&other;</a></s:Body>"), "not well-formed")

    def test_comments(self) -> None:
        """Comments, which canonicalisation drops, are refused anywhere."""
        self.refused(envelope(b"<s:Body><a>i-1<!-- -->2</a></s:Body>"), "comments")

    def test_character_data_sections(self) -> None:
        """CDATA sections are refused."""
        self.refused(envelope(b"<s:Body><a><![CDATA[i-1]]></a></s:Body>"), "CDATA")

    def test_instructions(self) -> None:
        """Processing instructions are refused, a second XML declaration among them."""
        self.refused(envelope(b"<?php x ?>" + BODY), "instructions")
        self.refused(b"<?xml version='1.0'?><?xml version='1.0'?>" + envelope(), "instructions")
        self.refused(b"<?xml-stylesheet href='x'?>" + envelope(), "instructions")

    def test_other_encodings(self) -> None:
        """Only UTF-8 is taken, whatever is declared or detected."""
        self.refused(b"<?xml version='1.0' encoding='utf-7'?>" + envelope())
        self.refused(b"<?xml version='1.0' encoding='ISO-8859-1'?>" + envelope())
        for encoding in ("utf-16", "utf-16-le", "utf-16-be", "utf-32"):
            self.refused(envelope().decode().encode(encoding), "not well-formed")
        self.refused(envelope(b"<s:Body><a>\xff</a></s:Body>"), "not well-formed")

    def test_depth(self) -> None:
        """Elements more than 32 deep are refused; absurdly deep ones too."""
        for depth in (32, 300, 100_000):
            nested = b"<a>" * depth + b"</a>" * depth
            self.refused(envelope(b"<s:Body>" + nested + b"</s:Body>"))

    def test_long_attribute(self) -> None:
        """An attribute longer than 4096 is refused."""
        self.refused(envelope(b"<s:Body><a b='" + b"x" * 5000 + b"'/></s:Body>"), "longer than")

    def test_shapes(self) -> None:
        """Anything but a Header, if any, and one Body with one element is refused."""
        for content in (
            b"",
            b"<s:Header/>",
            BODY + BODY,
            BODY + b"<s:Header/>",
            BODY + b"<x/>",
            b"<s:Body/>",
            b"<s:Body><a/><b/></s:Body>",
            b"<s:Header/><s:Header/>" + BODY,
        ):
            self.refused(envelope(content))

    def test_other_roots(self) -> None:
        """Other versions of SOAP, other documents, and no XML at all are refused."""
        self.refused(envelope().replace(SOAP.encode(), b"http://www.w3.org/2001/12/soap-envelope"))
        for raw in (b"", b"hello", b"<a/>", b"\0", b"{}"):
            self.refused(raw)

    def test_versions(self) -> None:
        """SOAP 1.2 is taken too, but not mixed with 1.1."""
        newer = SOAP_12.namespace.encode()
        self.assertIs(parse(envelope()).soap, SOAP_11)
        self.assertIs(parse(envelope().replace(SOAP.encode(), newer)).soap, SOAP_12)
        mixed = BODY.replace(b"<s:Body", b'<t:Body xmlns:t="' + newer + b'"').replace(
            b"/s:", b"/t:"
        )
        self.refused(envelope(mixed))

    def test_header_to_be_understood(self) -> None:
        """A header that must be understood and is not known is refused; others are passed over."""
        block = b"<x:y xmlns:x='http://x/' s:mustUnderstand='1'/>"
        self.refused(envelope(b"<s:Header>" + block + b"</s:Header>" + BODY), "not understood")
        parse(envelope(b"<s:Header>" + block.replace(b"1", b"0") + b"</s:Header>" + BODY))

    @settings(deadline=None, max_examples=300)
    @given(st.binary(max_size=200), st.integers(0, 200))
    def test_no_other_error(self, junk: bytes, at: int) -> None:
        """Whatever the bytes are, they are taken or refused; no other error escapes."""
        raw = envelope()
        for attempt in (junk, raw[:at] + junk + raw[at:], raw[:at] + junk):
            try:
                parse(attempt)
            except MalformedEnvelope:
                continue
