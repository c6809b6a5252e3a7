"""Tests of what we sign and how it looks."""

from lxml import etree
from twisted.trial.unittest import SynchronousTestCase

from euca.auth.wsse import (
    CLUSTER,
    INTERNAL,
    USER,
    Addressing,
    fault_envelope,
    unsigned_envelope,
)
from euca.auth.wsse.names import DS, SOAP, WSA, WSSE, WSU
from tests.auth.wsse import oracle
from tests.auth.wsse.messages import ALICE, PAYLOAD, signed, verified


def _names(element: etree._Element | None) -> list[str]:
    assert element is not None
    return [etree.QName(child).localname for child in element]


class SignedEnvelopeTests(SynchronousTestCase):
    """A signed envelope is what the original C components send and accept."""

    def test_oracle_agrees_for_every_policy(self) -> None:
        """The digests and the signature hold by lxml and cryptography, without xmlsec."""
        for policy in (CLUSTER, INTERNAL, USER):
            opinion = oracle.judge(signed(policy))
            self.assertTrue(opinion.holds, policy.name)
            self.assertEqual(opinion.certificate, ALICE.certificate)

    def test_cluster_signs_addressing_and_body(self) -> None:
        """Between controllers To, Action, MessageID and Body are signed, and nothing else."""
        opinion = oracle.judge(signed(CLUSTER))
        self.assertEqual(opinion.signed, ("To", "Action", "MessageID", "Body"))

    def test_internal_and_user_sign_timestamp_and_body(self) -> None:
        """Towards Walrus, SC and from users Timestamp and Body are signed."""
        for policy in (INTERNAL, USER):
            self.assertEqual(oracle.judge(signed(policy)).signed, ("Timestamp", "Body"))

    def test_xmlsec_agrees(self) -> None:
        """Our own verifier accepts what we sign."""
        self.assertEqual(verified(signed()).signer.name, "alice")

    def test_header_order(self) -> None:
        """The headers come in the order of C peers, Security last and to be understood."""
        header = etree.fromstring(signed()).find(f"{{{SOAP}}}Header")
        self.assertEqual(_names(header), ["To", "Action", "MessageID", "Security"])
        assert header is not None
        self.assertEqual(header[3].get(f"{{{SOAP}}}mustUnderstand"), "1")
        self.assertEqual(_names(header[3]), ["BinarySecurityToken", "Signature"])

    def test_internal_header_order(self) -> None:
        """Towards Walrus and SC Security comes first: Timestamp, token, Signature."""
        header = etree.fromstring(signed(INTERNAL)).find(f"{{{SOAP}}}Header")
        self.assertEqual(_names(header), ["Security", "To", "Action", "MessageID"])
        assert header is not None
        self.assertEqual(_names(header[0]), ["Timestamp", "BinarySecurityToken", "Signature"])

    def test_form(self) -> None:
        """No XML declaration, no white space between elements, no character references."""
        raw = signed()
        self.assertTrue(raw.startswith(b"<soapenv:Envelope "))
        self.assertTrue(raw.isascii())
        self.assertNotIn(b"\n", raw)
        self.assertNotIn(b"> <", raw)
        self.assertNotIn(b"&#", raw)

    def test_nothing_that_the_original_refuses(self) -> None:
        """No prefix list, no Timestamp, no other algorithm stands in a cluster message."""
        raw = signed()
        for refused in (b"InclusiveNamespaces", b"Timestamp", b"sha256", b"KeyIdentifier"):
            self.assertNotIn(refused, raw)

    def test_same_declarations_as_the_original(self) -> None:
        """No prefix is declared twice on the way to an element."""
        for element in etree.fromstring(signed()).iter():
            parent = element.getparent()
            if parent is not None:
                own = set(element.nsmap.items()) - set(parent.nsmap.items())
                self.assertFalse({prefix for prefix, _ in own} & set(parent.nsmap))
        self.assertEqual(
            {uri for e in etree.fromstring(signed()).iter() for uri in e.nsmap.values()},
            {SOAP, WSA, WSSE, WSU, DS, "http://eucalyptus.ucsb.edu/"},
        )


class UnsignedEnvelopeTests(SynchronousTestCase):
    """What goes out unsigned keeps the same form."""

    def test_headers_and_payload(self) -> None:
        """Headers and payload stand in the envelope as they were given."""
        root = etree.fromstring(unsigned_envelope([Addressing("Action", "a&amp;b")], PAYLOAD))
        self.assertEqual(root.findtext(f"{{{SOAP}}}Header/{{{WSA}}}Action"), "a&b")
        body = root.find(f"{{{SOAP}}}Body")
        assert body is not None
        self.assertEqual(etree.tostring(body[0], method="c14n", exclusive=True).decode(), PAYLOAD)

    def test_fault_has_an_empty_header(self) -> None:
        """A fault carries the empty Header without which the original CLC ignores it."""
        raw = fault_envelope("soapenv:Client", "no")
        self.assertIn(b"<soapenv:Header></soapenv:Header>", raw)
        self.assertEqual(etree.fromstring(raw).findtext(".//faultstring"), "no")
