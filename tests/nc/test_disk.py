"""Tests of `euca.nc.disk` and `euca.nc.keys`, with the real tools where they are installed."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from unittest import SkipTest

from twisted.internet import reactor
from twisted.trial.unittest import SynchronousTestCase, TestCase

from euca.model.errors import InvalidParameter
from euca.nc.cache import MEGABYTE, Image
from euca.nc.disk import SECTOR, Disks, DiskTooSmall, Partition, layout, thd_first_partition
from euca.nc.keys import KeyNotInjected, inject, public_key
from euca.process import Processes
from euca.threads import Immediate

TOOLS = ("sfdisk", "mke2fs", "mkswap", "debugfs", "dd", "cp", "e2fsck")
SEARCH = "/usr/sbin:/usr/bin:/sbin:/bin"
KEY = "ssh-rsa AAAAB3Nz somebody@somewhere"
OFFSET = 63 * SECTOR


class LayoutTests(SynchronousTestCase):
    """Where the parts of a disk go."""

    def test_parts(self) -> None:
        """Root begins at sector 63, swap ends the disk, what is left between is ephemeral."""
        plan = layout(10 * MEGABYTE, 100 * MEGABYTE, 16)
        self.assertEqual(plan.root, Partition(63, 20480))
        self.assertEqual(plan.swap, Partition((100 - 16) * 2048, 16 * 2048))
        self.assertEqual(plan.ephemeral, Partition(22528, (100 - 16 - 11) * 2048))

    def test_without_swap(self) -> None:
        """Without swap the ephemeral part ends the disk."""
        plan = layout(MEGABYTE, 10 * MEGABYTE, 0)
        self.assertEqual((plan.swap, plan.ephemeral), (None, Partition(4096, 8 * 2048)))

    def test_no_room_for_ephemeral(self) -> None:
        """Where little is left there is no ephemeral part, and swap is still the third."""
        plan = layout(10 * MEGABYTE, 28 * MEGABYTE, 16)
        self.assertIsNone(plan.ephemeral)
        self.assertIn(b"\n3 : start=", plan.script())

    def test_too_small(self) -> None:
        """An image that leaves no room for the swap does not fit."""
        with self.assertRaises(DiskTooSmall):
            layout(10 * MEGABYTE, 20 * MEGABYTE, 16)


class PublicKeyTests(SynchronousTestCase):
    """What is taken for a public key."""

    def test_line(self) -> None:
        """A public key is one line, without its line break."""
        self.assertEqual(public_key(KEY + "\n"), KEY)

    def test_two_lines(self) -> None:
        """A text of two lines would be two keys, or a command, and is refused."""
        with self.assertRaises(InvalidParameter):
            public_key("ssh-rsa AAAA\nwrite x /etc/shadow")


class RealDiskTests(TestCase):
    """Disks made by the real tools."""

    def setUp(self) -> None:
        missing = [tool for tool in TOOLS if shutil.which(tool, path=SEARCH) is None]
        if missing:
            raise SkipTest(f"not installed: {', '.join(missing)}")
        self.directory = Path(self.mktemp()).resolve()
        (self.directory / "tree/root/.ssh").mkdir(parents=True)
        self.tree = self.directory / "tree"
        self.commands = Processes(reactor)
        self.disks = Disks(self.commands, Immediate(), 2)
        self.disk = self.directory / "disk"

    def image(self, kind: str = "ext3") -> Image:
        path = self.directory / "image"
        argv = ["mke2fs", "-q", "-F", "-t", kind, "-d", str(self.tree), str(path), "8M"]
        subprocess.run(argv, check=True, env={"PATH": SEARCH}, capture_output=True)
        return Image(path, path.stat().st_size)

    async def make(self) -> int:
        return await self.disks.make_disk(self.image(), self.disk, 64 * MEGABYTE, 16)

    def part(self, start: int, size: int) -> Path:
        """Return a file with the sectors of a partition."""
        path = self.directory / "part"
        content = self.disk.read_bytes()[start * SECTOR : (start + size) * SECTOR]
        path.write_bytes(content)
        return path

    def check(self, path: Path) -> int:
        """Return the status of a check of a file system; 0 is sound."""
        argv = ["e2fsck", "-fn", str(path)]
        environment = {"PATH": SEARCH}
        done = subprocess.run(argv, check=False, env=environment, capture_output=True)
        return done.returncode

    async def keys(self, offset: int = OFFSET) -> bytes:
        target = f"{self.disk}?offset={offset}" if offset else str(self.disk)
        return await self.commands.run(["debugfs", "-R", "cat /root/.ssh/authorized_keys", target])

    async def test_table(self) -> None:
        """The disk has three partitions of the kinds that the guest expects."""
        await self.make()
        out = await self.commands.run(["sfdisk", "-d", str(self.disk)])
        kinds = [line.rsplit("type=")[1] for line in out.decode().splitlines() if "type=" in line]
        self.assertEqual(kinds, ["83", "83", "82"])

    async def test_root(self) -> None:
        """The first partition is the image, byte for byte."""
        self.assertEqual(await self.make(), OFFSET)
        image = (self.directory / "image").read_bytes()
        self.assertEqual(self.disk.read_bytes()[OFFSET : OFFSET + len(image)], image)

    async def test_ephemeral(self) -> None:
        """The second partition is a sound file system."""
        await self.make()
        plan = layout(8 * MEGABYTE, 64 * MEGABYTE, 16)
        assert plan.ephemeral is not None
        self.assertEqual(self.check(self.part(plan.ephemeral.start, plan.ephemeral.size)), 0)

    async def test_swap(self) -> None:
        """The third partition is swap, whose signature ends its first page."""
        await self.make()
        start = (64 - 16) * MEGABYTE
        self.assertEqual(self.disk.read_bytes()[start + 4086 : start + 4096], b"SWAPSPACE2")

    async def test_sparse(self) -> None:
        """What is empty takes no room."""
        await self.make()
        self.assertLess(self.disk.stat().st_blocks * 512, 12 * MEGABYTE)

    async def test_only_disk(self) -> None:
        """Nothing but the disk is left in the directory."""
        await self.make()
        names = {path.name for path in self.directory.iterdir()}
        self.assertEqual(names, {"tree", "image", "disk"})

    async def test_partitions(self) -> None:
        """Where partitions are files, each of the three is one."""
        await self.disks.make_partitions(self.image(), self.directory, 64 * MEGABYTE, 16)
        for name in ("root", "ephemeral"):
            self.assertEqual(self.check(self.directory / name), 0)
        self.assertEqual((self.directory / "swap").stat().st_size, 16 * MEGABYTE)

    async def test_whole_disk(self) -> None:
        """An image that is a disk already is used as it is."""
        await self.make()
        image = Image(self.disk, self.disk.stat().st_size)
        copy = self.directory / "copy"
        offset = await self.disks.make_disk(image, copy, 64 * MEGABYTE, 16)
        self.assertEqual(offset, OFFSET)
        self.assertEqual(copy.read_bytes(), self.disk.read_bytes())

    def test_file_system_with_boot_sector(self) -> None:
        """A file system with a boot sector in front is no disk."""
        image = self.image()
        with image.path.open("r+b") as stream:
            stream.seek(446)
            stream.write(b"\x80\x00\x00\x00\x83\x00\x00\x00\x3f\x00\x00\x00" + bytes(52))
            stream.write(b"\x55\xaa")
        self.assertIsNone(thd_first_partition(image.path))

    async def test_key(self) -> None:
        """The key is in root's authorized keys, and the file system is sound."""
        await inject(self.commands, self.disk, await self.make(), KEY)
        self.assertEqual(await self.keys(), KEY.encode() + b"\n")
        self.assertEqual(self.check(self.part(63, 8 * 2048)), 0)

    async def test_modes(self) -> None:
        """The key belongs to root, and nobody else reads it."""
        await inject(self.commands, self.disk, await self.make(), KEY)
        for path, mode in (("/root/.ssh", "0700"), ("/root/.ssh/authorized_keys", "0600")):
            target = f"{self.disk}?offset={OFFSET}"
            out = (await self.commands.run(["debugfs", "-R", f"stat {path}", target])).decode()
            self.assertIn(f"Mode:  {mode}", out)
            self.assertRegex(out, r"User:\s+0\s+Group:\s+0")

    async def test_keeps_keys(self) -> None:
        """Keys that the image had stay."""
        (self.tree / "root/.ssh/authorized_keys").write_text("ssh-rsa OLD\n")
        await inject(self.commands, self.disk, await self.make(), KEY)
        self.assertEqual(await self.keys(), b"ssh-rsa OLD\n" + KEY.encode() + b"\n")

    async def test_no_home(self) -> None:
        """An image without a home for root gets one."""
        shutil.rmtree(self.tree / "root")
        await inject(self.commands, self.disk, await self.make(), KEY)
        self.assertEqual(await self.keys(), KEY.encode() + b"\n")

    async def test_offset_zero(self) -> None:
        """A file system that is the whole file takes the key too."""
        await self.disks.copy(self.image("ext4"), self.disk)
        await inject(self.commands, self.disk, 0, KEY)
        self.assertEqual(await self.keys(0), KEY.encode() + b"\n")

    async def test_no_key(self) -> None:
        """Without a key nothing is written but the counters."""
        await inject(self.commands, self.disk, await self.make(), "")
        self.assertEqual(await self.keys(), b"")

    async def test_no_file_system(self) -> None:
        """Where there is no file system the injection says so."""
        self.disk.write_bytes(bytes(MEGABYTE))
        with self.assertRaises(KeyNotInjected):
            await inject(self.commands, self.disk, 0, KEY)
