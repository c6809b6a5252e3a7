"""Remembers what was accepted, so that nothing is accepted twice within its time.

The memory must be as long as a message is fresh, and no longer: what is older than that is refused
for its age. A service that may be restarted within that time keeps its memory in a file.
"""

import contextlib
import hashlib
import heapq
import os
from pathlib import Path
from typing import Protocol

_MANY_LINES = 1000


class Replays(Protocol):
    """A memory of accepted messages."""

    def first_time(self, identifier: str, now: float, until: float) -> bool:
        """Remember the identifier until a time, in seconds since 1970; False if it is known."""
        ...


class MemoryReplays:
    """Remembers in memory; a restart forgets."""

    def __init__(self) -> None:
        self._known: set[str] = set()
        self._expiry: list[tuple[float, str]] = []

    def first_time(self, identifier: str, now: float, until: float) -> bool:
        """Remember the identifier, forgetting those whose time has passed."""
        return self.add(_digest(identifier), now, until)

    def add(self, digest: str, now: float, until: float) -> bool:
        """Remember what stands for an identifier; False if it is known."""
        while self._expiry and self._expiry[0][0] < now:
            self._known.discard(heapq.heappop(self._expiry)[1])
        if digest in self._known:
            return False
        self._known.add(digest)
        heapq.heappush(self._expiry, (until, digest))
        return True

    def __len__(self) -> int:
        return len(self._known)

    def lines(self) -> list[str]:
        """Return what is remembered, a line each: until when, and what."""
        return [_line(until, digest) for until, digest in self._expiry]


class FileReplays:
    """Remembers in a file too, so that a restart forgets nothing.

    One line is appended for each message, in one write, before the message is acted on: what a
    killed process accepted is known to the next. A torn last line is passed over. Lines are never
    sorted out while the process runs, which would take long: when all that an earlier file
    (`PATH.earlier`) holds has expired, the file takes its place, and a new one is begun.
    """

    def __init__(self, path: Path, now: float) -> None:
        self._path = path
        self._earlier = path.with_name(f"{path.name}.earlier")
        self._memory = MemoryReplays()
        for line in (*_read(self._earlier), *_read(path)):
            until, digest = _parsed(line)
            if until >= now:
                self._memory.add(digest, now, until)
        lines = self._memory.lines()
        self._last = max((_parsed(line)[0] for line in lines), default=now)
        self._last_earlier = now
        self._written = len(lines)
        self._draft = path.with_name(f"{path.name}.new")
        self._descriptor = _begun(self._draft)
        os.write(self._descriptor, "".join(lines).encode("ascii"))
        self._draft.replace(path)
        self._earlier.unlink(missing_ok=True)

    def first_time(self, identifier: str, now: float, until: float) -> bool:
        """Remember the identifier, in the file first; raises OSError when that fails."""
        digest = _digest(identifier)
        if not self._memory.add(digest, now, until):
            return False
        if self._written >= _MANY_LINES and now > self._last_earlier:
            self._begin_another()
        os.write(self._descriptor, _line(until, digest).encode("ascii"))
        self._written += 1
        self._last = max(self._last, until)
        return True

    def close(self) -> None:
        """Close the file."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _begin_another(self) -> None:
        descriptor = _begun(self._draft)
        self._path.replace(self._earlier)
        self._draft.replace(self._path)
        self.close()
        self._descriptor = descriptor
        self._last_earlier, self._last, self._written = self._last, 0.0, 0


def _begun(path: Path) -> int:
    """Return the descriptor of a new file that is its owner's."""
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o600)


def _digest(identifier: str) -> str:
    return hashlib.sha256(identifier.encode("utf-8", "surrogatepass")).hexdigest()


def _line(until: float, digest: str) -> str:
    return f"{until:.3f} {digest}\n"


def _read(path: Path) -> list[str]:
    with contextlib.suppress(FileNotFoundError):
        return path.read_text("ascii", "replace").splitlines()
    return []


def _parsed(line: str) -> tuple[float, str]:
    """Return until when, and what; a torn line stands for nothing and has expired."""
    until, _, digest = line.partition(" ")
    if len(digest) != hashlib.sha256().digest_size * 2:
        return 0.0, ""
    try:
        return float(until), digest
    except ValueError:
        return 0.0, ""
