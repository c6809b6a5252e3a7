"""The instances of this node: in memory to be read, on disk before anybody is told of a change.

Changes are written one after another. A change that depends on the phase (a guest was started, an
instance was told to end) is made only if the phase is still the one it was decided on.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

from attrs import evolve
from twisted.internet.defer import Deferred, DeferredLock
from twisted.logger import Logger

from euca.model.machine import NO_ADDRESS
from euca.nc.checkpoint import encode, thd_load, thd_save
from euca.nc.files import instance_directory, thd_remove
from euca.nc.instance import Instance, Phase, Teardown, terminated
from euca.threads import Offload

Outcome = TypeVar("Outcome")


class InstanceExists(Exception):
    """An instance of that identifier is on this node already."""


class Ledger:
    """What is known of each instance, by its identifier."""

    log = Logger()

    def __init__(self, root: Path, threads: Offload, *, keep_files: bool = False) -> None:
        self.root = root
        self._threads = threads
        self._keep_files = keep_files
        self._instances: dict[str, Instance] = {}
        self._accepting: dict[str, Instance] = {}
        self._foreign: frozenset[str] = frozenset()
        self._lock = DeferredLock()
        self.loaded = False

    async def load(self) -> None:
        """Take over the instances found on disk."""
        found = await self._threads.run(thd_load, self.root)
        self._instances = {instance.identifier: instance for instance in found.instances}
        self._foreign = frozenset(path.name for path in found.foreign)
        for instance in found.instances:
            self.log.info(
                "Took over {instance}, {phase!r}",
                instance=instance.identifier,
                phase=instance.phase,
            )
        self.loaded = True

    def instances(self) -> tuple[Instance, ...]:
        """Return every instance, ended ones included until they are forgotten."""
        return tuple(self._instances.values())

    def burdens(self) -> tuple[Instance, ...]:
        """Return the instances that need room on the node, those being accepted included."""
        known = (*self._instances.values(), *self._accepting.values())
        return tuple(one for one in known if not isinstance(one.phase, Teardown))

    def find(self, identifier: str) -> Instance | None:
        """Return the instance, None if it is not here."""
        return self._instances.get(identifier)

    def directory(self, instance: Instance) -> Path:
        """Return the directory of an instance's files."""
        return instance_directory(self.root, instance.wish.owner, instance.identifier)

    async def accept(self, instance: Instance) -> None:
        """Take a new instance; raises InstanceExists. Its room is reserved from this call on."""
        name = instance.identifier
        if name in self._instances or name in self._accepting or name in self._foreign:
            raise InstanceExists(f"{name} is on this node already")
        self._accepting[name] = instance
        try:
            await self._exclusively(lambda: self._threads.run(thd_save, self.root, instance))
            self._instances[name] = instance
        finally:
            del self._accepting[name]

    async def move(self, identifier: str, before: Phase, after: Phase) -> bool:
        """Change the phase if it is `before`; return whether it was."""

        def moved(instance: Instance) -> Instance:
            return evolve(instance, phase=after) if instance.phase == before else instance

        instance = await self._change(identifier, moved)
        return instance is not None and instance.phase == after

    async def terminate(self, identifier: str, reason: str) -> Instance | None:
        """Record that an instance shall end; return it as it is then, None if it is not here."""
        return await self._change(
            identifier,
            lambda instance: evolve(instance, phase=terminated(instance.phase, reason)),
        )

    async def note_address(self, identifier: str, address: str) -> None:
        """Record the address of a guest wherever none is known."""

        def noted(instance: Instance) -> Instance:
            network = instance.network
            if network.private_ip == NO_ADDRESS:
                network = evolve(network, private_ip=address)
            if network.public_ip == NO_ADDRESS:
                network = evolve(network, public_ip=address)
            return evolve(instance, network=network)

        await self._change(identifier, noted)

    async def tear_down(self, identifier: str, now: float, reason: str) -> None:
        """Remove an instance's files, then call it ended."""
        instance = self.find(identifier)
        if instance is None:
            return
        ended = evolve(instance, phase=Teardown(now, reason))
        if self._keep_files:
            await self._exclusively(lambda: self._threads.run(thd_save, self.root, ended))
        else:
            await self._exclusively(lambda: self._threads.run(thd_remove, self.directory(instance)))
        self._instances[identifier] = ended

    async def forget(self, identifier: str) -> None:
        """Forget an instance that has ended."""
        self._instances.pop(identifier, None)

    async def _change(
        self, identifier: str, change: Callable[[Instance], Instance]
    ) -> Instance | None:
        async def write() -> Instance | None:
            instance = self.find(identifier)
            if instance is None:
                return None
            changed = change(instance)
            lasting = not isinstance(changed.phase, Teardown)
            if lasting and encode(changed) != encode(instance):
                await self._threads.run(thd_save, self.root, changed)
            if changed.phase != instance.phase:
                self.log.info("{instance} is {phase!r}", instance=identifier, phase=changed.phase)
            self._instances[identifier] = changed
            return changed

        return await self._exclusively(write)

    async def _exclusively(self, write: Callable[[], Awaitable[Outcome]]) -> Outcome:
        async def locked() -> Outcome:
            await self._lock.acquire()
            try:
                return await write()
            finally:
                self._lock.release()

        # Who waits may be cancelled; the write goes on, so that writes never overlap.
        waiter: Deferred[Outcome] = Deferred()
        Deferred.fromCoroutine(locked()).addBoth(waiter.callback)
        return await waiter
