"""The operations on instances.

But for GetConsoleOutput none calls a cluster: what a method promises is in the database before it
returns, and the loop, which it wakes, carries it out.
"""

from __future__ import annotations

from collections.abc import Callable

from attrs import evolve, field, frozen
from twisted.internet.interfaces import IReactorTime

from euca.clc import requests as r
from euca.clc.instance import USER_TERMINATED, Instance, Reservation, Start, State
from euca.clc.interfaces import ClusterRefused, Clusters, ClusterUnreachable
from euca.clc.launch import thd_launch
from euca.clc.plan import SHUT_DOWN_SECONDS
from euca.clc.registration import RegisteredCluster
from euca.clc.registry import thd_cluster
from euca.clc.requests import Caller
from euca.clc.tables import (
    thd_add_reservation,
    thd_console,
    thd_reservation_of_token,
    thd_reservations,
    thd_save_console,
    thd_save_instance,
    thd_visible_instances,
)
from euca.model.errors import InstanceNotRunning, Unavailable, UnknownInstance
from euca.model.identifiers import RandomBytes
from euca.store.engine import Database
from euca.store.sql import Connection
from euca.telemetry import trace


@frozen
class StateChange:
    """The state of an instance before and after a request."""

    identifier: str
    before: State
    after: State


@frozen
class ConsoleOutput:
    """The end of what an instance wrote to its console, and when that was read."""

    identifier: str
    output: bytes = field(repr=False)
    read_at: float


@frozen
class Instances:
    """The instances of users. `wake` makes the loop look at the records."""

    database: Database
    clusters: Clusters
    clock: IReactorTime
    random_bytes: RandomBytes
    wake: Callable[[], None]

    async def run_instances(self, caller: Caller, request: r.RunInstances) -> Reservation:
        """Record the instances asked for; see `launch`. The loop starts them.

        A client token that was seen before gets the answer that it got then.
        """
        now = self.clock.seconds()
        token = request.client_token or None

        def thd_record(tx: Connection) -> Reservation:
            earlier = thd_reservation_of_token(tx, caller.name, token) if token else None
            if earlier is not None:
                return earlier
            made = thd_launch(tx, caller, request, now, self.random_bytes)
            thd_add_reservation(tx, made, token)
            return made

        reservation = await self.database.transact(thd_record)
        self.wake()
        return reservation

    async def describe_instances(
        self, caller: Caller, request: r.DescribeInstances
    ) -> list[Reservation]:
        """List the caller's instances, those terminated for some minutes.

        Raises UnknownInstance for an identifier of none of them.
        """
        ended_after = self.clock.seconds() - SHUT_DOWN_SECONDS

        def thd_read(tx: Connection) -> list[Reservation]:
            wanted = request.identifiers
            found = thd_visible_instances(
                tx, caller.scope, ended_after, [_normal(name) for name in wanted]
            )
            known = {instance.identifier for instance in found}
            for name in wanted:
                if _normal(name) not in known:
                    raise _unknown(name)
            return thd_reservations(tx, found)

        return await self.database.transact(thd_read)

    async def terminate_instances(
        self, caller: Caller, request: r.TerminateInstances
    ) -> list[StateChange]:
        """Record that instances are to end: all of them, or none when one is unknown.

        One that no cluster has heard of is terminated at once. Raises UnknownInstance.
        """
        now = self.clock.seconds()

        def thd_record(tx: Connection) -> list[StateChange]:
            names = dict.fromkeys(request.identifiers)
            found = [self._thd_own(tx, caller, name, now) for name in names]
            changes = []
            for instance in found:
                ended = to_end(instance, now)
                thd_save_instance(tx, ended)
                changes.append(StateChange(instance.identifier, instance.state, ended.state))
            return changes

        changes = await self.database.transact(thd_record)
        self.wake()
        return changes

    def _thd_own(self, tx: Connection, caller: Caller, name: str, now: float) -> Instance:
        """Return an instance that the caller may touch; raises UnknownInstance."""
        found = thd_visible_instances(tx, caller.scope, now - SHUT_DOWN_SECONDS, [_normal(name)])
        if not found:
            raise _unknown(name)
        return found[0]

    async def get_console_output(
        self, caller: Caller, request: r.GetConsoleOutput
    ) -> ConsoleOutput:
        """Ask the instance's node for its console; of one that has ended, the last output read.

        Raises UnknownInstance, InstanceNotRunning while it is pending, and Unavailable when the
        cluster does not answer and nothing was read before.
        """
        now = self.clock.seconds()

        def thd_read(tx: Connection) -> tuple[Instance, RegisteredCluster | None, bytes | None]:
            instance = self._thd_own(tx, caller, request.identifier, now)
            kept = thd_console(tx, instance.identifier)
            return instance, thd_cluster(tx, instance.cluster), kept

        instance, cluster, kept = await self.database.transact(thd_read)
        if instance.state is State.PENDING:
            raise InstanceNotRunning(f"Instance {instance.identifier} is not in a running state.")
        if instance.state is not State.TERMINATED and cluster is not None:
            kept = await self._ask_for_console(instance, cluster, kept)
        return ConsoleOutput(instance.identifier, kept or b"", now)

    async def _ask_for_console(
        self, instance: Instance, cluster: RegisteredCluster, kept: bytes | None
    ) -> bytes:
        try:
            with trace.correlated(instance.correlation):
                output = await self.clusters.at(cluster.name, cluster.host, cluster.port).console(
                    instance
                )
        except (ClusterRefused, ClusterUnreachable) as error:
            if kept is None:
                why = f"The console of {instance.identifier} cannot be read now: {error}"
                raise Unavailable(why) from error
            return kept
        if output != kept:
            await self.database.transact(
                lambda tx: thd_save_console(tx, instance.identifier, output)
            )
        return output


def to_end(instance: Instance, now: float) -> Instance:
    """Return the instance as its owner's wish to end it makes it.

    One that no cluster can have is terminated right away; one whose start was asked for, even
    without an answer, must be ended on its cluster.
    """
    match instance.state:
        case State.PENDING if instance.start in (Start.NEW, Start.REFUSED, Start.ABSENT):
            after = State.TERMINATED
        case State.PENDING | State.RUNNING:
            after = State.SHUTTING_DOWN
        case State.SHUTTING_DOWN | State.TERMINATED:
            return instance
    return evolve(instance, state=after, since=now, reason=USER_TERMINATED, told=False)


def _normal(name: str) -> str:
    return name[:2].lower() + name[2:].upper()


def _unknown(name: str) -> UnknownInstance:
    return UnknownInstance(f"The instance ID '{name}' does not exist")
