"""Tests of the node controller as a whole: its loop, its crashes, and its operations."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from euca.hypervisor.interfaces import GuestSpec, GuestState
from euca.hypervisor.memory import MemoryHypervisor
from euca.nc.keys import KeyNotInjected
from euca.nc.plan import (
    MISSING_SECONDS,
    PERIOD,
    START_ATTEMPTS,
    TEARDOWN_SECONDS,
)
from tests.nc.test_cache import Slow
from tests.nc.world import IMAGE, INSTANCE, KERNEL, MAC, RAMDISK, World, run_fields, url


class SlowStart:
    """A hypervisor whose guest starts when the test says so."""

    def __init__(self, hypervisor: MemoryHypervisor) -> None:
        self._hypervisor = hypervisor
        self.waiting: Deferred[None] = Deferred()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._hypervisor, name)

    async def start(self, spec: GuestSpec) -> None:
        """Wait, then start the guest."""
        await self.waiting
        await self._hypervisor.start(spec)


FILES = ["console.log", "disk", "instance-checkpoint", "kernel", "ramdisk"]
KEPT = [
    f"{image}/{name}"
    for image, file in ((KERNEL, "kernel"), (IMAGE, "root"), (RAMDISK, "ramdisk"))
    for name in (file, f"{file}-digest")
]


def whole(identifier: str = INSTANCE) -> list[str]:
    """Return the files of an instance that runs."""
    return ["admin", f"admin/{identifier}", *(f"admin/{identifier}/{name}" for name in FILES)]


class LifeTests(SynchronousTestCase):
    """An instance from its request to its end."""

    def setUp(self) -> None:
        self.world = World.of(self)
        self.world.start()

    def run_instance(self) -> None:
        reply = self.successResultOf(self.world.call("ncRunInstance", **run_fields()))
        self.assertIs(reply["return"], True)
        self.world.pass_time(1)

    def test_runs(self) -> None:
        """An instance that was asked for runs, with its files complete."""
        self.run_instance()
        self.assertEqual(self.world.phase(), "Running")
        self.assertEqual(self.world.files(), whole())

    def test_guest(self) -> None:
        """The guest has the instance's name, size, kernel and hardware address."""
        self.run_instance()
        (spec,) = self.world.specs()
        directory = self.world.root / "admin" / INSTANCE
        self.assertEqual(
            (spec.name, spec.memory, spec.cores, spec.kernel, spec.ramdisk, spec.mac),
            (INSTANCE, 128, 1, directory / "kernel", directory / "ramdisk", MAC),
        )

    def test_kept_images(self) -> None:
        """The three images are kept for the next instance."""
        self.run_instance()
        self.assertEqual(self.world.cached(), sorted(KEPT))

    def test_without_kernel(self) -> None:
        """An instance without kernel and ramdisk boots from its disk."""
        fields = run_fields(kernelId=None, ramdiskId=None, kernelURL=None, ramdiskURL=None)
        self.successResultOf(self.world.call("ncRunInstance", **fields))
        self.world.pass_time(1)
        (spec,) = self.world.specs()
        self.assertTrue(spec.plain)

    def test_terminate(self) -> None:
        """An instance that was told to end has no guest and no files, and is reported so."""
        self.run_instance()
        self.successResultOf(self.world.call("ncTerminateInstance", instanceId=INSTANCE))
        self.world.pass_time(1)
        self.assertEqual(self.world.phase(), "Teardown")
        self.assertEqual((self.world.hypervisor.running, self.world.files()), ({}, []))

    def test_forgotten(self) -> None:
        """An ended instance is forgotten after three minutes."""
        self.test_terminate()
        self.world.pass_time(TEARDOWN_SECONDS + 2 * PERIOD)
        self.assertEqual(self.world.phase(), "")

    def test_unknown_image(self) -> None:
        """An instance whose image is not at Walrus ends, and leaves nothing."""
        del self.world.images.images[url(IMAGE)]
        self.run_instance()
        self.assertEqual((self.world.phase(), self.world.files()), ("Teardown", []))
        self.assertEqual(len(self.flushLoggedErrors()), 1)

    def test_wrong_image(self) -> None:
        """An instance whose image is not of the promised size ends, and nothing is kept of it."""
        self.world.images.promised[url(IMAGE)] = 4096
        self.run_instance()
        self.assertEqual(self.world.phase(), "Teardown")
        self.assertNotIn(IMAGE, " ".join(self.world.cached()))
        self.flushLoggedErrors()

    def test_refusing_hypervisor(self) -> None:
        """A guest that the hypervisor refuses is tried five times, then given up."""
        self.world.hypervisor.refusal = "no such machine"
        self.run_instance()
        self.world.pass_time(START_ATTEMPTS * PERIOD + PERIOD)
        self.assertEqual(self.world.phase(), "Teardown")
        self.assertEqual(len(self.flushLoggedErrors()), START_ATTEMPTS)

    def test_guest_ends(self) -> None:
        """A guest that is gone for half a minute has ended, and its files go."""
        self.run_instance()
        self.world.hypervisor.running.clear()
        self.world.pass_time(MISSING_SECONDS - PERIOD)
        self.assertEqual(self.world.phase(), "Running")
        self.world.pass_time(3 * PERIOD)
        self.assertEqual((self.world.phase(), self.world.files()), ("Teardown", []))

    def test_guest_crashes(self) -> None:
        """A crashed guest is removed."""
        self.run_instance()
        (uuid,) = self.world.hypervisor.running
        self.world.hypervisor.running[uuid] = GuestState.CRASHED
        self.world.hypervisor.change()
        self.world.pass_time(1)
        self.assertEqual((self.world.phase(), self.world.hypervisor.running), ("Teardown", {}))

    def test_hypervisor_away(self) -> None:
        """While the hypervisor cannot be asked no instance is declared dead."""
        self.run_instance()
        self.world.hypervisor.available = False
        self.world.pass_time(10 * MISSING_SECONDS)
        self.assertEqual(self.world.phase(), "Running")
        self.assertEqual(self.world.controller.health()["status"], "degraded")
        self.world.hypervisor.available = True
        self.world.pass_time(PERIOD)
        self.assertEqual(self.world.controller.health()["status"], "ok")

    def test_hypervisor_away_at_first(self) -> None:
        """A node that starts before its hypervisor is ready as soon as that answers."""
        self.world.kill()
        self.world.hypervisor.available = False
        self.world.start()
        self.assertFalse(self.world.controller.host.measured)
        self.world.hypervisor.available = True
        self.world.pass_time(PERIOD)
        self.assertTrue(self.world.controller.host.measured)

    def test_address(self) -> None:
        """The address that a neighbour with the guest's hardware address has is reported."""
        self.world.neighbours.known = {MAC: "10.1.2.3"}
        self.run_instance()
        self.world.pass_time(PERIOD)
        reply = self.successResultOf(
            self.world.call("ncDescribeInstances", userId="eucalyptus", instanceIds=[])
        )
        network = reply["instances"][0]["netParams"]
        self.assertEqual((network["privateIp"], network["publicIp"]), ("10.1.2.3", "10.1.2.3"))

    def test_key_fails(self) -> None:
        """An instance whose key cannot be injected boots without it."""
        self.world.commands.answers["debugfs"] = KeyNotInjected("no ext file system")
        self.run_instance()
        self.assertEqual(self.world.phase(), "Running")

    def test_foreign_guest(self) -> None:
        """A guest that is not ours is not touched, whatever happens to ours."""
        self.world.hypervisor.running["foreign"] = GuestState.RUNNING
        self.test_terminate_with_foreign()
        self.assertEqual(list(self.world.hypervisor.running), ["foreign"])

    def test_terminate_with_foreign(self) -> None:
        """An instance ends beside whatever else runs."""
        self.run_instance()
        self.successResultOf(self.world.call("ncTerminateInstance", instanceId=INSTANCE))
        self.world.pass_time(1)
        self.assertEqual(self.world.phase(), "Teardown")

    def test_terminated_while_fetching(self) -> None:
        """An instance that is told to end while its image comes ends at once, and keeps nothing."""
        source = self.world.images
        self.world.kill()
        slow = Slow(source)
        self.world.images = slow  # type: ignore[assignment]
        self.world.start()
        self.run_instance()
        self.assertEqual(len(slow.waiting), 1)
        self.successResultOf(self.world.call("ncTerminateInstance", instanceId=INSTANCE))
        self.world.pass_time(1)
        ended = (self.world.phase(), self.world.files(), self.world.cached())
        self.assertEqual(ended, ("Teardown", [], []))

    def test_terminated_while_starting(self) -> None:
        """A guest that starts although its instance was just told to end is ended."""
        self.world.kill()
        hypervisor = SlowStart(self.world.hypervisor)
        self.world.hypervisor = hypervisor  # type: ignore[assignment]
        self.world.start()
        self.run_instance()
        self.successResultOf(self.world.call("ncTerminateInstance", instanceId=INSTANCE))
        self.world.pass_time(1)
        self.assertEqual(self.world.phase(), "Canceled")
        hypervisor.waiting.callback(None)
        self.world.pass_time(1)
        self.assertEqual((self.world.phase(), hypervisor.running), ("Teardown", {}))

    def test_stop(self) -> None:
        """A node controller that is stopped leaves no timer, and its guests run on."""
        self.run_instance()
        self.successResultOf(self.world.controller.stopService())
        self.assertEqual(self.world.clock.getDelayedCalls(), [])
        self.assertEqual(len(self.world.hypervisor.running), 1)


class RestartTests(SynchronousTestCase):
    """What is true after the process died and was started again."""

    def test_adopts(self) -> None:
        """A running instance is taken over as it is, address and all."""
        world = World.of(self)
        world.start()
        world.run_instance()
        before = world.instance()
        world.restart()
        world.pass_time(1)
        self.assertEqual(world.instance(), before)

    def test_guest_gone(self) -> None:
        """An instance whose guest did not live through the restart is reported as ended."""
        world = World.of(self)
        world.start()
        world.run_instance()
        world.hypervisor.running.clear()
        world.restart()
        world.pass_time(MISSING_SECONDS + 2 * PERIOD)
        self.assertEqual((world.phase(), world.files()), ("Teardown", []))

    def test_unreadable_checkpoint(self) -> None:
        """A directory whose checkpoint is not ours is left alone."""
        world = World.of(self)
        theirs = world.root / "somebody" / "i-00000009"
        theirs.mkdir(parents=True)
        (theirs / "instance-checkpoint").write_bytes(b"\x00\x01memory")
        (theirs / "disk").write_bytes(b"precious")
        world.start()
        self.assertTrue((theirs / "disk").exists())

    def test_moved_checkpoint(self) -> None:
        """A checkpoint in the directory of another instance is not believed."""
        world = World.of(self)
        world.start()
        world.run_instance()
        world.kill()
        directory = world.root / "admin"
        (directory / INSTANCE).rename(directory / "i-00000009")
        world.start()
        self.assertEqual(world.controller.ledger.instances(), ())

    def test_dies_while_starting(self) -> None:
        """Killed at any call to the outside on its way to run, an instance runs in the end."""
        calls = self.count()
        self.assertGreater(calls, 40)
        for deadly in range(calls):
            world = World.of(self)
            world.start(deadly)
            world.run_instance()
            self.assertTrue(world.fate.dead, deadly)
            world.restart()
            world.pass_time(30)
            if world.phase() == "":
                self.assertEqual(world.files(), [], deadly)  # it was never accepted
                world.run_instance()
            self.settled_running(world, deadly)

    def settled_running(self, world: World, deadly: int) -> None:
        self.assertEqual(world.phase(), "Running", deadly)
        self.assertEqual([spec.name for spec in world.specs()], [INSTANCE], deadly)
        self.assertEqual((world.files(), world.cached()), (whole(), sorted(KEPT)), deadly)
        state = json.loads((world.root / "admin" / INSTANCE / "instance-checkpoint").read_bytes())
        self.assertEqual(state["phase"], {"name": "Running"}, deadly)

    def test_dies_while_ending(self) -> None:
        """Killed at any call on its way to end, an instance ends and leaves nothing."""
        before, after = self.count(), self.count(World.terminate_instance)
        self.assertGreater(after - before, 12)
        for deadly in range(before, after):
            world = World.of(self)
            world.start(deadly)
            world.run_instance()
            world.terminate_instance()
            world.restart()
            world.pass_time(30)
            if world.phase() == "Running":
                world.terminate_instance()  # the first request was not recorded, and not answered
            self.assertIn(world.phase(), ("Teardown", ""), deadly)
            self.assertEqual(world.files(), [], deadly)
            self.assertEqual((world.specs(), world.cached()), ([], sorted(KEPT)), deadly)

    def test_dies_while_cancelling(self) -> None:
        """Killed anywhere while an instance is ended that never ran, it leaves nothing."""
        for deadly in range(self.count()):
            world = World.of(self)
            world.start(deadly)
            world.run_instance()
            world.restart()
            world.terminate_instance()
            world.pass_time(30)
            self.assertIn(world.phase(), ("Teardown", ""), deadly)
            self.assertEqual((world.files(), world.specs()), ([], []), deadly)

    def count(self, then: Callable[[World], None] = lambda world: None) -> int:
        """Return how many calls to the outside an instance needs to run, and then more."""
        world = World.of(self)
        world.start()
        world.run_instance()
        then(world)
        return world.fate.calls
