"""Doubles of the node controller's ports, for tests."""

from __future__ import annotations

from pathlib import Path

from attrs import Factory, define

from euca.nc.interfaces import Digest, ImageUnusable


@define
class MemoryImages:
    """Images by URL: the manifest and the raw image. A manifest may promise another size."""

    images: dict[str, tuple[bytes, bytes]] = Factory(dict)
    fetched: list[str] = Factory(list)
    promised: dict[str, int] = Factory(dict)

    async def digest(self, url: str) -> Digest:
        """Return the manifest; raises ImageUnusable."""
        manifest, content = self._image(url)
        return Digest(manifest, self.promised.get(url, len(content)))

    async def fetch(self, url: str, size: int, path: Path) -> None:
        """Write the raw image; raises ImageUnusable."""
        _manifest, content = self._image(url)
        if len(content) != size:
            raise ImageUnusable(f"{url}: the answer has {len(content)} bytes, not the {size}")
        self.fetched.append(url)
        path.write_bytes(content)

    def _image(self, url: str) -> tuple[bytes, bytes]:
        if url not in self.images:
            raise ImageUnusable(f"{url}: status 404")
        return self.images[url]
