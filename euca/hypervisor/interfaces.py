"""What the node controller asks of a hypervisor, as values and one small interface."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import IntEnum
from pathlib import Path
from typing import Protocol

from attrs import frozen


class HypervisorError(Exception):
    """The hypervisor did not do what it was asked."""


class HypervisorUnavailable(HypervisorError):
    """The hypervisor does not answer; whether its guests run is not known."""


class GuestRefused(HypervisorError):
    """The hypervisor refused what was asked of a guest, and says why."""


class UnknownGuest(HypervisorError):
    """No guest with that UUID is running."""

    def __init__(self, uuid: str) -> None:
        super().__init__(f"no guest {uuid} is running")
        self.uuid = uuid


class GuestState(IntEnum):
    """How a guest is; the codes are libvirt's."""

    UNKNOWN = 0
    RUNNING = 1
    BLOCKED = 2
    PAUSED = 3
    SHUTDOWN = 4
    SHUTOFF = 5
    CRASHED = 6


@frozen
class Disk:
    """A disk or partition of a guest: the file behind it and the device that the guest sees."""

    path: Path
    target: str


@frozen
class GuestSpec:
    """Everything that a hypervisor must know to start a guest.

    Memory is in MB. An empty bridge gives the guest the hypervisor's own user network. A guest
    with neither kernel nor ramdisk boots from its first disk.
    """

    name: str
    uuid: str
    memory: int
    cores: int
    disks: tuple[Disk, ...]
    console: Path
    mac: str
    bridge: str = ""
    kernel: Path | None = None
    ramdisk: Path | None = None
    virtio_root: bool = False
    virtio_network: bool = False

    @property
    def plain(self) -> bool:
        """Whether the guest boots from its disk, not from a kernel given to it."""
        return self.kernel is None and self.ramdisk is None


@frozen
class HostResources:
    """What the host has: memory in KiB, and processors."""

    memory: int
    cores: int


class Hypervisor(Protocol):
    """Runs guests, which live on when this process dies. Guests are known by UUID.

    Every method raises HypervisorUnavailable when the hypervisor does not answer in time.
    """

    async def start(self, spec: GuestSpec) -> None:
        """Start a guest; raises GuestRefused, also when its name or UUID is taken."""
        ...

    async def guests(self) -> Mapping[str, GuestState]:
        """Return the state of every active guest by UUID, those of others included."""
        ...

    async def destroy(self, uuid: str) -> None:
        """End a guest at once; raises UnknownGuest, GuestRefused."""
        ...

    async def reset(self, uuid: str) -> None:
        """Restart a guest as its reset button would; raises UnknownGuest, GuestRefused."""
        ...

    async def host(self) -> HostResources:
        """Return what the host has."""
        ...

    def watch(self, changed: Callable[[], None]) -> None:
        """Call `changed` whenever a guest may have changed its state, or the connection did."""
        ...
