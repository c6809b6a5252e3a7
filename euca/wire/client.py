"""Calls a service of a contract: from fields to a signed request, and from a proven reply back."""

import secrets
import uuid
from collections.abc import Callable
from typing import Any

from attrs import frozen
from lxml import etree
from treq.client import HTTPClient
from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.defer import TimeoutError as DeferredTimeout
from twisted.internet.error import ConnectError, ConnectionClosed, DNSLookupError
from twisted.internet.interfaces import IReactorTime
from twisted.web.client import (
    Agent,
    HTTPConnectionPool,
    RequestTransmissionFailed,
    ResponseFailed,
    ResponseNeverReceived,
)
from twisted.web.http_headers import Headers

from euca.auth.wsse import (
    Addressing,
    Security,
    SecurityRefused,
    signed_envelope,
    unsigned_envelope,
    verify_reply,
)
from euca.auth.wsse.names import SOAP_11
from euca.model.identifiers import uuid7
from euca.threads import Immediate, Offload, Offloads
from euca.wire.contract import Contract, ContractViolation, Operation
from euca.wire.envelope import Envelope, MalformedEnvelope, parse, workplace
from euca.wire.lexical import escape
from euca.wire.requests import RequestWriter
from euca.wire.trace import Untraced, WireTrace

_MAX_REPLY = 16 << 20
_CONNECT_SECONDS = 3.0
_IDLE_SECONDS = 30
_CONNECTIONS_PER_HOST = 8
_HERE = Immediate()
_UNTRACED = Untraced()
_UNREACHABLE = (
    ConnectError,
    ConnectionClosed,
    DNSLookupError,
    DeferredTimeout,
    RequestTransmissionFailed,
    ResponseFailed,
    ResponseNeverReceived,
)


class CallFailed(Exception):
    """A call brought no reply that could be used."""


class RemoteFault(CallFailed):
    """The service answered with a fault; like every fault of 2.0, it is not signed."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message


class Unreachable(CallFailed):
    """The service could not be reached, did not answer in time, or answered no SOAP."""

    def __init__(self, url: str, why: str) -> None:
        super().__init__(f"{url}: {why}")
        self.url = url
        self.why = why


class UntrustedReply(CallFailed):
    """The reply is not proven to be the service's own, or does not fit the contract."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


@frozen
class _Sent:
    """A request on its way."""

    operation: Operation
    message_id: str
    envelope: bytes


class SoapClient:
    """A client of one service at one address."""

    def __init__(  # noqa: PLR0917
        self,
        contract: Contract,
        url: str,
        http: HTTPClient,
        security: Security | None,
        clock: IReactorTime,
        timeout: float = 20.0,
        *,
        random_bytes: Callable[[int], bytes] = secrets.token_bytes,
        trace: WireTrace = _UNTRACED,
        apart: Offloads = _HERE,
    ) -> None:
        if security is not None and security.identity is None:
            raise ValueError(f"a client of {contract.name} needs an identity to sign with")
        self._trace = trace
        self._apart = apart
        self.url = url
        self.http = http
        self._contract = contract
        self._requests = RequestWriter(contract)
        self._security = security
        self._clock = clock
        self._timeout = timeout
        self._random_bytes = random_bytes

    async def call(self, operation: str, /, **fields: Any) -> dict[str, Any]:
        """Call an operation and return the values of its reply.

        Raises RemoteFault, Unreachable, UntrustedReply; ContractViolation when the fields do not
        fit the operation, before anything is sent.
        """
        sent = self._request(operation, fields)
        name = self._contract.name
        self._trace.note("out", name, sent.envelope, f"to {self.url}")
        exchange = Deferred.fromCoroutine(self._exchange(sent))
        exchange.addTimeout(self._timeout, self._clock)
        try:
            status, raw = await exchange
        except _UNREACHABLE as error:
            raise Unreachable(self.url, _reason(error)) from error
        try:
            values = await self._values(sent, status, raw)
        except CallFailed as error:
            self._trace.note("in", name, raw, f"HTTP {status}, not used: {error}")
            raise
        self._trace.note("in", name, raw, f"HTTP {status}, used")
        return values

    def _request(self, name: str, fields: dict[str, Any]) -> _Sent:
        operation = self._contract.operations[name]
        payload = self._requests.write(name, fields)
        now = self._clock.seconds()
        message_id = f"urn:uuid:{uuid7(now, self._random_bytes)}"
        headers = (
            Addressing("To", escape(self.url)),
            Addressing("Action", escape(operation.action)),
            Addressing("MessageID", message_id),
        )
        security = self._security
        if security is None:
            return _Sent(operation, message_id, unsigned_envelope(headers, payload))
        assert security.identity is not None
        envelope = signed_envelope(
            security.policy,
            security.identity,
            headers,
            payload,
            now=now,
            lifetime=security.lifetime,
            new_id=lambda: str(uuid.UUID(bytes=self._random_bytes(16), version=4)),
        )
        return _Sent(operation, message_id, envelope)

    async def _exchange(self, sent: _Sent) -> tuple[int, bytes]:
        headers = Headers(
            {
                "SOAPAction": [f'"{sent.operation.action}"'],
                "Content-Type": ["text/xml;charset=UTF-8"],
            }
        )
        response = await self.http.post(
            self.url, data=sent.envelope, headers=headers, allow_redirects=False
        )
        pieces: list[bytes] = []
        size = 0

        def collect(piece: bytes) -> None:
            nonlocal size
            size += len(piece)
            if size <= _MAX_REPLY:
                pieces.append(piece)

        await response.collect(collect)
        if size > _MAX_REPLY:
            raise Unreachable(self.url, f"the reply is longer than {_MAX_REPLY} bytes")
        return response.code, b"".join(pieces)

    async def _values(self, sent: _Sent, status: int, raw: bytes) -> dict[str, Any]:
        async with workplace(raw, self._apart) as place:
            try:
                envelope = await place.run(parse, raw)
            except MalformedEnvelope as error:
                raise Unreachable(self.url, f"answered HTTP {status}, no SOAP: {error}") from error
            if envelope.soap is not SOAP_11:  # which we speak, and no 2.0 client would take another
                raise Unreachable(self.url, f"answered HTTP {status} in another version of SOAP")
            if envelope.payload.tag == SOAP_11.fault:
                raise _fault(envelope.payload)
            try:
                payload = await self._proven(envelope, sent.message_id, place)
                return await place.run(self._contract.read, sent.operation.reply, payload)
            except (SecurityRefused, ContractViolation) as error:
                raise UntrustedReply(f"{self.url}: {error}") from error

    async def _proven(self, envelope: Envelope, message_id: str, place: Offload) -> etree._Element:
        security = self._security
        if security is None or not security.policy.replies_signed:
            return envelope.payload
        now = self._clock.seconds()
        return (await verify_reply(envelope.root, security, now, message_id, place)).body


def _fault(element: etree._Element) -> RemoteFault:
    code = element.findtext("faultcode") or ""
    return RemoteFault(code, element.findtext("faultstring") or "")


def _reason(error: BaseException) -> str:
    if isinstance(error, DeferredTimeout):
        return "did not answer in time"
    reasons = getattr(error, "reasons", None)
    if reasons:
        return str(reasons[0].getErrorMessage())
    return str(error) or type(error).__name__


class _Pool(Service):
    """Closes the connections of a pool when the component stops."""

    def __init__(self, pool: HTTPConnectionPool) -> None:
        self._pool = pool

    def stopService(self) -> Deferred[None]:
        """Close the connections; the Deferred fires when they are gone."""
        super().stopService()
        closed: Deferred[None] = self._pool.closeCachedConnections()
        return closed


def http_client(reactor: Any) -> tuple[HTTPClient, Service]:
    """Return an HTTP client that keeps its connections, and the service that closes them."""
    pool = HTTPConnectionPool(reactor, persistent=True)
    pool.maxPersistentPerHost = _CONNECTIONS_PER_HOST
    pool.cachedConnectionTimeout = _IDLE_SECONDS
    agent = Agent(reactor, connectTimeout=_CONNECT_SECONDS, pool=pool)
    return HTTPClient(agent), _Pool(pool)
