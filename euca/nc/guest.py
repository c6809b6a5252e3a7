"""What the hypervisor is told of an instance: a pure function of it, the settings and its files."""

from __future__ import annotations

from collections.abc import Set
from pathlib import Path

from euca.hypervisor.interfaces import Disk, GuestSpec
from euca.nc.instance import Instance
from euca.nc.preparation import CONSOLE, DISK, EPHEMERAL, KERNEL, RAMDISK, ROOT, SWAP
from euca.nc.settings import Settings

_TARGETS = ((DISK, "sda"), (ROOT, "sda1"), (EPHEMERAL, "sda2"), (SWAP, "sda3"))


def guest_spec(
    instance: Instance, directory: Path, present: Set[str], settings: Settings
) -> GuestSpec:
    """Return the guest of an instance whose directory holds the files named in `present`."""
    wish = instance.wish
    return GuestSpec(
        name=instance.identifier,
        uuid=instance.uuid,
        memory=wish.vm.memory,
        cores=wish.vm.cores,
        disks=tuple(Disk(directory / name, target) for name, target in _TARGETS if name in present),
        console=directory / CONSOLE,
        mac=instance.network.mac,
        bridge=settings.bridge,
        kernel=directory / KERNEL if KERNEL in present else None,
        ramdisk=directory / RAMDISK if RAMDISK in present else None,
        virtio_root=settings.virtio_root,
        virtio_network=settings.virtio_network,
    )
