"""The steps of the plan as the changes that the loop runs, each under its request's correlation.

An attempt is recorded before its call is made. A start that is repeated asks first whether the
node has the instance, because the answer to an earlier call may have been lost, also in a crash.
What fails is tried again by the plan, which counts the attempts.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import assert_never

from attrs import frozen
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from euca.cc.instance import Instance, Placed
from euca.cc.interfaces import Node, NodeFailed, NodeRefused, Nodes
from euca.cc.ledger import thd_accepted, thd_begin_end, thd_begin_start, thd_give_up
from euca.cc.plan import Forget, GiveUp, StartOnNode, Step, TerminateOnNode, View, plan
from euca.cc.tables import thd_forget
from euca.store.engine import Database
from euca.telemetry.trace import correlated

log = Logger()


@frozen
class World:
    """What changes act on."""

    database: Database
    nodes: Nodes
    clock: IReactorTime


@frozen
class Change:
    """One step; none may be given up half way, and all are bounded by the limits of calls."""

    step: Step
    interruptible: bool = False

    @property
    def subject(self) -> str:
        """The instance; its steps never overlap."""
        return self.step.instance

    async def run(self, world: World) -> None:
        """Take the step."""
        match self.step:
            case StartOnNode():
                await _start(self.step, world)
            case TerminateOnNode():
                await _terminate(self.step, world)
            case GiveUp(identifier):
                await _give_up(identifier, world)
            case Forget(identifier):
                log.info("{i} is forgotten", i=identifier)
                await world.database.transact(lambda tx: thd_forget(tx, identifier))
            case _:
                assert_never(self.step)


def changes(view: View) -> Sequence[Change]:
    """Return the changes that a round starts."""
    return [Change(step) for step in plan(view)]


async def _start(step: StartOnNode, world: World) -> None:
    now = world.clock.seconds()
    instance = await world.database.transact(lambda tx: thd_begin_start(tx, step.instance, now))
    if instance is None:
        return
    with correlated(instance.correlation):
        try:
            await _started(instance, world.nodes.at(step.node))
        except NodeFailed as error:
            log.warn("{i} was not started: {error}", i=step.instance, error=error)
            return
        log.info("{i} was started on {node}", i=step.instance, node=step.node)
        at = world.clock.seconds()
        await world.database.transact(lambda tx: thd_accepted(tx, step.instance, at))


async def _started(instance: Instance, node: Node) -> None:
    """See to it that the node has the instance; raises NodeFailed."""
    assert isinstance(instance.phase, Placed), instance.phase
    if instance.phase.attempts > 1 and await _has(node, instance):
        return
    try:
        await node.start_network(instance)
    except NodeFailed as error:
        # As in 2.0 the node may still take the instance: it makes the network itself then.
        log.warn("{i}: {error}", i=instance.identifier, error=error)
    try:
        await node.run(instance)
    except NodeRefused:
        if not await _has(node, instance):
            raise


async def _has(node: Node, instance: Instance) -> bool:
    reports = await node.instances((instance.identifier,))
    return any(report.identifier == instance.identifier for report in reports)


async def _terminate(step: TerminateOnNode, world: World) -> None:
    now = world.clock.seconds()
    instance = await world.database.transact(lambda tx: thd_begin_end(tx, step.instance, now))
    if instance is None or instance.ending is None:
        return
    with correlated(instance.ending.correlation):
        try:
            await world.nodes.at(step.node).terminate(step.instance, instance.ending.user)
        except NodeFailed as error:
            # The next poll shows whether there was anything to end.
            log.warn("{i} was not ended: {error}", i=step.instance, error=error)
            return
        log.info("{i} is told to end on {node}", i=step.instance, node=step.node)


async def _give_up(identifier: str, world: World) -> None:
    now = world.clock.seconds()
    log.error("{i} could not be started in time and is given up", i=identifier)
    await world.database.transact(lambda tx: thd_give_up(tx, identifier, now))
