"""The loop that every component runs: discover what is, plan what to change, run the changes.

A round awaits `discover()`, gives the state to the pure `plan`, and starts the changes that it
returns. Changes go on while further rounds run, so that a long one (fetching an image) holds up
nothing else. At most one change of a subject runs at a time. A running change that is no longer
planned is cancelled if it is interruptible. The end of a change wakes the loop; a change that
failed is tried again when a period has passed.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Generic, Protocol, TypeVar

from attrs import frozen
from twisted.application.service import Service
from twisted.internet.defer import CancelledError, Deferred, DeferredList
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

World_contra = TypeVar("World_contra", contravariant=True)
State = TypeVar("State")
W = TypeVar("W")


class Change(Protocol[World_contra]):
    """One step towards the wish: a frozen value, equal by content."""

    @property
    def subject(self) -> str:
        """The identifier of the thing changed; one change of a subject runs at a time."""
        ...

    @property
    def interruptible(self) -> bool:
        """Whether the change may be cancelled when it is no longer planned."""
        ...

    async def run(self, world: World_contra) -> None:
        """Make the change; what it raises is logged, and it is planned again next round."""
        ...


def _settled(deferred: Deferred[None]) -> Deferred[None]:
    """Return a Deferred that fires when `deferred` has."""
    waiter: Deferred[None] = Deferred()
    deferred.addBoth(lambda _: waiter.callback(None))
    return waiter


@frozen
class _Running(Generic[W]):
    change: Change[W]
    done: Deferred[None]


class Loop(Service, Generic[State, W]):
    """Runs rounds every `period` seconds, and when woken, while the service runs."""

    log = Logger()

    def __init__(
        self,
        clock: IReactorTime,
        period: float,
        discover: Callable[[], Awaitable[State]],
        plan: Callable[[State], Sequence[Change[W]]],
        world: W,
    ) -> None:
        self._clock = clock
        self._period = period
        self._discover = discover
        self._plan = plan
        self._world = world
        self._timer: Any = None
        self._round: Deferred[None] | None = None
        self._again = False
        self._changes: dict[str, _Running[W]] = {}
        self._not_before: dict[str, float] = {}

    def startService(self) -> None:
        """Begin with a round at once."""
        super().startService()
        self.wake()

    def stopService(self) -> Deferred[None]:
        """Cancel the round and every change; the Deferred fires when the last has ended."""
        super().stopService()
        self._stop_timer()
        ending = [running.done for running in self._changes.values()]
        if self._round is not None:
            ending.append(self._round)
        settled = [_settled(deferred) for deferred in ending]
        for deferred in ending:
            deferred.cancel()
        return DeferredList(settled).addCallback(lambda _: None)

    def wake(self) -> None:
        """Run a round now, or right after the one that is running."""
        if not self.running:
            return
        if self._round is not None:
            self._again = True
            return
        self._stop_timer()
        self._round = Deferred.fromCoroutine(self._run_round())
        if self._round.called:
            self._end_round()
        else:
            self._round.addCallback(lambda _: self._end_round())

    def _stop_timer(self) -> None:
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = None

    def _end_round(self) -> None:
        self._round = None
        if not self.running:
            return
        # A round that was asked for meanwhile comes by the clock, so that rounds never nest.
        delay = 0 if self._again else self._period
        self._again = False
        self._stop_timer()
        self._timer = self._clock.callLater(delay, self.wake)

    async def _run_round(self) -> None:
        try:
            planned = {change.subject: change for change in self._plan(await self._discover())}
        except CancelledError:
            return
        except Exception:
            self.log.failure("A round failed; the next one tries again")
            return
        for subject, running in list(self._changes.items()):
            if running.change.interruptible and planned.get(subject) != running.change:
                self.log.info("{change!r} is no longer wanted", change=running.change)
                running.done.cancel()
        now = self._clock.seconds()
        self._not_before = {s: when for s, when in self._not_before.items() if when > now}
        for subject, change in planned.items():
            resting = subject in self._changes or subject in self._not_before
            if self.running and not resting:
                self._start(subject, change)

    def _start(self, subject: str, change: Change[W]) -> None:
        done = Deferred.fromCoroutine(self._run_change(change))
        self._changes[subject] = _Running(change, done)
        done.addCallback(lambda _: self._ended(subject))

    def _ended(self, subject: str) -> None:
        del self._changes[subject]
        if subject not in self._not_before:
            self.wake()

    async def _run_change(self, change: Change[W]) -> None:
        try:
            await change.run(self._world)
        except CancelledError:
            self.log.info("{change!r} was cancelled", change=change)
        except Exception:
            self._not_before[change.subject] = self._clock.seconds() + self._period
            self.log.failure("{change!r} failed", change=change)
