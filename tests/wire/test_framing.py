"""Tests of how replies may be framed, with a peer that sends bytes as old servers do."""

from collections.abc import Callable
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import maybeDeferred
from twisted.internet.protocol import Factory, Protocol
from twisted.trial.unittest import TestCase

from euca.auth.wsse import unsigned_envelope
from euca.wire.client import SoapClient, Unreachable, http_client
from tests.wire.apis import NC, resource_reply

_REPLY = unsigned_envelope((), NC.render_reply("ncDescribeResource", resource_reply()).decode())
_TYPE = b"Content-Type: text/xml;charset=UTF-8\r\n"


class Peer(Protocol):
    """Answers the first bytes of a request, and closes the connection."""

    def dataReceived(self, data: bytes) -> None:
        """Answer once."""
        assert isinstance(self.factory, Peers)
        assert self.transport is not None
        self.transport.write(self.factory.answer)
        self.transport.loseConnection()


class Peers(Factory):
    """Peers that all give one answer."""

    protocol = Peer

    def __init__(self, answer: bytes) -> None:
        self.answer = answer


def _measured(raw: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\n%sContent-Length: %d\r\n\r\n%s" % (_TYPE, len(raw), raw)


def _chunked(raw: bytes) -> bytes:
    pieces = (raw[at : at + 100] for at in range(0, len(raw), 100))
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces)
    return b"HTTP/1.1 200 OK\r\n%sTransfer-Encoding: chunked\r\n\r\n%s0\r\n\r\n" % (_TYPE, chunks)


def _closed(raw: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\n%sConnection: close\r\n\r\n%s" % (_TYPE, raw)


def _old(raw: bytes) -> bytes:
    return b"HTTP/1.0 200 OK\r\n%s\r\n%s" % (_TYPE, raw)


class FramingTests(TestCase):
    """A client of ours, and a peer on a port."""

    timeout = 30

    async def call(self, answer: bytes) -> dict[str, Any]:
        """Return what the client makes of an answer."""
        port = reactor.listenTCP(0, Peers(answer), interface="127.0.0.1")
        http, connections = http_client(reactor)
        client = SoapClient(NC, f"http://127.0.0.1:{port.getHost().port}/x", http, None, reactor)
        try:
            return await client.call("ncDescribeResource")
        finally:
            await maybeDeferred(connections.stopService)
            await maybeDeferred(port.stopListening)

    async def test_taken(self) -> None:
        """A reply is taken with its length, in chunks, or ended by the end of the connection."""
        framings: tuple[Callable[[bytes], bytes], ...] = (_measured, _chunked, _closed, _old)
        for framed in framings:
            values = await self.call(framed(_REPLY))
            self.assertEqual(values["nodeStatus"], "ok", framed.__name__)

    async def test_cut(self) -> None:
        """A reply that ends before it is complete is none."""
        for answer in (_measured(_REPLY)[:-10], _chunked(_REPLY)[:-10], _closed(_REPLY)[:-10]):
            with self.assertRaises(Unreachable):
                await self.call(answer)
