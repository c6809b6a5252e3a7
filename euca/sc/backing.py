"""The files that back volumes: sparse, one a volume, named by its identifier.

A file is made under a temporary name and renamed, so that one under its own name is whole.
Functions named `thd_` block; they run in a thread.
"""

from __future__ import annotations

import os
from pathlib import Path

from euca.sc.volume import GB


class Backing:
    """The files of one storage controller, in one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def thd_prepare(self) -> None:
        """Make the folder, for the owner of the process alone."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def thd_create(self, identifier: str, size: int) -> None:
        """Make the file of a volume of `size` GB, unless it is there; raises OSError."""
        path, draft = self._path(identifier), self._draft(identifier)
        if path.exists():
            return
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            os.ftruncate(descriptor, size * GB)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        draft.rename(path)

    def thd_remove(self, identifier: str) -> None:
        """Remove whatever there is of a volume."""
        self._draft(identifier).unlink(missing_ok=True)
        self._path(identifier).unlink(missing_ok=True)

    def thd_present(self) -> dict[str, int]:
        """Return the size in bytes of each volume's file."""
        return {
            path.name: path.stat().st_size
            for path in self._folder.iterdir()
            if path.name.startswith("vol-")
        }

    def _path(self, identifier: str) -> Path:
        return self._folder / identifier

    def _draft(self, identifier: str) -> Path:
        return self._folder / f".{identifier}.new"
