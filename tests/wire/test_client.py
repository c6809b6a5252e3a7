"""Tests of the client: what it sends, and what it believes."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, cast

from treq.client import HTTPClient
from treq.testing import StubTreq
from twisted.internet.defer import Deferred, fail
from twisted.internet.error import ConnectionRefusedError
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.resource import Resource
from twisted.web.server import Request

from euca.auth.wsse import CLUSTER, INTERNAL, USER, Pinned, Security, fault_envelope
from euca.testing.wire import joined
from euca.threads import Immediate, Offload
from euca.wire.client import CallFailed, RemoteFault, SoapClient, Unreachable, UntrustedReply
from euca.wire.contract import ContractViolation
from euca.wire.resource import SoapResource
from tests.auth.wsse.messages import ALICE, NOW, edited, security, verified
from tests.wire.apis import NC, NodeApi, clock_at, pair, resource_reply

URL = "http://node:8775/axis2/services/EucalyptusNC"


def call(client: SoapClient, operation: str = "ncDescribeResource", **fields: Any) -> list[Any]:
    """Call, and return a list that gets the values or the Failure."""
    got: list[Any] = []
    Deferred.fromCoroutine(client.call(operation, **fields)).addBoth(got.append)
    return got


class Answering(Resource):
    """A peer that answers with given bytes, and remembers what it got."""

    isLeaf = True

    def __init__(self, content: bytes, status: int = 200) -> None:
        super().__init__()
        self.content = content
        self.status = status
        self.requests: list[tuple[dict[bytes, list[bytes]], bytes]] = []

    def render_POST(self, request: Request) -> bytes:
        """Answer."""
        assert request.content is not None
        headers = {
            name.lower(): list(values) for name, values in request.requestHeaders.getAllRawHeaders()
        }
        self.requests.append((headers, request.content.read()))
        request.setResponseCode(self.status)
        return self.content


class Between(Resource):
    """Somebody between a client and a service, who may change the reply."""

    isLeaf = True

    def __init__(self, inner: HTTPClient, change: Callable[[bytes], bytes]) -> None:
        super().__init__()
        self._inner = inner
        self._change = change

    def render_POST(self, request: Request) -> bytes:
        """Pass the request on, and a changed reply back."""
        assert request.content is not None
        sent = request.content.read()
        got: list[bytes] = []
        headers: Any = {"SOAPAction": "x"}

        async def pass_on() -> None:
            response = await self._inner.post(URL, data=sent, headers=headers)
            got.append(await response.content())

        Deferred.fromCoroutine(pass_on())
        return self._change(got[0])


class RefusingHttp:
    """An HTTP client that reaches nobody, or never gets an answer."""

    def __init__(self, answer: Deferred[Any]) -> None:
        self._answer = answer

    def post(self, url: str, **more: Any) -> Deferred[Any]:
        """Give the prepared answer."""
        return self._answer


class Case(SynchronousTestCase):
    """Makes clients."""

    def client(
        self, peer: Any, held: Any = None, clock: Clock | None = None, url: str = URL
    ) -> SoapClient:
        """Return a client of a peer's resource or of an HTTP double."""
        http = StubTreq(peer) if isinstance(peer, Resource) else peer
        return SoapClient(NC, url, cast(HTTPClient, http), held, clock or clock_at())

    def failed(self, got: list[Any], kind: type[CallFailed]) -> Any:
        """Return the error that a call ended with."""
        (failure,) = got
        self.assertIsInstance(failure, Failure)
        failure.trap(kind)
        return failure.value


class JoinedTests(Case):
    """A client and a service of ours, every byte as on the wire."""

    def test_values(self) -> None:
        """A call brings the values of the reply, under every policy and without any."""
        for policy in (CLUSTER, INTERNAL, USER, None):
            client_security, service_security = pair(policy) if policy else (None, None)
            client = joined(NC, NodeApi(), client_security, service_security, clock_at())
            (values,) = call(client, userId="eucalyptus", correlationId="c-1")
            self.assertEqual((values["userId"], values["correlationId"]), ("eucalyptus", "c-1"))
            self.assertEqual(values["memorySizeAvailable"], 2048)

    def test_many_calls(self) -> None:
        """Calls do not disturb each other: every one is new to the service."""
        client = joined(NC, NodeApi(), *pair(), clock_at())
        for number in range(20):
            (values,) = call(client, userId=f"u{number}")
            self.assertEqual(values["userId"], f"u{number}")

    def test_lists(self) -> None:
        """Lists of records come back as lists of dicts."""
        client = joined(NC, NodeApi(), *pair(), clock_at())
        (values,) = call(client, "ncDescribeInstances", instanceIds=["i-1", "i-2", "i-3"])
        self.assertEqual([i["netParams"]["networkIndex"] for i in values["instances"]], [0, 1, 2])

    def test_fault(self) -> None:
        """A fault is raised with its code and text."""
        client = joined(NC, NodeApi(), *pair(), clock_at())
        fault = self.failed(call(client, "ncTerminateInstance", instanceId="i-9"), RemoteFault)
        self.assertEqual(fault.code, "Client.InvalidInstanceID.NotFound")
        self.assertEqual(fault.message, "there is no instance i-9")

    def test_clocks_apart(self) -> None:
        """When the clocks differ too much the fault says by how much."""
        client_security, service_security = pair()
        api = joined(NC, NodeApi(), client_security, service_security, clock_at())
        late = SoapClient(NC, URL, api.http, client_security, clock_at(NOW - 1000))
        self.assertIn("1000 seconds ago", self.failed(call(late), RemoteFault).message)


class RequestTests(Case):
    """What is sent."""

    def test_http(self) -> None:
        """The SOAPAction is quoted, the type is the original's, the length is given."""
        peer = Answering(b"")
        call(self.client(peer, pair()[0]))
        ((headers, raw),) = peer.requests
        self.assertEqual(headers[b"soapaction"], [b'"EucalyptusNC#ncDescribeResource"'])
        self.assertEqual(headers[b"content-type"], [b"text/xml;charset=UTF-8"])
        self.assertEqual(headers[b"content-length"], [b"%d" % len(raw)])
        self.assertNotIn(b"transfer-encoding", headers)

    def test_signed(self) -> None:
        """The request is signed for its receiver, with a fresh MessageID of version 7."""
        peer = Answering(b"")
        call(self.client(peer, pair()[0]))
        found = verified(peer.requests[0][1], security())
        self.assertEqual((found.to, found.action), (URL, "EucalyptusNC#ncDescribeResource"))

    def test_fields_that_do_not_fit(self) -> None:
        """Fields that do not fit the operation are refused and nothing is sent."""
        peer = Answering(b"")
        (failure,) = call(self.client(peer), colour="red")
        failure.trap(ContractViolation)
        self.assertEqual(peer.requests, [])


class ReplyTests(Case):
    """What is believed."""

    def tampering(self, change: Callable[[bytes], bytes]) -> list[Any]:
        """Call a service of ours through somebody who changes the reply."""
        inner = joined(NC, NodeApi(), *pair(), clock_at()).http
        return call(self.client(Between(inner, change), pair()[0]))

    def test_untouched(self) -> None:
        """Somebody between who changes nothing does no harm."""
        (values,) = self.tampering(lambda raw: raw)
        self.assertEqual(values["nodeStatus"], "ok")

    def test_tampered(self) -> None:
        """A reply with another value is not believed."""
        got = self.tampering(lambda raw: raw.replace(b">2048<", b">9999<"))
        self.assertIn("does not hold", self.failed(got, UntrustedReply).why)

    def test_unsigned(self) -> None:
        """A reply without signature is not believed."""

        def strip(root: Any) -> None:
            root[0].remove(root[0][-1])

        got = self.tampering(lambda raw: edited(raw, strip))
        self.failed(got, UntrustedReply)

    def test_reply_of_another(self) -> None:
        """A reply signed by somebody who is not the peer is not believed."""
        client_security, _ = pair()
        stranger = Security(CLUSTER, Pinned({"alice": ALICE.certificate}), ALICE)
        client = joined(NC, NodeApi(), client_security, stranger, clock_at())
        self.assertIn("not one that is trusted", self.failed(call(client), UntrustedReply).why)

    def test_reply_to_another_message(self) -> None:
        """A reply recorded earlier does not answer a later call."""
        kept: list[bytes] = []

        def keep(raw: bytes) -> bytes:
            kept.append(raw)
            return raw

        self.tampering(keep)
        got = self.tampering(lambda raw: kept[0])
        self.assertIn("to another message", self.failed(got, UntrustedReply).why)

    def test_reply_that_breaks_the_contract(self) -> None:
        """A reply that does not fit the contract is not used."""
        raw = NC.render_reply("ncDescribeResource", resource_reply())
        envelope = fault_envelope("a", "b")
        start, end = envelope.index(b"<soapenv:Fault>"), envelope.index(b"</soapenv:Body>")
        for payload in (raw.replace(b"<n:nodeStatus>ok</n:nodeStatus>", b""), b"<x/>"):
            peer = Answering(envelope[:start] + payload + envelope[end:])
            self.failed(call(self.client(peer)), UntrustedReply)

    def test_unsigned_fault(self) -> None:
        """A fault is raised although nobody signs faults."""
        peer = Answering(fault_envelope("soapenv:Server", "broken"), 500)
        fault = self.failed(call(self.client(peer, pair()[0])), RemoteFault)
        self.assertEqual((fault.code, fault.message), ("soapenv:Server", "broken"))

    def test_no_soap(self) -> None:
        """An answer that is no SOAP is no answer of the service."""
        for content, status in ((b"Not Found", 404), (b"", 200), (b"<html/>", 503)):
            error = self.failed(call(self.client(Answering(content, status))), Unreachable)
            self.assertIn(str(status), error.why)


class CountingThreads(Immediate):
    """Runs functions at once and counts the threads that were asked for."""

    had = 0

    @asynccontextmanager
    async def one(self) -> AsyncIterator[Offload]:
        """Count."""
        self.had += 1
        yield self


class LongReplyTests(Case):
    """A long reply is parsed, verified and read in a thread of its own."""

    def setUp(self) -> None:
        """Make a client that has threads."""
        security, service = pair()
        self.threads = CountingThreads()
        http = joined(NC, NodeApi(), security, service, clock_at()).http
        self.caller = SoapClient(NC, URL, http, security, clock_at(), apart=self.threads)

    def test_verified_elsewhere(self) -> None:
        """A long list leaves the reactor to be verified, a short one does not."""
        for count, had in ((1, 0), (200, 1)):
            (values,) = call(self.caller, "ncDescribeInstances", instanceIds=["i-1"] * count)
            self.assertEqual(len(values["instances"]), count)
            self.assertEqual(self.threads.had, had)

    def test_forged(self) -> None:
        """A long list that was tampered with is refused there too."""
        between = Between(self.caller.http, lambda raw: raw.replace(b"i-000000C0", b"i-666666C0"))
        http = cast(HTTPClient, StubTreq(between))
        caller = SoapClient(NC, URL, http, pair()[0], clock_at(), apart=self.threads)
        got = call(caller, "ncDescribeInstances", instanceIds=["i-1"] * 200)
        self.assertIn("does not hold", self.failed(got, UntrustedReply).why)
        self.assertEqual(self.threads.had, 1)


class StrangerTests(Case):
    """Where others were refused, a message is first judged in threads that end with it."""

    def setUp(self) -> None:
        """Make a service with such threads, and a client of it."""
        client, service = pair()
        self.threads = CountingThreads()
        self.now = clock_at()
        resource = SoapResource(NC, NodeApi(), service, self.now, apart=self.threads)
        self.stub = cast(HTTPClient, StubTreq(resource))
        self.caller = SoapClient(NC, URL, self.stub, client, self.now)

    def had_for(self, count: int) -> int:
        """Describe instances, and return how many threads were had for it."""
        before = self.threads.had
        (values,) = call(self.caller, "ncDescribeInstances", instanceIds=["i-1"] * count)
        self.assertEqual(len(values["instances"]), count)
        return self.threads.had - before

    def refuse_one(self) -> None:
        """Send what is refused."""
        headers = {"SOAPAction": "x", "Content-Type": "text/xml"}
        response = self.successResultOf(self.stub.post(URL, data=b"<a/>", headers=headers))
        self.assertEqual(response.code, 500)

    def test_peaceful(self) -> None:
        """As long as nothing was refused, an ordinary message is judged where it is answered."""
        self.assertEqual(self.had_for(1), 0)

    def test_after_a_refusal(self) -> None:
        """After a refusal the next message goes through the threads, and is answered."""
        self.refuse_one()
        self.assertEqual(self.had_for(1), 1)

    def test_peace_returns(self) -> None:
        """A while after the last refusal messages are judged directly again."""
        self.refuse_one()
        self.now.advance(61)
        self.assertEqual(self.had_for(1), 0)

    def test_long(self) -> None:
        """A long message always goes through the threads."""
        self.assertEqual(self.had_for(3000), 1)

    def test_refused_there(self) -> None:
        """What the threads refuse goes no further."""
        self.refuse_one()
        forged = SoapClient(NC, URL, self.stub, pair()[1], self.now)
        self.assertIn("not one that is trusted", self.failed(call(forged), RemoteFault).message)
        self.assertEqual(self.threads.had, 1)

    def test_unsigned(self) -> None:
        """Where nothing is signed, everybody is a stranger."""
        resource = SoapResource(NC, NodeApi(), None, self.now, apart=self.threads)
        caller = SoapClient(NC, URL, cast(HTTPClient, StubTreq(resource)), None, self.now)
        (values,) = call(caller)
        self.assertEqual((values["nodeStatus"], self.threads.had), ("ok", 1))


class MakingTests(Case):
    """A client and a service that could not sign are not made."""

    def test_without_identity(self) -> None:
        """Security without an identity to sign with is refused at once, on both sides."""
        held = security()
        with self.assertRaisesRegex(ValueError, "needs an identity"):
            self.client(Answering(b""), held)
        with self.assertRaisesRegex(ValueError, "needs an identity"):
            SoapResource(NC, NodeApi(), held, clock_at())
        SoapResource(NC, NodeApi(), security(USER), clock_at())


class ReachingTests(Case):
    """A service that is not there."""

    def test_refused(self) -> None:
        """A refused connection is told with the address."""
        client = self.client(RefusingHttp(fail(ConnectionRefusedError())))
        error = self.failed(call(client), Unreachable)
        self.assertEqual(error.url, URL)
        self.assertIn("refused", error.why)

    def test_silence(self) -> None:
        """A service that does not answer is given up after the timeout."""
        clock = clock_at()
        got = call(self.client(RefusingHttp(Deferred()), clock=clock))
        clock.advance(19.9)
        self.assertEqual(got, [])
        clock.advance(0.2)
        self.assertIn("in time", self.failed(got, Unreachable).why)
        self.assertEqual(clock.getDelayedCalls(), [])

    def test_error_of_another_kind(self) -> None:
        """An error that says nothing about the peer is not hidden."""
        (failure,) = call(self.client(RefusingHttp(fail(ZeroDivisionError()))))
        failure.trap(ZeroDivisionError)
