"""The operations of Walrus, each from a request to its answer: who may, what changes, what is told.

An object's data is written to a file before the metadata names it; the file that is replaced is
removed after. See `euca.walrus.files`.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import re
from collections.abc import Awaitable, Callable
from email.utils import formatdate
from typing import BinaryIO

from attrs import frozen

from euca.auth.rest import RestRequest
from euca.store import accounts
from euca.store.engine import Database
from euca.store.sql import Connection
from euca.threads import Offload
from euca.walrus import xml
from euca.walrus.acl import Permission, canned, may
from euca.walrus.answers import Answer, Data, HeaderPairs
from euca.walrus.callers import Caller
from euca.walrus.errors import WalrusError, access_denied, not_available
from euca.walrus.files import Draft, Files
from euca.walrus.images import Images
from euca.walrus.listing import MAX_KEYS, Query, thd_list
from euca.walrus.tables import (
    Bucket,
    StoredObject,
    thd_add_bucket,
    thd_bucket,
    thd_buckets_of,
    thd_find_object,
    thd_object,
    thd_put_object,
    thd_remove_bucket,
    thd_remove_object,
)
from euca.wire.streaming import Body

KEPT_HEADERS = (
    "Content-Type",
    "Content-Disposition",
    "Content-Encoding",
    "Content-Language",
    "Cache-Control",
    "Expires",
)
META = "x-amz-meta-"
MAX_DOCUMENT = 1 << 16  # bytes of an XML document that a client sends
MAX_KEY = 1024  # bytes of UTF-8
DEFAULT_LOCATION = "US"
TAKEN_PUT = re.compile(
    r"x-amz-(acl|date|meta-.*|checksum-crc32|sdk-checksum-algorithm|content-sha256|security-token)",
    re.IGNORECASE,
)
"""The `x-amz-` headers of a PUT that are heeded, or that ask for nothing."""
NOT_BUILT_GET = (
    "Range",
    "If-Match",
    "If-None-Match",
    "If-Modified-Since",
    "If-Unmodified-Since",
)

_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{2,254}")
_ADDRESS = re.compile(r"\d+\.\d+\.\d+\.\d+")


@frozen
class Request:
    """A request that was authenticated: who, on what, and the rest of what was sent."""

    caller: Caller
    bucket: str
    key: str
    rest: RestRequest
    body: Body


Operation = Callable[["Walrus", Request], Awaitable[Answer]]


class Walrus:
    """The buckets and objects of a cloud."""

    def __init__(
        self,
        *,
        database: Database,
        files: Files,
        images: Images,
        threads: Offload,
        now: Callable[[], float],
    ) -> None:
        self._database = database
        self._files = files
        self._images = images
        self._threads = threads
        self._now = now

    # Buckets

    async def list_buckets(self, request: Request) -> Answer:
        """ListAllMyBuckets: the caller's buckets."""
        name = _user(request.caller)

        def work(tx: Connection) -> bytes:
            return xml.buckets_document(thd_owner(tx, name), thd_buckets_of(tx, name))

        return Answer.xml(await self._database.transact(work))

    async def create_bucket(self, request: Request) -> Answer:
        """CreateBucket: one whose name nobody has."""
        name = _user(request.caller)
        _check_amazon_headers(request.rest)
        if not _BUCKET.fullmatch(request.bucket) or _ADDRESS.fullmatch(request.bucket):
            raise WalrusError(
                "InvalidBucketName",
                f"{request.bucket!r} is no name for a bucket: 3 to 255 letters, digits, '.', '_'"
                " and '-', beginning with a letter or digit, not an address.",
            )
        location = xml.location_of(await _document(request.body)) or DEFAULT_LOCATION
        acl = canned(request.rest.header("x-amz-acl"))
        bucket = Bucket(request.bucket, name, acl, location, int(self._now()))
        await self._database.transact(lambda tx: thd_add_bucket(tx, bucket))
        return Answer(headers=(("Location", f"/{request.bucket}"),))

    async def delete_bucket(self, request: Request) -> Answer:
        """DeleteBucket: an empty one."""

        def work(tx: Connection) -> None:
            _check_owner(request.caller, thd_bucket(tx, request.bucket))
            thd_remove_bucket(tx, request.bucket)

        await self._database.transact(work)
        await self._threads.run(self._files.thd_remove_folder, request.bucket)
        return Answer(204)

    async def head_bucket(self, request: Request) -> Answer:
        """HEAD bucket: whether it is there and may be read."""
        await self._bucket(request, Permission.READ)
        return Answer()

    async def list_bucket(self, request: Request) -> Answer:
        """ListBucket: a page of the bucket's objects."""
        bucket = await self._bucket(request, Permission.READ)
        query = _list_query(request.rest)
        encoding = request.rest.parameter("encoding-type")
        if encoding not in (None, "url"):
            raise WalrusError("InvalidArgument", f"There is no encoding-type {encoding!r}.")

        def work(tx: Connection) -> bytes:
            listing = thd_list(tx, bucket.name, query)
            names = {stored.owner for stored in listing.contents}
            owners = {name: thd_owner(tx, name) for name in names}
            return xml.listing_document(
                bucket.name, query, listing, owners, encoded=encoding == "url"
            )

        return Answer.xml(await self._database.transact(work))

    async def bucket_acl(self, request: Request) -> Answer:
        """GET ?acl of a bucket: its owner and grants."""
        bucket = await self._bucket(request, Permission.READ_ACP)
        owner = await self._database.transact(lambda tx: thd_owner(tx, bucket.owner))
        return Answer.xml(xml.acl_document(owner, bucket.acl))

    async def bucket_location(self, request: Request) -> Answer:
        """GET ?location of a bucket."""
        bucket = await self._bucket(request, Permission.READ_ACP)
        return Answer.xml(xml.location_document(bucket.location))

    # Objects

    async def put_object(self, request: Request) -> Answer:
        """PutObject: the body becomes the object, when it is all there."""
        bucket = await self._bucket(request, Permission.WRITE)
        _check_put(request)
        acl = canned(request.rest.header("x-amz-acl"))
        expected = _content_md5(request.rest)
        draft = await self._threads.run(self._files.thd_draft)
        try:
            await self._receive(request.body, draft)
            _check_content(draft, expected, request.rest)
            await self._threads.run(draft.thd_keep, self._files.folder(bucket.name))
        except BaseException:
            await self._threads.run(draft.thd_discard)
            raise
        stored = StoredObject(
            bucket=bucket.name,
            key=request.key,
            file=draft.name,
            owner=request.caller.name or bucket.owner,
            acl=acl,
            etag=draft.md5.hex(),
            modified=int(self._now()),
            size=draft.size,
            headers=_kept_headers(request.rest),
        )
        replaced = await self._record(stored, draft)
        await self._forget(replaced)
        return Answer(headers=(("ETag", f'"{stored.etag}"'),))

    async def get_object(self, request: Request) -> Answer:
        """GetObject and HEAD: the object as it was put."""
        _refuse_headers(request, NOT_BUILT_GET)
        stored, stream = await self._open(request)
        headers: HeaderPairs = (
            ("ETag", f'"{stored.etag}"'),
            ("Last-Modified", formatdate(stored.modified, usegmt=True)),
            *stored.headers,
        )
        return Answer(headers=headers, data=Data(stream, stored.size, stream.close))

    async def delete_object(self, request: Request) -> Answer:
        """DeleteObject: also of one that is not there, as S3 has it."""
        await self._bucket(request, Permission.WRITE)
        removed = await self._database.transact(
            lambda tx: thd_remove_object(tx, request.bucket, request.key)
        )
        await self._forget(removed)
        return Answer(204)

    async def object_acl(self, request: Request) -> Answer:
        """GET ?acl of an object: its owner and grants."""
        stored = await self._object(request, Permission.READ_ACP)
        owner = await self._database.transact(lambda tx: thd_owner(tx, stored.owner))
        return Answer.xml(xml.acl_document(owner, stored.acl))

    async def decrypted_image(self, request: Request) -> Answer:
        """GetDecryptedImage: the raw image of a bundle, for a node of this cloud."""
        _refuse_headers(request, NOT_BUILT_GET)
        stored = await self._object(request, Permission.READ)
        image = await self._images.open(stored)
        compressed = request.rest.parameter("IsCompressed") == "true"
        return Answer(
            headers=(
                ("Content-Type", "application/octet-stream"),
                ("Last-Modified", formatdate(stored.modified, usegmt=True)),
            ),
            data=Data(image.stream, image.size, image.close, compressed),
        )

    # Parts of the above

    async def _bucket(self, request: Request, permission: Permission) -> Bucket:
        bucket = await self._database.transact(lambda tx: thd_bucket(tx, request.bucket))
        if not may(request.caller, permission, owner=bucket.owner, acl=bucket.acl):
            raise access_denied()
        return bucket

    async def _object(self, request: Request, permission: Permission) -> StoredObject:
        def work(tx: Connection) -> StoredObject:
            return thd_permitted_object(tx, request, permission)

        return await self._database.transact(work)

    async def _open(self, request: Request) -> tuple[StoredObject, BinaryIO]:
        """Return an object with its file open; again where it is replaced in between."""
        while True:
            stored = await self._object(request, Permission.READ)
            try:
                stream = await self._threads.run(self._files.thd_open, stored.bucket, stored.file)
            except FileNotFoundError:
                now = await self._object(request, Permission.READ)
                if now.file == stored.file:
                    raise
                continue
            return stored, stream

    async def _receive(self, body: Body, draft: Draft) -> None:
        while data := await body.read():
            await self._threads.run(draft.thd_write, data)

    async def _record(self, stored: StoredObject, draft: Draft) -> StoredObject | None:
        """Name the file in the metadata, and return what it replaced.

        Only where the metadata surely does not name it, the file is removed at once; after any
        other failure the next start decides.
        """
        try:
            return await self._database.transact(lambda tx: thd_put_object(tx, stored))
        except WalrusError:
            await self._threads.run(draft.thd_discard)
            raise

    async def _forget(self, removed: StoredObject | None) -> None:
        if removed is not None:
            await self._threads.run(self._files.thd_remove, removed.bucket, removed.file)
            await self._images.forget(removed.file)


def thd_permitted_object(tx: Connection, request: Request, permission: Permission) -> StoredObject:
    """Return the object that a request names; raises WalrusError.

    Only who may list the bucket is told that there is no such object.
    """
    caller, bucket = request.caller, thd_bucket(tx, request.bucket)
    if not may(caller, Permission.READ, owner=bucket.owner, acl=bucket.acl):
        if thd_find_object(tx, request.bucket, request.key) is None:
            raise access_denied()
    stored = thd_object(tx, request.bucket, request.key)
    owner, acl = stored.owner, stored.acl
    if not may(caller, permission, owner=owner, acl=acl, bucket_owner=bucket.owner):
        raise access_denied()
    return stored


def thd_owner(tx: Connection, name: str) -> xml.Owner:
    """Return an account as S3 shows it: by its first access key, as 2.0 did."""
    keys = accounts.thd_access_keys(tx, name)
    return xml.Owner(keys[0].identifier if keys else name, name)


def _user(caller: Caller) -> str:
    if caller.name is None:
        raise access_denied()
    return caller.name


def _check_owner(caller: Caller, bucket: Bucket) -> None:
    if not caller.administrator and caller.name != bucket.owner:
        raise access_denied()


def _refuse_headers(request: Request, names: tuple[str, ...]) -> None:
    for name in names:
        if request.rest.header(name) is not None:
            raise not_available(f"A request with {name}")


def _check_amazon_headers(rest: RestRequest) -> None:
    for name, _ in rest.headers:
        if name.lower().startswith("x-amz-") and not TAKEN_PUT.fullmatch(name):
            raise not_available(f"A request with {name.lower()}")


def _check_put(request: Request) -> None:
    _check_amazon_headers(request.rest)
    if request.rest.header("Content-Length") is None and not request.rest.header(
        "Transfer-Encoding"
    ):
        raise WalrusError("MissingContentLength", "An object needs a Content-Length.")
    if len(request.key.encode()) > MAX_KEY:
        raise WalrusError("KeyTooLongError", f"A key has at most {MAX_KEY} bytes.")
    if "aws-chunked" in (request.rest.header("Content-Encoding") or "").lower():
        raise not_available("The content encoding aws-chunked")


def _content_md5(rest: RestRequest) -> bytes | None:
    text = rest.header("Content-MD5")
    if text is None:
        return None
    try:
        digest = base64.b64decode(text, validate=True)
    except binascii.Error:
        digest = b""
    if len(digest) != 16:
        raise WalrusError("InvalidDigest", f"The Content-MD5 {text!r} is not a digest in base64.")
    return digest


def _check_content(draft: Draft, expected: bytes | None, rest: RestRequest) -> None:
    if expected is not None and not hmac.compare_digest(expected, draft.md5):
        raise WalrusError("BadDigest", "What arrived does not have the Content-MD5 that was sent.")
    checksum = rest.header("x-amz-checksum-crc32")
    if checksum is not None and checksum != draft.crc32:
        raise WalrusError("BadDigest", "What arrived does not have the CRC-32 that was sent.")


def _kept_headers(rest: RestRequest) -> HeaderPairs:
    kept = [(name, rest.header(name)) for name in KEPT_HEADERS]
    names = sorted({name.lower() for name, _ in rest.headers if name.lower().startswith(META)})
    kept += [(name, rest.header(name)) for name in names]
    headers = {"Content-Type": "binary/octet-stream"}
    headers.update((name, value) for name, value in kept if value is not None)
    return tuple(headers.items())


def _list_query(rest: RestRequest) -> Query:
    text = rest.parameter("max-keys")
    if text is not None and not re.fullmatch(r"[0-9]{1,9}", text):
        raise WalrusError("InvalidArgument", f"max-keys is a number, not {text!r}.")
    return Query(
        prefix=rest.parameter("prefix") or "",
        marker=rest.parameter("marker") or "",
        delimiter=rest.parameter("delimiter") or "",
        max_keys=MAX_KEYS if text is None else min(int(text), MAX_KEYS),
    )


async def _document(body: Body) -> bytes:
    content = b""
    while data := await body.read():
        content += data
        if len(content) > MAX_DOCUMENT:
            raise WalrusError("MaxMessageLengthExceeded", "The document sent is too long.")
    return content
