"""What this host has, measured once: when the node controller starts."""

from __future__ import annotations

from attrs import field, mutable

from euca.hypervisor.interfaces import Hypervisor
from euca.model.errors import Unavailable
from euca.nc.capacity import Capacity, Limits, capacity
from euca.nc.files import thd_room
from euca.nc.settings import Settings
from euca.threads import Offload


@mutable
class Host:
    """The host's capacity, not known until the hypervisor has answered."""

    settings: Settings
    hypervisor: Hypervisor
    threads: Offload
    _capacity: Capacity | None = field(default=None, init=False)

    async def measure(self) -> None:
        """Ask the hypervisor and the file system; raises HypervisorError, OSError."""
        settings = self.settings
        limits = Limits(settings.max_memory, settings.max_disk, settings.max_cores)
        room = await self.threads.run(thd_room, settings.root)
        self._capacity = capacity(await self.hypervisor.host(), room, settings.dialect, limits)

    @property
    def measured(self) -> bool:
        """Whether the capacity is known."""
        return self._capacity is not None

    @property
    def capacity(self) -> Capacity:
        """The capacity; raises Unavailable while it is not known."""
        if self._capacity is None:
            raise Unavailable("the node's hypervisor has not answered yet")
        return self._capacity
