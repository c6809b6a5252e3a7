"""Makes the disk of an instance from its root image, without root rights, mounts or loop devices.

A KVM or QEMU guest gets one file with an MS-DOS partition table: the root image from sector 63
on (where the guests of Eucalyptus 2.0 have it), an empty ext2 file system, and swap at the end. A
Xen guest gets each of them as a file of its own. All of these files are sparse: what the image
leaves empty takes no room. An image that has a partition table is a whole disk already.
"""

from __future__ import annotations

from pathlib import Path

from attrs import frozen
from twisted.internet.defer import DeferredSemaphore

from euca.nc.cache import Image
from euca.process import Commands
from euca.threads import Offload

SECTOR = 512
FIRST_SECTOR = 63
SECTORS_IN_MB = 2048
SMALLEST_EPHEMERAL = 4 * SECTORS_IN_MB
COPY_SECONDS = 3600.0
MODE = 0o660
_ZERO_COUNT = 64 * 1024  # bytes; as many zeros in a row become a hole


class DiskTooSmall(Exception):
    """The root image and the swap do not fit on the instance's disk."""


@frozen
class Partition:
    """A part of the disk, in sectors."""

    start: int
    size: int

    @property
    def offset(self) -> int:
        """Where it starts, in bytes."""
        return self.start * SECTOR


@frozen
class Layout:
    """The disk of an instance, in sectors."""

    size: int
    root: Partition
    ephemeral: Partition | None
    swap: Partition | None

    def script(self) -> bytes:
        """Return the partition table as sfdisk reads it; swap is the third whatever is missing."""
        lines = ["label: dos", "unit: sectors"]
        parts = ((1, self.root, "83"), (2, self.ephemeral, "83"), (3, self.swap, "82"))
        for number, part, kind in parts:
            if part is not None:
                lines.append(f"{number} : start={part.start}, size={part.size}, type={kind}")
        return "\n".join(lines).encode() + b"\n"


def layout(image: int, disk: int, swap: int) -> Layout:
    """Return the layout for an image of `image` bytes on a disk of `disk` bytes with `swap` MB.

    Raises DiskTooSmall.
    """
    size = disk // SECTOR
    root = Partition(FIRST_SECTOR, -(-image // SECTOR))
    behind = -(-(root.start + root.size) // SECTORS_IN_MB) * SECTORS_IN_MB
    swapped = Partition(size - swap * SECTORS_IN_MB, swap * SECTORS_IN_MB) if swap else None
    end = swapped.start if swapped else size
    if behind > end:
        raise DiskTooSmall(
            f"an image of {image} bytes and {swap} MB of swap do not fit on {disk} bytes"
        )
    left = (end - behind) // SECTORS_IN_MB * SECTORS_IN_MB
    ephemeral = Partition(behind, left) if left >= SMALLEST_EPHEMERAL else None
    return Layout(size, root, ephemeral, swapped)


class Disks:
    """Makes disks, a limited number at a time."""

    def __init__(self, commands: Commands, threads: Offload, operations: int) -> None:
        self._commands = commands
        self._threads = threads
        self._turn = DeferredSemaphore(operations)

    async def copy(self, image: Image, path: Path) -> None:
        """Copy an image as it is; on a file system that can, it shares the blocks."""
        await self._turn.acquire()
        try:
            await self._threads.run(thd_create, path, 0)
            await self._run("cp", "--sparse=always", "--reflink=auto", str(image.path), str(path))
        finally:
            self._turn.release()

    async def make_disk(self, image: Image, path: Path, size: int, swap: int) -> int:
        """Make the whole disk at `path`, of `size` bytes with `swap` MB of swap.

        Returns the offset of the first partition. Raises DiskTooSmall, CommandFailed.
        """
        first = await self._threads.run(thd_first_partition, image.path)
        if first is not None:
            await self.copy(image, path)
            return first
        plan = layout(image.size, size, swap)
        await self._turn.acquire()
        try:
            await self._partition(plan, path)
            await self._fill(image.path, path, plan.root.offset)
            if plan.ephemeral is not None:
                await self._make_ext2(path, plan.ephemeral.offset, plan.ephemeral.size)
            if plan.swap is not None:
                scratch = path.with_name("swap.new")
                await self._make_swap(scratch, plan.swap.size)
                await self._fill(scratch, path, plan.swap.offset)
                scratch.unlink()
        finally:
            self._turn.release()
        return plan.root.offset

    async def make_partitions(self, image: Image, directory: Path, size: int, swap: int) -> int:
        """Make `root`, `ephemeral` and `swap` in the directory; returns the offset of root, 0."""
        plan = layout(image.size, size, swap)
        await self.copy(image, directory / "root")
        await self._turn.acquire()
        try:
            if plan.ephemeral is not None:
                path = directory / "ephemeral"
                await self._threads.run(thd_create, path, plan.ephemeral.size * SECTOR)
                await self._make_ext2(path, 0, plan.ephemeral.size)
            if plan.swap is not None:
                await self._make_swap(directory / "swap", plan.swap.size)
        finally:
            self._turn.release()
        return 0

    async def _partition(self, plan: Layout, path: Path) -> None:
        await self._threads.run(thd_create, path, plan.size * SECTOR)
        await self._commands.run(
            ["sfdisk", "-q", "--no-reread", "--no-tell-kernel", "--wipe=never", str(path)],
            stdin=plan.script(),
        )

    async def _fill(self, source: Path, path: Path, offset: int) -> None:
        await self._run(
            "dd",
            f"if={source}",
            f"of={path}",
            f"bs={_ZERO_COUNT}",
            f"seek={offset}",
            "oflag=seek_bytes",
            "conv=notrunc,sparse",
            "status=none",
        )

    async def _make_ext2(self, path: Path, offset: int, sectors: int) -> None:
        where = ["-E", f"offset={offset}"] if offset else []
        await self._run("mke2fs", "-q", "-F", "-t", "ext2", *where, str(path), f"{sectors // 2}k")

    async def _make_swap(self, path: Path, sectors: int) -> None:
        await self._threads.run(thd_create, path, sectors * SECTOR)
        await self._run("mkswap", "-q", str(path))

    async def _run(self, *argv: str) -> None:
        await self._commands.run(argv, timeout=COPY_SECONDS)


def thd_create(path: Path, size: int) -> None:
    """Make a file of that many bytes, all of them a hole."""
    with path.open("wb") as stream:
        stream.truncate(size)
    path.chmod(MODE)


def thd_first_partition(path: Path) -> int | None:
    """Return the offset of an image's first partition, None for an image that has no table.

    A boot sector alone is not believed: an image that is a file system (ext's magic number lies
    at byte 1080) may have one too.
    """
    with path.open("rb") as stream:
        head = stream.read(2048)
    if head[510:512] != b"\x55\xaa" or head[1080:1082] == b"\x53\xef":
        return None
    for at in range(446, 510, 16):
        entry = head[at : at + 16]
        start = int.from_bytes(entry[8:12], "little")
        if entry[0] in (0, 0x80) and entry[4] and start:
            return start * SECTOR
    return None
