"""A node in memory, on a directory of its own; it can be killed at any call to the outside."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from attrs import define, evolve, field
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from euca.hypervisor.dialect import QEMU
from euca.hypervisor.interfaces import GuestSpec
from euca.hypervisor.memory import MemoryHypervisor
from euca.model.errors import Unavailable
from euca.nc.instance import Instance
from euca.nc.memory import MemoryImages
from euca.nc.service import NodeController
from euca.nc.settings import Settings
from euca.network.neighbours import MemoryNeighbours
from euca.process import RecordingProcesses
from euca.testing.wire import joined
from euca.wire.contract import Contract
from euca.wire.service import Call

IMAGE = "emi-11111111"
KERNEL = "eki-22222222"
RAMDISK = "eri-33333333"
INSTANCE = "i-12345678"
MAC = "d0:0d:12:34:56:78"
KEY = "ssh-rsa AAAAB3Nz somebody"


def url(identifier: str) -> str:
    """Return where an image is."""
    return f"http://walrus:8773/services/Walrus/b/{identifier}.manifest.xml"


def settings(root: Path) -> Settings:
    """Return the settings of a node that emulates."""
    return Settings(
        root=root,
        port=8775,
        dialect=QEMU,
        uri="",
        network_mode="SYSTEM",
        bridge="",
        leases=None,
        virtio_root=True,
        virtio_network=True,
        max_memory=0,
        max_cores=0,
        max_disk=0,
        swap=16,
        cache=100,
        disk_operations=1,
        keep_files=False,
    )


@cache
def _contract() -> Contract:
    return Contract.load("eucalyptus_nc")


# What a killed process would have gone on with. Kept, since a coroutine that is collected runs its
# `finally`, which a killed process does not.
_GRAVES: list[Any] = []


@define
class Fate:
    """Counts the calls to the outside, and lets the process die at one of them."""

    deadly: int | None = None
    calls: int = 0
    dead: bool = False

    async def step(self) -> None:
        """Return, or never if the process died here or earlier."""
        if self.calls == self.deadly:
            self.dead = True
        self.calls += 1
        if self.dead:
            _GRAVES.append(Deferred())
            await _GRAVES[-1]


@define
class Mortal:
    """Stands before a port; the process may die before each call, and after it was made."""

    port: Any
    fate: Fate

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.port, name)
        if name == "watch":
            return method

        async def call(*args: Any, **kwargs: Any) -> Any:
            await self.fate.step()
            result = await method(*args, **kwargs)
            await self.fate.step()
            return result

        return call


class MortalThreads:
    """Runs functions at once, as long as the process lives."""

    def __init__(self, fate: Fate) -> None:
        self._fate = fate

    async def run(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        """Run the function."""
        await self._fate.step()
        result = function(*args, **kwargs)
        await self._fate.step()
        return result


@define
class World:
    """A host whose node controller can die and be started again."""

    settings: Settings
    clock: Clock = field(factory=Clock)
    hypervisor: MemoryHypervisor = field(factory=MemoryHypervisor)
    images: MemoryImages = field(factory=MemoryImages)
    neighbours: MemoryNeighbours = field(factory=MemoryNeighbours)
    commands: RecordingProcesses = field(factory=RecordingProcesses)
    controller: NodeController = field(init=False)
    fate: Fate = field(init=False)

    @classmethod
    def of(cls, case: SynchronousTestCase, **changes: Any) -> World:
        """Return a host with three images."""
        root = Path(case.mktemp()).resolve()
        root.mkdir()
        world = cls(evolve(settings(root), **changes))
        world.clock.advance(1_000_000_000)
        for identifier in (IMAGE, KERNEL, RAMDISK):
            world.images.images[url(identifier)] = (identifier.encode(), identifier.encode() * 99)
        return world

    @property
    def root(self) -> Path:
        return self.settings.root

    def start(self, deadly: int | None = None) -> None:
        """Start the node controller, which will die at that call."""
        self.fate = Fate(deadly)
        self.controller = NodeController(
            self.settings,
            self.clock,
            hypervisor=Mortal(self.hypervisor, self.fate),
            images=Mortal(self.images, self.fate),
            neighbours=Mortal(self.neighbours, self.fate),
            commands=Mortal(self.commands, self.fate),
            threads=MortalThreads(self.fate),
        )
        self.controller.startService()

    def kill(self) -> None:
        """Drop everything that the process had in memory, without letting it clean up."""
        _GRAVES.append(self.controller)
        self.hypervisor.watchers.clear()
        now = self.clock.seconds()
        self.clock = Clock()
        self.clock.advance(now)

    def restart(self) -> None:
        """Kill the node controller and start it again."""
        self.kill()
        self.start()

    def pass_time(self, seconds: float) -> None:
        """Let time pass, a second at a time."""
        self.clock.pump([1.0] * int(seconds))

    def call(self, operation: str, **fields: Any) -> Deferred[dict[str, Any]]:
        """Call an operation through its contract."""
        client = joined(_contract(), self.controller.api(), None, None, self.clock)
        return Deferred.fromCoroutine(client.call(operation, **fields))

    def run_instance(self) -> None:
        """Ask for an instance without the wire; the process may die on the way."""
        call = Call("ncRunInstance", dict(run_fields()), None, "")
        self._begin(self.controller.api().run_instance(call))

    def terminate_instance(self) -> None:
        """Tell the instance to end without the wire; the process may die on the way."""
        body = {"correlationId": None, "userId": "admin", "instanceId": INSTANCE}
        call = Call("ncTerminateInstance", body, None, "")
        self._begin(self.controller.api().terminate_instance(call))

    def _begin(self, answering: Coroutine[Any, Any, Mapping[str, Any]]) -> None:
        # A node that is not ready says so; that is no failure of the test.
        Deferred.fromCoroutine(answering).addErrback(lambda failure: failure.trap(Unavailable))
        self.pass_time(2)

    def instance(self, identifier: str = INSTANCE) -> Instance | None:
        """Return what the node controller knows of an instance."""
        return self.controller.ledger.find(identifier)

    def phase(self, identifier: str = INSTANCE) -> str:
        """Return the name of an instance's phase, nothing for one that is not known."""
        instance = self.instance(identifier)
        return "" if instance is None else type(instance.phase).__name__

    def files(self) -> list[str]:
        """Return every file and directory of instances, cached images left out."""
        return sorted(
            str(path.relative_to(self.root))
            for path in self.root.rglob("*")
            if path.relative_to(self.root).parts[0] != "eucalyptus"
        )

    def cached(self) -> list[str]:
        """Return every file of the cache."""
        cache = self.root / "eucalyptus/cache"
        return sorted(str(p.relative_to(cache)) for p in cache.rglob("*") if p.is_file())

    def specs(self) -> Sequence[GuestSpec]:
        """Return the guests that run."""
        return [self.hypervisor.specs[uuid] for uuid in self.hypervisor.running]


def run_fields(identifier: str = INSTANCE, **changes: Any) -> Mapping[str, Any]:
    """Return the fields of an ncRunInstance."""
    return {
        "correlationId": "request-1",
        "userId": "admin",
        "nodeName": "127.0.0.1",
        "imageId": IMAGE,
        "kernelId": KERNEL,
        "ramdiskId": RAMDISK,
        "imageURL": url(IMAGE),
        "kernelURL": url(KERNEL),
        "ramdiskURL": url(RAMDISK),
        "reservationId": "r-12345678",
        "instanceId": identifier,
        "instanceType": {
            "name": "m1.small",
            "memory": 128,
            "cores": 1,
            "disk": 1,
            "deviceMapping": [],
        },
        "keyName": KEY,
        "netParams": {
            "privateMacAddress": MAC,
            "privateIp": "0.0.0.0",
            "publicIp": "0.0.0.0",
            "vlan": -1,
            "networkIndex": -1,
        },
        "userData": "",
        "launchIndex": "0",
        "platform": None,
        "groupNames": ["default"],
        **changes,
    }
