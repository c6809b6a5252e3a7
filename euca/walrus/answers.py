"""Answers to REST requests, and how they are sent: data goes piece by piece, as it is taken."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Sequence
from typing import BinaryIO

from attrs import field, frozen
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IPushProducer
from twisted.web.http_headers import Headers
from twisted.web.server import Request
from zope.interface import implementer

from euca.threads import Offload

PIECE = 1 << 18  # bytes read and sent at a time

HeaderPairs = tuple[tuple[str, str], ...]


@frozen
class Data:
    """What is sent from a file: `size` bytes, or as one gzip member when `compressed`."""

    stream: BinaryIO
    size: int
    close: Callable[[], None]
    compressed: bool = False


@frozen
class Answer:
    """A status, headers, and a body that is either here or in a file."""

    status: int = 200
    headers: HeaderPairs = ()
    body: bytes = field(default=b"", repr=False)
    data: Data | None = None

    @classmethod
    def xml(cls, body: bytes, status: int = 200) -> Answer:
        """Return an answer that is an XML document."""
        return cls(status, (("Content-Type", "application/xml"),), body)


class AmazonHeaders(Headers):
    """Headers whose `x-amz-` names are sent in lower case, as clients of S3 compare them."""

    def getAllRawHeaders(self) -> Iterator[tuple[bytes, Sequence[bytes]]]:
        """Yield each name with its values."""
        for name, values in super().getAllRawHeaders():
            yield name.lower() if name.lower().startswith(b"x-amz-") else name, values


@implementer(IPushProducer)
class Sender:
    """Sends an answer's data, no faster than the client takes it."""

    def __init__(self, request: Request, threads: Offload) -> None:
        self._request = request
        self._threads = threads
        self._gone = False
        self._paused: Deferred[None] | None = None
        request.notifyFinish().addBoth(self._ended)

    async def send(self, answer: Answer) -> None:
        """Send the whole answer, unless the client goes away."""
        if self._gone:
            if answer.data is not None:
                answer.data.close()
            return
        self._request.setResponseCode(answer.status)
        already = dict(self._request.responseHeaders.getAllRawHeaders())
        self._request.responseHeaders = AmazonHeaders(already)
        for name, value in answer.headers:
            self._request.setHeader(name, value)
        if answer.data is None:
            self._send_body(answer)
        else:
            await self._send_data(answer.data)
        if not self._gone:
            self._request.finish()

    def _send_body(self, answer: Answer) -> None:
        if answer.status not in (204, 304):
            self._request.setHeader("Content-Length", str(len(answer.body)))
        self._request.write(answer.body)

    async def _send_data(self, data: Data) -> None:
        if not data.compressed:
            self._request.setHeader("Content-Length", str(data.size))
        try:
            if self._request.method != b"HEAD":
                await self._pump(data)
        finally:
            data.close()
        if not self._gone:
            self._request.write(b"")

    async def _pump(self, data: Data) -> None:
        deflater = zlib.compressobj(wbits=31) if data.compressed else None
        self._request.registerProducer(self, True)
        try:
            while not self._gone:
                piece = await self._threads.run(_thd_piece, data.stream, deflater)
                if piece is None or self._gone:
                    break
                self._request.write(piece)
                if self._paused is not None:
                    await self._paused
            if deflater is not None and not self._gone:
                self._request.write(deflater.flush())
        finally:
            if not self._gone:
                self._request.unregisterProducer()

    def break_off(self) -> None:
        """End an answer that cannot be completed, so that the client does not take it for whole."""
        if not self._gone:
            self._request.channel.loseConnection()

    def _ended(self, _result: object) -> None:
        self._gone = True
        self.resumeProducing()

    def pauseProducing(self) -> None:
        """Send no more for now."""
        if self._paused is None:
            self._paused = Deferred()

    def resumeProducing(self) -> None:
        """Send on."""
        if self._paused is not None:
            paused, self._paused = self._paused, None
            paused.callback(None)

    def stopProducing(self) -> None:
        """Send nothing more: the client is gone."""
        self._ended(None)


def _thd_piece(stream: BinaryIO, deflater: zlib._Compress | None) -> bytes | None:
    """Return the next piece to send, perhaps an empty one; None at the end of the file."""
    data = stream.read(PIECE)
    if not data:
        return None
    return data if deflater is None else deflater.compress(data)
