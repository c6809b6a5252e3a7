"""What the steps of the plan do to the world."""

from __future__ import annotations

import os

from attrs import frozen
from twisted.internet.defer import CancelledError
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from euca.hypervisor.interfaces import GuestRefused, Hypervisor, UnknownGuest
from euca.nc.guest import guest_spec
from euca.nc.instance import Booting, Canceled, Instance, Prepared, Shutoff, Staging
from euca.nc.ledger import Ledger
from euca.nc.preparation import Preparation
from euca.nc.settings import Settings
from euca.threads import Offload


@frozen
class Node:
    """One host, and everything that its instances need."""

    log = Logger()

    ledger: Ledger
    hypervisor: Hypervisor
    preparation: Preparation
    settings: Settings
    threads: Offload
    clock: IReactorTime

    async def prepare(self, identifier: str) -> None:
        """Make the instance's files; an instance for which that fails is cancelled."""
        instance = self.ledger.find(identifier)
        if instance is None or not isinstance(instance.phase, Staging):
            return
        try:
            await self.preparation.prepare(instance.wish, self.ledger.directory(instance))
        except CancelledError:
            raise
        except Exception as error:
            self.log.failure("{instance} cannot be prepared", instance=identifier)
            await self.ledger.move(identifier, instance.phase, Canceled(str(error)))
        else:
            await self.ledger.move(identifier, instance.phase, Prepared())

    async def start(self, identifier: str) -> None:
        """Start the instance's guest; raises GuestRefused, after counting it."""
        instance = self.ledger.find(identifier)
        if instance is None or not isinstance(instance.phase, Prepared):
            return
        phase, directory = instance.phase, self.ledger.directory(instance)
        present = frozenset(await self.threads.run(os.listdir, directory))
        try:
            await self.hypervisor.start(guest_spec(instance, directory, present, self.settings))
        except GuestRefused:
            await self.ledger.move(identifier, phase, Prepared(phase.attempts + 1))
            raise
        # If it was told to end meanwhile it stays so, and the next round ends the guest.
        await self.ledger.move(identifier, phase, Booting(self.clock.seconds()))

    async def stop(self, identifier: str) -> None:
        """End the guest of an instance that shall not run."""
        instance = self.ledger.find(identifier)
        if instance is not None and isinstance(instance.phase, Canceled | Shutoff):
            await self._destroy(instance)

    async def clean_up(self, identifier: str) -> None:
        """Remove the instance's files.

        Its guest was not there when that was decided; it may have been starting just then.
        """
        instance = self.ledger.find(identifier)
        if instance is None or not isinstance(instance.phase, Canceled | Shutoff):
            return
        await self._destroy(instance)
        now = self.clock.seconds()
        await self.ledger.tear_down(identifier, now, instance.phase.reason)

    async def _destroy(self, instance: Instance) -> None:
        try:
            await self.hypervisor.destroy(instance.uuid)
        except UnknownGuest:
            return
        self.log.info("The guest of {instance} was ended", instance=instance.identifier)
