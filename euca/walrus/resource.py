"""The REST interface of Walrus: from an HTTP request to an operation, and back.

A request is authenticated by its headers alone, before any of its body is taken. Its path, after
`/services/Walrus`, names nothing, a bucket, or a bucket and a key; the verb and a subresource in
the query (`?acl`) choose the operation. Whatever fails is answered as S3 does: an XML document
with a code, never with a status of success.
"""

from __future__ import annotations

import uuid
from urllib.parse import unquote

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.iweb import IRequest
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET
from twisted.web.server import Request as HttpRequest

from euca.auth.rest import SIGNED_PARAMETERS, RestRequest
from euca.telemetry.trace import correlated
from euca.threads import Offload
from euca.walrus import xml
from euca.walrus.answers import Answer, Sender
from euca.walrus.api import Operation, Request, Walrus
from euca.walrus.callers import Caller, Callers
from euca.walrus.errors import WalrusError, access_denied, not_available
from euca.walrus.settings import PREFIX
from euca.wire.streaming import BodyLost, body_of

OPERATIONS: dict[tuple[str, str, str], Operation] = {
    ("service", "GET", ""): Walrus.list_buckets,
    ("bucket", "PUT", ""): Walrus.create_bucket,
    ("bucket", "DELETE", ""): Walrus.delete_bucket,
    ("bucket", "HEAD", ""): Walrus.head_bucket,
    ("bucket", "GET", ""): Walrus.list_bucket,
    ("bucket", "GET", "acl"): Walrus.bucket_acl,
    ("bucket", "GET", "location"): Walrus.bucket_location,
    ("object", "PUT", ""): Walrus.put_object,
    ("object", "GET", ""): Walrus.get_object,
    ("object", "HEAD", ""): Walrus.get_object,
    ("object", "DELETE", ""): Walrus.delete_object,
    ("object", "GET", "acl"): Walrus.object_acl,
}
"""What is built, by what is addressed, verb and subresource."""

COMPONENT_OPERATIONS: dict[str, Operation] = {"getdecryptedimage": Walrus.decrypted_image}
"""What a component of the cloud may ask for with the header EucaOperation."""

SUBRESOURCES = SIGNED_PARAMETERS | {"list-type", "select", "encryption", "replication", "metrics"}


class WalrusResource(Resource):
    """Serves the REST interface below any path that ends in nothing, a bucket, or a key."""

    isLeaf = True
    takes_stream = True
    log = Logger()

    def __init__(self, walrus: Walrus, callers: Callers, threads: Offload) -> None:
        super().__init__()
        self._walrus = walrus
        self._callers = callers
        self._threads = threads

    def render(self, request: HttpRequest) -> int:
        """Begin with a request; the answer comes later."""
        sender = Sender(request, self._threads)
        Deferred.fromCoroutine(self._serve(request, sender)).addErrback(self._failed, sender)
        return NOT_DONE_YET

    def _failed(self, failure: Failure, sender: Sender) -> None:
        self.log.failure("An answer could not be completed", failure=failure)
        sender.break_off()

    async def _serve(self, request: HttpRequest, sender: Sender) -> None:
        identifier = str(uuid.uuid4())
        request.setHeader("x-amz-request-id", identifier)
        with correlated(identifier):
            try:
                answer = await self._answer(request)
            except BodyLost:
                self.log.info("{path} broke off", path=request.path)
                return
            except WalrusError as error:
                answer = self._refusal(request, error, identifier)
            except Exception:
                self.log.failure("{method} {path} failed", method=request.method, path=request.path)
                broken = WalrusError("InternalError", "Walrus failed; its log has the request id.")
                answer = self._refusal(request, broken, identifier)
            await sender.send(answer)

    def _refusal(self, request: HttpRequest, error: WalrusError, identifier: str) -> Answer:
        path = request.path.decode("ascii", "replace")
        return Answer.xml(xml.error_document(error, path, identifier), error.status)

    async def _answer(self, request: HttpRequest) -> Answer:
        rest = rest_request(request)
        caller = await self._callers.identify(rest)
        bucket, key = target(rest.path)
        operation = choose(caller, rest, bucket, key)
        return await operation(self._walrus, Request(caller, bucket, key, rest, body_of(request)))


def rest_request(request: HttpRequest) -> RestRequest:
    """Return what signatures cover of a request, as text."""
    headers = tuple(
        (name.decode("latin-1"), value.decode("utf-8", "surrogateescape"))
        for name, values in request.requestHeaders.getAllRawHeaders()
        for value in values
    )
    uri = request.uri.decode("utf-8", "surrogateescape")
    return RestRequest(request.method.decode("ascii", "replace"), uri, headers)


def target(path: str) -> tuple[str, str]:
    """Return the bucket and the key that a path names, "" for none; raises WalrusError."""
    if path.lower().startswith(PREFIX.lower()):
        path = path[len(PREFIX) :]
    bucket, _, key = path.removeprefix("/").partition("/")
    try:
        bucket, key = unquote(bucket, errors="strict"), unquote(key, errors="strict")
        (bucket + key).encode()
    except UnicodeError as error:
        raise WalrusError("InvalidURI", "The path is not UTF-8.") from error
    if "\0" in bucket + key:
        raise WalrusError("InvalidURI", "The path has a NUL.")
    return bucket, key


def choose(caller: Caller, rest: RestRequest, bucket: str, key: str) -> Operation:
    """Return the operation that a request asks for; raises WalrusError."""
    wanted = rest.header("EucaOperation")
    level = "object" if key else "bucket" if bucket else "service"
    if wanted is not None:
        if not caller.component:
            raise access_denied()
        found = COMPONENT_OPERATIONS.get(wanted.lower())
        if found is None or (level, rest.method) != ("object", "GET"):
            raise not_available(f"The operation {wanted}")
        return found
    named = [name for name, _ in rest.parameters if name in SUBRESOURCES]
    found = OPERATIONS.get((level, rest.method, named[0] if named else ""))
    if found is None or len(named) > 1:
        what = f"{rest.method} of a {level}" + "".join(f" ?{name}" for name in named)
        raise not_available(what)
    return found


def claims(resource: WalrusResource, request: IRequest) -> WalrusResource | None:
    """Return the resource for a path that begins with the prefix in another case."""
    path = request.path.decode("latin-1").lower()
    return resource if (path + "/").startswith(PREFIX.lower() + "/") else None
