"""The ports that the node controller needs beside its hypervisor."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from attrs import field, frozen


class ImageUnusable(Exception):
    """An image cannot be had, or is not what its manifest says; the message says why."""


@frozen
class Digest:
    """The manifest of an image, and the size in bytes that it promises for the raw image."""

    raw: bytes = field(repr=False)
    size: int


class ImageSource(Protocol):
    """Where images come from: Walrus."""

    async def digest(self, url: str) -> Digest:
        """Fetch the manifest at `url`; raises ImageUnusable."""
        ...

    async def fetch(self, url: str, size: int, path: Path) -> None:
        """Write the decrypted image of the manifest at `url` to a new file of exactly that size.

        Raises ImageUnusable; then, and when it is cancelled, there is no file.
        """
        ...
