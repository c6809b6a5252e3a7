"""Tests of SOAP 1.2, which the original servers take too: it is answered in kind."""

from typing import Any

from lxml import etree
from twisted.trial.unittest import SynchronousTestCase

from euca.auth.wsse import CLUSTER, INTERNAL, USER
from euca.auth.wsse.names import SOAP, SOAP_12
from euca.wire.client import Unreachable
from euca.wire.explain import contracts, explain
from tests.auth.wsse import oracle
from tests.auth.wsse.messages import message_id, security, signed, verified
from tests.wire.apis import pair
from tests.wire.test_client import Answering, call
from tests.wire.test_client import Case as ClientCase
from tests.wire.test_resource import DESCRIBE, Case, describing, unsigned

TYPED: Any = {"Content-Type": "application/soap+xml; charset=utf-8; action=x"}
_S = {"s": SOAP_12.namespace}


def newer(raw: bytes) -> bytes:
    """Return an unsigned message in SOAP 1.2."""
    return raw.replace(SOAP.encode(), SOAP_12.namespace.encode())


class ServiceTests(Case):
    """A service that is spoken to in SOAP 1.2."""

    def test_unsigned(self) -> None:
        """The reply is of the same version and says so in its type; no SOAPAction is needed."""
        response, content = self.post(newer(unsigned(DESCRIBE)), TYPED)
        self.assertEqual(response.code, 200, content)
        self.assertEqual(
            response.headers.getRawHeaders("Content-Type"), ["application/soap+xml;charset=UTF-8"]
        )
        root = etree.fromstring(content)
        self.assertEqual([root.tag, root[1].tag], [SOAP_12.envelope, SOAP_12.body])

    def test_typed_as_the_older(self) -> None:
        """What counts is the envelope, whatever the type of the message is said to be."""
        response, content = self.post(newer(unsigned(DESCRIBE)))
        self.assertEqual(response.code, 200)
        self.assertEqual(etree.fromstring(content).tag, SOAP_12.envelope)

    def test_signed(self) -> None:
        """A signed request is verified, and its signed reply holds before the oracle."""
        self.serve(pair()[1])
        response, content = self.post(describing(message_id(), soap=SOAP_12), TYPED)
        self.assertEqual(response.code, 200, content)
        self.assertEqual(etree.fromstring(content).tag, SOAP_12.envelope)
        self.assertTrue(oracle.judge(content).holds)

    def test_refused(self) -> None:
        """What is refused is answered in kind too."""
        self.serve(pair()[1])
        response, content = self.post(newer(unsigned(DESCRIBE)), TYPED)
        self.assertEqual(response.code, 500)
        self.assertEqual(etree.fromstring(content).tag, SOAP_12.envelope)
        self.assertIn(b"<soapenv:Value>Authentication</soapenv:Value>", content)

    def test_fault(self) -> None:
        """A fault has the form of SOAP 1.2, with the code of SOAP 1.1 split into two."""
        payload = DESCRIBE.replace("ncDescribeResource", "ncRebootInstance")
        payload = payload.replace("></", "><n:instanceId>i-1</n:instanceId></")
        for asked, codes in (
            (DESCRIBE.replace("Describe", "Fly"), ["soapenv:Sender"]),
            (payload, ["soapenv:Sender", "UnsupportedOperation"]),
        ):
            response, content = self.post(newer(unsigned(asked)), TYPED)
            self.assertEqual(response.code, 500)
            fault = etree.fromstring(content).find(f"s:Body/{SOAP_12.fault}", _S)
            assert fault is not None, content
            self.assertEqual([each.text for each in fault.findall("s:Code//s:Value", _S)], codes)
            self.assertTrue(fault.findtext("s:Reason/s:Text", None, _S))
            explained = explain(content, contracts()).lines[0]
            self.assertIn(f"{'.'.join(codes)}: ", explained)


class SecurityTests(SynchronousTestCase):
    """Signed envelopes of SOAP 1.2."""

    def test_every_policy(self) -> None:
        """They are verified, and the oracle agrees."""
        for policy in (CLUSTER, INTERNAL, USER):
            raw = signed(policy, soap=SOAP_12)
            self.assertEqual(verified(raw, security(policy)).signer.name, "alice")
            self.assertTrue(oracle.judge(raw).holds)


class ClientTests(ClientCase):
    """A client of ours, which speaks SOAP 1.1."""

    def test_reply(self) -> None:
        """It takes no reply of another version, as the original clients do not."""
        peer = Answering(newer(unsigned(DESCRIBE)))
        why = self.failed(call(self.client(peer)), Unreachable).why
        self.assertIn("another version", why)
