"""A cluster in memory, whose controller can be killed at any step and started again."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from typing import Any, TypeVar, cast

from attrs import Factory, define, field
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from euca.auth.keyring import Identity, new_identity
from euca.auth.wsse import CLUSTER, Pinned, Security
from euca.cc.api import ClusterApi
from euca.cc.instance import Description, Instance, Placed, Source
from euca.cc.memory import MemoryNode, MemoryNodes
from euca.cc.plan import Limits
from euca.cc.schedule import Policy
from euca.cc.service import Assembled, Parts, assemble
from euca.cc.settings import Settings
from euca.cc.tables import INSTANCES, NODES, ROUND, thd_instances, thd_nodes, thd_pointer
from euca.model.machine import VM_TYPES, VmType
from euca.network.neighbours import MemoryNeighbours
from euca.network.system import System
from euca.store.engine import Database
from euca.store.sql import Connection, delete
from euca.testing.wire import joined
from euca.threads import Immediate
from euca.wire.client import SoapClient, Unreachable
from euca.wire.contract import Contract
from euca.wire.service import Call, operation

NOW = 1_795_232_900.0
SMALL = VM_TYPES[0]
ID = "i-3E5A0877"
KEY = "ssh-rsa AAAAB3Nz ann@eucalyptus"
CORRELATION = "11111111-2222-4333-8444-555555555555"

T = TypeVar("T")


@cache
def identity(name: str) -> Identity:
    """Return one identity of that name; making one takes a moment."""
    return new_identity(name, datetime.now(UTC))


@cache
def contract(name: str) -> Contract:
    """Return a contract; loading one takes a moment."""
    return Contract.load(name)


def security(own: str, other: str) -> Security:
    """Return how `own` talks to `other`."""
    return Security(CLUSTER, Pinned({other: identity(other).certificate}), identity(own))


def tag(number: int) -> str:
    """Return the URL of a node."""
    return f"http://node{number}:8775/axis2/services/EucalyptusNC"


def vm_values(vm: VmType) -> dict[str, Any]:
    """Return an instance type as the wire has it."""
    return {"name": vm.name, "memory": vm.memory, "cores": vm.cores, "disk": vm.disk}


def run_fields(*identifiers: str, vm: VmType = SMALL, **more: Any) -> dict[str, Any]:
    """Return the fields of a RunInstances."""
    return {
        "correlationId": CORRELATION,
        "userId": "ann",
        "imageId": "emi-11111111",
        "imageURL": "http://walrus:8773/services/Walrus/b/img.manifest.xml",
        "instanceType": vm_values(vm),
        "keyName": KEY,
        "maxCount": len(identifiers),
        "minCount": 1,
        "reservationId": "r-11111111",
        "instanceIds": list(identifiers),
        "netNames": ["default"],
        "macAddresses": ["d0:0d:00:00:00:00"],
        "vlan": -1,
        "userData": "",
        "launchIndex": "0",
        "platform": "linux",
        **more,
    }


def instance(identifier: str = ID, vm: VmType = SMALL, **more: Any) -> Instance:
    """Return an instance that was placed just now."""
    return Instance(
        identifier=identifier,
        node=more.pop("node", tag(1)),
        phase=more.pop("phase", Placed()),
        network=System().interface(identifier, -1),
        description=Description(
            reservation="r-11111111",
            owner="ann",
            image=Source("emi-11111111", "http://walrus/img"),
            kernel=Source(),
            ramdisk=Source(),
            vm=vm,
            launched=NOW,
            key=KEY,
            groups=("default",),
        ),
        placed_at=NOW,
        seen_at=more.pop("seen_at", NOW),
        correlation=CORRELATION,
        **more,
    )


@cache
def _database() -> Database:
    return Database.in_memory(("cc",))


@cache
def _clock() -> Clock:
    clock = Clock()
    clock.advance(NOW)
    return clock


def _forwarded(name: str) -> Any:
    async def forward(switch: Any, call: Call) -> Mapping[str, Any]:
        reply: Mapping[str, Any] = await getattr(switch.api, name)(call)
        return reply

    return operation(getattr(ClusterApi, name).wire_operation)(forward)


_OPERATIONS = [
    name for name in dir(ClusterApi) if hasattr(getattr(ClusterApi, name), "wire_operation")
]
Switch = type(
    "Switch",
    (),
    {"unbuilt": ClusterApi.unbuilt, **{name: _forwarded(name) for name in _OPERATIONS}},
)
"""Passes calls on to the controller of the moment."""


@cache
def _front() -> tuple[SoapClient, Any]:
    """Return the client of all controllers, and what they stand behind; joining takes a moment."""
    switch = Switch()
    client = joined(
        contract("eucalyptus_cc"),
        switch,
        security("cloud", "cluster"),
        security("cluster", "cloud"),
        _clock(),
    )
    return client, switch


def empty_database() -> Database:
    """Return the one database in memory of these tests, emptied; making one takes a moment."""
    database = _database()

    def thd_empty(tx: Connection) -> None:
        for table in (NODES, ROUND, INSTANCES):
            tx.execute(delete(table))

    database.thd_transact(thd_empty)
    return database


# What a killed process would have gone on with; a coroutine that is collected is closed.
_GRAVES: list[Deferred[None]] = []


@define
class Fate:
    """Counts the steps of a process, and lets it die at one of them."""

    deadly: int | None = None
    steps: int = 0
    dead: bool = False

    async def step(self) -> None:
        """Return, or never if the process died here or earlier."""
        if self.steps == self.deadly:
            self.dead = True
        self.steps += 1
        if self.dead:
            _GRAVES.append(Deferred())
            await _GRAVES[-1]


@define
class Mortal:
    """Stands before a port: the process may die before each call, and after it."""

    port: Any
    fate: Fate

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.port, name)

        async def call(*args: Any, **kwargs: Any) -> Any:
            await self.fate.step()
            result = await method(*args, **kwargs)
            await self.fate.step()
            return result

        return call


@define
class MemoryTags:
    """A list of nodes that tests change."""

    tags: Sequence[str] = ()

    def thd_current(self) -> tuple[str, ...]:
        """Return the list."""
        return tuple(self.tags)


_CLUSTERS: list[Cluster] = []


@define
class Cluster:
    """A controller over nodes in memory; `start` and `restart` make the controller."""

    case: SynchronousTestCase
    nodes: dict[str, Any] = Factory(lambda: {tag(1): MemoryNode(), tag(2): MemoryNode()})
    policy: Policy = Policy.GREEDY
    limits: Limits = field(factory=Limits)
    clock: Clock = field(factory=_clock)
    neighbours: MemoryNeighbours = field(factory=MemoryNeighbours)
    database: Database = field(factory=empty_database)
    tags: MemoryTags = field(factory=MemoryTags)
    fate: Fate = field(factory=Fate)
    parts: Assembled = field(init=False)
    client: SoapClient = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.tags.tags = tuple(self.nodes)
        while _CLUSTERS:  # clock and database are shared: one cluster at a time
            _CLUSTERS.pop().stop()
        _CLUSTERS.append(self)
        self.case.addCleanup(self.stop)

    def start(self, deadly: int | None = None) -> None:
        """Start the controller; it dies at the step `deadly`."""
        self.fate = Fate(deadly)
        parts = Parts(
            database=cast(Database, Mortal(self.database, self.fate)),
            nodes=MemoryNodes({name: Mortal(node, self.fate) for name, node in self.nodes.items()}),
            tags=self.tags,
            neighbours=self.neighbours,
            threads=Immediate(),
            clock=self.clock,
        )
        self.parts = assemble(parts, self._settings())
        self.client, switch = _front()
        switch.api = self.parts.api
        self.parts.loop.startService()
        self.parts.polling.startService()

    def stop(self) -> None:
        """Stop the controller in order, unless it is dead."""
        if hasattr(self, "parts") and self.parts.loop.running and not self.fate.dead:
            self.case.successResultOf(self.parts.polling.stopService())
            self.case.successResultOf(self.parts.loop.stopService())

    def restart(self) -> None:
        """Leave the old controller where it is, and start another over the same records."""
        self.fate.dead = True
        self.start()

    def _settings(self) -> Settings:
        return Settings(
            port=8774,
            keys=cast(Any, None),
            database_url="",
            policy=self.policy,
            poll_period=6,
            limits=self.limits,
            network=System(),
        )

    def node(self, number: int = 1) -> MemoryNode:
        """Return a node."""
        found: MemoryNode = self.nodes[tag(number)]
        return found

    def pass_time(self, seconds: int, stride: int = 1) -> None:
        """Let time pass, in strides of some seconds."""
        for _ in range(0, seconds, stride):
            self.clock.advance(stride)

    def ask(self, operation: str, **fields: Any) -> Deferred[dict[str, Any]]:
        """Call an operation over the wire."""
        return Deferred.fromCoroutine(self.client.call(operation, **fields))

    def ask_the_mortal(self, operation: str, **fields: Any) -> Deferred[Any]:
        """Call an operation of a controller that may die over it."""

        def unanswered(failure: Failure) -> None:
            failure.trap(Unreachable)

        return self.ask(operation, **fields).addErrback(unanswered)

    def call(self, operation: str, **fields: Any) -> dict[str, Any]:
        """Call an operation over the wire and return its reply."""
        return self.case.successResultOf(self.ask(operation, **fields))

    def run(self, *identifiers: str, **more: Any) -> dict[str, Any]:
        """Call RunInstances."""
        return self.call("RunInstances", **run_fields(*identifiers, **more))

    def terminate(self, *identifiers: str) -> dict[str, Any]:
        """Call TerminateInstances."""
        return self.call(
            "TerminateInstances",
            userId="ann",
            correlationId=CORRELATION,
            instanceIds=list(identifiers),
        )

    def listed(self) -> dict[str, str]:
        """Return the states that DescribeInstances tells, by instance."""
        reply = self.call("DescribeInstances", userId="eucalyptus")
        return {item["instanceId"]: item["stateName"] for item in reply["instances"]}

    def records(self) -> list[Instance]:
        """Return the instances in the database."""
        return self._read(thd_instances)

    def node_records(self) -> Mapping[str, Any]:
        """Return the nodes in the database."""
        return {node.tag: node for node in self._read(thd_nodes)}

    def pointer(self) -> int:
        """Return where ROUNDROBIN goes on."""
        return self._read(thd_pointer)

    def _read(self, work: Callable[..., T]) -> T:
        async def read() -> T:
            return await self.database.transact(work)

        return self.case.successResultOf(Deferred.fromCoroutine(read()))

    def holders(self, identifier: str = ID) -> list[int]:
        """Return the numbers of the nodes that have an instance."""
        return [
            number for number, node in enumerate(self.nodes.values(), 1) if identifier in node.held
        ]


def at_once(awaitable: Awaitable[T]) -> T:
    """Return what an awaitable that need not wait returns, or raise what it raises."""

    async def wait() -> T:
        return await awaitable

    outcome: list[T | Failure] = []
    Deferred.fromCoroutine(wait()).addBoth(outcome.append)
    assert outcome, "it waits"
    if isinstance(outcome[0], Failure):
        outcome[0].raiseException()
    return outcome[0]
