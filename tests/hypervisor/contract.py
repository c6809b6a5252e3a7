"""The one factory of tests that every hypervisor must pass, the double and the real ones."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from pathlib import Path

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SkipTest, TestCase

from euca.hypervisor.interfaces import (
    Disk,
    GuestRefused,
    GuestSpec,
    GuestState,
    Hypervisor,
    UnknownGuest,
)

ALIVE = (GuestState.RUNNING, GuestState.BLOCKED)


def guest_spec(directory: Path, name: str = "i-00000001") -> GuestSpec:
    """Return a guest whose disk is empty, so that it sits in its firmware and waits."""
    disk = directory / f"{name}.disk"
    with disk.open("wb") as stream:
        stream.truncate(1 << 20)
    return GuestSpec(
        name=name,
        uuid=str(uuid.uuid4()),
        memory=32,
        cores=1,
        disks=(Disk(disk, "sda"),),
        console=directory / f"{name}.log",
        mac="d0:0d:00:00:00:01",
        virtio_root=True,
        virtio_network=True,
    )


class HypervisorTests(TestCase):
    """What the node controller relies on; `hypervisor_tests` says of which hypervisor."""

    make: Callable[[TestCase], Hypervisor]
    missing = ""

    timeout = 120

    def setUp(self) -> None:
        if self.missing:
            raise SkipTest(self.missing)
        self.directory = Path(self.mktemp())
        self.directory.mkdir()
        self.hypervisor = type(self).make(self)
        self.spec = guest_spec(self.directory.resolve())

    async def start(self) -> None:
        await self.hypervisor.start(self.spec)
        self.addCleanup(lambda: Deferred.fromCoroutine(self.end()))

    async def end(self) -> None:
        try:
            await self.hypervisor.destroy(self.spec.uuid)
        except UnknownGuest:
            pass  # the test has ended it
        self.assertNotIn(self.spec.uuid, await self.hypervisor.guests())

    async def test_start(self) -> None:
        """A guest that was started runs."""
        await self.start()
        self.assertIn((await self.hypervisor.guests())[self.spec.uuid], ALIVE)

    async def test_destroy(self) -> None:
        """A guest that was destroyed is gone, and left no definition behind."""
        await self.start()
        await self.hypervisor.destroy(self.spec.uuid)
        self.assertNotIn(self.spec.uuid, await self.hypervisor.guests())
        await self.start()

    async def test_start_twice(self) -> None:
        """A guest that runs already is refused, and runs on."""
        await self.start()
        with self.assertRaises(GuestRefused):
            await self.hypervisor.start(self.spec)
        self.assertIn(self.spec.uuid, await self.hypervisor.guests())

    async def test_name_taken(self) -> None:
        """A guest whose name another one has is refused."""
        await self.start()
        with self.assertRaises(GuestRefused):
            await self.hypervisor.start(guest_spec(self.directory.resolve()))

    async def test_reset(self) -> None:
        """A guest that is reset runs on."""
        await self.start()
        await self.hypervisor.reset(self.spec.uuid)
        self.assertIn((await self.hypervisor.guests())[self.spec.uuid], ALIVE)

    async def test_unknown(self) -> None:
        """Ending or resetting a guest that does not run says so."""
        with self.assertRaises(UnknownGuest):
            await self.hypervisor.destroy(self.spec.uuid)
        with self.assertRaises(UnknownGuest):
            await self.hypervisor.reset(self.spec.uuid)

    async def test_host(self) -> None:
        """The host has memory and processors."""
        host = await self.hypervisor.host()
        self.assertGreater(host.memory, 0)
        self.assertGreater(host.cores, 0)

    async def test_watch(self) -> None:
        """A guest that starts wakes the watcher."""
        woken: Deferred[None] = Deferred()
        await self.hypervisor.guests()
        self.hypervisor.watch(lambda: woken.called or woken.callback(None))
        await self.start()
        await woken


def hypervisor_tests(
    name: str, make: Callable[[TestCase], Hypervisor], missing: str = ""
) -> type[HypervisorTests]:
    """Return the tests, applied to what `make` makes; `make` cleans up by `addCleanup`."""
    return type(name, (HypervisorTests,), {"make": staticmethod(make), "missing": missing})
