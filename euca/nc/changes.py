"""The steps of the plan as the changes that the loop runs, each under its request's correlation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import assert_never

from attrs import frozen

from euca.nc.node import Node
from euca.nc.plan import (
    CleanUp,
    Forget,
    Move,
    NoteAddress,
    Prepare,
    Start,
    Step,
    Stop,
    View,
    steps,
)
from euca.telemetry import trace


@frozen
class Change:
    """One step; only a preparation may be given up half way."""

    step: Step

    @property
    def subject(self) -> str:
        """The instance; its steps never overlap."""
        return self.step.instance

    @property
    def interruptible(self) -> bool:
        """Whether it stops when it is no longer wanted."""
        return isinstance(self.step, Prepare)

    async def run(self, world: Node) -> None:
        """Take the step, unless the instance has gone meanwhile."""
        instance = world.ledger.find(self.step.instance)
        if instance is None:
            return
        with trace.correlated(instance.wish.correlation):
            await take(self.step, world)


async def take(step: Step, node: Node) -> None:
    """Take a step on the node."""
    match step:
        case Prepare():
            await node.prepare(step.instance)
        case Start():
            await node.start(step.instance)
        case Move():
            await node.ledger.move(step.instance, step.before, step.after)
        case NoteAddress():
            await node.ledger.note_address(step.instance, step.address)
        case Stop():
            await node.stop(step.instance)
        case CleanUp():
            await node.clean_up(step.instance)
        case Forget():
            await node.ledger.forget(step.instance)
        case _:
            assert_never(step)


def plan(view: View) -> Sequence[Change]:
    """Return the changes that a round starts."""
    return [Change(step) for step in steps(view)]
