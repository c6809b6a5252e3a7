"""Requests whose body reaches its resource while it arrives, instead of being stored first.

Twisted keeps the body of a request in memory or in a temporary file, and looks for the resource
afterwards. A resource that provides `takes_stream` is rendered as soon as the headers are there.
It reads the body with `await body_of(request).read()`; the connection is not read while the
resource is behind, so that a body of any size passes through little memory.

A client that sends `Expect: 100-continue` is told to go on at the first `read`. A resource that
answers without reading refuses the body: the client that waits is spared sending it and the
connection is closed; of any other the rest is read and dropped before the answer ends.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IPushProducer
from twisted.python.failure import Failure
from twisted.web.server import Request

if TYPE_CHECKING:
    from collections.abc import Callable

HIGH_WATER = 1 << 18  # bytes held; above this the connection is not read


class BodyLost(Exception):
    """The connection ended before the request's body did."""


class Body:
    """The body of one request, read in pieces by one reader."""

    def __init__(
        self,
        pause: Callable[[], None],
        resume: Callable[[], None],
        begin: Callable[[], None] = lambda: None,
    ) -> None:
        self._pause = pause
        self._resume = resume
        self._begin = begin
        self._pieces: deque[bytes] = deque()
        self._held = 0
        self._ended = self._lost = self._dropping = self._paused = False
        self._waiting: Deferred[None] | None = None

    async def read(self) -> bytes:
        """Return what has arrived, at least a byte; `b""` at the end; raises BodyLost."""
        self._begin()
        while not self._pieces and not self._ended and not self._lost:
            if self._paused:
                self._paused = False
                self._resume()
            if not self._pieces and not self._ended and not self._lost:
                self._waiting = Deferred()
                await self._waiting
        if self._lost:
            raise BodyLost
        data = b"".join(self._pieces)
        self._pieces.clear()
        self._held = 0
        return data

    @property
    def awaited(self) -> bool:
        """Whether its reader waits for more."""
        return self._waiting is not None

    def hold(self) -> None:
        """Stop the connection until the next `read`."""
        self._paused = True
        self._pause()

    def received(self, data: bytes) -> None:
        """Take what arrived."""
        if self._dropping:
            return
        self._pieces.append(data)
        self._held += len(data)
        if self._held > HIGH_WATER:
            # Said again while it still arrives: others resume the connection too.
            self.hold()
        self._wake()

    def end(self) -> None:
        """Note that the body is complete."""
        self._ended = True
        self._wake()

    def lose(self) -> None:
        """Note that the rest will never arrive."""
        self._lost = True
        self._wake()

    def drop(self) -> None:
        """Forget what arrived and what will."""
        self._dropping = True
        self._pieces.clear()
        if self._paused:
            self._paused = False
            self._resume()

    def _wake(self) -> None:
        if self._waiting is not None:
            waiting, self._waiting = self._waiting, None
            waiting.callback(None)


def whole_body(content: bytes) -> Body:
    """Return a body that has arrived already."""
    body = Body(lambda: None, lambda: None)
    if content:
        body.received(content)
    body.end()
    return body


def body_of(request: Request) -> Body:
    """Return the body of a request, streamed where the listener streams."""
    body = getattr(request, "body", None)
    if isinstance(body, Body):
        return body
    assert request.content is not None
    return whole_body(request.content.read())


class StreamingRequest(Request):
    """A request that is rendered at the end of its headers if its resource takes a stream."""

    body: Body | None = None
    _complete = False
    _finish_called = False
    _expects = False

    def gotLength(self, length: int | None) -> None:
        """Begin with the request, whose headers are complete; `length` is None when chunked."""
        if length == 0 or not self._takes_stream():
            super().gotLength(length)
            return
        super().gotLength(0)
        transport = IPushProducer(self.channel.transport)
        self.body = Body(transport.pauseProducing, transport.resumeProducing, self._go_on)
        self._take_expectation()
        super().requestReceived(*self._request_line())
        if not (self._complete or self._finish_called or self.body.awaited):
            self.body.hold()

    def _request_line(self) -> tuple[bytes, bytes, bytes]:
        # The channel gives these to requestReceived only after the body; it has them by now.
        channel: Any = self.channel
        return channel._command, channel._path, channel._version

    def _takes_stream(self) -> bool:
        _, self.uri, _ = self._request_line()
        self.path = self.uri.partition(b"?")[0]
        self.prepath = []
        self.postpath = self.path[1:].split(b"/")
        channel: Any = self.channel
        return bool(getattr(channel.site.getResourceFor(self), "takes_stream", False))

    def _take_expectation(self) -> None:
        expected = self.requestHeaders.getRawHeaders(b"Expect", [b""])[0].lower()
        if expected == b"100-continue" and self._request_line()[2] == b"HTTP/1.1":
            # Kept from the channel, which would say `100 Continue` whatever the resource thinks.
            self.requestHeaders.removeHeader(b"Expect")
            self._expects = True

    def _go_on(self) -> None:
        """Let a client that waits send its body."""
        if self._expects:
            self._expects = False
            self.channel.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def handleContentChunk(self, data: bytes) -> None:
        """Take a piece of the body."""
        if self.body is None:
            super().handleContentChunk(data)
        else:
            self.body.received(data)

    def requestReceived(self, command: bytes, path: bytes, version: bytes) -> None:
        """Take note that the body is complete."""
        self._complete = True
        if self.body is None:
            super().requestReceived(command, path, version)
            return
        self.body.end()
        if self._finish_called:
            super().finish()

    def write(self, data: bytes) -> None:
        """Write a piece of the answer."""
        if self._expects and not self.startedWriting:
            self.channel.persistent = False
            self.setHeader(b"Connection", b"close")
        super().write(data)

    def finish(self) -> None:
        """End the answer, after the body has arrived or is given up."""
        if self.body is None or self._complete:
            super().finish()
            return
        if self._expects:
            if not self.startedWriting:
                self.write(b"")
            self._complete = True
            super().finish()
            return
        self._finish_called = True
        self.body.drop()

    def connectionLost(self, reason: Failure) -> None:
        """Tell the reader of the body, and whom else it may concern."""
        if self.body is not None:
            self.body.lose()
        super().connectionLost(reason)
