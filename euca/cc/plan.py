"""What the loop does next: pure functions of the records, the limits and the time.

A placed instance is started on its node, again and again with growing pauses, until the node has
it or the limit has passed; then it is given up: it ends. An instance that is to end is told so to
its node until that reports Teardown or does not have it. Nodes that do not answer are left alone.
An instance not seen for long enough is forgotten, but a wish to end it outlives that: its node
may come back with it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import assert_never

from attrs import frozen

from euca.cc.instance import Gone, Instance, Placed, Reported, Started
from euca.cc.node import NodeRecord

MAX_PAUSE = 30.0
"""The longest pause between two attempts to start, in seconds."""
TELL_AGAIN = 10.0
"""Seconds until a node is told of an ending again; there is a poll in between."""


@frozen
class Limits:
    """Seconds until an unseen instance is forgotten, and until a vain start is given up."""

    forget: float = 300.0
    start: float = 300.0


@frozen
class View:
    """What a round knows."""

    now: float
    limits: Limits
    nodes: Mapping[str, NodeRecord]
    instances: Sequence[Instance]


@frozen
class StartOnNode:
    """Have a node start an instance."""

    instance: str
    node: str


@frozen
class TerminateOnNode:
    """Have a node end an instance."""

    instance: str
    node: str


@frozen
class GiveUp:
    """End an instance that no node could be made to start."""

    instance: str


@frozen
class Forget:
    """Drop an instance from the records."""

    instance: str


Step = StartOnNode | TerminateOnNode | GiveUp | Forget


def plan(view: View) -> list[Step]:
    """Return the steps that bring the nodes closer to what is recorded."""
    steps = (next_step(instance, view) for instance in view.instances)
    return [step for step in steps if step is not None]


def next_step(instance: Instance, view: View) -> Step | None:
    """Return the step that an instance needs now, if any."""
    node = view.nodes.get(instance.node)
    if _is_to_be_forgotten(instance, node, view):
        return Forget(instance.identifier)
    if instance.ending is not None:
        return _ending_step(instance, node, view.now)
    match instance.phase:
        case Placed(attempts, tried_at):
            resting = view.now < tried_at + pause(attempts)
            if view.now - instance.placed_at >= view.limits.start:
                return GiveUp(instance.identifier)
            if resting or node is None or not node.up:
                return None
            return StartOnNode(instance.identifier, instance.node)
        case Started() | Reported() | Gone():
            return None
        case _:
            assert_never(instance.phase)


def _ending_step(instance: Instance, node: NodeRecord | None, now: float) -> Step | None:
    assert instance.ending is not None
    ending = instance.ending
    resting = ending.attempts > 0 and now < ending.tried_at + TELL_AGAIN
    if instance.ended or resting or node is None or not node.up:
        return None
    return TerminateOnNode(instance.identifier, instance.node)


def pause(attempts: int) -> float:
    """Return the seconds between so many attempts to start and the next: they double."""
    return 0.0 if attempts == 0 else min(MAX_PAUSE, 2.0 ** min(attempts - 1, 10))


def _is_to_be_forgotten(instance: Instance, node: NodeRecord | None, view: View) -> bool:
    if view.now - instance.seen_at < view.limits.forget:
        return False
    if instance.ending is not None:
        return instance.ended or node is None
    return not isinstance(instance.phase, Placed)


def is_listed(instance: Instance, now: float, limits: Limits) -> bool:
    """Tell whether the cloud is told of an instance, not only the records kept."""
    return instance.ending is None or now - instance.seen_at < limits.forget
