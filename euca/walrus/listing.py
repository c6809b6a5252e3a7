"""Lists the objects of a bucket as S3 does: by prefix, rolled up at a delimiter, page by page."""

from __future__ import annotations

from attrs import frozen

from euca.store.sql import Connection
from euca.walrus.tables import PAGE, StoredObject, thd_objects_from

MAX_KEYS = 1000


@frozen
class Query:
    """What a listing is asked for."""

    prefix: str = ""
    marker: str = ""
    delimiter: str = ""
    max_keys: int = MAX_KEYS


@frozen
class Listing:
    """A page of a bucket; `next_marker` continues it when it is truncated."""

    contents: tuple[StoredObject, ...] = ()
    prefixes: tuple[str, ...] = ()
    next_marker: str | None = None

    @property
    def truncated(self) -> bool:
        """Whether more follows."""
        return self.next_marker is not None


class _Page:
    """A listing being filled, key after key; a rolled-up prefix counts as one entry."""

    def __init__(self, query: Query) -> None:
        self.query = query
        self.contents: list[StoredObject] = []
        self.prefixes: list[str] = []
        marker, prefix = query.marker.encode(), query.prefix.encode()
        self.start = max(prefix, marker + b"\0" if marker else b"")
        self.last = ""

    def take(self, stored: StoredObject) -> bool:
        """Take the next key; tell whether there was room for it."""
        key = stored.key.encode()
        if key < self.start:
            return True  # under a prefix that is rolled up already
        rolled = self._rolled(stored.key)
        listed = rolled is None or rolled.encode() > self.query.marker.encode()
        if listed and len(self.contents) + len(self.prefixes) >= self.query.max_keys:
            return False
        self.start = key + b"\0" if rolled is None else _after(rolled.encode()) or b""
        if rolled is None:
            self.contents.append(stored)
        elif listed:
            self.prefixes.append(rolled)
        self.last = (rolled or stored.key) if listed else self.last
        return True

    def _rolled(self, key: str) -> str | None:
        """Return the prefix that stands for the key, None for one that is listed itself."""
        start, delimiter = len(self.query.prefix), self.query.delimiter
        cut = key.find(delimiter, start) if delimiter else -1
        return None if cut < 0 else key[: cut + len(delimiter)]

    def listing(self, truncated: bool) -> Listing:
        """Return what was taken."""
        return Listing(tuple(self.contents), tuple(self.prefixes), self.last if truncated else None)


def thd_list(tx: Connection, bucket: str, query: Query) -> Listing:
    """Return the page of a bucket that the query asks for."""
    page = _Page(query)
    end = _after(query.prefix.encode())
    while query.max_keys:
        found = thd_objects_from(tx, bucket, page.start, end)
        if not all(page.take(stored) for stored in found):
            return page.listing(truncated=True)
        if len(found) < PAGE:
            break
    return page.listing(truncated=False)


def _after(prefix: bytes) -> bytes | None:
    """Return the first key after all that begin with `prefix`; UTF-8 has no byte 0xff."""
    return prefix[:-1] + bytes([prefix[-1] + 1]) if prefix else None
