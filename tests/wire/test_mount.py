"""Tests of `euca.wire.mount`."""

from __future__ import annotations

import json

from treq.testing import StubTreq
from twisted.application.service import Service
from twisted.internet.address import IPv4Address
from twisted.logger import capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.resource import Resource
from twisted.web.server import Request
from twisted.web.test.requesthelper import DummyRequest

from euca.wire.mount import Mounted, QuietSite, Tree


class Echo(Resource):
    """Answers with what is left of the path."""

    isLeaf = True

    def render_GET(self, request: Request) -> bytes:
        """Answer with the rest of the path."""
        return b"/".join(request.postpath or [])


def mounted(name: str, path: bytes, status: str = "ok") -> Mounted:
    """Return a component that echoes."""
    return Mounted(name, Service(), {path: Echo()}, lambda: {"status": status})


class TreeTests(SynchronousTestCase):
    """Components under one listener."""

    def get(self, path: str, *mounts: Mounted) -> tuple[int, bytes]:
        client = StubTreq(Tree(mounts))
        response = self.successResultOf(client.get("http://127.0.0.1" + path))
        return response.code, self.successResultOf(response.content())

    def test_rest_of_the_path(self) -> None:
        """A component gets the path behind its own."""
        answer = self.get("/services/Walrus/b/k", mounted("walrus", b"services/Walrus"))
        self.assertEqual(answer, (200, b"b/k"))

    def test_the_longest_path_wins(self) -> None:
        """Of two components the one with the longer path gets the request."""
        answer = self.get("/a/b/c", mounted("one", b"a"), mounted("two", b"a/b"))
        self.assertEqual(answer, (200, b"c"))

    def test_unknown(self) -> None:
        """A path that nobody mounted is not found."""
        code, _ = self.get("/nowhere", mounted("one", b"a"))
        self.assertEqual(code, 404)

    def test_health(self) -> None:
        """The health of a listener is `ok` only when each component's is."""
        code, body = self.get("/health", mounted("one", b"a"), mounted("two", b"b", "ill"))
        self.assertEqual((code, json.loads(body)["components"]["two"]["status"]), (503, "ill"))


class QuietSiteTests(SynchronousTestCase):
    """What a listener tells of a request."""

    def told(self, told: bool) -> list[str]:
        """Return what is logged of a request."""
        site = QuietSite(Resource())
        site.told = told
        request = DummyRequest([])
        request.method, request.uri, request.code = b"GET", b"/a?Signature=secret", 200
        request.client = IPv4Address("TCP", "127.0.0.1", 1)
        with capturedLogs() as said:
            site.log(request)
        return [formatEvent(event) for event in said]

    def test_told(self) -> None:
        """A line for each, without the query, where signatures travel; none if unwanted."""
        self.assertEqual(self.told(True), ["127.0.0.1 GET /a 200"])
        self.assertEqual(self.told(False), [])
