"""Chooses nodes for new instances, by the policies of Eucalyptus 2.0; pure.

GREEDY takes the first node in the order of the list that is up and has room. ROUNDROBIN begins at
the node after the one it last chose. A node has room when what is left of its memory, disk and
processors is each at least what the instance's type needs.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import Enum

from attrs import frozen

from euca.cc.node import NOTHING, Amounts, NodeRecord
from euca.model.machine import VmType


class Policy(Enum):
    """How a node is chosen; POWERSAVE chooses as GREEDY does, as long as no node sleeps."""

    GREEDY = "GREEDY"
    ROUNDROBIN = "ROUNDROBIN"
    POWERSAVE = "POWERSAVE"


@frozen
class Room:
    """What is left of a node; nothing of one that is down."""

    tag: str
    free: Amounts


@frozen
class Choice:
    """The nodes for the first instances of those asked for, and where ROUNDROBIN goes on."""

    tags: tuple[str, ...]
    pointer: int


def rooms(nodes: Iterable[NodeRecord], reserved: Iterable[tuple[str, VmType]]) -> list[Room]:
    """Return what is left of each node besides reservations, which its own figures lack so far."""
    free = {node.tag: node.resources.available if node.up else NOTHING for node in nodes}
    for tag, vm in reserved:
        if tag in free:
            free[tag] = free[tag].without(vm)
    return [Room(tag, amounts) for tag, amounts in free.items()]


def choose(
    policy: Policy, nodes: Sequence[Room], vm: VmType, count: int, pointer: int = 0
) -> Choice:
    """Return nodes for `count` instances of a type, fewer when there is no room for more."""
    left = list(nodes)
    tags: list[str] = []
    for _ in range(count):
        order = _order(policy, len(left), pointer)
        at = next((index for index in order if left[index].free.holds(vm)), None)
        if at is None:
            break
        tags.append(left[at].tag)
        left[at] = Room(left[at].tag, left[at].free.without(vm))
        if policy is Policy.ROUNDROBIN:
            pointer = (at + 1) % len(left)
    return Choice(tuple(tags), pointer)


def _order(policy: Policy, length: int, pointer: int) -> list[int]:
    match policy:
        case Policy.ROUNDROBIN:
            return [(pointer + step) % length for step in range(length)]
        case Policy.GREEDY | Policy.POWERSAVE:
            return list(range(length))
