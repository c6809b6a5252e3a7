"""Puts a node controller together from its configuration."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from twisted.application.service import IService
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import deferLater
from twisted.logger import Logger
from twisted.web.client import Agent, HTTPConnectionPool
from twisted.web.iweb import IAgent

from euca.auth.keyring import Certificate, Identity
from euca.auth.wsse import CLUSTER, Pinned
from euca.config import Configuration
from euca.converge.loop import Loop
from euca.hypervisor.interfaces import Hypervisor, HypervisorError
from euca.hypervisor.libvirt import LibvirtHypervisor
from euca.nc.api import NodeApi
from euca.nc.cache import ImageCache
from euca.nc.capacity import available
from euca.nc.changes import plan
from euca.nc.discover import Discovery
from euca.nc.disk import Disks
from euca.nc.host import Host
from euca.nc.instance import reported
from euca.nc.interfaces import ImageSource
from euca.nc.ledger import Ledger
from euca.nc.node import Node
from euca.nc.plan import PERIOD, View
from euca.nc.preparation import Preparation
from euca.nc.settings import Settings
from euca.nc.walrus import Walrus
from euca.network.interfaces import Neighbours
from euca.network.neighbours import HostNeighbours, Leases
from euca.process import Commands, Processes
from euca.threads import InTurn, Offload, Threads
from euca.wire.contract import Contract
from euca.wire.mount import Mounted
from euca.wire.services import ServicesPage
from euca.wire.wiring import wired

CONNECT_SECONDS = 10.0
SERVICE = "EucalyptusNC"


class NodeController(InTurn):
    """The node controller without its door: state, loop, and the services that they need.

    It takes over what it finds on disk, then begins to work; requests that come before are told
    to come again.
    """

    log = Logger()

    def __init__(
        self,
        settings: Settings,
        clock: Any,
        *,
        hypervisor: Hypervisor,
        images: ImageSource,
        neighbours: Neighbours,
        commands: Commands,
        threads: Offload,
        services: Sequence[IService] = (),
    ) -> None:
        super().__init__()
        for service in services:
            service.setServiceParent(self)
        self._clock = clock
        self.ledger = Ledger(settings.root, threads, keep_files=settings.keep_files)
        self.cache = ImageCache(settings.root, settings.cache, images, threads, clock)
        self.host = Host(settings, hypervisor, threads)
        preparation = Preparation(
            images=self.cache,
            disks=Disks(commands, threads, settings.disk_operations),
            commands=commands,
            threads=threads,
            form=settings.dialect.image_form,
            swap=settings.swap,
        )
        self.node = Node(self.ledger, hypervisor, preparation, settings, threads, clock)
        self.discovery = Discovery(self.ledger, hypervisor, neighbours, clock)
        self.loop: Loop[View, Node] = Loop(clock, PERIOD, self.discovery.view, plan, self.node)
        hypervisor.watch(self.loop.wake)
        self._starting: Deferred[None] | None = None

    def startService(self) -> None:
        """Begin to take over."""
        super().startService()
        self._starting = Deferred.fromCoroutine(self._start())

    def stopService(self) -> Deferred[None]:
        """Stop the loop, then what it works with; guests run on."""
        if self._starting is not None:
            self._starting.cancel()
        return super().stopService()

    async def _start(self) -> None:
        try:
            await self.cache.load()
            await self.ledger.load()
            self.loop.setServiceParent(self)
            while not self.host.measured:
                await self._measure()
        except CancelledError:
            return
        except Exception:
            # Such as files that are not ours to read: /health tells, and an administrator helps.
            self.log.failure("The node controller cannot start")

    async def _measure(self) -> None:
        try:
            await self.host.measure()
        except HypervisorError as error:
            # That it does not answer is logged, once, by who looks at its guests.
            self.log.debug("The host cannot be measured: {error}", error=error)
            await deferLater(self._clock, PERIOD)

    def api(self) -> NodeApi:
        """Return the operations."""
        return NodeApi(self.node, self.host, self._clock, lambda: str(uuid.uuid4()), self.loop.wake)

    def health(self) -> Mapping[str, object]:
        """Return how the node is, its instances and its resources."""
        well = self.loop.running and self.discovery.reachable and self.host.measured
        instances = self.ledger.instances()
        return {
            "status": "ok" if well else "degraded",
            "hypervisor": "reachable" if self.discovery.reachable else "unreachable",
            "instances": dict(Counter(reported(each.phase)[0] for each in instances)),
            "resources": self._resources(),
        }

    def _resources(self) -> Mapping[str, object]:
        if not self.host.measured:
            return {}
        most = self.host.capacity.reported
        left = available(most, [each.wish.vm for each in self.ledger.burdens()])
        return {
            name: {"max": getattr(most, name), "available": getattr(left, name)}
            for name in ("memory", "disk", "cores")
        }


def make(configuration: Configuration, reactor: Any) -> Mounted:
    """Return the node controller of a configuration.

    Raises ConfigurationError and UnusableKey, so that nothing half configured starts.
    """
    settings = Settings.of(configuration)
    keys = configuration.layout.keys
    identity = Identity.load(keys / "node-cert.pem", keys / "node-pk.pem")
    cluster = Certificate.load(keys / "cluster-cert.pem")
    settings.root.mkdir(parents=True, exist_ok=True)
    threads = Threads(reactor, 4, "nc")
    wire, wiring = wired(configuration, "nc", reactor)
    commands = Processes(reactor)
    hypervisor = LibvirtHypervisor(reactor, settings.dialect, settings.uri)
    controller = NodeController(
        settings,
        reactor,
        hypervisor=hypervisor,
        images=Walrus(_agent(reactor), identity, reactor, threads),
        neighbours=HostNeighbours(
            commands, None if settings.leases is None else Leases(threads, settings.leases)
        ),
        commands=commands,
        threads=threads,
        services=(threads, wiring, hypervisor),
    )
    security = wire.security("NC", CLUSTER, Pinned({"cluster": cluster}), identity)
    soap = wire.resource(Contract.load("eucalyptus_nc"), controller.api(), security, reactor)
    return Mounted(
        name="nc",
        service=controller,
        children={
            b"axis2/services": ServicesPage([SERVICE, "EucalyptusGL"]),
            f"axis2/services/{SERVICE}".encode(): soap,
        },
        health=controller.health,
    )


def _agent(reactor: Any) -> IAgent:
    # An image comes seldom and in one piece: there is no connection worth keeping.
    pool = HTTPConnectionPool(reactor, persistent=False)
    agent: IAgent = Agent(reactor, connectTimeout=CONNECT_SECONDS, pool=pool)
    return agent
