"""Puts the cloud controller together."""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Callable, Mapping
from typing import Any

from attrs import field, frozen
from twisted.application.service import IService
from twisted.internet.interfaces import IReactorTime
from twisted.web.resource import IResource

from euca.auth.keyring import Identity
from euca.auth.wsse import USER
from euca.clc.api import Cloud
from euca.clc.changes import World, change
from euca.clc.cluster_client import WireClusters
from euca.clc.discover import Discovery
from euca.clc.endpoint import Endpoint
from euca.clc.enrolment import Enrolment
from euca.clc.front import Front
from euca.clc.image_store import WalrusImageStore
from euca.clc.images import Images
from euca.clc.instances import Instances
from euca.clc.interfaces import Clusters, ImageStore
from euca.clc.key_pairs import KeyPairs
from euca.clc.plan import View, plan
from euca.clc.query import QueryInterface, QueryResource
from euca.clc.registration import RegisteredCluster
from euca.clc.settings import CLUSTER_SECONDS, PATH, WALRUS_SECONDS, Settings
from euca.clc.soap import UserCertificates, soap_operations
from euca.clc.zones import Zones
from euca.config import Configuration
from euca.converge.loop import Change, Loop
from euca.model.identifiers import RandomBytes
from euca.store.engine import Database
from euca.threads import InTurn, Offload, Threads
from euca.wire.client import http_client
from euca.wire.contract import Contract
from euca.wire.mount import Mounted
from euca.wire.wiring import Wire, wired

SCHEMAS = ("accounts", "clc")
EC2 = "ec2-2009-11-30"
LATE_PERIODS = 5  # without a round, and the loop counts as stalled


@frozen
class Parts:
    """What the cloud controller is made of; each of them is given to it."""

    database: Database
    clusters: Clusters
    store: ImageStore
    threads: Offload
    identity: Identity
    clock: IReactorTime
    period: float
    endpoint: str
    contract: Contract
    wire: Wire = field(factory=Wire)
    random_bytes: RandomBytes = field(default=secrets.token_bytes)


@frozen
class Assembled:
    """The cloud controller in one piece: its loop, its operations, and how it is."""

    loop: Loop[View, World]
    cloud: Cloud
    health: Callable[[], Mapping[str, object]]


def assemble(parts: Parts) -> Assembled:
    """Join the parts, whatever they are made of; nothing is started."""
    discovery = Discovery(parts.database, parts.clock, parts.period)
    world = World(parts.database, parts.clusters, parts.clock, parts.period)
    loop = Loop(parts.clock, parts.period, discovery.view, planned, world)
    enrolment = Enrolment(
        parts.database, parts.store, parts.threads, parts.identity, parts.random_bytes
    )
    cloud = Cloud(
        zones=Zones(parts.database, parts.endpoint),
        images=Images(parts.database, enrolment, parts.clock),
        key_pairs=KeyPairs(parts.database, parts.threads),
        instances=Instances(
            parts.database, parts.clusters, parts.clock, parts.random_bytes, loop.wake
        ),
    )
    return Assembled(loop, cloud, lambda: health(loop, discovery))


def planned(view: View) -> list[Change[World]]:
    """Return the changes of the steps that the plan has."""
    return [change(step) for step in plan(view)]


def endpoint(parts: Parts, cloud: Cloud) -> Endpoint:
    """Return the resource that serves EC2."""

    def new_request_id() -> str:
        return str(uuid.UUID(bytes=parts.random_bytes(16), version=4))

    front = Front(cloud, new_request_id, parts.wire.threads)
    contract = parts.contract
    security = parts.wire.security("CLC", USER, UserCertificates(parts.database))
    operations = soap_operations(contract, front, parts.database)
    soap = parts.wire.resource(contract, operations, security, parts.clock)
    query = QueryInterface(front, contract, parts.database, parts.clock)
    return Endpoint(soap, QueryResource(query))


def health(loop: Loop[View, World], discovery: Discovery) -> Mapping[str, object]:
    """Return what the cloud controller says of itself, its clusters and its instances."""
    seen = discovery.overview
    if not loop.running or seen is None:
        return {"component": "clc", "status": "starting" if loop.running else "stopped"}
    late = discovery.clock.seconds() - seen.seen_at > LATE_PERIODS * discovery.period
    state: dict[str, object] = {
        "component": "clc",
        "status": "stalled" if late else "ok",
        "clusters": {name: _cluster_health(cluster) for name, cluster in seen.clusters.items()},
        "instances": dict(seen.instances),
    }
    if not seen.clusters:
        state["note"] = "no cluster is registered: no instance can be started"
    return state


def _cluster_health(cluster: RegisteredCluster) -> Mapping[str, object]:
    return {
        "host": cluster.host,
        "port": cluster.port,
        "reachable": cluster.reachable,
        "error": cluster.error,
        "capacity": {
            capacity.vm_type: {"available": capacity.available, "maximum": capacity.maximum}
            for capacity in cluster.capacities
        },
    }


def make(configuration: Configuration, reactor: Any) -> Mounted:
    """Return the cloud controller of a configuration; raises ConfigurationError, UnusableKey."""
    settings = Settings.of(configuration)
    identity = Identity.load(settings.keys / "cloud-cert.pem", settings.keys / "cloud-pk.pem")
    queries, work = (
        Threads(reactor, size, f"clc {name}") for size, name in ((1, "database"), (2, "keys"))
    )
    database = Database(settings.database_url, SCHEMAS, queries)
    http, connections = http_client(reactor)
    wire, wiring = wired(configuration, "clc", reactor)
    clusters = WireClusters(
        Contract.load("eucalyptus_cc"),
        http,
        identity,
        settings.keys,
        reactor,
        CLUSTER_SECONDS,
        secrets.token_bytes,
        wire,
    )
    parts = Parts(
        database=database,
        clusters=clusters,
        store=WalrusImageStore(http, identity, reactor, WALRUS_SECONDS),
        threads=work,
        identity=identity,
        clock=reactor,
        period=settings.period,
        endpoint=settings.endpoint,
        contract=Contract.load(EC2),
        wire=wire,
    )
    assembled = assemble(parts)
    service = InTurn()
    for part in (queries, work, wiring, database, connections, assembled.loop):
        part.setServiceParent(service)
    return mounted(endpoint(parts, assembled.cloud), assembled, service)


def mounted(resource: IResource, assembled: Assembled, service: IService) -> Mounted:
    """Return the cloud controller as it is put under a listener."""
    return Mounted("clc", service, {PATH.encode("ascii"): resource}, assembled.health)
