"""A trace of the wire for people who debug it: every message as read and as sent, with its verdict.

Secrets are taken out first, so a traced message may no longer verify. `python -m euca.wire show`
explains the files.
"""

import itertools
import os
import re
from pathlib import Path
from typing import Protocol

from attrs import field, frozen
from twisted.internet.interfaces import IReactorTime

# Elements whose text lets its reader in somewhere, or is a user's own.
_SECRETS = ("keyMaterial", "passwordData", "S3Policy", "S3PolicySig", "userData", "data")
_SECRET = re.compile(rf"(<(?:\w+:)?(?:{'|'.join(_SECRETS)})\b[^>]*>)([^<]+)(</)".encode())


class WireTrace(Protocol):
    """Takes note of messages."""

    def note(self, direction: str, service: str, raw: bytes, verdict: str) -> None:
        """Take note of one message: `in` or `out`, whose it is, its bytes, what became of it."""
        ...


class Untraced:
    """Takes note of nothing: the usual trace."""

    def note(self, direction: str, service: str, raw: bytes, verdict: str) -> None:
        """Do nothing."""


@frozen
class Note:
    """One message taken note of."""

    direction: str
    service: str
    raw: bytes
    verdict: str


@frozen
class RecordingTrace:
    """Keeps the messages in memory: the double for tests."""

    notes: list[Note] = field(factory=list)

    def note(self, direction: str, service: str, raw: bytes, verdict: str) -> None:
        """Keep the message, without its secrets."""
        self.notes.append(Note(direction, service, redacted(raw), verdict))


class FileTrace:
    """Writes each message to a file of its own in a directory, readable by its owner alone.

    It writes at once, on the thread that calls, so that the last message before a crash is there:
    it is for debugging, not for service.
    """

    def __init__(self, directory: Path, clock: IReactorTime) -> None:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._directory = directory
        self._clock = clock
        self._numbers = itertools.count(1)

    def note(self, direction: str, service: str, raw: bytes, verdict: str) -> None:
        """Write the message after a head that names its verdict."""
        stamp = f"{self._clock.seconds():.3f}-{next(self._numbers):06d}"
        path = self._directory / f"{stamp}-{direction}-{service}.http"
        line = verdict.replace("\r", " ").replace("\n", " ")
        head = f"Direction: {direction}\r\nService: {service}\r\nVerdict: {line}\r\n\r\n"
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(head.encode("utf-8", "replace") + redacted(raw))


def redacted(raw: bytes) -> bytes:
    """Return a message with the texts of its secret elements replaced by their length."""
    return _SECRET.sub(lambda found: found[1] + b"[%d bytes]" % len(found[2]) + found[3], raw)
