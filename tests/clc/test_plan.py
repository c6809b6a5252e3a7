"""Properties of the plan: what holds of every instance, in whatever state."""

from __future__ import annotations

from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from euca.clc.admission import Share, admit, after_token
from euca.clc.instance import Boot, Instance, Report, Reported, Start, State
from euca.clc.instances import to_end
from euca.clc.plan import (
    BURY_SECONDS,
    SHUT_DOWN_SECONDS,
    EndInstance,
    ForgetInstance,
    Poll,
    StartInstance,
    TerminateInstance,
    View,
    next_step,
    observed,
    plan,
)
from euca.clc.registration import RegisteredCluster
from euca.model.errors import NoCapacity, UnknownZone
from euca.model.machine import VM_TYPES
from tests.clc.cloud import NOW

ORDER = list(State)
CLUSTER = RegisteredCluster("cluster1", "127.0.0.1", 8774, NOW - 5, NOW - 5)
SILENT = evolve(CLUSTER, error="cable")

times = st.sampled_from((NOW - BURY_SECONDS, NOW - SHUT_DOWN_SECONDS, NOW - 60, NOW))
instances = st.builds(
    lambda **fields: Instance(
        identifier="i-00000001",
        reservation="r-00000001",
        owner="ann",
        launch_index=0,
        cluster="cluster1",
        vm_type=VM_TYPES[0],
        boot=Boot("emi-00000001", "url"),
        **fields,
    ),
    launched=times,
    since=times,
    state=st.sampled_from(State),
    start=st.sampled_from(Start),
    told=st.booleans(),
    alive=st.booleans(),
    missing_since=st.none() | times,
    called_at=times,
    rests_until=st.sampled_from((0.0, NOW + 5)),
)
reports = st.none() | st.builds(
    Report,
    st.just("i-00000001"),
    st.sampled_from(Reported),
    st.sampled_from(("0.0.0.0", "10.0.0.9")),
)


class StepTests(SynchronousTestCase):
    """The next step of one instance."""

    @given(instances)
    def test_no_blind_start(self, instance: Instance) -> None:
        """An instance is started only when no cluster can have it."""
        if isinstance(next_step(instance, CLUSTER, NOW), StartInstance):
            self.assertEqual(State.PENDING, instance.state)
            self.assertIn(instance.start, (Start.NEW, Start.REFUSED, Start.ABSENT))

    @given(instances)
    def test_no_unwanted_end(self, instance: Instance) -> None:
        """A cluster is never told to end what is pending or running."""
        if isinstance(next_step(instance, CLUSTER, NOW), TerminateInstance):
            self.assertIn(instance.state, (State.SHUTTING_DOWN, State.TERMINATED))

    @given(instances)
    def test_silence(self, instance: Instance) -> None:
        """A cluster that does not answer is not called for instances."""
        step = next_step(instance, SILENT, NOW)
        self.assertNotIsInstance(step, StartInstance | TerminateInstance)

    @given(instances)
    def test_nothing_alive_is_forgotten(self, instance: Instance) -> None:
        """An instance that its cluster has alive is not forgotten."""
        if instance.alive:
            self.assertNotIsInstance(next_step(instance, CLUSTER, NOW), ForgetInstance)

    @given(instances)
    def test_ends_at_last(self, instance: Instance) -> None:
        """A pending or ending instance without progress for ten minutes is given up."""
        unsettled = instance.state is State.SHUTTING_DOWN or (
            instance.state is State.PENDING and instance.start is not Start.ACCEPTED
        )
        old = NOW - SHUT_DOWN_SECONDS >= max(instance.since, instance.launched)
        if unsettled and old:
            self.assertIsInstance(next_step(instance, CLUSTER, NOW), EndInstance)


class ReportTests(SynchronousTestCase):
    """What a report makes of an instance."""

    @given(instances, reports)
    def test_never_back(self, instance: Instance, report: Report | None) -> None:
        """No report brings an instance back to an earlier state."""
        after = observed(instance, report, NOW).state
        self.assertGreaterEqual(ORDER.index(after), ORDER.index(instance.state))

    @given(instances, reports)
    def test_again(self, instance: Instance, report: Report | None) -> None:
        """The same report twice says no more than once, but that an instance is gone."""
        once = observed(instance, report, NOW)
        if once.start is not Start.ABSENT:
            self.assertEqual(once, observed(once, report, NOW))

    @given(instances)
    def test_address(self, instance: Instance) -> None:
        """A known address is not lost to a report without one."""
        known = evolve(instance, private_ip="10.0.0.7")
        after = observed(known, Report("i-00000001", Reported.EXTANT), NOW)
        self.assertEqual("10.0.0.7", after.private_ip)

    @given(instances, st.sampled_from((Reported.PENDING, Reported.EXTANT)))
    def test_unwanted(self, instance: Instance, state: Reported) -> None:
        """An instance that is to be gone and is reported alive is ended (again)."""
        wanted = instance.state in (State.PENDING, State.RUNNING)
        if not wanted and instance.rests_until <= NOW:
            after = observed(instance, Report("i-00000001", state), NOW)
            step = next_step(after, CLUSTER, NOW)
            self.assertIsInstance(step, TerminateInstance | EndInstance)


class EndTests(SynchronousTestCase):
    """The wish to end an instance."""

    @given(instances)
    def test_asked_is_told(self, instance: Instance) -> None:
        """An instance that a cluster may have is never simply declared terminated."""
        after = to_end(instance, NOW)
        before = (instance.state, after.state)
        if before == (State.PENDING, State.TERMINATED):
            self.assertNotIn(instance.start, (Start.ASKED, Start.ACCEPTED))
        self.assertNotEqual((State.RUNNING, State.TERMINATED), before)


class PollTests(SynchronousTestCase):
    """When a cluster is asked."""

    def polls(self, cluster: RegisteredCluster, *known: Instance) -> bool:
        return Poll(cluster.name) in plan(View(NOW, 20.0, {cluster.name: cluster}, known))

    def test_period(self) -> None:
        """A cluster is asked when it never was, when a period has passed, or time went back."""
        asked = (None, NOW - 20, NOW + 100, NOW - 5)
        self.assertEqual(
            [True, True, True, False], [self.polls(evolve(CLUSTER, asked_at=at)) for at in asked]
        )

    @given(instances)
    def test_calls(self, instance: Instance) -> None:
        """Nothing makes a cluster be asked twice at one moment."""
        self.assertFalse(self.polls(evolve(CLUSTER, asked_at=NOW), instance))


rooms = st.dictionaries(
    st.sampled_from("abc"), st.fixed_dictionaries({"m1.small": st.integers(0, 5)})
)


class AdmissionTests(SynchronousTestCase):
    """Room for instances."""

    @given(rooms, st.integers(1, 9), st.integers(0, 9))
    def test_shares(self, rooms: dict[str, dict[str, int]], least: int, more: int) -> None:
        """As many start as there is room for, nowhere more than fit, or none at all."""
        room = sum(types["m1.small"] for types in rooms.values())
        try:
            shares = admit(rooms, "m1.small", None, least, least + more)
        except NoCapacity:
            self.assertLess(room, least)
            return
        self.assertEqual(min(room, least + more), sum(share.count for share in shares))
        for share in shares:
            self.assertLessEqual(share.count, rooms[share.cluster]["m1.small"])

    def test_zone(self) -> None:
        """A named zone is the only one used."""
        rooms = {"a": {"m1.small": 5}, "b": {"m1.small": 1}}
        self.assertEqual([Share("b", 1)], admit(rooms, "m1.small", "b", 1, 9))

    def test_unknown_zone(self) -> None:
        """A zone that is none is refused."""
        self.assertRaises(UnknownZone, admit, {}, "m1.small", "nowhere", 1, 1)

    def test_token(self) -> None:
        """A place taken is lost to types with as little room, and caps those with more."""
        self.assertEqual(
            {"small": 3, "large": 3, "huge": 1},
            after_token({"small": 8, "large": 4, "huge": 2}, "large"),
        )
