"""What the loop does next: pure functions of what is recorded, what clusters report, and the time.

An instance that is to start is `NEW`. Before the cluster is called it becomes `ASKED`; an answer
makes it `ACCEPTED` or `REFUSED`. When the answer is lost it stays `ASKED`, and only a report
that was asked for after the call ended settles it: the instance is there, or it is `ABSENT` and
the cluster is asked again. So a request is never repeated blindly, whenever a process is killed.

The end of an instance works the same way: the cluster is told, and when a later report still has
it alive, told again. That goes for instances already terminated too, should one turn up late.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import assert_never

from attrs import evolve, frozen

from euca.clc.instance import (
    FAILED,
    REFUSED,
    STOPPED,
    UNREACHED,
    Instance,
    Reason,
    Report,
    Reported,
    Start,
    State,
    expired,
)
from euca.clc.registration import RegisteredCluster
from euca.model.machine import NO_ADDRESS

SHUT_DOWN_SECONDS = 600.0
"""An instance not reported for so long has expired; a terminated one is listed for so long."""
BURY_SECONDS = 3600.0
"""A terminated instance is forgotten after this."""
START_SECONDS = 120.0
"""A cluster that refuses to start an instance is asked again for so long."""

_EXPIRED = expired(SHUT_DOWN_SECONDS)


@frozen
class View:
    """What a round knows; clusters are asked for their state every `period` seconds."""

    now: float
    period: float
    clusters: Mapping[str, RegisteredCluster]
    instances: Sequence[Instance]


@frozen
class Poll:
    """Ask a cluster for its state."""

    cluster: str


@frozen
class StartInstance:
    """Have the instance's cluster start it."""

    instance: str
    cluster: str


@frozen
class TerminateInstance:
    """Have the instance's cluster end it."""

    instance: str
    cluster: str


@frozen
class EndInstance:
    """Give an instance up: it is terminated for that reason."""

    instance: str
    reason: Reason


@frozen
class ForgetInstance:
    """Drop a terminated instance from the records."""

    instance: str


Step = Poll | StartInstance | TerminateInstance | EndInstance | ForgetInstance


def plan(view: View) -> list[Step]:
    """Return the steps that bring the clusters closer to what is recorded."""
    steps: list[Step] = []
    unclear: dict[str, float] = {}
    for instance in view.instances:
        step = next_step(instance, view.clusters.get(instance.cluster), view.now)
        if step is not None:
            steps.append(step)
        elif _waits_for_a_report(instance):
            earlier = unclear.get(instance.cluster, 0.0)
            unclear[instance.cluster] = max(earlier, instance.called_at)
    for cluster in view.clusters.values():
        if _poll_is_due(cluster, view, unclear.get(cluster.name)):
            steps.append(Poll(cluster.name))
    return steps


def _waits_for_a_report(instance: Instance) -> bool:
    match instance.state:
        case State.PENDING:
            return instance.start in (Start.ASKED, Start.ACCEPTED) and not instance.alive
        case State.SHUTTING_DOWN:
            return instance.told
        case _:
            return False


def _poll_is_due(cluster: RegisteredCluster, view: View, called_at: float | None) -> bool:
    if cluster.asked_at is None or cluster.asked_at > view.now:
        return True
    if called_at is not None and called_at > cluster.asked_at:
        return True
    return view.now - cluster.asked_at >= view.period


def next_step(instance: Instance, cluster: RegisteredCluster | None, now: float) -> Step | None:
    """Return the step that an instance needs now, if any."""
    may_call = cluster is not None and cluster.reachable and now >= instance.rests_until
    match instance.state:
        case State.PENDING:
            return _pending_step(instance, may_call, now)
        case State.RUNNING:
            lost = _is_missing_too_long(instance, now)
            return EndInstance(instance.identifier, _EXPIRED) if lost else None
        case State.SHUTTING_DOWN if now - instance.since >= SHUT_DOWN_SECONDS:
            return EndInstance(instance.identifier, _EXPIRED)
        case State.SHUTTING_DOWN:
            return _ending_step(instance, may_call)
        case State.TERMINATED if instance.alive and cluster is not None:
            return _ending_step(instance, may_call)
        case State.TERMINATED:
            old = now - instance.since >= BURY_SECONDS
            return ForgetInstance(instance.identifier) if old else None
        case _:
            assert_never(instance.state)


def _pending_step(instance: Instance, may_call: bool, now: float) -> Step | None:
    reason = _cause_of_failure(instance, now)
    if reason is not None:
        return EndInstance(instance.identifier, reason)
    waits = instance.start in (Start.NEW, Start.REFUSED, Start.ABSENT)
    if not (waits and may_call):
        return None
    return StartInstance(instance.identifier, instance.cluster)


def _ending_step(instance: Instance, may_call: bool) -> Step | None:
    if instance.told or not may_call:
        return None
    return TerminateInstance(instance.identifier, instance.cluster)


def _cause_of_failure(instance: Instance, now: float) -> Reason | None:
    """Return why a pending instance is given up, None while it is not."""
    age = now - instance.launched
    match instance.start:
        case Start.REFUSED:
            return REFUSED if age >= START_SECONDS else None
        case Start.NEW | Start.ASKED | Start.ABSENT:
            return UNREACHED if age >= SHUT_DOWN_SECONDS else None
        case Start.ACCEPTED:
            too_long = _is_missing_too_long(instance, now)
            return _EXPIRED if too_long else None
        case _:
            assert_never(instance.start)


def _is_missing_too_long(instance: Instance, now: float) -> bool:
    missing = instance.missing_since
    return missing is not None and now - missing >= SHUT_DOWN_SECONDS


# What a report changes


def observed(instance: Instance, report: Report | None, now: float) -> Instance:
    """Return the instance as a cluster's complete report, asked for just now, makes it.

    `report` is None when the cluster does not have the instance. The report must have been asked
    for after the last call about the instance ended.
    """
    if report is None:
        return _unreported(instance, now)
    if report.state is Reported.TEARDOWN:
        return _torn_down(instance, now)
    seen = evolve(
        instance,
        alive=True,
        missing_since=None,
        private_ip=_known(report.private_ip, instance.private_ip),
        public_ip=_known(report.public_ip, instance.public_ip),
    )
    match instance.state:
        case State.PENDING:
            runs = report.state is Reported.EXTANT
            since = now if runs else instance.since
            state = State.RUNNING if runs else State.PENDING
            return evolve(seen, state=state, since=since, start=Start.ACCEPTED)
        case State.RUNNING:
            return seen
        case State.SHUTTING_DOWN | State.TERMINATED:
            return evolve(seen, start=Start.ACCEPTED, told=False)
        case _:
            assert_never(instance.state)


def _known(address: str, before: str) -> str:
    return before if address in ("", NO_ADDRESS) else address


def _unreported(instance: Instance, now: float) -> Instance:
    match instance.state:
        case State.PENDING if instance.start is Start.ASKED:
            return evolve(instance, start=Start.ABSENT)
        case State.PENDING if instance.start is not Start.ACCEPTED:
            return instance
        case State.PENDING | State.RUNNING:
            missing = now if instance.missing_since is None else instance.missing_since
            return evolve(instance, missing_since=missing, alive=False)
        case State.SHUTTING_DOWN if not instance.told:
            return instance
        case State.SHUTTING_DOWN:
            return evolve(instance, state=State.TERMINATED, since=now, alive=False)
        case State.TERMINATED:
            return evolve(instance, alive=False)
        case _:
            assert_never(instance.state)


def _torn_down(instance: Instance, now: float) -> Instance:
    gone = evolve(instance, state=State.TERMINATED, since=now, alive=False, missing_since=None)
    match instance.state:
        case State.PENDING:
            return evolve(gone, reason=FAILED)
        case State.RUNNING:
            return evolve(gone, reason=STOPPED)
        case State.SHUTTING_DOWN:
            return gone
        case State.TERMINATED:
            return evolve(instance, alive=False)
        case _:
            assert_never(instance.state)
