"""What the cloud controller needs and does not own: clusters that run instances, and Walrus."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from attrs import frozen

from euca.clc.image import Location
from euca.clc.instance import Capacity, Instance, Report
from euca.model.machine import NO_ADDRESS, VmType


class ClusterRefused(Exception):
    """The cluster heard the request and did not do it; the message is what it said."""


class ClusterUnreachable(Exception):
    """No answer came; whether the cluster did what it was asked is not known."""


class ObjectUnavailable(Exception):
    """Walrus does not have the object, or does not give it; the message tells."""


@frozen
class Started:
    """The addresses that a cluster gave to an instance when it took it."""

    private_ip: str = NO_ADDRESS
    public_ip: str = NO_ADDRESS


class Cluster(Protocol):
    """One cluster, by the calls that the cloud controller makes.

    Every method raises ClusterUnreachable when no answer that can be trusted comes in time, and
    ClusterRefused when the answer is no.
    """

    async def capacity(self, vm_types: Sequence[VmType]) -> list[Capacity]:
        """Return how many instances of each type there is room for."""
        ...

    async def reports(self) -> list[Report]:
        """Return what the cluster says of each instance that it knows."""
        ...

    async def start(self, instance: Instance) -> Started:
        """Have the cluster run the instance; it does not run one of that identifier twice."""
        ...

    async def terminate(self, instance: Instance) -> None:
        """Have the cluster end the instance; one that it does not know is no error."""
        ...

    async def console(self, instance: Instance) -> bytes:
        """Return the end of what the instance wrote to its console."""
        ...


class Clusters(Protocol):
    """The way from a cluster's registration to the cluster."""

    def at(self, name: str, host: str, port: int) -> Cluster:
        """Return the cluster of that name at that address; raises ClusterUnreachable."""
        ...


class ImageStore(Protocol):
    """Walrus, as a place of manifests. Every method raises ObjectUnavailable."""

    async def manifest(self, walrus_url: str, location: Location) -> bytes:
        """Return the manifest at that location."""
        ...

    async def bucket_owner(self, walrus_url: str, bucket: str) -> str:
        """Return the name of the account that a bucket belongs to."""
        ...
