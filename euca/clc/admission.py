"""Whether there is room for what was asked: pure counting, in the way of Eucalyptus 2.0.

A cluster reports how many instances of each type it could still hold. Instances recorded since,
which no report shows yet, hold *tokens*: their room is spoken for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from attrs import frozen

from euca.clc.instance import Instance, Start, State
from euca.clc.registration import RegisteredCluster
from euca.model.errors import NoCapacity, UnknownZone

DEFAULT_ZONE = "default"


@frozen
class Share:
    """How many of the instances a cluster is to run."""

    cluster: str
    count: int


def holds_token(instance: Instance) -> bool:
    """Tell whether an instance needs room that its cluster's last report still shows as free."""
    return (
        instance.state is State.PENDING
        and not instance.alive
        and instance.start is not Start.REFUSED
    )


def after_token(room: Mapping[str, int], vm_type: str) -> dict[str, int]:
    """Return the room left when one instance of the type takes its place.

    Types with no more room than this one lose one place; types with more are capped, since how
    many of them fit into the place taken is not known here.
    """
    taken = room.get(vm_type, 0)
    return {
        name: max(count - 1, 0) if count <= taken else max(taken - 1, 0)
        for name, count in room.items()
    }


def room_of(cluster: RegisteredCluster, instances: Sequence[Instance]) -> dict[str, int]:
    """Return the room of a cluster by type, less the tokens of its instances."""
    room = {capacity.vm_type: capacity.available for capacity in cluster.capacities}
    for instance in instances:
        if instance.cluster == cluster.name and holds_token(instance):
            room = after_token(room, instance.vm_type.name)
    return room


def admit(
    rooms: Mapping[str, Mapping[str, int]], vm_type: str, zone: str | None, least: int, most: int
) -> list[Share]:
    """Spread up to `most` instances over the clusters, the one with most room first.

    Raises NoCapacity when there is no room for `least`, and UnknownZone.
    """
    named = zone not in (None, "", DEFAULT_ZONE)
    if named and zone not in rooms:
        raise UnknownZone(f"Not enough resources: request cluster does not exist {zone}")
    free = {name: room.get(vm_type, 0) for name, room in rooms.items() if not named or name == zone}
    available = sum(free.values())
    if available < least:
        where = zone or DEFAULT_ZONE
        raise NoCapacity(f"Not enough resources ({available} in {where} < {least}): vm instances.")
    shares = []
    for name in sorted(free, key=lambda name: (-free[name], name)):
        count = min(free[name], most)
        most -= count
        if count:
            shares.append(Share(name, count))
    return shares
