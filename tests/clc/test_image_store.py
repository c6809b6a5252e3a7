"""The image store: the same tests for the double and for the client of Walrus."""

from __future__ import annotations

from typing import Any

from treq.testing import StubTreq
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.resource import Resource
from twisted.web.server import Request

from euca.auth.rest import RestRequest, check_euca, euca_claim
from euca.clc.image import Location
from euca.clc.image_store import WalrusImageStore
from euca.clc.interfaces import ImageStore, ObjectUnavailable
from euca.clc.memory import MemoryImageStore
from tests.clc.cloud import NOW, identity

URL = "http://walrus.example:8773/services/Walrus"
POLICY = (
    b'<?xml version="1.0"?><AccessControlPolicy xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
    b"<Owner><ID>1</ID><DisplayName>ann</DisplayName></Owner>"
    b"<AccessControlList/></AccessControlPolicy>"
)


class Walrus(Resource):
    """One bucket with one manifest, for who signs as the cloud."""

    isLeaf = True

    def render_GET(self, request: Request) -> bytes:
        """Check the signature, and answer."""
        headers = {
            name.decode(): values[0].decode()
            for name, values in request.requestHeaders.getAllRawHeaders()
        }
        asked = RestRequest.of("GET", request.uri.decode(), headers)
        claim = euca_claim(asked)
        assert claim is not None
        check_euca(asked, claim, [identity("cloud").certificate], NOW)
        found = {
            "/services/Walrus/bucket/disk.manifest.xml": b"<manifest/>",
            "/services/Walrus/bucket?acl": POLICY,
        }.get(asked.target)
        if found is None:
            request.setResponseCode(404)
        return found or b"no"


class Kept:
    """What every image store does."""

    store: ImageStore

    def do(self, coroutine: Any) -> Any:
        return self.successResultOf(Deferred.fromCoroutine(coroutine))

    def test_manifest(self) -> None:
        """A manifest is read."""
        found = self.do(self.store.manifest(URL, Location("bucket", "disk.manifest.xml")))
        self.assertEqual(b"<manifest/>", found)

    def test_owner(self) -> None:
        """A bucket's owner is found."""
        self.assertEqual("ann", self.do(self.store.bucket_owner(URL, "bucket")))

    def test_absent(self) -> None:
        """What is not there is not available."""
        for coroutine in (
            self.store.manifest(URL, Location("bucket", "none")),
            self.store.bucket_owner(URL, "none"),
        ):
            self.failureResultOf(Deferred.fromCoroutine(coroutine), ObjectUnavailable)


class MemoryImageStoreTests(Kept, SynchronousTestCase):
    """The double."""

    def setUp(self) -> None:
        self.store = MemoryImageStore(
            {"bucket/disk.manifest.xml": b"<manifest/>"}, {"bucket": "ann"}
        )


class WalrusImageStoreTests(Kept, SynchronousTestCase):
    """The client, its signature checked."""

    def setUp(self) -> None:
        clock = Clock()
        clock.advance(NOW)
        self.store = WalrusImageStore(StubTreq(Walrus()), identity("cloud"), clock, 30.0)
