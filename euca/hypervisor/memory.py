"""A hypervisor in memory: the double for tests. Its guests outlive whoever started them."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from attrs import Factory, define

from euca.hypervisor.interfaces import (
    GuestRefused,
    GuestSpec,
    GuestState,
    HostResources,
    HypervisorUnavailable,
    UnknownGuest,
)


@define
class MemoryHypervisor:
    """Guests as entries of a table. A test may change the table, refuse, or cut the connection."""

    resources: HostResources = Factory(lambda: HostResources(memory=8_000_000, cores=8))
    available: bool = True
    refusal: str = ""
    running: dict[str, GuestState] = Factory(dict)
    specs: dict[str, GuestSpec] = Factory(dict)
    resets: list[str] = Factory(list)
    watchers: list[Callable[[], None]] = Factory(list)

    async def start(self, spec: GuestSpec) -> None:
        """Start a guest; raises GuestRefused when told so or when name or UUID is taken."""
        self._check()
        if self.refusal:
            raise GuestRefused(self.refusal)
        names = {self.specs[uuid].name for uuid in self.running if uuid in self.specs}
        if spec.uuid in self.running or spec.name in names:
            raise GuestRefused(f"there is a guest {spec.name} ({spec.uuid}) already")
        self.running[spec.uuid] = GuestState.RUNNING
        self.specs[spec.uuid] = spec
        self.change()

    async def guests(self) -> Mapping[str, GuestState]:
        """Return a copy of the table."""
        self._check()
        return dict(self.running)

    async def destroy(self, uuid: str) -> None:
        """End a guest; raises UnknownGuest."""
        self._check(uuid)
        del self.running[uuid]
        self.change()

    async def reset(self, uuid: str) -> None:
        """Note that a guest was restarted; raises UnknownGuest."""
        self._check(uuid)
        self.resets.append(uuid)

    async def host(self) -> HostResources:
        """Return what the test says."""
        self._check()
        return self.resources

    def watch(self, changed: Callable[[], None]) -> None:
        """Call `changed` when the table changes."""
        self.watchers.append(changed)

    def change(self) -> None:
        """Tell the watchers that something changed."""
        for changed in list(self.watchers):
            changed()

    def _check(self, uuid: str | None = None) -> None:
        if not self.available:
            raise HypervisorUnavailable("the test cut the connection")
        if uuid is not None and uuid not in self.running:
            raise UnknownGuest(uuid)
