"""What the loop starts from: the ledger, the hypervisor's guests, and the neighbours' addresses."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import mutable
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from euca.hypervisor.interfaces import GuestState, Hypervisor, HypervisorError
from euca.model.machine import NO_ADDRESS
from euca.nc.instance import Instance, Running
from euca.nc.ledger import Ledger
from euca.nc.plan import View
from euca.network.interfaces import Neighbours
from euca.process import CommandFailed

log = Logger()


@mutable
class Discovery:
    """Looks around for each round; `reachable` is whether the hypervisor answered the last one."""

    ledger: Ledger
    hypervisor: Hypervisor
    neighbours: Neighbours
    clock: IReactorTime
    reachable: bool = True

    async def view(self) -> View:
        """Return what is found now.

        The ledger is read last: what it says of an instance is never older than what the
        hypervisor said of its guest.
        """
        guests = await self._guests()
        addresses = await self._addresses()
        return View(self.clock.seconds(), self.ledger.instances(), guests, addresses)

    async def _guests(self) -> Mapping[str, GuestState] | None:
        try:
            guests = await self.hypervisor.guests()
        except HypervisorError as error:
            if self.reachable:
                log.error("The hypervisor cannot be asked: {error}", error=error)
            self.reachable = False
            return None
        if not self.reachable:
            log.info("The hypervisor answers again")
        self.reachable = True
        return guests

    async def _addresses(self) -> Mapping[str, str]:
        if not any(_lacks_address(instance) for instance in self.ledger.instances()):
            return {}
        try:
            return await self.neighbours.addresses()
        except (CommandFailed, OSError, ValueError) as error:
            log.warn("The neighbours' addresses are not known: {error}", error=error)
            return {}


def _lacks_address(instance: Instance) -> bool:
    network = instance.network
    unknown = NO_ADDRESS in (network.private_ip, network.public_ip)
    return unknown and isinstance(instance.phase, Running)
