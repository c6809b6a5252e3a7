"""Takes the body of an HTTP answer into memory or into a file, never more than was promised.

A file is written in a thread, a piece at a time; while a piece is being written the connection is
not read, so that an image of any size passes through little memory.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, BinaryIO

from twisted.internet.defer import Deferred
from twisted.internet.protocol import Protocol
from twisted.python.failure import Failure
from twisted.web.client import ResponseDone
from twisted.web.http import PotentialDataLoss
from twisted.web.iweb import IResponse

from euca.threads import Offload

PIECE = 1 << 20  # bytes that are written at once
IDLE_SECONDS = 60.0


class BodyCut(Exception):
    """The body ended before it was complete, or nothing came for too long."""


class BodyTooLong(Exception):
    """The body is not of the length that was promised."""


class _Body(Protocol):
    """The body of one answer, read in pieces of about PIECE bytes by one reader."""

    def __init__(self, clock: Any) -> None:
        self._clock = clock
        self._pieces: list[bytes] = []
        self._held = 0
        self._waiting: Deferred[None] | None = None
        self._end: Failure | None = None
        self._paused = False

    def dataReceived(self, data: bytes) -> None:
        """Keep a piece; stop the connection when there is enough for the reader."""
        self._pieces.append(data)
        self._held += len(data)
        if self._held >= PIECE:
            if not self._paused and self.transport is not None:
                self._paused = True
                self.transport.pauseProducing()  # type: ignore[attr-defined]
            self._wake()

    def connectionLost(self, reason: Failure = Failure(ConnectionError())) -> None:  # noqa: B008
        """Note why the body ended."""
        self._end = reason
        self._wake()

    def _wake(self) -> None:
        waiting, self._waiting = self._waiting, None
        if waiting is not None and not waiting.called:
            waiting.callback(None)

    async def read(self) -> bytes:
        """Return the next piece, nothing at the end; raises BodyCut."""
        if self._held < PIECE and self._end is None:
            self._resume()
            # Set up again: resuming may have delivered, and even ended, the body at once.
            if self._held < PIECE and self._end is None:
                await self._more()
        data = b"".join(self._pieces)
        self._pieces.clear()
        self._held = 0
        if data:
            return data
        if self._end is not None and not self._end.check(ResponseDone, PotentialDataLoss):
            raise BodyCut(f"the answer was cut off: {self._end.getErrorMessage()}")
        return b""

    def _resume(self) -> None:
        if self._paused and self.transport is not None:
            self._paused = False
            self.transport.resumeProducing()  # type: ignore[attr-defined]

    async def _more(self) -> None:
        """Wait for a piece or the end, as long as something comes."""
        while self._held < PIECE and self._end is None:
            before = self._held
            self._waiting = Deferred()
            expiry = self._clock.callLater(IDLE_SECONDS, self._wake)
            try:
                await self._waiting
            finally:
                self._waiting = None
                if expiry.active():
                    expiry.cancel()
            if self._held == before and self._end is None:
                raise BodyCut(f"nothing came for {IDLE_SECONDS:.0f} seconds")

    def abandon(self) -> None:
        """Close the connection if the body is not complete."""
        if self._end is None and self.transport is not None:
            self.transport.loseConnection()


async def to_memory(answer: IResponse, limit: int, clock: Any, *, cut: bool = False) -> bytes:
    """Return the body; of a longer one than `limit` raises BodyTooLong, or cuts it."""
    body = _Body(clock)
    answer.deliverBody(body)
    found = bytearray()
    try:
        while piece := await body.read():
            found += piece
            if len(found) > limit and not cut:
                raise BodyTooLong(f"the answer has more than {limit} bytes")
            if len(found) > limit:
                break
    finally:
        body.abandon()
    return bytes(found[:limit])


async def to_file(answer: IResponse, path: Path, size: int, threads: Offload, clock: Any) -> None:
    """Write the body to a new file of exactly `size` bytes, and make it last.

    Raises BodyTooLong for a body of another length, BodyCut for one cut off, OSError.
    """
    body = _Body(clock)
    answer.deliverBody(body)
    written = 0
    # Opened here and not in a thread: who cancels this removes the file and it must not come later.
    stream = path.open("wb")
    try:
        while piece := await body.read():
            written += len(piece)
            if written > size:
                raise BodyTooLong(f"the answer has more than the {size} bytes promised")
            await threads.run(_thd_write, stream, piece)
        if written != size:
            raise BodyTooLong(f"the answer has {written} bytes, not the {size} promised")
        await threads.run(_thd_finish, stream)
    finally:
        body.abandon()
        stream.close()


def _thd_write(stream: BinaryIO, piece: bytes) -> None:
    stream.write(piece)


def _thd_finish(stream: BinaryIO) -> None:
    stream.flush()
    os.fsync(stream.fileno())
