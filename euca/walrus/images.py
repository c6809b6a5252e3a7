"""Unfolds bundled images for the nodes, and keeps what it unfolded.

A node asks for the object that is a bundle's manifest. Its signature is checked against the
certificates of the cloud's users each time; then the parts, which lie in the same bucket, are
decrypted, inflated and unpacked in a thread, into a file that only this process' user can read.
The file is named after the file of the manifest, and that name dies with the manifest: whoever
overwrites or deletes the manifest makes the image unreachable at once.

However many nodes ask for an image at once, it is unfolded once. Files together stay below a
limit: the one not used for longest goes first, none goes while it is being sent.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from attrs import define, field, frozen
from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.logger import Logger

from euca.auth.bundle import MAX_MANIFEST, BadBundle, Manifest, image_pieces, write_image
from euca.auth.keyring import Certificate, Identity
from euca.store import accounts
from euca.store.engine import Database
from euca.store.sql import Connection
from euca.threads import Offload
from euca.walrus.errors import WalrusError
from euca.walrus.files import Files, sync_folder
from euca.walrus.tables import StoredObject, thd_find_object, thd_has_file


@frozen
class Image:
    """A raw image, open to be sent; `close` must be called when it is."""

    stream: BinaryIO
    size: int
    close: Callable[[], None]


@define
class _Held:
    """A file of the cache: its size in bytes, how often it is being sent, when it was used."""

    size: int
    pins: int = 0
    used: float = 0.0
    doomed: bool = False
    failure: WalrusError | None = None
    waiting: list[Deferred[None]] | None = field(default=None, repr=False)


class Images(Service):
    """The images that Walrus unfolded, or is unfolding."""

    log = Logger()

    def __init__(
        self,
        *,
        database: Database,
        files: Files,
        threads: Offload,
        identity: Identity,
        limit: int,
        now: Callable[[], float],
    ) -> None:
        self._database = database
        self._files = files
        self._threads = threads
        self._identity = identity
        self._limit = limit
        self._now = now
        self._held: dict[str, _Held] = {}
        self._running: set[Deferred[None]] = set()
        self._stopping = threading.Event()

    def startService(self) -> None:
        """Take stock of the images that lie there."""
        super().startService()
        self._stopping.clear()
        for path in self._files.images.iterdir():
            self._held[path.name] = _Held(path.stat().st_size)

    def stopService(self) -> Deferred[None]:
        """Give up what is being unfolded; the Deferred fires when that has ended."""
        super().stopService()
        self._stopping.set()
        return Deferred.fromCoroutine(self._ended())

    async def _ended(self) -> None:
        for running in list(self._running):
            await running

    async def open(self, stored: StoredObject) -> Image:
        """Return the raw image of the bundle whose manifest the object is; raises WalrusError."""
        manifest = await self._checked(stored)
        held = self._held.get(stored.file)
        if held is None:
            held = await self._begin(stored, manifest)
        held.pins += 1
        try:
            await self._ready(held)
            stream = await self._threads.run(self._path(stored.file).open, "rb")
        except BaseException:
            held.pins -= 1
            raise
        held.used = self._now()
        return Image(stream, manifest.size, lambda: self._close(held, stream))

    async def forget(self, file: str) -> None:
        """Drop the image of a manifest that is no more; whoever reads it may read on."""
        held = self._held.get(file)
        if held is not None and held.waiting is not None:
            held.doomed = True
        elif held is not None:
            del self._held[file]
            await self._threads.run(thd_remove, [self._path(file)])

    def _path(self, file: str) -> Path:
        return self._files.images / file

    def _close(self, held: _Held, stream: BinaryIO) -> None:
        held.pins -= 1
        stream.close()

    # Checks

    async def _checked(self, stored: StoredObject) -> Manifest:
        if stored.size > MAX_MANIFEST:
            raise WalrusError("DecryptionFailed", f"{stored.key!r} is too large for a manifest.")
        certificates = await self._database.transact(accounts.thd_all_certificates)
        try:
            return await self._threads.run(self._thd_check, stored, certificates)
        except BadBundle as bad:
            raise WalrusError("DecryptionFailed", f"{stored.key!r}: {bad}.") from bad

    def _thd_check(self, stored: StoredObject, certificates: Sequence[bytes]) -> Manifest:
        with self._files.thd_open(stored.bucket, stored.file) as stream:
            manifest = Manifest.parse(stream.read())
        users = [Certificate.from_der(der) for der in certificates]
        if not manifest.signed_by([*users, self._identity.certificate]):
            raise BadBundle("the manifest is not signed by a user of this cloud")
        return manifest

    # Unfolding

    async def _ready(self, held: _Held) -> None:
        if held.waiting is not None:
            done: Deferred[None] = Deferred()
            held.waiting.append(done)
            await done
        if held.failure is not None:
            raise WalrusError(held.failure.code, held.failure.message)

    async def _begin(self, stored: StoredObject, manifest: Manifest) -> _Held:
        parts = await self._database.transact(lambda tx: thd_parts(tx, stored, manifest))
        if stored.file in self._held:  # another request was quicker
            return self._held[stored.file]
        evicted = self._make_room(manifest.size)
        held = self._held[stored.file] = _Held(manifest.size, waiting=[])
        paths = [
            (self._files.path(part.bucket, part.file), named.digest)
            for part, named in zip(parts, manifest.parts, strict=True)
        ]
        running = Deferred.fromCoroutine(self._unfold(stored, manifest, paths, evicted))
        if not running.called:
            self._running.add(running)
            running.addCallback(lambda _: self._running.discard(running))
        return held

    def _make_room(self, size: int) -> list[Path]:
        """Give up images until another fits, and return their files; raises WalrusError."""
        idle = sorted((held.used, file) for file, held in self._held.items() if _is_idle(held))
        room = self._limit - self._used()
        evicted = []
        for _, file in idle:
            if room >= size:
                break
            room += self._held[file].size
            evicted.append(file)
        if room < size:
            raise WalrusError(
                "ServiceUnavailable",
                f"An image of {size} bytes finds no room now: Walrus may keep {self._limit} bytes"
                " of decrypted images, and the others are in use.",
            )
        for file in evicted:
            del self._held[file]
        return [self._path(file) for file in evicted]

    def _used(self) -> int:
        return sum(held.size for held in self._held.values())

    async def _unfold(
        self,
        stored: StoredObject,
        manifest: Manifest,
        parts: list[tuple[Path, str | None]],
        evicted: list[Path],
    ) -> None:
        """Unfold a bundle and wake those who wait; never raises."""
        try:
            await self._threads.run(thd_remove, evicted)
            await self._threads.run(self._thd_unfold, stored.file, manifest, parts)
            if not await self._database.transact(lambda tx: thd_has_file(tx, stored.file)):
                self._held[stored.file].doomed = True
            failure = None
        except (BadBundle, OSError) as error:
            self.log.warn("{key!r} does not unfold: {error}", key=stored.key, error=error)
            told = "its parts cannot be read" if isinstance(error, OSError) else str(error)
            failure = WalrusError("DecryptionFailed", f"{stored.key!r}: {told}.")
        except Exception:
            self.log.failure("Unfolding {key!r} failed", key=stored.key)
            failure = WalrusError("InternalError", "The image could not be unfolded.")
        await self._settle(stored.file, failure)

    async def _settle(self, file: str, failure: WalrusError | None) -> None:
        held = self._held[file]
        if held.doomed and failure is None:
            failure = WalrusError("NoSuchKey", "The manifest was replaced meanwhile.")
        held.failure = failure
        if failure is not None:
            del self._held[file]
            await self._threads.run(thd_remove, [self._path(file)])
        waiting, held.waiting = held.waiting or [], None
        for done in waiting:
            done.callback(None)

    def _thd_unfold(
        self, file: str, manifest: Manifest, parts: list[tuple[Path, str | None]]
    ) -> None:
        secret = manifest.keys(self._identity)
        draft = self._files.thd_draft()
        try:
            pieces = self._until_stopped(image_pieces(parts, secret))
            draft.thd_fill(lambda stream: write_image(pieces, stream, manifest.size))
            draft.thd_keep_as(self._path(file))
        except BaseException:
            draft.thd_discard()
            raise
        sync_folder(self._files.images)

    def _until_stopped(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        for piece in pieces:
            if self._stopping.is_set():
                raise BadBundle("Walrus is stopping")
            yield piece


def _is_idle(held: _Held) -> bool:
    return held.pins == 0 and held.waiting is None


def thd_remove(paths: Sequence[Path]) -> None:
    """Remove files, whether they are there or not."""
    for path in paths:
        path.unlink(missing_ok=True)


def thd_parts(tx: Connection, stored: StoredObject, manifest: Manifest) -> list[StoredObject]:
    """Return the objects that a manifest names as parts; raises WalrusError for a missing one."""
    parts = []
    for part in manifest.parts:
        found = thd_find_object(tx, stored.bucket, part.filename)
        if found is None:
            raise WalrusError(
                "DecryptionFailed", f"{stored.key!r}: the part {part.filename!r} is missing."
            )
        parts.append(found)
    return parts
