"""The cloud controller killed at every step of running and ending an instance, and restarted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from attrs import define, field, frozen
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from euca.clc import requests as r
from euca.clc.instance import Instance, Reported, State
from euca.clc.memory import MemoryCluster
from euca.clc.tables import thd_visible_instances
from euca.model.errors import NoCapacity
from euca.store.engine import Database
from euca.store.sql import Connection
from tests.clc.cloud import NOW, House, caller, populated, run_one

TICKS = 40


@define
class Fate:
    """Stops a process for good when it comes to its `at`th point."""

    at: int
    points: int = 0

    @property
    def sealed(self) -> bool:
        """Whether the process is dead."""
        return self.points > self.at

    async def point(self) -> None:
        """Pass a point; a dead process never returns from it."""
        self.points += 1
        if self.sealed:
            await Deferred()


@frozen
class MortalDatabase:
    """A database that is used between two points; what it holds outlives the process."""

    database: Database
    fate: Fate

    async def transact(self, work: Callable[[Connection], Any]) -> Any:
        """Die before, after, or not at all."""
        await self.fate.point()
        result = await self.database.transact(work)
        await self.fate.point()
        return result


@frozen
class MortalCluster:
    """A cluster that is called between two points."""

    cluster: MemoryCluster
    fate: Fate

    def __getattr__(self, name: str) -> Any:
        """Return the cluster's method, between two points."""

        async def call(*arguments: Any) -> Any:
            await self.fate.point()
            result = await getattr(self.cluster, name)(*arguments)
            await self.fate.point()
            return result

        return call


@define
class User:
    """Wants one instance, uses it while it runs, and ends it; repeats what had no answer."""

    identifier: str = ""
    ended: bool = False
    seen: State | None = None

    def act(self, house: House) -> None:
        """Take the next step, or look."""
        instances = house.assembled.cloud.instances
        if not self.identifier:
            running = instances.run_instances(caller(), run_one(client_token="once"))
            _when(running, lambda made: setattr(self, "identifier", made.instances[0].identifier))
        elif self.seen is State.RUNNING and not self.ended:
            ending = instances.terminate_instances(
                caller(), r.TerminateInstances((self.identifier,))
            )
            _when(ending, lambda _: setattr(self, "ended", True))
        else:
            looking = instances.describe_instances(
                caller(), r.DescribeInstances((self.identifier,))
            )
            _when(looking, self._look)

    def _look(self, found: Any) -> None:
        (instance,) = found[0].instances
        self.seen = instance.state


def _when(coroutine: Any, then: Callable[[Any], None]) -> None:
    """Do `then` with the result, should there ever be one; without room, try again later."""
    Deferred.fromCoroutine(coroutine).addCallbacks(then, lambda f: f.trap(NoCapacity))


@define
class Story:
    """One user, one cluster and one database, through the lives of several processes."""

    database: Database = field(factory=populated)
    user: User = field(factory=User)
    cluster: MemoryCluster = field(factory=MemoryCluster)
    now: float = NOW

    def live(self, fate: Fate) -> None:
        """Run a process until it dies or the user has what he wanted."""
        clock = Clock()
        clock.advance(self.now)
        database: Any = MortalDatabase(self.database, fate)
        cluster = MortalCluster(self.cluster, fate)
        house = House(database=database, cluster=cluster, clock=clock).start()
        for _ in range(TICKS):
            if fate.sealed or self.user.seen is State.TERMINATED:
                break
            self.user.act(house)
            house.settle()
            self.cluster.boot_all()
            house.pass_time()
        self.now = clock.seconds()

    def recorded(self) -> list[Instance]:
        """Return every instance in the database."""
        return self.database.thd_transact(lambda tx: thd_visible_instances(tx, None, 0))


class RestartTests(SynchronousTestCase):
    """kill -9, anywhere."""

    def check(self, story: Story) -> None:
        """Check that one instance was started and ended, and none other ever was."""
        identifier = story.user.identifier
        (instance,) = story.recorded()
        self.assertEqual(
            (State.TERMINATED, [identifier], Reported.TEARDOWN),
            (
                instance.state,
                story.cluster.starts,
                story.cluster.instances[identifier].state,
            ),
        )

    def test_every_point(self) -> None:
        """Wherever the process dies, the next one runs the instance once, and ends it."""
        whole = Fate(10**6)
        unharmed = Story()
        unharmed.live(whole)
        self.check(unharmed)
        self.assertGreater(whole.points, 40)
        for at in range(whole.points):
            with self.subTest(point=at):
                story = Story()
                story.live(Fate(at))
                story.live(Fate(10**6))
                self.check(story)

    def test_two_deaths(self) -> None:
        """The same holds for a process that dies soon after it was started again."""
        for at in range(8, 40, 5):
            for again in range(1, 16, 4):
                with self.subTest(points=(at, again)):
                    story = Story()
                    story.live(Fate(at))
                    story.live(Fate(again))
                    story.live(Fate(10**6))
                    self.check(story)
