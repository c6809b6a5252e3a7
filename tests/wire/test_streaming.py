"""Tests for euca.wire.streaming; how Walrus uses it is tested there."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Request, Site

from euca.wire.streaming import HIGH_WATER, Body, BodyLost, StreamingRequest, whole_body


class BodyTests(SynchronousTestCase):
    """Behaviour of a body that arrives in pieces."""

    def setUp(self) -> None:
        """Make a body that notes what is done to its connection."""
        self.done: list[str] = []
        self.body = Body(
            lambda: self.done.append("pause"),
            lambda: self.done.append("resume"),
        )

    def read(self) -> Deferred[bytes]:
        """Read the next piece."""
        return Deferred.fromCoroutine(self.body.read())

    def test_pieces(self) -> None:
        """A read waits for a piece, joins what has arrived, and ends with nothing."""
        reading = self.read()
        self.assertNoResult(reading)
        self.body.received(b"a")
        self.assertEqual(self.successResultOf(reading), b"a")
        self.body.received(b"b")
        self.body.received(b"c")
        self.body.end()
        self.assertEqual(self.successResultOf(self.read()), b"bc")
        self.assertEqual(self.successResultOf(self.read()), b"")

    def test_pressure(self) -> None:
        """A reader that is behind stops the connection, and lets it go on when it has read."""
        self.body.received(bytes(HIGH_WATER + 1))
        self.assertEqual(self.done, ["pause"])
        self.successResultOf(self.read())
        self.read()
        self.assertEqual(self.done, ["pause", "resume"])

    def test_lost(self) -> None:
        """A body that breaks off is told from one that ends."""
        reading = self.read()
        self.body.lose()
        self.failureResultOf(reading, BodyLost)

    def test_dropped(self) -> None:
        """What arrives of a dropped body is not kept, and the connection goes on."""
        self.body.hold()
        self.body.drop()
        self.body.received(bytes(HIGH_WATER + 1))
        self.assertEqual(self.done, ["pause", "resume"])

    def test_whole(self) -> None:
        """A body that is there already reads like any other."""
        self.body = whole_body(b"abc")
        self.assertEqual(self.successResultOf(self.read()), b"abc")
        self.assertEqual(self.successResultOf(self.read()), b"")


class Plain(Resource):
    """A resource as Twisted has it, which finds the body stored."""

    isLeaf = True

    def render_POST(self, request: Request) -> bytes:
        """Answer with the body and the argument."""
        assert request.content is not None
        assert request.args is not None
        return request.content.read() + b" " + request.args[b"a"][0]


class Deaf(Resource):
    """A resource that takes a stream and answers without reading it."""

    isLeaf = True
    takes_stream = True

    def render(self, request: Request) -> int:
        """Answer at once."""
        request.setHeader(b"Content-Length", b"2")
        request.write(b"no")
        request.finish()
        return NOT_DONE_YET


class RequestTests(SynchronousTestCase):
    """Behaviour of requests on a listener that streams."""

    def sent(self, resource: Resource, *pieces: bytes) -> StringTransport:
        """Send pieces to a resource, and return the connection."""
        transport = StringTransport()
        site = Site(resource, requestFactory=StreamingRequest, reactor=Clock())
        protocol = site.buildProtocol(None)
        protocol.makeConnection(transport)
        for piece in pieces:
            protocol.dataReceived(piece)
        return transport

    def test_plain(self) -> None:
        """A resource that takes no stream is rendered as ever, when the body is there."""
        top = b"POST /x?a=b HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\n"
        transport = self.sent(Plain(), top + b"bo", b"dy")
        self.assertTrue(transport.value().endswith(b"body b"))

    def test_answer_before_the_end(self) -> None:
        """The connection of an answered request serves the next one after the body's end."""
        top = b"PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\n"
        transport = self.sent(Deaf(), top + b"bo", b"dy" + top + b"body")
        self.assertEqual(transport.value().count(b"HTTP/1.1 200 OK"), 2)

    def test_one_who_waits(self) -> None:
        """A client that waits with its body gets the answer instead, and the connection ends."""
        top = b"PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n"
        transport = self.sent(Deaf(), top)
        self.assertIn(b"Connection: close", transport.value())
        self.assertNotIn(b"100 Continue", transport.value())
        self.assertTrue(transport.disconnecting)
