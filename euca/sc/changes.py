"""Runs the steps of the plan."""

from __future__ import annotations

from collections.abc import Sequence

from attrs import frozen
from twisted.logger import Logger

from euca.sc.backing import Backing
from euca.sc.discover import Found
from euca.sc.plan import Create, Fail, Remove, Step, plan
from euca.sc.tables import thd_remove_volume, thd_set_status
from euca.sc.volume import Status
from euca.store.engine import Database
from euca.threads import Offload

_log = Logger()


@frozen
class World:
    """What changes work on."""

    database: Database
    backing: Backing
    threads: Offload

    async def set_status(self, identifier: str, status: Status) -> None:
        """Record where a volume is in its life."""
        await self.database.transact(lambda tx: thd_set_status(tx, identifier, status))


@frozen
class Running:
    """A step of the plan, as the loop runs it; none is interrupted, for each is short."""

    step: Step
    interruptible: bool = False

    @property
    def subject(self) -> str:
        """The identifier of the volume."""
        return self.step.subject

    async def run(self, world: World) -> None:
        """Take the step."""
        match self.step:
            case Create(subject=identifier, size=size):
                await _create(world, identifier, size)
            case Fail(subject=identifier):
                _log.error("The file of {volume} is gone or damaged", volume=identifier)
                await world.set_status(identifier, Status.FAILED)
            case Remove(subject=identifier):
                await world.threads.run(world.backing.thd_remove, identifier)
                await world.database.transact(lambda tx: thd_remove_volume(tx, identifier))


async def _create(world: World, identifier: str, size: int) -> None:
    try:
        await world.threads.run(world.backing.thd_create, identifier, size)
    except OSError as error:
        _log.error("{volume} cannot be made: {why}", volume=identifier, why=error)
        await world.set_status(identifier, Status.FAILED)
    else:
        await world.set_status(identifier, Status.AVAILABLE)


def changes(found: Found) -> Sequence[Running]:
    """Return the changes that what was found calls for."""
    return [Running(step) for step in plan(found.volumes, found.files)]
