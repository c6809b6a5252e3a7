"""Tests of the service as it answers over HTTP."""

from typing import Any, cast

from lxml import etree
from treq.client import HTTPClient
from treq.testing import StubTreq
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from euca.auth.wsse import CLUSTER, INTERNAL, USER
from euca.auth.wsse.names import SOAP, SOAP_11, WSA, Soap
from euca.wire.contract import Contract
from euca.wire.resource import SoapResource
from tests.auth.wsse import oracle
from tests.auth.wsse.messages import NOW, PAYLOAD, edited, message_id, signed
from tests.wire.apis import NC, NodeApi, clock_at, pair

ACTION: Any = {"SOAPAction": '"EucalyptusNC#ncTerminateInstance"', "Content-Type": "text/xml"}
DESCRIBE = '<n:ncDescribeResource xmlns:n="http://eucalyptus.ucsb.edu/"></n:ncDescribeResource>'


def unsigned(payload: str, header: str = "") -> bytes:
    """Return an unsigned request."""
    return (
        f'<s:Envelope xmlns:s="{SOAP}"><s:Header>{header}</s:Header>'
        f"<s:Body>{payload}</s:Body></s:Envelope>"
    ).encode()


class Case(SynchronousTestCase):
    """Asks a service."""

    def setUp(self) -> None:
        """Make a service with no security."""
        self.api = NodeApi()
        self.serve(None)

    def serve(self, security: Any, **more: Any) -> None:
        """Serve the api with other security."""
        resource = SoapResource(NC, self.api, security, clock_at(), **more)
        self.stub = StubTreq(resource)
        self.http = cast(HTTPClient, self.stub)

    def ask(self, method: str, url: str = "http://node/x", **more: Any) -> tuple[Any, bytes]:
        """Return response and content of a request."""
        got: list[Any] = []

        async def ask() -> None:
            response = await self.http.request(method, url, **more)
            got.extend([response, await response.content()])

        Deferred.fromCoroutine(ask()).addErrback(lambda failure: failure.raiseException())
        return got[0], got[1]

    def post(self, raw: bytes, headers: Any = ACTION) -> tuple[Any, bytes]:
        """Post a message."""
        return self.ask("POST", data=raw, headers=headers)

    def fault(self, raw: bytes, headers: Any = ACTION) -> tuple[str, str]:
        """Return code and text of the fault that answers a message."""
        response, content = self.post(raw, headers)
        self.assertEqual(response.code, 500, content)
        self.assertIn(b"<soapenv:Header></soapenv:Header>", content)
        self.assertNotIn(b"wsse", content)
        root = etree.fromstring(content)
        return root.findtext(".//faultcode") or "", root.findtext(".//faultstring") or ""


class HttpTests(Case):
    """What happens before SOAP begins."""

    def test_wsdl(self) -> None:
        """?wsdl serves the authored file byte for byte."""
        for query in ("wsdl", "WSDL"):
            response, content = self.ask("GET", f"http://node/x?{query}")
            self.assertEqual((response.code, content), (200, NC.raw))

    def test_get(self) -> None:
        """A GET of anything else is not allowed."""
        self.assertEqual(self.ask("GET")[0].code, 405)

    def test_soap_action_is_there(self) -> None:
        """Without a SOAPAction header there is nothing here; its value may be anything."""
        self.assertEqual(self.post(unsigned(DESCRIBE), {"Content-Type": "text/xml"})[0].code, 404)
        for value in ("", '""', "EucalyptusNC#ncDescribeResource", "nonsense"):
            response, _ = self.post(unsigned(DESCRIBE), {"SOAPAction": value})
            self.assertEqual(response.code, 200)

    def test_soap_action_is_for_controllers(self) -> None:
        """The public interface does not ask for a SOAPAction header."""
        contract = Contract.load("ec2-2009-11-30")

        class Api:
            unbuilt = tuple(contract.operations)

        self.http = cast(HTTPClient, StubTreq(SoapResource(contract, Api(), None, clock_at())))
        payload = f'<AllocateAddress xmlns="{contract.namespace}"/>'
        code, text = self.fault(unsigned(payload), {"Content-Type": "text/xml"})
        self.assertTrue(code.startswith("Client.Unsupported"), code)
        self.assertIn("AllocateAddress is not available", text)

    def test_content_type(self) -> None:
        """A message is text/xml, with any parameter; other types are refused."""
        for media in ("text/xml", 'text/xml; charset="utf-8"', "TEXT/XML", "application/soap+xml"):
            headers = {**ACTION, "Content-Type": media}
            self.assertEqual(self.post(unsigned(DESCRIBE), headers)[0].code, 200)
        headers = {**ACTION, "Content-Type": "application/octet-stream"}
        self.assertEqual(self.post(unsigned(DESCRIBE), headers)[0].code, 415)

    def test_size(self) -> None:
        """A message beyond the limit is refused unread."""
        self.serve(None, max_body=1000)
        self.assertEqual(self.post(unsigned(DESCRIBE + " " * 1000))[0].code, 413)

    def test_reply_type(self) -> None:
        """A reply names its type as the original does."""
        response, _ = self.post(unsigned(DESCRIBE))
        self.assertEqual(response.headers.getRawHeaders("Content-Type"), ["text/xml;charset=UTF-8"])


class FaultTests(Case):
    """Errors become faults, each saying what its receiver may know."""

    def test_malformed(self) -> None:
        """What is no envelope is the client's fault."""
        for raw in (b"", b"hello", b"<a/>", b"<!DOCTYPE a>" + unsigned(DESCRIBE)):
            self.assertEqual(self.fault(raw)[0], "soapenv:Client")

    def test_schema(self) -> None:
        """A body that breaks the contract is told where."""
        bad = DESCRIBE.replace("></", "><n:x></n:x></")
        code, text = self.fault(unsigned(bad))
        self.assertEqual(code, "soapenv:Client")
        self.assertIn("{http://eucalyptus.ucsb.edu/}x", text)

    def test_unknown_operation(self) -> None:
        """An operation that the contract lacks is named."""
        self.assertIn("ncFly", self.fault(unsigned(DESCRIBE.replace("DescribeResource", "Fly")))[1])

    def test_cloud_error(self) -> None:
        """A fact of the cloud is told by the table of codes."""
        code, text = self.fault(unsigned(PAYLOAD))
        self.assertEqual(code, "Client.InvalidInstanceID.NotFound")
        self.assertEqual(text, "there is no instance i-11111111")

    def test_unexpected_error(self) -> None:
        """Anything else is logged, and the caller gets an id to ask by and no more."""
        code, text = self.fault(unsigned(DESCRIBE.replace("DescribeResource", "PowerDown")))
        self.assertEqual(code, "soapenv:Server")
        self.assertRegex(text, r"^Internal error [0-9a-f-]{36}$")
        (logged,) = self.flushLoggedErrors(ZeroDivisionError)
        self.assertIn("a secret thing", logged.getErrorMessage())

    def test_broken_reply(self) -> None:
        """A reply of ours that breaks the contract is our error, not the client's."""
        payload = PAYLOAD.replace("ncTerminateInstance", "ncGetConsoleOutput")
        self.assertEqual(self.fault(unsigned(payload))[0], "soapenv:Server")
        self.assertEqual(len(self.flushLoggedErrors()), 1)

    def test_plain(self) -> None:
        """A fault is plain ASCII whatever the request held."""
        payload = PAYLOAD.replace("i-11111111", "i-Zürich\u2028")
        _, text = self.fault(unsigned(payload))
        self.assertEqual(text, "there is no instance i-Z?rich?")


class SignedTests(Case):
    """A signed service."""

    def setUp(self) -> None:
        """Serve with the strict policy between controllers."""
        super().setUp()
        self.serve(pair()[1])

    def test_reply(self) -> None:
        """The reply is signed, says what it relates to, and repeats the request's Action."""
        identifier = message_id()
        response, content = self.post(describing(identifier))
        self.assertEqual(response.code, 200, content)
        opinion = oracle.judge(content)
        self.assertTrue(opinion.holds)
        self.assertEqual(opinion.signed, ("Action", "From", "MessageID", "RelatesTo", "Body"))
        root = etree.fromstring(content)
        self.assertEqual(root.findtext(f".//{{{WSA}}}RelatesTo"), identifier)
        self.assertEqual(root.findtext(f".//{{{WSA}}}Action"), "EucalyptusNC#ncDescribeResource")

    def test_caller(self) -> None:
        """The method learns who signed, and the MessageID."""
        identifier = message_id()
        self.post(describing(identifier))
        (call,) = self.api.calls
        assert call.signer is not None
        self.assertEqual((call.signer.name, call.message_id), ("alice", identifier))

    def test_refused(self) -> None:
        """A message that is refused says why, unsigned, and reaches no method."""
        forged = edited(signed(), lambda root: root[1].set("x", "y"))
        self.assertEqual(
            self.fault(forged), ("soapenv:Client.Authentication", "the signature does not hold")
        )
        self.assertEqual(self.fault(unsigned(PAYLOAD))[0], "soapenv:Client.Authentication")
        self.assertEqual(self.api.calls, [])

    def test_action_of_another_operation(self) -> None:
        """A signed Action that names another operation than the Body's is refused."""
        _, text = self.fault(signed(payload=DESCRIBE))
        self.assertIn("Action is not the operation", text)

    def test_replay(self) -> None:
        """The same message twice is answered once."""
        raw = describing(message_id())
        self.assertEqual(self.post(raw)[0].code, 200)
        self.assertIn("accepted before", self.fault(raw)[1])
        self.assertEqual(len(self.api.calls), 1)

    def test_internal(self) -> None:
        """Under the internal policy the reply carries a signed Timestamp and no addressing."""
        self.serve(pair(INTERNAL)[1])
        _, content = self.post(signed(INTERNAL, DESCRIBE))
        opinion = oracle.judge(content)
        self.assertTrue(opinion.holds)
        self.assertEqual(opinion.signed, ("Timestamp", "Body"))
        self.assertNotIn(WSA.encode(), content)

    def test_user(self) -> None:
        """Users are answered unsigned."""
        self.serve(pair(USER)[1])
        response, content = self.post(signed(USER, DESCRIBE))
        self.assertEqual(response.code, 200)
        self.assertNotIn(b"Security", content)


def describing(
    identifier: str,
    to: str = "http://node:8775/axis2/services/EucalyptusNC",
    soap: Soap = SOAP_11,
) -> bytes:
    """Return a signed request for ncDescribeResource."""
    from euca.auth.wsse import Addressing, signed_envelope
    from tests.auth.wsse.messages import ALICE

    headers = (
        Addressing("To", to),
        Addressing("Action", "EucalyptusNC#ncDescribeResource"),
        Addressing("MessageID", identifier),
    )
    return signed_envelope(
        CLUSTER,
        ALICE,
        headers,
        DESCRIBE,
        now=NOW,
        lifetime=300,
        new_id=lambda: identifier[-12:],
        soap=soap,
    )


class UnsignedAddressedTests(Case):
    """A service without security between controllers, as the log and key service is."""

    def test_reply_is_addressed(self) -> None:
        """The reply carries the addressing headers that answer the request's."""
        header = (
            f'<w:To xmlns:w="{WSA}">http://n/</w:To><w:Action xmlns:w="{WSA}">a#b</w:Action>'
            f'<w:MessageID xmlns:w="{WSA}">urn:1</w:MessageID>'
        )
        root = etree.fromstring(self.post(unsigned(DESCRIBE, header))[1])
        names = [etree.QName(child).localname for child in root[0]]
        self.assertEqual(names, ["Action", "From", "MessageID", "RelatesTo"])

    def test_reply_to_an_unaddressed_request(self) -> None:
        """A request without addressing headers is answered without."""
        root = etree.fromstring(self.post(unsigned(DESCRIBE))[1])
        self.assertEqual(len(root[0]), 0)


class WaitingTests(Case):
    """A method may take its time."""

    def test_slow_method(self) -> None:
        """A method may wait; the reply follows when it goes on."""
        self.api.waiting = Deferred()
        got: list[Any] = []

        async def post() -> None:
            response = await self.http.post(
                "http://node/x", data=unsigned(DESCRIBE), headers=ACTION
            )
            got.append(response)

        Deferred.fromCoroutine(post())
        self.assertEqual(got, [])
        self.api.waiting.callback(None)
        self.stub.flush()
        self.assertEqual(got[0].code, 200)
