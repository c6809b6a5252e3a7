"""Tests of `euca.nc.walrus` and `euca.nc.download`, over loopback, and of their double."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.trial.unittest import TestCase
from twisted.web.client import Agent, HTTPConnectionPool
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Request, Site

from euca.auth.bundle import bundle
from euca.auth.keyring import Identity, new_identity
from euca.auth.rest import RestRequest, check_euca, euca_claim
from euca.nc.download import IDLE_SECONDS
from euca.nc.interfaces import ImageSource, ImageUnusable
from euca.nc.memory import MemoryImages
from euca.nc.walrus import ANSWER_SECONDS, ATTEMPTS, Walrus
from euca.threads import Immediate, Threads

CONTENT = b"raw image " * 1000
LIMITS = (ANSWER_SECONDS, IDLE_SECONDS)


@cache
def identity() -> Identity:
    """Return the node's identity."""
    return new_identity("node", datetime.now(UTC))


@cache
def manifest(size: int) -> bytes:
    """Return the manifest of an image of that size."""
    with TemporaryDirectory() as directory:
        image = Path(directory) / "image"
        image.write_bytes(bytes(size))
        certificate = identity().certificate
        where = bundle(image, Path(directory), "i", identity(), certificate, "1", "x86_64")
        return where.read_bytes()


Answer = Callable[[Request], "int | bytes"]


class ImageStore(Resource):
    """Answers as Walrus does, or as the test says; remembers what was asked."""

    isLeaf = True

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str | None] = []
        self.answers: list[Answer] = []
        self.image = CONTENT

    def render_GET(self, request: Request) -> int | bytes:
        """Check the signature, then answer."""
        headers = {
            name.decode(): values[0].decode()
            for name, values in request.requestHeaders.getAllRawHeaders()
        }
        signed = RestRequest.of("GET", request.uri.decode(), headers)
        claim = euca_claim(signed)
        assert claim is not None
        check_euca(signed, claim, [identity().certificate], reactor.seconds())
        self.asked.append(claim.operation)
        if self.answers:
            return self.answers.pop(0)(request)
        if not request.path.endswith(b".manifest.xml"):
            request.setResponseCode(404)
            return b"<Error><Code>NoSuchKey</Code></Error>"
        return self.image if claim.operation else manifest(len(self.image))


def image_source_tests(make: Callable[[Any], tuple[ImageSource, str]]) -> type[TestCase]:
    """Return the tests, applied to the source that `make` makes, and the URL that it is below."""
    return type("ImageSourceTests", (_ImageSourceTests, TestCase), {"make": staticmethod(make)})


class _ImageSourceTests:
    """What the node relies on."""

    def setUp(self) -> None:
        self.source, self.base = type(self).make(self)
        self.url = f"{self.base}/bucket/image.manifest.xml"
        self.path = Path(self.mktemp())

    async def test_digest(self) -> None:
        """The digest is the manifest, and knows the size of the image."""
        digest = await self.source.digest(self.url)
        self.assertEqual((digest.raw, digest.size), (manifest(len(CONTENT)), len(CONTENT)))

    async def test_fetch(self) -> None:
        """A fetch writes the image."""
        await self.source.fetch(self.url, len(CONTENT), self.path)
        self.assertEqual(self.path.read_bytes(), CONTENT)

    async def test_unknown(self) -> None:
        """What is not there is refused, and there is no file."""
        for asking in (
            self.source.digest(f"{self.base}/bucket/other"),
            self.source.fetch(f"{self.base}/bucket/other", 1, self.path),
        ):
            with self.assertRaisesRegex(ImageUnusable, "404"):
                await asking
        self.assertFalse(self.path.exists())

    async def test_other_size(self) -> None:
        """An image that is not of the promised size is refused, and there is no file."""
        for size in (len(CONTENT) - 1, len(CONTENT) + 1):
            with self.assertRaises(ImageUnusable):
                await self.source.fetch(self.url, size, self.path)
            self.assertFalse(self.path.exists())


def memory(case: TestCase) -> tuple[ImageSource, str]:
    """Return the double with one image."""
    url = "http://walrus/bucket/image.manifest.xml"
    return MemoryImages({url: (manifest(len(CONTENT)), CONTENT)}), "http://walrus"


class Impatient:
    """The reactor's clock on which every pause between attempts is over at once."""

    def __init__(self) -> None:
        self.pauses: list[float] = []

    def seconds(self) -> float:
        return reactor.seconds()

    def callLater(self, delay: float, function: Any, *args: Any, **kwargs: Any) -> Any:
        if delay in LIMITS:
            return reactor.callLater(delay, function, *args, **kwargs)
        self.pauses.append(delay)
        return reactor.callLater(0, function, *args, **kwargs)


def over_http(case: Any) -> tuple[ImageSource, str]:
    """Return a client of a store on loopback, which is `case.store`."""
    case.store = ImageStore()
    port = reactor.listenTCP(0, Site(case.store), interface="127.0.0.1")
    case.addCleanup(port.stopListening)
    threads = Threads(reactor, 1, "test")
    threads.startService()
    case.addCleanup(threads.stopService)
    agent = Agent(reactor, pool=HTTPConnectionPool(reactor, persistent=False))
    source = Walrus(agent, identity(), reactor, threads)
    return source, f"http://127.0.0.1:{port.getHost().port}"


class MemoryImagesTests(image_source_tests(memory)):  # type: ignore[misc]
    """The double."""


class WalrusTests(image_source_tests(over_http)):  # type: ignore[misc]
    """The real client, and a store that misbehaves."""

    store: ImageStore

    async def test_operations(self) -> None:
        """The manifest is asked for plainly, the image by GetDecryptedImage."""
        await self.source.digest(self.url)
        await self.source.fetch(self.url, len(CONTENT), self.path)
        self.assertEqual(self.store.asked, [None, "GetDecryptedImage"])

    async def test_error_page(self) -> None:
        """A page that says 200 and is no manifest is refused."""
        self.store.answers = [lambda _request: b"<html>200, but broken</html>"]
        with self.assertRaisesRegex(ImageUnusable, "is no manifest"):
            await self.source.digest(self.url)

    async def test_large(self) -> None:
        """A large image passes through little memory."""
        self.store.image = bytes(32 << 20)
        self.store.answers = [_in_pieces(self.store.image)]
        tracemalloc.start()
        try:
            await self.source.fetch(self.url, len(self.store.image), self.path)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        self.assertEqual(self.path.stat().st_size, 32 << 20)
        self.assertLess(peak, 12 << 20)

    async def test_not_http(self) -> None:
        """A URL that is not HTTP, or would break out of its request line, is refused."""
        for url in ("file:///etc/shadow", "http://a/b\r\nX: y", "http:///x"):
            with self.assertRaises(ImageUnusable):
                await self.source.digest(url)

    async def test_cancelled(self) -> None:
        """A fetch that is cancelled half way leaves no file."""
        begun: Deferred[None] = Deferred()

        def half(request: Request) -> int:
            request.setHeader("Content-Length", str(len(CONTENT)))
            request.write(CONTENT[:2000])
            reactor.callLater(0, begun.callback, None)
            return NOT_DONE_YET

        self.store.answers = [half]
        fetching = Deferred.fromCoroutine(
            self.source.fetch(self.url, len(CONTENT), self.path)
        ).addErrback(lambda _: None)
        await begun
        fetching.cancel()
        await fetching
        self.assertFalse(self.path.exists())


def _in_pieces(content: bytes) -> Answer:
    class Producer:
        """Sends a piece whenever the connection takes one."""

        def __init__(self, request: Request) -> None:
            self.request, self.sent = request, 0

        def resumeProducing(self) -> None:
            piece = content[self.sent : self.sent + (1 << 16)]
            self.sent += len(piece)
            self.request.write(piece)
            if self.sent == len(content):
                self.request.unregisterProducer()
                self.request.finish()

        def stopProducing(self) -> None:
            self.sent = len(content)

    def answer(request: Request) -> int:
        request.setHeader("Content-Length", str(len(content)))
        request.registerProducer(Producer(request), False)
        return NOT_DONE_YET

    return answer


class RetryTests(TestCase):
    """What is tried again, and what is not; pauses are over at once."""

    store: ImageStore

    def setUp(self) -> None:
        _, base = over_http(self)
        self.url = f"{base}/bucket/image.manifest.xml"
        self.clock = Impatient()
        agent = Agent(reactor, pool=HTTPConnectionPool(reactor, persistent=False))
        self.source = Walrus(agent, identity(), self.clock, Immediate())
        self.path = Path(self.mktemp())

    async def fetch(self) -> None:
        await self.source.fetch(self.url, len(CONTENT), self.path)

    def status(self, code: int) -> Answer:
        def answer(request: Request) -> bytes:
            request.setResponseCode(code)
            return b"<Error/>"

        return answer

    async def test_patience(self) -> None:
        """A store that asks for patience is asked again, with a new signature."""
        self.store.answers = [self.status(503), self.status(408)]
        await self.fetch()
        self.assertEqual(len(self.store.asked), 3)
        self.assertEqual(self.path.read_bytes(), CONTENT)

    async def test_refusal(self) -> None:
        """Any other status is final."""
        self.store.answers = [self.status(403)]
        with self.assertRaisesRegex(ImageUnusable, "403"):
            await self.fetch()
        self.assertEqual(len(self.store.asked), 1)

    async def test_cut_off(self) -> None:
        """A transfer that was cut off is begun again, from nothing."""

        def cut(request: Request) -> int:
            request.setHeader("Content-Length", str(len(CONTENT)))
            request.write(b"x" * 5000)
            request.transport.loseConnection()
            return NOT_DONE_YET

        self.store.answers = [cut, cut]
        await self.fetch()
        self.assertEqual(self.path.read_bytes(), CONTENT)

    async def test_gives_up(self) -> None:
        """After ten attempts it gives up, says so, and leaves no file."""
        self.store.answers = [self.status(503)] * ATTEMPTS
        with self.assertRaisesRegex(ImageUnusable, "10 times"):
            await self.fetch()
        self.assertEqual(self.clock.pauses, [4.0 * 2**turn for turn in range(ATTEMPTS - 1)])
        self.assertFalse(self.path.exists())
