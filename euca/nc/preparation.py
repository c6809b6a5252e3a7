"""Prepares the files of an instance: kernel, ramdisk, disk, the user's key, the console's log."""

from __future__ import annotations

from pathlib import Path

from attrs import frozen
from twisted.logger import Logger

from euca.hypervisor.dialect import ImageForm
from euca.nc.cache import MEGABYTE, ImageCache
from euca.nc.disk import MODE, Disks
from euca.nc.files import thd_empty
from euca.nc.instance import Source, Wish
from euca.nc.keys import KeyNotInjected, inject
from euca.process import CommandFailed, Commands
from euca.threads import Offload

KERNEL, RAMDISK, DISK, ROOT = "kernel", "ramdisk", "disk", "root"
EPHEMERAL, SWAP, CONSOLE = "ephemeral", "swap", "console.log"


@frozen
class Preparation:
    """Makes the files of instances; `swap` is in MB."""

    log = Logger()

    images: ImageCache
    disks: Disks
    commands: Commands
    threads: Offload
    form: ImageForm
    swap: int

    async def prepare(self, wish: Wish, directory: Path) -> None:
        """Fill the instance's directory, whatever an earlier attempt left there.

        Raises ImageUnusable, DiskTooSmall, CommandFailed, OSError. A key that cannot be injected
        is only logged, as in Eucalyptus 2.0: the guest boots without it.
        """
        await self.threads.run(thd_empty, directory)
        room = wish.vm.disk * 1024 * MEGABYTE
        for source, name in ((wish.kernel, KERNEL), (wish.ramdisk, RAMDISK)):
            if source is not None:
                room -= await self._copy(source, name, directory, room)
        disk, offset = await self._root(wish.image, directory, room)
        if "windows" not in wish.platform:
            await self._inject(disk, offset, wish.key)
        await self.threads.run(_thd_touch, directory / CONSOLE)

    async def _copy(self, source: Source, name: str, directory: Path, room: int) -> int:
        spare = directory / f"{name}.image"
        async with self.images.image(source, name, room - MEGABYTE, spare) as image:
            await self.disks.copy(image, directory / name)
            return image.size

    async def _root(self, source: Source, directory: Path, room: int) -> tuple[Path, int]:
        spare = directory / f"{ROOT}.image"
        async with self.images.image(source, ROOT, room - MEGABYTE, spare) as image:
            if self.form is ImageForm.DISK:
                path = directory / DISK
                return path, await self.disks.make_disk(image, path, room, self.swap)
            offset = await self.disks.make_partitions(image, directory, room, self.swap)
            return directory / ROOT, offset

    async def _inject(self, disk: Path, offset: int, key: str) -> None:
        try:
            await inject(self.commands, disk, offset, key)
        except (KeyNotInjected, CommandFailed, OSError) as error:
            self.log.error("The key is not in {disk}: {error}", disk=str(disk), error=error)


def _thd_touch(path: Path) -> None:
    path.touch(MODE)
    path.chmod(MODE)
