"""Serves a contract over HTTP: one resource, from bytes to bytes.

A POST is parsed with limits, its signature verified, and the one verified element dispatched;
the reply is checked against the contract, signed and sent. What goes wrong becomes a SOAP fault,
HTTP 500 as SOAP 1.1 has it. SOAP 1.2 is taken too, and answered in kind. A GET with ?wsdl serves
the authored file.
"""

import secrets
import uuid
from collections.abc import Callable, Sequence
from functools import partial

from attrs import define, field, frozen
from spyne import MethodContext
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IAddress, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web import http
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Request

from euca.auth.wsse import (
    Addressing,
    Security,
    SecurityRefused,
    signed_envelope,
    unsigned_envelope,
    verify_request,
)
from euca.auth.wsse.names import SOAP_11, SOAP_12, Soap
from euca.model.errors import CloudError
from euca.model.identifiers import uuid7
from euca.telemetry.trace import correlated
from euca.threads import Immediate, Offload, Offloads
from euca.wire.contract import CLUSTER_NAMESPACE, Contract, ContractViolation
from euca.wire.destination import require_here
from euca.wire.envelope import Envelope, MalformedEnvelope, parse, workplace
from euca.wire.faults import SoapFault, answer, rendered
from euca.wire.lexical import escape
from euca.wire.service import BoundService, Caller, UnknownOperation
from euca.wire.streaming import BodyLost, body_of
from euca.wire.trace import Untraced, WireTrace

_MAX_BODY = 8 << 20
_WARY_SECONDS = 60.0
_PLAIN_TEXT = b"text/plain; charset=UTF-8"
_TOO_LARGE = b"the message is too large\n"
_MEDIA_12 = SOAP_12.media.encode("ascii")  # which names the action itself, if anything does
_TAKEN_TYPES = (b"", b"text/xml", b"application/xml", _MEDIA_12)
_RELATION = ' wsa:RelationshipType="http://www.w3.org/2005/08/addressing/reply"'

_HERE = Immediate()
_UNTRACED = Untraced()

RandomBytes = Callable[[int], bytes]


@define
class _Exchange:
    """One message, where it came in, and what its reply needs of it as soon as that is known."""

    raw: bytes = field(repr=False)
    here: IAddress
    soap: Soap = SOAP_11
    message_id: str = ""
    to: str = ""
    action: str = ""


@frozen
class _Reply:
    """What goes back over HTTP."""

    status: int
    content: bytes
    media: bytes


class SoapResource(Resource):
    """A contract's service at one path."""

    isLeaf = True
    takes_stream = True
    _log = Logger()

    def __init__(  # noqa: PLR0917
        self,
        contract: Contract,
        api: object,
        security: Security | None,
        clock: IReactorTime,
        threads: Offload = _HERE,
        apart: Offloads = _HERE,
        max_body: int = _MAX_BODY,
        random_bytes: RandomBytes = secrets.token_bytes,
        trace: WireTrace = _UNTRACED,
    ) -> None:
        super().__init__()
        if security is not None and security.policy.replies_signed and security.identity is None:
            raise ValueError(f"{contract.name} needs an identity to sign its replies with")
        self._trace = trace
        self._contract = contract
        self._service = BoundService(contract, api, threads)
        self._security = security
        self._clock = clock
        self._apart = apart
        self._wary_until = 0.0
        self._max_body = max_body
        self._random_bytes = random_bytes
        # Axis2/C routes by the header's presence; its value may be anything.
        self._needs_action = contract.namespace == CLUSTER_NAMESPACE

    def render_GET(self, request: Request) -> bytes:
        """Serve the contract's file to ?wsdl."""
        # Not in request.args, which has no names without a value.
        if request.uri.partition(b"?")[2].rstrip(b"=").lower() != b"wsdl":
            return _plain(request, http.NOT_ALLOWED, b"POST a SOAP message, or GET ?wsdl\n")
        request.setHeader(b"Content-Type", b"text/xml; charset=UTF-8")
        return self._contract.raw

    def render_POST(self, request: Request) -> int | bytes:
        """Answer a SOAP request."""
        media = (request.getHeader(b"Content-Type") or b"").split(b";")[0].strip().lower()
        named = request.requestHeaders.hasHeader(b"SOAPAction") or media == _MEDIA_12
        if self._needs_action and not named:
            return _plain(request, http.NOT_FOUND, b"there is no SOAPAction header\n")
        if media not in _TAKEN_TYPES:
            return _plain(request, http.UNSUPPORTED_MEDIA_TYPE, b"a message is text/xml\n")
        if _length(request) > self._max_body:
            return _plain(request, http.REQUEST_ENTITY_TOO_LARGE, _TOO_LARGE)
        gone: list[Failure] = []
        request.notifyFinish().addErrback(gone.append)
        replying = Deferred.fromCoroutine(self._exchange(request))
        replying.addCallback(_send, request, gone)
        replying.addErrback(self._crashed, request, gone)
        return NOT_DONE_YET

    async def _exchange(self, request: Request) -> _Reply:
        """Read the message, as far as the limit, and answer it; raises BodyLost."""
        body, pieces, size = body_of(request), [], 0
        while size <= self._max_body and (piece := await body.read()):
            pieces.append(piece)
            size += len(piece)
        if size > self._max_body:
            return _Reply(http.REQUEST_ENTITY_TOO_LARGE, _TOO_LARGE, _PLAIN_TEXT)
        return await self._reply(_Exchange(b"".join(pieces), request.getHost()))

    async def _reply(self, exchange: _Exchange) -> _Reply:
        name, raw = self._contract.name, exchange.raw
        answered = await self._answer(exchange)
        if isinstance(answered, SoapFault):
            self._trace.note("in", name, raw, f"refused: {answered.text}")
            plain = self._contract.namespace == CLUSTER_NAMESPACE
            status = http.INTERNAL_SERVER_ERROR
            envelope = rendered(answered, exchange.soap, plain=plain)
        else:
            self._trace.note("in", name, raw, "answered")
            status, envelope = http.OK, answered
        self._trace.note("out", name, envelope, f"HTTP {status}")
        return _Reply(status, envelope, f"{exchange.soap.media};charset=UTF-8".encode())

    async def _answer(self, exchange: _Exchange) -> bytes | SoapFault:
        """Return the envelope of the reply, or the fault that answers the message."""
        correlation = str(uuid.UUID(bytes=self._random_bytes(16), version=4))
        try:
            asked = await self._asked(exchange)
            return await self._service.answer(asked, correlation, partial(self._sealed, exchange))
        except (ContractViolation, UnknownOperation) as error:
            return SoapFault("soapenv:Client", str(error))
        except MalformedEnvelope as error:
            self._wary_until = self._clock.seconds() + _WARY_SECONDS
            return SoapFault("soapenv:Client", str(error))
        except SecurityRefused as error:
            self._wary_until = self._clock.seconds() + _WARY_SECONDS
            self._log.warn(
                "{contract}: refused a message: {why!r}",
                contract=self._contract.name,
                why=str(error),
            )
            return SoapFault("soapenv:Client.Authentication", str(error))
        except CloudError as error:
            told = answer(error)
            return SoapFault(told.fault_code, told.message)
        except Exception:
            with correlated(correlation):
                self._log.failure("{contract} failed", contract=self._contract.name)
            return SoapFault("soapenv:Server", f"Internal error {correlation}")

    async def _asked(self, exchange: _Exchange) -> MethodContext:
        """Return what a message asks for, proven where anything is signed, and read."""
        wary = self._security is None or self._clock.seconds() < self._wary_until
        async with workplace(exchange.raw, self._apart, wary=wary) as place:
            envelope = await place.run(parse, exchange.raw)
            exchange.soap = envelope.soap
            if self._security is None:
                return await self._unproven(exchange, envelope, place)
            return await self._proven(exchange, envelope, self._security, place)

    async def _unproven(
        self, exchange: _Exchange, envelope: Envelope, place: Offload
    ) -> MethodContext:
        addressing = envelope.addressing()
        exchange.message_id = addressing.get("MessageID", "")
        exchange.to, exchange.action = addressing.get("To", ""), addressing.get("Action", "")
        caller = Caller(None, exchange.message_id)
        return await place.run(self._service.asked, envelope.payload, caller)

    async def _proven(
        self, exchange: _Exchange, envelope: Envelope, security: Security, place: Offload
    ) -> MethodContext:
        now = self._clock.seconds()
        verified = await verify_request(envelope.root, security, now, place)
        if security.policy.addressing:
            self._right_action(envelope, verified.action)
            if security.strict:
                require_here(verified.to, exchange.here)
        exchange.message_id = verified.message_id
        exchange.to, exchange.action = verified.to, verified.action
        caller = Caller(verified.signer, verified.message_id)
        return await place.run(self._service.asked, verified.body, caller)

    def _right_action(self, envelope: Envelope, action: str) -> None:
        """Refuse a signed Action that is not the operation's: the Body may not be signed."""
        operation = self._contract.operation_of(str(envelope.payload.tag))
        if operation is not None and operation.action != action:
            raise SecurityRefused("the signed Action is not the operation in the Body")

    def _sealed(self, exchange: _Exchange, payload: str) -> bytes:
        """Return the envelope around a reply, signed where replies are."""
        now = self._clock.seconds()
        security = self._security
        headers = self._headers(exchange, now)
        if security is None or not security.policy.replies_signed:
            return unsigned_envelope(headers, payload, exchange.soap)
        assert security.identity is not None
        return signed_envelope(
            security.policy,
            security.identity,
            headers,
            payload,
            now=now,
            lifetime=security.lifetime,
            new_id=lambda: str(uuid.UUID(bytes=self._random_bytes(16), version=4)),
            soap=exchange.soap,
        )

    def _headers(self, exchange: _Exchange, now: float) -> Sequence[Addressing]:
        """Return the reply's WS-Addressing headers, in the order in which C peers send them."""
        addressed = (
            self._needs_action
            if self._security is None
            else self._security.policy.replies_addressed
        )
        if not addressed or not exchange.message_id:
            return ()
        own = f"urn:uuid:{uuid7(now, self._random_bytes)}"
        return (
            Addressing("Action", escape(exchange.action)),
            Addressing("From", f"<wsa:Address>{escape(exchange.to)}</wsa:Address>"),
            Addressing("MessageID", own),
            Addressing("RelatesTo", escape(exchange.message_id), _RELATION),
        )

    def _crashed(self, failure: Failure, request: Request, gone: Sequence[Failure]) -> None:
        if failure.check(BodyLost):
            return
        self._log.failure("{contract} could not reply", failure, contract=self._contract.name)
        if not gone:
            request.setResponseCode(http.INTERNAL_SERVER_ERROR)
            request.finish()


def _send(reply: _Reply, request: Request, gone: Sequence[Failure]) -> None:
    if gone:
        return
    request.setResponseCode(reply.status)
    server = request.responseHeaders.getRawHeaders(b"Server", [b""])[0]
    request.responseHeaders.removeHeader(b"Server")
    # Date, Server, Content-Type, Content-Length: the order in which C peers reply.
    request.setHeader(b"Server", server)
    request.setHeader(b"Content-Type", reply.media)
    request.setHeader(b"Content-Length", b"%d" % len(reply.content))
    request.write(reply.content)
    request.finish()


def _length(request: Request) -> int:
    """Return the length that the client announces, 0 when it announces none."""
    announced = request.getHeader(b"Content-Length") or b""
    return int(announced) if announced.isdigit() and len(announced) < 19 else 0


def _plain(request: Request, status: int, text: bytes) -> bytes:
    request.setResponseCode(status)
    request.setHeader(b"Content-Type", _PLAIN_TEXT)
    return text
