"""Walrus over the wire: manifests and bucket owners by S3 REST, signed with the cloud's key."""

from __future__ import annotations

from urllib.parse import urlsplit
from xml.etree import ElementTree

from attrs import frozen
from treq.client import HTTPClient
from twisted.internet.defer import Deferred
from twisted.internet.defer import TimeoutError as DeferredTimeout
from twisted.internet.error import ConnectError, ConnectionClosed, DNSLookupError
from twisted.internet.interfaces import IReactorTime
from twisted.web.client import ResponseFailed
from twisted.web.http_headers import Headers

from euca.auth.bundle import MAX_MANIFEST
from euca.auth.keyring import Identity
from euca.auth.rest import sign_euca
from euca.clc.image import Location
from euca.clc.interfaces import ObjectUnavailable

_FAILURES = (ConnectError, ConnectionClosed, DNSLookupError, DeferredTimeout, ResponseFailed)


@frozen
class WalrusImageStore:
    """Reads from the Walrus at a URL, as the cloud itself (EucaRSA of Eucalyptus 2.0)."""

    http: HTTPClient
    identity: Identity
    clock: IReactorTime
    timeout: float

    async def manifest(self, walrus_url: str, location: Location) -> bytes:
        """Get the manifest."""
        return await self._get(f"{walrus_url}/{location}")

    async def bucket_owner(self, walrus_url: str, bucket: str) -> str:
        """Get the bucket's access control policy and return its owner's name."""
        raw = await self._get(f"{walrus_url}/{bucket}?acl")
        try:
            owner = ElementTree.fromstring(raw).findtext("{*}Owner/{*}DisplayName")
        except ElementTree.ParseError as error:
            raise ObjectUnavailable("the access control policy is not XML") from error
        if not owner:
            raise ObjectUnavailable("the access control policy names no owner")
        return owner

    async def _get(self, url: str) -> bytes:
        getting = Deferred.fromCoroutine(self._response(url))
        getting.addTimeout(self.timeout, self.clock)
        try:
            status, body = await getting
        except _FAILURES as error:
            reason = str(error) or type(error).__name__
            raise ObjectUnavailable(f"{url}: {reason}") from error
        if status != 200:
            raise ObjectUnavailable(f"{url}: HTTP {status}")
        return body

    async def _response(self, url: str) -> tuple[int, bytes]:
        parts = urlsplit(url)
        target = parts.path + (f"?{parts.query}" if parts.query else "")
        signed = sign_euca(self.identity, "GET", target, self.clock.seconds())
        headers = Headers({name: [value] for name, value in signed.items()})
        response = await self.http.get(url, headers=headers, allow_redirects=False)
        pieces: list[bytes] = []
        room = MAX_MANIFEST

        def collect(piece: bytes) -> None:
            nonlocal room
            room -= len(piece)
            if room >= 0:
                pieces.append(piece)

        await response.collect(collect)
        if room < 0:
            raise ObjectUnavailable(f"{url}: longer than {MAX_MANIFEST} bytes")
        return response.code, b"".join(pieces)
