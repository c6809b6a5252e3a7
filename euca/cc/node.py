"""A node as its cluster knows it: what it has, what is left of it, whether it answers."""

from __future__ import annotations

from enum import Enum

from attrs import frozen

from euca.model.machine import VmType


@frozen
class Amounts:
    """Memory in MB, disk, processors.

    The disk of nodes is counted in MiB and that of instance types in GB, and the two are compared
    as they are: so Eucalyptus 2.0 does it on both sides of the wire, and a cluster that counted
    otherwise would disagree with its nodes (whose MAX_DISK is GB). The node itself has the last
    word on true sizes.
    """

    memory: int = 0
    disk: int = 0
    cores: int = 0

    def holds(self, vm: VmType) -> int:
        """Return how many instances of a type fit in; each of its sizes is more than 0."""
        pairs = ((self.memory, vm.memory), (self.disk, vm.disk), (self.cores, vm.cores))
        return max(0, min(has // needs for has, needs in pairs))

    def without(self, vm: VmType) -> Amounts:
        """Return what is left when an instance of a type has taken its share."""
        return Amounts(self.memory - vm.memory, self.disk - vm.disk, self.cores - vm.cores)


NOTHING = Amounts()


@frozen
class Resources:
    """What a node has in all, and what is left of it."""

    maximum: Amounts = NOTHING
    available: Amounts = NOTHING


NO_RESOURCES = Resources()


class Health(Enum):
    """Whether a node answers."""

    UP = "UP"
    DOWN = "DOWN"


@frozen
class NodeRecord:
    """What is recorded of a node.

    `tag` is its URL; `since` is when its health last changed, in seconds since 1970, and `reason`
    why it is down. A node that is down has no resources.
    """

    tag: str
    health: Health = Health.DOWN
    since: float = 0.0
    reason: str = "it has not been asked yet"
    resources: Resources = NO_RESOURCES

    @property
    def up(self) -> bool:
        """Whether it answered the last poll."""
        return self.health is Health.UP


def answered(node: NodeRecord, resources: Resources, now: float) -> NodeRecord:
    """Return the node after an answer."""
    since = node.since if node.up else now
    return NodeRecord(node.tag, Health.UP, since, "", resources)


def failed(node: NodeRecord, reason: str, now: float) -> NodeRecord:
    """Return the node after a poll that failed."""
    return NodeRecord(node.tag, Health.DOWN, now if node.up else node.since or now, reason)
