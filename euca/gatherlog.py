"""The log and key service of a host, EucalyptusGL: whoever asks is told its certificates.

    cloud -- GetKeys(self) --> cluster                   the certificates in the cluster's keys/
    cloud -- GetKeys(URL of a node) --> cluster -- GetKeys(self) --> node

It has no security, as its callers of Eucalyptus 2.0 need it: the cloud compares the certificates
with its own before it trusts any other call. So it tells nothing that is secret, asks only the
hosts that its configuration names, and keeps logs to itself for now.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any, Protocol

from attrs import field, frozen
from treq.client import HTTPClient
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.web.resource import IResource

from euca.config import Configuration
from euca.threads import InTurn, Offload, Threads
from euca.wire.client import CallFailed, SoapClient, http_client
from euca.wire.contract import Contract
from euca.wire.mount import Mounted
from euca.wire.service import Call, operation
from euca.wire.wiring import Wire, open_wire

SERVICE = "EucalyptusGL"
PATH = f"axis2/services/{SERVICE}".encode("ascii")
PEER_SECONDS = 10.0
OWN = "self"
CONTRACT = "eucalyptus_gl"

_CERTIFICATES = {"CCcert": "cluster-cert.pem", "NCcert": "node-cert.pem"}
_LARGEST = 1_024_000  # bytes of a file that are told, the last ones

log = Logger()
Values = Mapping[str, Any]


class Peers(Protocol):
    """The log and key services of other hosts."""

    def find(self, tag: str) -> SoapClient | None:
        """Return the client of the host with that service; None where it is nobody to be asked."""
        ...


@frozen
class Hosts:
    """The services on the hosts of nodes; `tags` returns the URLs of these now."""

    tags: Callable[[], Collection[str]]
    http: HTTPClient
    clock: IReactorTime
    wire: Wire = field(factory=Wire)
    contract: Contract = field(factory=lambda: Contract.load(CONTRACT))

    def find(self, tag: str) -> SoapClient | None:
        """Return the client of a node's host, by the URL of its node controller."""
        if tag not in self.tags():
            return None
        url = f"{tag.rpartition('/')[0]}/{SERVICE}"
        return self.wire.client(self.contract, url, self.http, None, self.clock, PEER_SECONDS)


@frozen
class GatherLog:
    """The operations."""

    unbuilt = ("GetLogs",)

    keys: Path
    threads: Offload
    peers: Peers

    @operation("GetKeys")
    async def get_keys(self, call: Call) -> Values:
        """Return the certificates of this host, or of the one named."""
        tag = call.body["serviceTag"]
        base = {name: call.body[name] for name in ("correlationId", "userId")}
        if tag == OWN:
            found = await self.threads.run(_thd_certificates, self.keys)
            return {**base, "return": True, "serviceTag": tag, **found}
        peer = self.peers.find(tag) if tag else None
        if peer is None:
            log.warn("GetKeys of {tag!r} refused: it is no service known here", tag=tag)
            return {**base, "return": False, "statusMessage": "ERROR"}
        return {**base, "return": True, "serviceTag": tag, **await _asked(peer)}


async def _asked(peer: SoapClient) -> Values:
    """Return what a peer tells; nothing if it fails, which as in 2.0 is no failure here."""
    try:
        reply = await peer.call("GetKeys", userId="eucalyptus", serviceTag=OWN)
    except CallFailed as error:
        log.warn("{url} did not tell its keys: {error}", url=peer.url, error=error)
        return {}
    return {name: reply[name] for name in _CERTIFICATES if reply[name]}


def _thd_certificates(keys: Path) -> dict[str, str]:
    """Return the certificates in base64; a file that is absent or empty has no element."""
    found = {}
    for element, name in _CERTIFICATES.items():
        try:
            content = (keys / name).read_bytes()[-_LARGEST:]
        except OSError as error:
            log.warn("{name} cannot be told: {error}", name=name, error=error)
            continue
        if content:
            found[element] = base64.b64encode(content).decode("ascii")
    return found


def resource(
    keys: Path, threads: Offload, peers: Peers, wire: Wire, clock: IReactorTime
) -> IResource:
    """Return the service that tells the certificates in `keys`, which the threads read."""
    return wire.resource(Contract.load(CONTRACT), GatherLog(keys, threads, peers), None, clock)


def make(
    configuration: Configuration,
    component: str,
    reactor: Any,
    tags: Callable[[], Collection[str]] = tuple,
) -> Mounted:
    """Return the log and key service of a component's host; it may ask the hosts of those nodes."""
    http, connections = http_client(reactor)
    threads = Threads(reactor, 1, f"{component} certificates")
    wire = open_wire(configuration, component, reactor)
    service = InTurn()
    for part in (threads, connections):
        part.setServiceParent(service)
    peers = Hosts(tags, http, reactor, wire)
    told = resource(configuration.layout.keys, threads, peers, wire, reactor)

    def health() -> Mapping[str, object]:
        return {"component": "gatherlog", "status": "ok" if service.running else "stopped"}

    return Mounted("gatherlog", service, {PATH: told}, health)
