"""Tests of `euca.nc.plan`: every cell of the table of phases and what was found."""

from __future__ import annotations

from attrs import evolve
from twisted.trial.unittest import SynchronousTestCase

from euca.hypervisor.interfaces import GuestState
from euca.model.machine import NetworkConfig
from euca.nc.instance import (
    Booting,
    Canceled,
    Instance,
    Phase,
    Prepared,
    Running,
    Shutoff,
    Staging,
    Teardown,
)
from euca.nc.plan import (
    BOOTING_SECONDS,
    MISSING_SECONDS,
    STAGING_SECONDS,
    START_ATTEMPTS,
    TEARDOWN_SECONDS,
    CleanUp,
    Forget,
    Move,
    NoteAddress,
    Prepare,
    Start,
    Step,
    Stop,
    View,
    next_step,
    steps,
)
from euca.nc.wire import network_of, wish_of
from tests.nc.world import INSTANCE, MAC, run_fields

NOW = 10_000.0
UUID = "5c9e6f0a-8b3b-4d8e-9f2a-000000000001"
UP = {UUID: GuestState.RUNNING}
FOREIGN = {"somebody else's": GuestState.RUNNING}


def instance(phase: Phase, launched: float = NOW) -> Instance:
    """Return an instance in that phase."""
    return Instance(wish_of(run_fields(), launched), UUID, network_of(run_fields()), phase)


def view(*instances: Instance, guests: object = FOREIGN, now: float = NOW) -> View:
    """Return what was found; by default only a guest that is not ours."""
    return View(now, instances, guests, {})  # type: ignore[arg-type]


class PlanTests(SynchronousTestCase):
    """What is done next."""

    def after(self, phase: Phase, guests: object = FOREIGN, now: float = NOW) -> Step | None:
        subject = instance(phase)
        return next_step(subject, view(subject, guests=guests, now=now))

    def test_staging(self) -> None:
        """A new instance is prepared, whether the hypervisor can be asked or not."""
        for guests in (FOREIGN, None):
            self.assertEqual(self.after(Staging(), guests), Prepare(INSTANCE))

    def test_staging_too_long(self) -> None:
        """An instance that is not prepared in two hours is given up."""
        for phase in (Staging(), Prepared()):
            step = self.after(phase, now=NOW + STAGING_SECONDS)
            assert isinstance(step, Move)
            self.assertIsInstance(step.after, Canceled)

    def test_prepared(self) -> None:
        """A prepared instance is started."""
        self.assertEqual(self.after(Prepared(START_ATTEMPTS - 1)), Start(INSTANCE))

    def test_prepared_unknown(self) -> None:
        """Nothing is started while it is not known what runs."""
        self.assertIsNone(self.after(Prepared(), None))

    def test_refused_too_often(self) -> None:
        """An instance that the hypervisor refused five times is given up."""
        step = self.after(Prepared(START_ATTEMPTS))
        assert isinstance(step, Move)
        self.assertIsInstance(step.after, Canceled)

    def test_started_and_not_recorded(self) -> None:
        """A guest of ours that runs before that was recorded is taken over."""
        for phase in (Staging(), Prepared()):
            self.assertEqual(self.after(phase, UP), Move(INSTANCE, phase, Booting(NOW)))

    def test_booting(self) -> None:
        """A started guest that is listed runs."""
        phase = Booting(NOW)
        self.assertEqual(self.after(phase, UP), Move(INSTANCE, phase, Running()))

    def test_booting_waits(self) -> None:
        """A started guest has a minute to be listed, longer if nobody can be asked."""
        phase = Booting(NOW)
        late = NOW + BOOTING_SECONDS
        self.assertIsNone(self.after(phase, now=late - 1))
        self.assertIsNone(self.after(phase, None, now=late))
        step = self.after(phase, now=late)
        assert isinstance(step, Move)
        self.assertIsInstance(step.after, Shutoff)

    def test_running(self) -> None:
        """Nothing is done about an instance that runs."""
        self.assertIsNone(self.after(Running(), UP))

    def test_state_seen(self) -> None:
        """A guest that is paused is an instance still."""
        paused = {UUID: GuestState.PAUSED}
        self.assertEqual(
            self.after(Running(), paused), Move(INSTANCE, Running(), Running(GuestState.PAUSED))
        )

    def test_missing(self) -> None:
        """A guest that is not found is missed from now on."""
        missed = Running(GuestState.RUNNING, NOW)
        self.assertEqual(self.after(Running()), Move(INSTANCE, Running(), missed))
        self.assertIsNone(self.after(missed, now=NOW + MISSING_SECONDS - 1))

    def test_missing_too_long(self) -> None:
        """A guest that was missed for long enough has ended."""
        step = self.after(Running(GuestState.RUNNING, NOW), now=NOW + MISSING_SECONDS)
        assert isinstance(step, Move)
        self.assertIsInstance(step.after, Shutoff)

    def test_found_again(self) -> None:
        """A guest that is found again is not missed any more."""
        missed = Running(GuestState.RUNNING, NOW - 20)
        self.assertEqual(self.after(missed, UP), Move(INSTANCE, missed, Running()))

    def test_not_missed_unasked(self) -> None:
        """The time in which the hypervisor cannot be asked is no time of being missed."""
        missed = Running(GuestState.RUNNING, NOW - 1000)
        self.assertEqual(self.after(missed, None), Move(INSTANCE, missed, Running()))

    def test_stopped(self) -> None:
        """A guest that stopped or crashed ends its instance."""
        for state in (GuestState.SHUTDOWN, GuestState.SHUTOFF, GuestState.CRASHED):
            step = self.after(Running(), {UUID: state})
            assert isinstance(step, Move)
            self.assertIsInstance(step.after, Shutoff)

    def test_ending(self) -> None:
        """An ending instance loses its guest first, then its files; unasked it keeps both."""
        for phase in (Canceled("x"), Shutoff("x")):
            self.assertEqual(self.after(phase, UP), Stop(INSTANCE))
            self.assertEqual(self.after(phase), CleanUp(INSTANCE))
            self.assertIsNone(self.after(phase, None))

    def test_teardown(self) -> None:
        """An ended instance is reported for three minutes."""
        phase = Teardown(NOW, "x")
        self.assertIsNone(self.after(phase, now=NOW + TEARDOWN_SECONDS))
        self.assertEqual(self.after(phase, now=NOW + TEARDOWN_SECONDS + 1), Forget(INSTANCE))

    def test_address(self) -> None:
        """The address found for a guest is noted, whatever the case of its hardware address."""
        mixed = NetworkConfig(mac=MAC.upper())
        subject = evolve(instance(Running()), network=mixed)
        found = View(NOW, (subject,), UP, {MAC: "10.0.0.9"})
        self.assertEqual(next_step(subject, found), NoteAddress(INSTANCE, "10.0.0.9"))

    def test_address_known(self) -> None:
        """An address that is known already is not looked for."""
        known = NetworkConfig(MAC, "10.0.0.9", "10.0.0.9")
        subject = evolve(instance(Running()), network=known)
        self.assertIsNone(next_step(subject, View(NOW, (subject,), UP, {MAC: "10.0.0.7"})))

    def test_steps(self) -> None:
        """Each instance has its own step; those with nothing to do have none."""
        found = steps(view(instance(Staging()), instance(Teardown(NOW, "x"))))
        self.assertEqual(found, [Prepare(INSTANCE)])
