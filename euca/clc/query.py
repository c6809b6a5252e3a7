"""The Query front end of EC2: parameters in a URL or a form, signed with an access key.

    GET /services/Eucalyptus/?Action=DescribeInstances&Version=2009-11-30&AWSAccessKeyId=...

The reply is the element that SOAP would carry, in the namespace of the Version asked for,
whichever that is: clients find nothing in a reply of another. Errors have EC2's form.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from xml.sax.saxutils import escape

from attrs import frozen
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web import http
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Request

from euca.auth.query import (
    SIGNATURE_PARAMETERS,
    SignedQuery,
    access_key_of,
    check,
    parse_parameters,
    strings_to_sign,
)
from euca.clc.binding import from_query
from euca.clc.ec2 import OPERATIONS, Operation
from euca.clc.front import Front
from euca.model.errors import (
    CloudError,
    InvalidAction,
    InvalidParameter,
    MissingParameter,
    NotAuthenticated,
    SignatureMismatch,
    Unsupported,
)
from euca.store.accounts import Account, thd_account_by_access_key
from euca.store.engine import Database
from euca.telemetry import trace
from euca.wire.contract import Contract
from euca.wire.faults import answer

MAX_FORM = 1 << 20  # bytes
_VERSION = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_DECLARATION = b'<?xml version="1.0" encoding="UTF-8"?>\n'
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_SHOWN = 4096  # characters of a canonical string in the log

log = Logger()


@frozen
class _Reply:
    status: int
    body: bytes


def error_reply(status: int, code: str, message: str, request_id: str) -> _Reply:
    """Return an error in the form of EC2's Query interface."""
    shown = escape(_NOT_XML.sub("?", message))
    text = (
        f"<Response><Errors><Error><Code>{code}</Code><Message>{shown}</Message></Error></Errors>"
        f"<RequestID>{request_id}</RequestID></Response>"
    )
    return _Reply(status, _DECLARATION + text.encode())


@frozen
class QueryInterface:
    """Answers Query requests, given as values."""

    front: Front
    contract: Contract
    database: Database
    clock: IReactorTime

    async def answer(self, query: SignedQuery) -> _Reply:
        """Return the reply to a request; errors are replies too."""
        request_id = self.front.new_request_id()
        with trace.correlated(request_id):
            try:
                return await self._answer(query, request_id)
            except CloudError as error:
                told = answer(error)
                log.info("Refused: {code}: {why}", code=told.ec2_code, why=told.message)
                return error_reply(told.status, told.ec2_code, told.message, request_id)
            except Exception:
                log.failure("A Query request failed")
                message = f"An internal error has occurred: {request_id}"
                return error_reply(500, "InternalError", message, request_id)

    async def _answer(self, query: SignedQuery, request_id: str) -> _Reply:
        account = await self._account(query)
        parameters = _parameters(query)
        namespace = _namespace(parameters.pop("Version", None), self.contract)
        operation = self._operation(parameters)
        request = from_query(operation, parameters)
        values = await self.front.perform(operation, account, request, request_id)
        render = self.contract.render_reply
        element = await self.front.threads.run(render, operation.name, values, namespace)
        return _Reply(http.OK, _DECLARATION + element)

    async def _account(self, query: SignedQuery) -> Account:
        """Return the account that signed; raises NotAuthenticated in one of its forms."""
        identifier = access_key_of(query)
        found = await self.database.transact(lambda tx: thd_account_by_access_key(tx, identifier))
        if found is None:
            raise NotAuthenticated(
                "The access key is not known, or its account is disabled:"
                " this cloud could not validate the provided access credentials."
            )
        account, key = found
        try:
            check(query, key.secret, self.clock.seconds())
        except SignatureMismatch:
            computed = strings_to_sign(query)[0][:_SHOWN]
            log.warn("Signature refused; computed over {computed!r}", computed=computed)
            raise
        return account

    def _operation(self, parameters: dict[str, str]) -> Operation:
        """Take the operation out of the parameters; raises InvalidAction and Unsupported."""
        given = [parameters.pop(name, "") for name in ("Action", "Operation")]
        name = given[0] or given[1]
        if not name:
            raise MissingParameter("The request must contain the parameter Action")
        operation = OPERATIONS.get(name)
        if operation is not None:
            return operation
        if name in self.contract.operations:
            raise Unsupported(f"{name} is not available in this cloud yet.")
        raise InvalidAction(f"The action {name} is not valid for this web service.")


def _parameters(query: SignedQuery) -> dict[str, str]:
    """Return what is asked, without what signs it; raises InvalidParameter for a repetition."""
    parameters: dict[str, str] = {}
    for name, value in query.parameters:
        if name in parameters:
            raise InvalidParameter(f"The parameter {name} is given twice.")
        parameters[name] = value
    return {name: text for name, text in parameters.items() if name not in SIGNATURE_PARAMETERS}


def _namespace(version: str | None, contract: Contract) -> str | None:
    """Return the namespace of a version, None for the contract's own."""
    if not version:
        return None
    if not _VERSION.fullmatch(version):
        raise InvalidParameter(f"The version {version!r} is not a date such as 2009-11-30.")
    namespace = f"http://ec2.amazonaws.com/doc/{version}/"
    return None if namespace == contract.namespace else namespace


class QueryResource(Resource):
    """The Query interface at one path."""

    isLeaf = True

    def __init__(self, interface: QueryInterface) -> None:
        super().__init__()
        self._interface = interface

    def render_GET(self, request: Request) -> int:
        """Answer a request in the URL."""
        return self._render(request, "")

    def render_POST(self, request: Request) -> int:
        """Answer a request in a form, whatever Content-Type it says it has."""
        assert request.content is not None
        raw = request.content.read(MAX_FORM + 1)
        if len(raw) > MAX_FORM:
            too_large = error_reply(
                http.REQUEST_ENTITY_TOO_LARGE, "RequestEntityTooLarge", "The form is too long.", ""
            )
            _send(too_large, request, [])
            return NOT_DONE_YET
        return self._render(request, raw.decode("utf-8", "replace").strip())

    def _render(self, request: Request, form: str) -> int:
        gone: list[Failure] = []
        request.notifyFinish().addErrback(gone.append)
        replying = Deferred.fromCoroutine(self._interface.answer(received(request, form)))
        replying.addCallback(_send, request, gone)
        replying.addErrback(lambda failure: log.failure("A reply was not sent", failure))
        return NOT_DONE_YET


def received(request: Request, form: str) -> SignedQuery:
    """Return the request as its signature covers it."""
    path, _, url_query = request.uri.decode("latin-1").partition("?")
    host = request.requestHeaders.getRawHeaders(b"Host", [b""])[0].decode("latin-1")
    parameters = parse_parameters(url_query) + parse_parameters(form)
    return SignedQuery(request.method.decode("latin-1"), host, path, parameters)


def _send(reply: _Reply, request: Request, gone: Sequence[Failure]) -> None:
    if gone:
        return
    request.setResponseCode(reply.status)
    request.setHeader(b"Content-Type", b"application/xml; charset=UTF-8")
    request.setHeader(b"Content-Length", b"%d" % len(reply.body))
    request.write(reply.body)
    request.finish()
