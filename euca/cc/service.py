"""Puts the cluster controller together."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from attrs import frozen
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from euca.auth.keyring import Certificate, Identity
from euca.auth.wsse import CLUSTER, Pinned
from euca.cc.api import ClusterApi
from euca.cc.changes import World, changes
from euca.cc.discover import Discovery, overview
from euca.cc.interfaces import Nodes
from euca.cc.node_client import WireNodes
from euca.cc.plan import View
from euca.cc.polling import Polling, Surroundings, Tags
from euca.cc.schedule import Policy
from euca.cc.settings import SERVICE, Settings, service_tags
from euca.config import Configuration
from euca.converge.loop import Loop
from euca.network.interfaces import Neighbours
from euca.network.neighbours import HostNeighbours
from euca.process import Processes
from euca.store.engine import Database
from euca.telemetry.logging import Notice
from euca.threads import InTurn, Offload, Threads
from euca.wire.client import http_client
from euca.wire.contract import Contract
from euca.wire.mount import Mounted
from euca.wire.services import ServicesPage
from euca.wire.wiring import wired

SCHEMAS = ("cc",)
ROUND_SECONDS = 2.0
NODE_SECONDS = 20.0
"""The longest that a node is waited for."""

PATH = f"axis2/services/{SERVICE}"

_POWERSAVE = "POWERSAVE is not available yet: no node sleeps, and it chooses as GREEDY"

log = Logger()


@frozen
class Parts:
    """What the cluster controller is made of; each of them is given to it."""

    database: Database
    nodes: Nodes
    tags: Tags
    neighbours: Neighbours
    threads: Offload
    clock: IReactorTime


@frozen
class Assembled:
    """The cluster controller in one piece: its background work, its operations, how it is."""

    loop: Loop[View, World]
    polling: Polling
    api: ClusterApi
    health: Callable[[], Mapping[str, object]]


def assemble(parts: Parts, settings: Settings) -> Assembled:
    """Join the parts, whatever they are made of; nothing is started."""
    discovery = Discovery(parts.database, parts.clock, settings.limits)
    world = World(parts.database, parts.nodes, parts.clock)
    loop: Loop[View, World] = Loop(parts.clock, ROUND_SECONDS, discovery.view, changes, world)
    around = Surroundings(
        clock=parts.clock,
        period=settings.poll_period,
        database=parts.database,
        nodes=parts.nodes,
        neighbours=parts.neighbours,
        wake=loop.wake,
    )
    api = ClusterApi(
        database=parts.database,
        nodes=parts.nodes,
        network=settings.network,
        policy=settings.policy,
        limits=settings.limits,
        clock=parts.clock,
        wake=loop.wake,
    )

    def health() -> Mapping[str, object]:
        if not loop.running or discovery.last is None:
            return {"component": "cc", "status": "starting" if loop.running else "stopped"}
        return {"component": "cc", "status": "ok", **overview(discovery.last)}

    return Assembled(loop, Polling(parts.tags, parts.threads, around), api, health)


def make(configuration: Configuration, reactor: Any, tags: Tags) -> Mounted:
    """Return the cluster controller of a configuration, over the nodes of a list.

    Raises ConfigurationError, UnusableKey.
    """
    settings = Settings.of(configuration)
    service_tags(configuration)  # a list that cannot be used is told at once
    keys = settings.keys
    identity = Identity.load(keys / "cluster-cert.pem", keys / "cluster-pk.pem")
    queries, work = Threads(reactor, 1, "cc database"), Threads(reactor, 2, "cc files")
    database = Database(settings.database_url, SCHEMAS, queries)
    http, connections = http_client(reactor)
    wire, wiring = wired(configuration, "cc", reactor)
    security = wire.security("NC", CLUSTER, _peer(settings, "node"), identity)
    nodes = WireNodes(Contract.load("eucalyptus_nc"), http, security, reactor, NODE_SECONDS, wire)
    parts = Parts(
        database=database,
        nodes=nodes,
        tags=tags,
        neighbours=HostNeighbours(Processes(reactor)),
        threads=work,
        clock=reactor,
    )
    assembled = assemble(parts, settings)
    service = InTurn()
    if settings.policy is Policy.POWERSAVE:
        Notice(log, _POWERSAVE).setServiceParent(service)
    shared = (queries, work, wiring, database, connections)
    for part in (*shared, assembled.loop, assembled.polling):
        part.setServiceParent(service)
    callers = wire.security("CC", CLUSTER, _peer(settings, "cloud"), identity)
    contract = Contract.load("eucalyptus_cc")
    children = {
        PATH.encode("ascii"): wire.resource(contract, assembled.api, callers, reactor),
        b"axis2/services": ServicesPage([SERVICE, "EucalyptusGL"]),
    }
    return Mounted("cc", service, children, assembled.health)


def _peer(settings: Settings, name: str) -> Pinned:
    """Return the trust in a peer, whose certificate is in the keys; raises UnusableKey."""
    return Pinned({name: Certificate.load(settings.keys / f"{name}-cert.pem")})
