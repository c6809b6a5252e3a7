"""The data of objects: one file each, under a random name in the folder of its bucket.

A file is written as `.incoming/<id>`, synced, and renamed to `<bucket>/<id>`; only then the
metadata names it. Names are never used twice. Whatever a killed process left (a file that no
metadata names) is removed at the next start, so each key has its old or its new content, whole.

Decrypted images lie in `.images`, which only the owner of the process can enter. A bucket's name
never begins with a dot. Functions named `thd_` block; they run in a thread.
"""

from __future__ import annotations

import base64
import hashlib
import os
import zlib
from collections.abc import Callable, Collection
from pathlib import Path
from typing import BinaryIO

from twisted.logger import Logger

NewName = Callable[[], str]


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


class Draft:
    """An object being written."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stream: BinaryIO = open(path, "xb", opener=_private)
        self._md5 = hashlib.md5(usedforsecurity=False)
        self._crc = 0
        self.size = 0

    @property
    def name(self) -> str:
        """The name that the file has, and will have."""
        return self._path.name

    @property
    def md5(self) -> bytes:
        """The MD5 of what was written."""
        return self._md5.digest()

    @property
    def crc32(self) -> str:
        """The CRC-32 of what was written, in base64 as S3 has it."""
        return base64.b64encode(self._crc.to_bytes(4, "big")).decode()

    def thd_write(self, data: bytes) -> None:
        """Append to the file."""
        self._stream.write(data)
        self._md5.update(data)
        self._crc = zlib.crc32(data, self._crc)
        self.size += len(data)

    def thd_keep(self, folder: Path) -> None:
        """Make what was written last, in `folder`."""
        folder.mkdir(mode=0o700, exist_ok=True)
        self.thd_keep_as(folder / self.name)
        sync_folder(folder)

    def thd_fill(self, write: Callable[[BinaryIO], None]) -> None:
        """Let `write` write the file, with holes where it likes."""
        write(self._stream)

    def thd_keep_as(self, path: Path) -> None:
        """Make what was written last, as `path`."""
        self._stream.flush()
        os.fsync(self._stream.fileno())
        self._stream.close()
        self._path.rename(path)
        self._path = path

    def thd_discard(self) -> None:
        """Remove what was written, kept or not."""
        self._stream.close()
        self._path.unlink(missing_ok=True)


class Files:
    """The files of one Walrus, under one folder."""

    log = Logger()

    def __init__(self, root: Path, new_name: NewName) -> None:
        self._root = root
        self._new_name = new_name
        self.incoming = root / ".incoming"
        self.images = root / ".images"

    def thd_prepare(self) -> None:
        """Make the folders, for the owner of the process alone."""
        for folder in (self._root, self.incoming, self.images):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.images.chmod(0o700)

    def thd_sweep(self, known: Collection[tuple[str, str]]) -> int:
        """Remove every file but the known ones; return how many were removed.

        `known` has the bucket and the name of each. Nothing may be written meanwhile.
        """
        images = {name for _, name in known}
        leftovers = [*self.incoming.iterdir()]
        leftovers += [path for path in self.images.iterdir() if path.name not in images]
        for folder in self._root.iterdir():
            if folder.is_dir() and not folder.name.startswith("."):
                leftovers += [
                    path
                    for path in folder.iterdir()
                    if (folder.name, path.name) not in known and path.is_file()
                ]
        for path in leftovers:
            self.log.info("Removing {path}, which was left behind", path=path)
            path.unlink(missing_ok=True)
        return len(leftovers)

    def thd_draft(self) -> Draft:
        """Begin a file."""
        return Draft(self.incoming / self._new_name())

    def folder(self, bucket: str) -> Path:
        """Return the folder of a bucket's data."""
        return self._root / bucket

    def path(self, bucket: str, name: str) -> Path:
        """Return where a file lies."""
        return self.folder(bucket) / name

    def thd_open(self, bucket: str, name: str) -> BinaryIO:
        """Open a file to read; raises FileNotFoundError for one that was just replaced."""
        return self.path(bucket, name).open("rb")

    def thd_remove(self, bucket: str, name: str) -> None:
        """Remove a file; who reads it may read on."""
        self.path(bucket, name).unlink(missing_ok=True)

    def thd_remove_folder(self, bucket: str) -> None:
        """Remove the folder of a bucket unless an upload has just put a file there."""
        try:
            self.folder(bucket).rmdir()
        except OSError as error:
            self.log.info("Leaving the folder of {bucket}: {error}", bucket=bucket, error=error)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder last."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
