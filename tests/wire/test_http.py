"""Tests of the service on the level of HTTP's bytes, as old peers send and read them."""

from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.error import ConnectionLost
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.server import Site

from euca.wire.resource import SoapResource
from euca.wire.streaming import StreamingRequest
from tests.auth.wsse.messages import message_id
from tests.wire.apis import NC, NodeApi, clock_at, pair
from tests.wire.test_resource import describing


class HttpTests(SynchronousTestCase):
    """One connection to a signed service."""

    def setUp(self) -> None:
        """Connect."""
        self.protocol: Any = None
        self.connect()

    def connect(self, host: str = "127.0.0.1", *, strict: bool = True) -> None:
        """Connect to a service at an address."""
        self.leave()
        security = pair(strict=strict)[1]
        resource = SoapResource(NC, NodeApi(), security, clock_at(), max_body=20_000)
        site = Site(resource, requestFactory=StreamingRequest)
        self.transport = StringTransport(
            hostAddress=IPv4Address("TCP", host, 8775),
            peerAddress=IPv4Address("TCP", "127.0.0.1", 50000),
        )
        protocol: Any = site.buildProtocol(IPv4Address("TCP", "127.0.0.1", 50000))
        protocol.makeConnection(self.transport)
        self.protocol = protocol
        self.addCleanup(self.leave)

    def leave(self) -> None:
        """Leave the connection, which ends its timers."""
        if self.protocol is not None:
            self.protocol.connectionLost(Failure(ConnectionLost()))
            self.protocol = None

    def send(self, head: str, body: bytes) -> None:
        """Send a request with a head and a body as they are given."""
        self.protocol.dataReceived(head.replace("\n", "\r\n").encode() + b"\r\n" + body)

    def received(self) -> list[bytes]:
        """Return the lines of the reply's head, and its body."""
        head, _, body = self.transport.value().partition(b"\r\n\r\n")
        self.transport.clear()
        return [*head.split(b"\r\n"), body]

    def head(self, version: str = "1.1", more: str = "", length: int | None = None) -> str:
        """Return a head as Axis2/C sends it."""
        measured = "" if length is None else f"Content-Length: {length}\n"
        return (
            f"POST /axis2/services/EucalyptusNC HTTP/{version}\nUser-Agent: Axis2C/1.6.0\n"
            f'SOAPAction: "EucalyptusNC#ncDescribeResource"\n{measured}'
            f"Content-Type: text/xml;charset=UTF-8\nHost: 127.0.0.1:8775\n{more}"
        )

    def test_reply(self) -> None:
        """The reply has the status and the headers of the original, in its order."""
        raw = describing(message_id())
        self.send(self.head(length=len(raw)), raw)
        status, *headers, body = self.received()
        self.assertEqual(status, b"HTTP/1.1 200 OK")
        names = [line.partition(b":")[0] for line in headers]
        self.assertEqual(names, [b"Date", b"Server", b"Content-Type", b"Content-Length"])
        self.assertEqual(headers[2], b"Content-Type: text/xml;charset=UTF-8")
        self.assertEqual(headers[3], b"Content-Length: %d" % len(body))

    def test_kept_alive(self) -> None:
        """A connection serves one request after another."""
        for _ in range(3):
            raw = describing(message_id())
            self.send(self.head(length=len(raw)), raw)
            self.assertEqual(self.received()[0], b"HTTP/1.1 200 OK")
        self.assertFalse(self.transport.disconnecting)

    def test_chunked(self) -> None:
        """A request in chunks is taken."""
        raw = describing(message_id())
        chunks = b"".join(
            b"%x\r\n%s\r\n" % (len(raw[at : at + 1000]), raw[at : at + 1000])
            for at in range(0, len(raw), 1000)
        )
        self.send(self.head(more="Transfer-Encoding: chunked\n"), chunks + b"0\r\n\r\n")
        self.assertEqual(self.received()[0], b"HTTP/1.1 200 OK")

    def test_old_http(self) -> None:
        """A request of HTTP/1.0 is answered, and the connection closed."""
        raw = describing(message_id())
        self.send(self.head("1.0", length=len(raw)), raw)
        self.assertIn(b" 200 OK", self.received()[0])
        self.assertTrue(self.transport.disconnecting)

    def test_expecting(self) -> None:
        """A client that waits to be told to go on is told to."""
        raw = describing(message_id())
        self.send(self.head(more="Expect: 100-continue\n", length=len(raw)), b"")
        self.assertEqual(self.received()[0], b"HTTP/1.1 100 Continue")
        self.protocol.dataReceived(raw)
        self.assertEqual(self.received()[0], b"HTTP/1.1 200 OK")

    def test_in_pieces(self) -> None:
        """A request that arrives byte by byte is taken."""
        raw = describing(message_id())
        whole = self.head(length=len(raw)).replace("\n", "\r\n").encode() + b"\r\n" + raw
        for at in range(0, len(whole), 7):
            self.protocol.dataReceived(whole[at : at + 7])
        self.assertEqual(self.received()[0], b"HTTP/1.1 200 OK")

    def test_oversized(self) -> None:
        """A message announced as too large is refused before it is sent."""
        self.send(self.head(length=20_001), b"")
        self.assertIn(b"413", self.received()[0])

    def test_oversized_in_chunks(self) -> None:
        """A message that turns out too large is kept no further than the limit."""
        self.send(self.head(more="Transfer-Encoding: chunked\n"), b"")
        for _ in range(21):
            self.assertEqual(self.transport.value(), b"")
            self.protocol.dataReceived(b"3e8\r\n" + b"x" * 1000 + b"\r\n")
        self.protocol.dataReceived(b"0\r\n\r\n")
        self.assertIn(b"413", self.received()[0])

    def test_fault(self) -> None:
        """A fault is HTTP 500 with the same headers."""
        raw = describing(message_id()).replace(b"eucalyptus", b"Eucalyptus", 1)
        self.send(self.head(length=len(raw)), raw)
        self.assertEqual(self.received()[0], b"HTTP/1.1 500 Internal Server Error")

    def test_message_for_another_node(self) -> None:
        """A message signed for one node's address is refused at another, in strict mode."""
        for host, to, strict, status in (
            ("10.0.0.1", "10.0.0.1:8775", True, b"200"),
            ("10.0.0.2", "10.0.0.1:8775", True, b"500"),
            ("10.0.0.1", "10.0.0.1:8774", True, b"500"),
            ("10.0.0.2", "10.0.0.1:8775", False, b"200"),
            ("10.0.0.2", "node1.example:8775", True, b"200"),
            ("127.0.0.1", "10.0.0.1:8775", True, b"200"),
        ):
            raw = describing(message_id(), f"http://{to}/axis2/services/EucalyptusNC")
            self.connect(host, strict=strict)
            self.send(self.head(length=len(raw)), raw)
            self.assertIn(status, self.received()[0], (host, to, strict))

    def test_client_gone(self) -> None:
        """A client that leaves before its reply leaves no error behind."""
        raw = describing(message_id())
        self.send(self.head(length=len(raw)), raw[:100])
        self.leave()
        self.assertEqual(self.transport.value(), b"")
