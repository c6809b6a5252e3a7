"""Images fetched once and kept, for the instances that need them next.

    eucalyptus/cache/<image>/<file>           the raw image
    eucalyptus/cache/<image>/<file>-digest    its manifest; its mtime is when it was last used

An entry appears by rename, when it is complete. However many instances wait for an image, it is
fetched once. Before an entry is used its manifest is fetched anew and compared, byte for byte. All
entries together stay below the limit; the one not used for longest goes first, and none goes
while it is being copied. An image that does not fit is fetched for its instance alone.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from attrs import Factory, define, frozen
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from euca.nc.files import cache_directory, checked_name, thd_sync
from euca.nc.instance import Source
from euca.nc.interfaces import Digest, ImageSource, ImageUnusable
from euca.threads import Offload

MEGABYTE = 1 << 20
_DRAFT = "."  # names of what is not an entry yet, or not any more, begin with it


@frozen
class Image:
    """A raw image on disk, of `size` bytes; it must be copied, not kept."""

    path: Path
    size: int


@define
class _Entry:
    """An image kept: its file's name, the hash of its manifest, and by how many it is read."""

    name: str
    size: int
    digest: bytes
    used: float
    pins: int = 0


@define
class _Download:
    """A download under way, and those who wait for it; it is given up when nobody does."""

    size: int
    task: Deferred[None] | None = None
    waiters: list[Deferred[None]] = Factory(list)

    def join(self) -> Deferred[None]:
        """Return what fires with the outcome."""

        def leave(waiter: Deferred[None]) -> None:
            self.waiters.remove(waiter)
            if not self.waiters and self.task is not None:
                self.task.cancel()

        waiter: Deferred[None] = Deferred(leave)
        self.waiters.append(waiter)
        return waiter

    def end(self, outcome: None) -> None:
        """Give the outcome, which may be a failure, to each of those who wait."""
        waiters, self.waiters = self.waiters, []
        for waiter in waiters:
            waiter.callback(outcome)


class ImageCache:
    """The images of one node; `limit` is in MB, 0 keeps none."""

    log = Logger()

    def __init__(
        self, root: Path, limit: int, source: ImageSource, threads: Offload, clock: IReactorTime
    ) -> None:
        self._root = cache_directory(root)
        self._limit = limit * MEGABYTE
        self._source = source
        self._threads = threads
        self._clock = clock
        self._entries: dict[str, _Entry] = {}
        self._downloads: dict[str, _Download] = {}

    async def load(self) -> None:
        """Take over the complete entries found on disk, and remove everything else."""
        self._entries = await self._threads.run(_thd_load, self._root)

    @asynccontextmanager
    async def image(
        self, source: Source, name: str, limit: int, spare: Path
    ) -> AsyncIterator[Image]:
        """Give the raw image inside the `async with` block.

        One that is not kept is fetched to the path `spare`, and removed at the end. Raises
        ImageUnusable, also for an image of more than `limit` bytes.
        """
        checked_name(source.identifier, "the identifier of an image")
        digest = await self._source.digest(source.url)
        if digest.size > limit:
            raise ImageUnusable(
                f"{source.identifier} has {digest.size} bytes; the instance has room for {limit}"
            )
        entry = await self._pinned(source, name, digest)
        try:
            if entry is None:
                await self._source.fetch(source.url, digest.size, spare)
                yield Image(spare, digest.size)
            else:
                yield Image(self._root / source.identifier / entry.name, entry.size)
        finally:
            if entry is None:
                spare.unlink(missing_ok=True)
            else:
                entry.pins -= 1

    async def _pinned(self, source: Source, name: str, digest: Digest) -> _Entry | None:
        """Return the image's entry, which is pinned; None if it cannot be kept."""
        key, wanted = source.identifier, _hash(digest.raw)
        while True:
            download = self._downloads.get(key)
            if download is not None:
                await download.join()
                continue
            entry = self._entries.get(key)
            if entry is not None and entry.digest == wanted:
                entry.pins += 1
                entry.used = self._clock.seconds()
                await self._threads.run(_thd_touch, self._root / key, entry.name, entry.used)
                return entry
            if entry is not None and entry.pins:
                return None  # an older image of that identifier is still being copied
            if entry is not None:
                await self._evict(key)
                continue
            if not await self._make_room(digest.size):
                return None
            if key not in self._downloads and key not in self._entries:
                await self._start(source, name, digest)

    def _start(self, source: Source, name: str, digest: Digest) -> Deferred[None]:
        download = _Download(digest.size)
        self._downloads[source.identifier] = download
        outcome = download.join()

        def ended(result: None) -> None:
            del self._downloads[source.identifier]
            download.end(result)

        download.task = Deferred.fromCoroutine(self._download(source, name, digest))
        download.task.addBoth(ended)
        return outcome

    async def _download(self, source: Source, name: str, digest: Digest) -> None:
        draft = self._root / f"{_DRAFT}{source.identifier}.new"
        try:
            await self._threads.run(_thd_begin, draft)
            await self._source.fetch(source.url, digest.size, draft / name)
            now = self._clock.seconds()
            final = self._root / source.identifier
            await self._threads.run(_thd_complete, draft, final, name, digest.raw, now)
        except Exception:
            await self._threads.run(_thd_remove, draft)
            raise
        self._entries[source.identifier] = _Entry(name, digest.size, _hash(digest.raw), now)

    async def _make_room(self, size: int) -> bool:
        """Evict until an image of that size fits; return whether it does."""
        while self._filled() + size > self._limit:
            idle = [key for key, entry in self._entries.items() if not entry.pins]
            freed = sum(self._entries[key].size for key in idle)
            if self._filled() - freed + size > self._limit:
                return False
            await self._evict(min(idle, key=lambda key: self._entries[key].used))
        return True

    def _filled(self) -> int:
        kept = sum(entry.size for entry in self._entries.values())
        return kept + sum(download.size for download in self._downloads.values())

    async def _evict(self, key: str) -> None:
        self.log.info("Dropping {key} from the cache", key=key)
        del self._entries[key]
        await self._threads.run(_thd_drop, self._root / key)


def _hash(raw: bytes) -> bytes:
    return hashlib.sha256(raw).digest()


def _thd_load(root: Path) -> dict[str, _Entry]:
    root.mkdir(parents=True, exist_ok=True)
    entries = {}
    for path in root.iterdir():
        entry = None if path.name.startswith(_DRAFT) else _thd_entry(path)
        if entry is None:
            _thd_remove(path)
        else:
            entries[path.name] = entry
    return entries


def _thd_entry(path: Path) -> _Entry | None:
    """Return the entry of a directory that holds one image and its digest, and nothing else."""
    names = sorted(child.name for child in path.iterdir()) if path.is_dir() else []
    if len(names) != 2 or names[1] != f"{names[0]}-digest":
        return None
    image, digest = (path / name for name in names)
    if not (image.is_file() and digest.is_file() and image.stat().st_size):
        return None
    state = digest.stat()
    return _Entry(names[0], image.stat().st_size, _hash(digest.read_bytes()), state.st_mtime)


def _thd_begin(draft: Path) -> None:
    _thd_remove(draft)
    draft.mkdir(parents=True)


def _thd_complete(draft: Path, final: Path, name: str, digest: bytes, now: float) -> None:
    with (draft / f"{name}-digest").open("wb") as stream:
        stream.write(digest)
        stream.flush()
        os.fsync(stream.fileno())
    _thd_touch(draft, name, now)
    thd_sync(draft)
    _thd_remove(final)
    draft.rename(final)
    thd_sync(final.parent)


def _thd_touch(directory: Path, name: str, now: float) -> None:
    os.utime(directory / f"{name}-digest", (now, now))


def _thd_drop(path: Path) -> None:
    doomed = path.with_name(f"{_DRAFT}{path.name}.old")
    _thd_remove(doomed)
    path.rename(doomed)
    _thd_remove(doomed)


def _thd_remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
