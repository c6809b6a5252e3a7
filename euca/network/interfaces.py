"""What a network mode does for its cluster, and where neighbours are looked up."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from euca.model.machine import NetworkConfig


class NetworkMode(Protocol):
    """One of the four modes: decides on the addresses of instances, and does nothing else."""

    @property
    def name(self) -> str:
        """What VNET_MODE calls it."""
        ...

    @property
    def managed(self) -> bool:
        """Whether there are security groups and public addresses: mode 1 on the wire, else 0."""
        ...

    @property
    def addresses_per_net(self) -> int:
        """How many addresses a network of the cluster has; 0 where the cluster has none to give."""
        ...

    def interface(self, instance: str, vlan: int) -> NetworkConfig:
        """Return the interface of a new instance; raises ValueError for a bad identifier."""
        ...


class Neighbours(Protocol):
    """Who is seen on the networks of this host."""

    async def addresses(self) -> Mapping[str, str]:
        """Return IPv4 addresses by hardware address in lower case; raises CommandFailed."""
        ...
