"""Tests of `euca.converge.loop`."""

from __future__ import annotations

from attrs import define, field, frozen
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from euca.converge.loop import Loop

PERIOD = 5.0


@define
class World:
    """A world in which each change waits until the test lets it end."""

    wanted: list[Step] = field(factory=list)
    started: list[str] = field(factory=list)
    waiting: dict[str, Deferred[None]] = field(factory=dict)
    discoveries: int = 0


@frozen
class Step:
    """A change that ends when the test says so."""

    subject: str
    interruptible: bool = False
    version: int = 1

    async def run(self, world: World) -> None:
        """Wait for the test."""
        world.started.append(self.subject)
        world.waiting[self.subject] = Deferred()
        await world.waiting[self.subject]
        world.wanted.remove(self)


class LoopTests(SynchronousTestCase):
    """Rounds and changes."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.world = World()

        async def discover() -> World:
            self.world.discoveries += 1
            return self.world

        self.loop = Loop(self.clock, PERIOD, discover, lambda w: list(w.wanted), self.world)

    def start(self, *steps: Step) -> None:
        self.world.wanted.extend(steps)
        self.loop.startService()

    def test_periodic(self) -> None:
        """Rounds come at the start and then every period."""
        self.start()
        self.clock.pump([PERIOD, PERIOD])
        self.assertEqual(self.world.discoveries, 3)

    def test_wake(self) -> None:
        """Waking the loop runs a round without waiting for the period."""
        self.start()
        self.loop.wake()
        self.assertEqual(self.world.discoveries, 2)

    def test_subjects_run_side_by_side(self) -> None:
        """Changes of different subjects run at the same time."""
        self.start(Step("a"), Step("b"))
        self.assertEqual(self.world.started, ["a", "b"])

    def test_one_change_a_subject(self) -> None:
        """A subject whose change is running gets no second one."""
        self.start(Step("a"))
        self.clock.advance(PERIOD)
        self.assertEqual(self.world.started, ["a"])

    def test_end_of_a_change_wakes(self) -> None:
        """The end of a change starts the next round at once."""
        self.start(Step("a"))
        self.world.waiting["a"].callback(None)
        self.assertEqual(self.world.discoveries, 2)

    def test_failure_is_tried_again_after_a_period(self) -> None:
        """A change that fails is logged, rests for a period, and is tried again."""
        self.start(Step("a"))
        self.world.waiting["a"].errback(OSError("broken"))
        self.loop.wake()
        self.assertEqual(self.world.started, ["a"])
        self.clock.advance(PERIOD)
        self.assertEqual(self.world.started, ["a", "a"])
        self.assertEqual(len(self.flushLoggedErrors(OSError)), 1)

    def test_unwanted_change_is_cancelled(self) -> None:
        """An interruptible change that is no longer planned is cancelled."""
        self.start(Step("a", interruptible=True))
        self.world.wanted[:] = [Step("a", version=2)]
        self.loop.wake()
        self.clock.advance(0)
        self.assertEqual(self.world.started, ["a", "a"])

    def test_uninterruptible_change_goes_on(self) -> None:
        """A change that is not interruptible ends before its successor begins."""
        self.start(Step("a"))
        self.world.wanted.append(Step("a", version=2))
        self.loop.wake()
        self.assertEqual(self.world.started, ["a"])

    def test_discovery_that_fails(self) -> None:
        """A round whose discovery fails is logged and the next one comes."""

        async def discover() -> World:
            self.world.discoveries += 1
            raise OSError("no world")

        loop = Loop(self.clock, PERIOD, discover, lambda w: list(w.wanted), self.world)
        loop.startService()
        self.clock.advance(PERIOD)
        self.assertEqual(self.world.discoveries, 2)
        self.assertEqual(len(self.flushLoggedErrors(OSError)), 2)

    def test_stop_cancels_and_waits(self) -> None:
        """Stopping cancels what runs, waits for its end and leaves no timer."""
        self.start(Step("a"))
        self.successResultOf(self.loop.stopService())
        self.assertEqual(self.clock.getDelayedCalls(), [])
