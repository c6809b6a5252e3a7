"""What the node has and what is left of it, in the units of Eucalyptus 2.0.

Two ways of counting disk live side by side. The wire has those of 2.0: MiB of the host's disk from
which each instance takes its GB plus 512, figures that only cluster controllers compare. Whether
an instance fits is decided by the true sizes.
"""

from __future__ import annotations

from collections.abc import Iterable

from attrs import frozen

from euca.hypervisor.dialect import Dialect
from euca.hypervisor.interfaces import HostResources
from euca.model.machine import VmType

SWAP_ALLOWANCE = 512
LARGEST = 2**31 - 1


@frozen
class Resources:
    """Amounts of memory in MB, disk in MiB, and processors."""

    memory: int
    disk: int
    cores: int


@frozen
class Limits:
    """What an administrator allows: memory in MB, disk in GB, processors; 0 is no limit."""

    memory: int = 0
    disk: int = 0
    cores: int = 0


@frozen
class Capacity:
    """What the node has: as it says on the wire, and in truth."""

    reported: Resources
    actual: Resources


def capacity(host: HostResources, room: int, dialect: Dialect, limits: Limits) -> Capacity:
    """Return the capacity of a host whose instances may take `room` bytes of disk.

    MAX_CORES replaces the number of processors, and may exceed it. MAX_DISK is GB by its
    documentation, and 2.0 compared it with MiB; what is reported keeps that.
    """
    memory = max(0, host.memory // dialect.memory_divisor - dialect.memory_reserve)
    memory = _limited(memory, limits.memory)
    cores = limits.cores or host.cores
    disk = room // (1 << 20)
    return Capacity(
        reported=Resources(memory, min(LARGEST, _limited(disk, limits.disk)), cores),
        actual=Resources(memory, _limited(disk, limits.disk * 1024), cores),
    )


def _limited(amount: int, limit: int) -> int:
    return min(amount, limit) if limit else amount


def available(reported: Resources, burdens: Iterable[VmType]) -> Resources:
    """Return what is left as it is reported: never less than nothing."""
    types = list(burdens)
    return Resources(
        memory=max(0, reported.memory - sum(vm.memory for vm in types)),
        disk=max(0, reported.disk - sum(vm.disk + SWAP_ALLOWANCE for vm in types)),
        cores=max(0, reported.cores - sum(vm.cores for vm in types)),
    )


def lacking(actual: Resources, burdens: Iterable[VmType], wanted: VmType) -> str:
    """Return what the node has too little of for one more instance, or nothing."""
    types = [*burdens, wanted]
    needed = {
        "memory": (sum(vm.memory for vm in types), actual.memory, "MB"),
        "disk": (sum(vm.disk for vm in types) * 1024, actual.disk, "MB"),
        "cores": (sum(vm.cores for vm in types), actual.cores, ""),
    }
    return "; ".join(
        f"{name}: {amount} of {limit} {unit}".rstrip()
        for name, (amount, limit, unit) in needed.items()
        if amount > limit
    )
