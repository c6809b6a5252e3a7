"""What the loop's steps do: a record, a call, a record.

Each step reads the instance again in its own transaction and does nothing when it is no longer
the step to take: the user may have changed his mind since the round began.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import assert_never

from attrs import evolve, field, frozen
from twisted.internet.defer import DeferredSemaphore
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from euca.clc.instance import Instance, Report, Start, State
from euca.clc.interfaces import Cluster, ClusterRefused, Clusters, ClusterUnreachable, Started
from euca.clc.plan import (
    EndInstance,
    ForgetInstance,
    Poll,
    StartInstance,
    Step,
    TerminateInstance,
    next_step,
    observed,
)
from euca.clc.registration import RegisteredCluster
from euca.clc.registry import (
    thd_cluster,
    thd_cluster_answered,
    thd_cluster_asked,
    thd_cluster_failed,
)
from euca.clc.tables import (
    thd_cluster_instances,
    thd_forget_instance,
    thd_instance,
    thd_save_instance,
)
from euca.model.machine import NO_ADDRESS, VM_TYPES
from euca.store.engine import Database
from euca.store.sql import Connection
from euca.telemetry import trace

CALLS_AT_ONCE = 8  # to one cluster for its instances, as in Eucalyptus 2.0

log = Logger()


@frozen
class World:
    """What the changes act on.

    While a cluster is asked for its reports, instances may be called for; what it reports of
    those may be older than the call. So each poll under way keeps the set of them.
    """

    database: Database
    clusters: Clusters
    clock: IReactorTime
    period: float
    _turns: dict[str, DeferredSemaphore] = field(factory=dict)
    _calling: set[str] = field(factory=set)
    _polls: list[set[str]] = field(factory=list)

    def cluster(self, registered: RegisteredCluster) -> Cluster:
        """Return the cluster that a registration stands for; raises ClusterUnreachable."""
        return self.clusters.at(registered.name, registered.host, registered.port)

    @asynccontextmanager
    async def turn(self, cluster: str) -> AsyncIterator[None]:
        """Wait until the cluster is called for few enough instances at once."""
        turns = self._turns.setdefault(cluster, DeferredSemaphore(CALLS_AT_ONCE))
        await turns.acquire()
        try:
            yield
        finally:
            turns.release()

    @contextmanager
    def call(self, instance: Instance) -> Iterator[None]:
        """Mark the instance as being called for, under its correlation id."""
        for called in (self._calling, *self._polls):
            called.add(instance.identifier)
        try:
            with trace.correlated(instance.correlation):
                yield
        finally:
            self._calling.discard(instance.identifier)

    @contextmanager
    def poll(self) -> Iterator[set[str]]:
        """Yield the instances called for while the block runs."""
        called = set(self._calling)
        self._polls.append(called)
        try:
            yield called
        finally:
            # By identity: two polls may have equal sets.
            self._polls[:] = [other for other in self._polls if other is not called]

    async def amend(self, identifier: str, amend: Callable[[Instance], Instance]) -> None:
        """Record what `amend` makes of the instance as it is recorded now."""

        def thd_amend(tx: Connection) -> None:
            instance = thd_instance(tx, identifier)
            if instance is not None:
                thd_save_instance(tx, amend(instance))

        await self.database.transact(thd_amend)


@frozen
class PollCluster:
    """Asks a cluster for its instances and its room, and records both."""

    step: Poll
    interruptible: bool = False

    @property
    def subject(self) -> str:
        """The cluster's name; no instance is called so."""
        return "cluster " + self.step.cluster

    async def run(self, world: World) -> None:
        """Ask and record; a cluster that does not answer is a fact, not a failure."""
        name = self.step.cluster
        now = world.clock.seconds()

        def thd_begin(tx: Connection) -> RegisteredCluster | None:
            thd_cluster_asked(tx, name, now)
            return thd_cluster(tx, name)

        registered = await world.database.transact(thd_begin)
        if registered is None:
            return
        try:
            await self._ask(world, world.cluster(registered), now)
        except (ClusterUnreachable, ClusterRefused) as error:
            why = str(error)
            if registered.error != why:
                log.warn("Cluster {name} does not answer: {why}", name=name, why=why)
            await world.database.transact(lambda tx: thd_cluster_failed(tx, name, why))
            return
        if not registered.reachable:
            log.info("Cluster {name} answers", name=name)

    async def _ask(self, world: World, cluster: Cluster, now: float) -> None:
        name = self.step.cluster
        with world.poll() as called:
            # Instances first: one started in between then counts twice, never not at all.
            reports = await cluster.reports()
            capacities = await cluster.capacity(VM_TYPES)

            def thd_record(tx: Connection) -> None:
                thd_cluster_answered(tx, name, now, capacities)
                _thd_observe(tx, name, reports, called, world.clock.seconds())

            await world.database.transact(thd_record)


def _thd_observe(
    tx: Connection, cluster: str, reports: Sequence[Report], exempt: set[str], now: float
) -> None:
    """Record what the reports say of each instance of the cluster but the exempt ones."""
    found = {report.identifier: report for report in reports}
    for instance in thd_cluster_instances(tx, cluster):
        report = found.pop(instance.identifier, None)
        if instance.identifier in exempt:
            continue
        seen = observed(instance, report, now)
        if seen != instance:
            thd_save_instance(tx, seen)
        if seen.state is not instance.state:
            log.info("{i} is {state}", i=instance.identifier, state=seen.state.value)
    for stranger in found:
        log.debug("{cluster} reports {i}, not of this cloud", cluster=cluster, i=stranger)


async def _begin(
    world: World, step: StartInstance | TerminateInstance, begun: Callable[[Instance], Instance]
) -> tuple[Instance, RegisteredCluster] | None:
    """Record that the step begins, and return what it is about; None when it is not due now."""
    now = world.clock.seconds()

    def thd_begin(tx: Connection) -> tuple[Instance, RegisteredCluster] | None:
        instance = thd_instance(tx, step.instance)
        if instance is None:
            return None
        registered = thd_cluster(tx, instance.cluster)
        if registered is None or next_step(instance, registered, now) != step:
            return None
        thd_save_instance(tx, begun(evolve(instance, called_at=now)))
        return instance, registered

    return await world.database.transact(thd_begin)


@frozen
class StartOnCluster:
    """Asks the instance's cluster to run it; that it was asked is recorded first."""

    step: StartInstance
    interruptible: bool = False

    @property
    def subject(self) -> str:
        """The instance."""
        return self.step.instance

    async def run(self, world: World) -> None:
        """Call the cluster; a lost answer leaves the instance `ASKED`, for a report to settle."""
        async with world.turn(self.step.cluster):
            begun = await _begin(world, self.step, lambda i: evolve(i, start=Start.ASKED))
            if begun is None:
                return
            instance, registered = begun
            with world.call(instance):
                amend = await self._ask(world, registered, instance)
                await world.amend(instance.identifier, amend)

    async def _ask(
        self, world: World, registered: RegisteredCluster, instance: Instance
    ) -> Callable[[Instance], Instance]:
        log.info("Starting {i} on {cluster}", i=instance.identifier, cluster=instance.cluster)
        try:
            started = await world.cluster(registered).start(instance)
        except ClusterRefused as error:
            why = str(error)
            log.warn("{i} was refused: {why}", i=instance.identifier, why=why)
            return lambda now: _refused(now, why, world)
        except ClusterUnreachable as error:
            log.warn("No answer about {i}: {why}", i=instance.identifier, why=str(error))
            return lambda now: evolve(now, called_at=world.clock.seconds())
        return lambda now: _accepted(now, started, world)


def _accepted(instance: Instance, started: Started, world: World) -> Instance:
    private = instance.private_ip if started.private_ip == NO_ADDRESS else started.private_ip
    public = instance.public_ip if started.public_ip == NO_ADDRESS else started.public_ip
    return evolve(
        instance,
        start=Start.ACCEPTED,
        private_ip=private,
        public_ip=public,
        called_at=world.clock.seconds(),
    )


def _refused(instance: Instance, why: str, world: World) -> Instance:
    now = world.clock.seconds()
    reason = evolve(instance.reason, detail=why)
    return evolve(
        instance,
        start=Start.REFUSED,
        reason=reason if instance.state is State.PENDING else instance.reason,
        called_at=now,
        rests_until=now + world.period,
    )


@frozen
class TerminateOnCluster:
    """Tells the instance's cluster to end it."""

    step: TerminateInstance
    interruptible: bool = False

    @property
    def subject(self) -> str:
        """The instance."""
        return self.step.instance

    async def run(self, world: World) -> None:
        """Call the cluster; without an answer it is told again after a period."""
        async with world.turn(self.step.cluster):
            begun = await _begin(world, self.step, lambda instance: instance)
            if begun is None:
                return
            instance, registered = begun
            with world.call(instance):
                told = await self._tell(world, registered, instance)
                now = world.clock.seconds()
                rests_until = instance.rests_until if told else now + world.period
                await world.amend(
                    instance.identifier,
                    lambda i: evolve(i, told=told, called_at=now, rests_until=rests_until),
                )

    async def _tell(self, world: World, registered: RegisteredCluster, instance: Instance) -> bool:
        log.info("Terminating {i} on {c}", i=instance.identifier, c=instance.cluster)
        try:
            await world.cluster(registered).terminate(instance)
        except (ClusterRefused, ClusterUnreachable) as error:
            log.warn("{i} is not terminated yet: {why}", i=instance.identifier, why=str(error))
            return False
        return True


@frozen
class Settle:
    """Ends or forgets an instance in the records alone."""

    step: EndInstance | ForgetInstance
    interruptible: bool = False

    @property
    def subject(self) -> str:
        """The instance."""
        return self.step.instance

    async def run(self, world: World) -> None:
        """Record it, if it is still so."""
        now = world.clock.seconds()

        def thd_settle(tx: Connection) -> None:
            instance = thd_instance(tx, self.step.instance)
            if instance is None:
                return
            cluster = thd_cluster(tx, instance.cluster)
            if next_step(instance, cluster, now) == self.step:
                self._thd_settle(tx, instance, now)

        await world.database.transact(thd_settle)

    def _thd_settle(self, tx: Connection, instance: Instance, now: float) -> None:
        match self.step:
            case ForgetInstance():
                thd_forget_instance(tx, instance.identifier)
            case EndInstance(reason=reason):
                log.info("{i} ends: {reason}", i=instance.identifier, reason=str(reason))
                reason = evolve(reason, detail=instance.reason.detail)
                ended = evolve(instance, state=State.TERMINATED, since=now, reason=reason)
                thd_save_instance(tx, ended)
            case _:
                assert_never(self.step)


def change(step: Step) -> PollCluster | StartOnCluster | TerminateOnCluster | Settle:
    """Return the change that takes a step."""
    match step:
        case Poll():
            return PollCluster(step)
        case StartInstance():
            return StartOnCluster(step)
        case TerminateInstance():
            return TerminateOnCluster(step)
        case EndInstance() | ForgetInstance():
            return Settle(step)
        case _:
            assert_never(step)
