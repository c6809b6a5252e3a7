"""Doubles of what the cloud controller needs: a cluster and an image store that live in memory."""

from __future__ import annotations

from collections.abc import Sequence

from attrs import evolve, field, mutable

from euca.clc.image import Location
from euca.clc.instance import Capacity, Instance, Report, Reported
from euca.clc.interfaces import (
    Cluster,
    ClusterRefused,
    ClusterUnreachable,
    ObjectUnavailable,
    Started,
)
from euca.model.machine import VmType


@mutable
class MemoryCluster:
    """A cluster with room for so many instances, of whatever type.

    `starts` and `ends` are the identifiers it was called for, in order. While `unreachable` says
    why, no call gets an answer; `deaf` loses the answers of calls that are carried out.
    """

    slots: int = 4
    instances: dict[str, Report] = field(factory=dict)
    consoles: dict[str, bytes] = field(factory=dict)
    starts: list[str] = field(factory=list)
    ends: list[str] = field(factory=list)
    unreachable: str = ""
    deaf: bool = False

    def _answer(self) -> None:
        if self.unreachable:
            raise ClusterUnreachable(self.unreachable)

    def _lose(self) -> None:
        if self.deaf:
            raise ClusterUnreachable("the answer was lost")

    @property
    def free(self) -> int:
        """How many more instances there is room for."""
        alive = [r for r in self.instances.values() if r.state is not Reported.TEARDOWN]
        return self.slots - len(alive)

    async def capacity(self, vm_types: Sequence[VmType]) -> list[Capacity]:
        """Return the same room for every type."""
        self._answer()
        return [Capacity(vm_type.name, self.slots, max(self.free, 0)) for vm_type in vm_types]

    async def reports(self) -> list[Report]:
        """Return every instance that was started here and not dropped since."""
        self._answer()
        return list(self.instances.values())

    async def start(self, instance: Instance) -> Started:
        """Take the instance if there is room; one that is here already is refused."""
        self._answer()
        if instance.identifier in self.instances:
            raise ClusterRefused(f"{instance.identifier} exists already")
        if self.free < 1:
            raise ClusterRefused("not enough resources")
        self.starts.append(instance.identifier)
        address = f"10.0.0.{len(self.starts)}"
        self.instances[instance.identifier] = Report(
            instance.identifier, Reported.PENDING, address, address
        )
        self._lose()
        return Started(address, address)

    async def terminate(self, instance: Instance) -> None:
        """End the instance, if it is here."""
        self._answer()
        self.ends.append(instance.identifier)
        if instance.identifier in self.instances:
            self.become(instance.identifier, Reported.TEARDOWN)
        self._lose()

    async def console(self, instance: Instance) -> bytes:
        """Return the console that was set."""
        self._answer()
        if instance.identifier not in self.instances:
            raise ClusterRefused(f"there is no {instance.identifier}")
        return self.consoles.get(instance.identifier, b"")

    def become(self, identifier: str, state: Reported) -> None:
        """Put an instance into a state, as its node would."""
        self.instances[identifier] = evolve(self.instances[identifier], state=state)

    def boot_all(self) -> None:
        """Bring every pending instance to life."""
        for report in list(self.instances.values()):
            if report.state is Reported.PENDING:
                self.become(report.identifier, Reported.EXTANT)

    def drop(self, identifier: str) -> None:
        """Lose an instance without a trace."""
        del self.instances[identifier]


@mutable
class MemoryClusters:
    """Clusters by name."""

    clusters: dict[str, Cluster] = field(factory=dict)

    def at(self, name: str, host: str, port: int) -> Cluster:
        """Return the cluster of that name, wherever it is said to be."""
        return self.clusters[name]


@mutable
class MemoryImageStore:
    """Manifests by location (`bucket/manifest`), and the owners of buckets."""

    manifests: dict[str, bytes] = field(factory=dict)
    owners: dict[str, str] = field(factory=dict)

    async def manifest(self, walrus_url: str, location: Location) -> bytes:
        """Return the manifest put there."""
        try:
            return self.manifests[str(location)]
        except KeyError:
            raise ObjectUnavailable(f"there is no {location}") from None

    async def bucket_owner(self, walrus_url: str, bucket: str) -> str:
        """Return the owner put there."""
        try:
            return self.owners[bucket]
        except KeyError:
            raise ObjectUnavailable(f"there is no bucket {bucket}") from None
