"""What happens to the cluster's records, one transaction an event.

The records are the one owner of the cluster's capacity: what a node has left is what it said in
its last poll, less what was placed on it and not seen in a poll since. All functions run in the
thread of the database.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from attrs import evolve, frozen
from twisted.logger import Logger

from euca.cc.instance import (
    Instance,
    Placed,
    Report,
    accepted,
    adopted,
    found,
    lacks_address,
    merged,
    to_end,
    told,
    tried,
    unreported,
)
from euca.cc.node import Resources, answered, failed
from euca.cc.schedule import Policy, choose, rooms
from euca.cc.tables import (
    thd_instance,
    thd_instances,
    thd_node,
    thd_nodes,
    thd_pointer,
    thd_save,
    thd_save_node,
    thd_saw,
    thd_set_pointer,
)
from euca.model.errors import NoCapacity
from euca.store.sql import Connection

log = Logger()


@frozen
class Answer:
    """What a node said in a poll that began at that time."""

    began: float
    reports: Sequence[Report]
    resources: Resources


# Requests


def thd_place(tx: Connection, policy: Policy, asked: Sequence[Instance]) -> list[Instance]:
    """Choose nodes for instances of one type and record them; returns those that have one.

    An instance that is in the records already, of the same reservation, is returned as it is, so
    that a request may be repeated. Raises NoCapacity when nothing is to return.
    """
    known = {each.identifier: each for each in thd_instances(tx)}
    before = [known[each.identifier] for each in asked if _is_repeated(each, known)]
    new = [each for each in asked if each.identifier not in known]
    placed = _thd_place_new(tx, policy, new, list(known.values())) if new else []
    if not before and not placed:
        raise NoCapacity(f"no node has room for {', '.join(each.identifier for each in asked)}")
    return before + placed


def _is_repeated(asked: Instance, known: Mapping[str, Instance]) -> bool:
    other = known.get(asked.identifier)
    if other is None:
        return False
    if other.description.reservation == asked.description.reservation:
        return True
    log.warn("{i} is taken by another reservation", i=asked.identifier)
    return False


def _thd_place_new(
    tx: Connection, policy: Policy, new: Sequence[Instance], others: Sequence[Instance]
) -> list[Instance]:
    reserved = [(each.node, each.description.vm) for each in others if each.reserves]
    free = rooms(thd_nodes(tx), reserved)
    choice = choose(policy, free, new[0].description.vm, len(new), thd_pointer(tx))
    placed = [evolve(each, node=tag) for each, tag in zip(new, choice.tags, strict=False)]
    for instance in placed:
        thd_save(tx, instance)
    thd_set_pointer(tx, choice.pointer)
    return placed


def thd_end(tx: Connection, identifier: str, user: str, correlation: str, now: float) -> bool:
    """Record that somebody wants an instance to end; returns whether it is in the records."""
    instance = thd_instance(tx, identifier)
    if instance is None:
        return False
    thd_save(tx, to_end(instance, user, correlation, now))
    return True


# Polls


def thd_answered(tx: Connection, tag: str, answer: Answer, now: float) -> list[Instance]:
    """Record what a node said of itself and its instances; returns those without an address."""
    node = thd_node(tx, tag)
    if node is None:
        return []
    thd_save_node(tx, answered(node, answer.resources, now))
    reported = {report.identifier: report for report in answer.reports}
    current: list[Instance] = []
    seen: list[str] = []
    for instance in thd_instances(tx, tag):
        report = reported.pop(instance.identifier, None)
        if report is None:
            after = unreported(instance, answer.began)
        else:
            after = merged(instance, report, now)
            seen.append(instance.identifier)
        if evolve(after, seen_at=instance.seen_at) != instance:
            thd_save(tx, after)
        current.append(after)
    thd_saw(tx, seen, now)
    current += [_thd_adopt(tx, report, tag, now) for report in reported.values()]
    return [instance for instance in current if instance.node == tag and lacks_address(instance)]


def _thd_adopt(tx: Connection, report: Report, tag: str, now: float) -> Instance:
    """Take over an instance that was not known to be on that node."""
    known = thd_instance(tx, report.identifier)
    if known is None:
        instance = adopted(report, tag, now)
        log.info("{i} was found on {node}", i=report.identifier, node=tag)
    elif thd_node(tx, known.node) is None:  # the node has another name in the list now
        instance = merged(evolve(known, node=tag), report, now)
    else:
        log.warn(
            "{i} is of {node}; what {other} says of it is not heeded",
            i=report.identifier,
            node=known.node,
            other=tag,
        )
        return known
    thd_save(tx, instance)
    return instance


def thd_failed(tx: Connection, tag: str, reason: str, now: float) -> bool:
    """Record that a node does not answer; returns whether it did before."""
    node = thd_node(tx, tag)
    if node is None:
        return False
    thd_save_node(tx, failed(node, reason, now))
    return node.up


def thd_found(tx: Connection, identifiers: Sequence[str], addresses: Mapping[str, str]) -> None:
    """Record the addresses under which instances were seen on the network."""
    for identifier in identifiers:
        instance = thd_instance(tx, identifier)
        address = addresses.get(instance.network.mac.lower()) if instance else None
        if instance is not None and address is not None:
            thd_save(tx, found(instance, address))


# Calls to nodes


def thd_begin_start(tx: Connection, identifier: str, now: float) -> Instance | None:
    """Record that a node is told to start an instance now; None if that is not wanted any more."""
    instance = thd_instance(tx, identifier)
    if instance is None or instance.ending or not isinstance(instance.phase, Placed):
        return None
    instance = tried(instance, now)
    thd_save(tx, instance)
    return instance


def thd_accepted(tx: Connection, identifier: str, now: float) -> None:
    """Record that a node has taken an instance."""
    instance = thd_instance(tx, identifier)
    if instance is not None:
        thd_save(tx, accepted(instance, now))


def thd_begin_end(tx: Connection, identifier: str, now: float) -> Instance | None:
    """Record that a node is told to end an instance now; None if there is nothing to end."""
    instance = thd_instance(tx, identifier)
    if instance is None or instance.ending is None or instance.ended:
        return None
    instance = told(instance, now)
    thd_save(tx, instance)
    return instance


def thd_give_up(tx: Connection, identifier: str, now: float) -> None:
    """Record that an instance which no node could be made to start is to end."""
    instance = thd_instance(tx, identifier)
    if instance is not None and instance.ending is None and isinstance(instance.phase, Placed):
        owner = instance.description.owner
        thd_save(tx, to_end(instance, owner, instance.correlation, now))
