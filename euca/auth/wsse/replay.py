"""Remembers what was accepted, so that nothing is accepted twice within its time."""

import heapq
from typing import Protocol


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
        while self._expiry and self._expiry[0][0] < now:
            self._known.discard(heapq.heappop(self._expiry)[1])
        if identifier in self._known:
            return False
        self._known.add(identifier)
        heapq.heappush(self._expiry, (until, identifier))
        return True
