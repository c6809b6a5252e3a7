"""Puts what the components serve under one HTTP listener.

A component says what it serves as a `Mounted` value: its paths and the service that keeps it
alive. One or several of them share a listener, as the cloud controller, Walrus and the storage
controller shared port 8773 in Eucalyptus 2.0.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from attrs import field, frozen
from twisted.application import strports
from twisted.application.service import IService, MultiService, Service
from twisted.internet.endpoints import quoteStringArgument
from twisted.logger import Logger
from twisted.web.http import Request as AnyRequest
from twisted.web.iweb import IRequest
from twisted.web.resource import IResource, Resource
from twisted.web.server import Request, Site

from euca.config import Configuration
from euca.telemetry.health import HealthResource, Probe
from euca.telemetry.logging import component_log, writes_debug
from euca.threads import InTurn
from euca.wire.streaming import StreamingRequest

SWITCH_SECONDS = 0.0005
GARBAGE_THRESHOLDS = (20_000, 10, 20)
IDLE_SECONDS = 60.0  # a connection on which nothing arrives is closed after this


@frozen
class Mounted:
    """What one component serves: resources by path (`services/Walrus`), and its background work."""

    name: str
    service: IService
    children: Mapping[bytes, IResource]
    health: Probe
    claims: Callable[[IRequest], IResource | None] = field(default=lambda _request: None)
    """Takes a request whose path no child matches exactly (a path without case, a virtual host)."""


class Tree(Resource):
    """The root of a listener: finds the resource of the longest mounted path."""

    def __init__(self, mounts: Sequence[Mounted]) -> None:
        super().__init__()
        self._claims = [mounted.claims for mounted in mounts]
        self._children = {
            tuple(path.strip(b"/").split(b"/")): resource
            for mounted in mounts
            for path, resource in mounted.children.items()
        }
        self._children[(b"health",)] = HealthResource(_joined_health(mounts))

    def getChild(self, path: bytes, request: Request) -> IResource:
        """Return the mounted resource, with its own part of the path left in `postpath`."""
        segments = (path, *(request.postpath or ()))
        for length in range(len(segments), 0, -1):
            resource = self._children.get(segments[:length])
            if resource is not None:
                return self._descend(resource, length, request)
        for claim in self._claims:
            claimed = claim(request)
            if claimed is not None:
                return claimed
        found: IResource = super().getChild(path, request)
        return found

    def _descend(self, resource: IResource, length: int, request: Request) -> IResource:
        postpath = request.postpath or []
        assert request.prepath is not None
        for _ in range(length - 1):
            request.prepath.append(postpath.pop(0))
        return resource


def _joined_health(mounts: Sequence[Mounted]) -> Probe:
    """Return the probe of a listener: `ok` when all its components are."""

    def probe() -> Mapping[str, object]:
        states = {mounted.name: dict(mounted.health()) for mounted in mounts}
        well = all(state.get("status") == "ok" for state in states.values())
        return {"status": "ok" if well else "degraded", "components": states}

    return probe


class QuietSite(Site):
    """A site that tells of each request only at the level of debugging, and only if `told`."""

    displayTracebacks = False
    told = True
    _log = Logger()

    def log(self, request: AnyRequest) -> None:
        """Log a request without its query, where signatures travel."""
        if not self.told:
            return
        self._log.debug(
            "{client} {method} {path} {code}",
            client=request.getClientIP(),
            method=request.method.decode("ascii", "backslashreplace"),
            path=request.uri.partition(b"?")[0].decode("ascii", "backslashreplace"),
            code=request.code,
        )


class Responsive(Service):
    """Has the interpreter let the reactor run promptly, once everything is set up.

    What exists by then stays, so the garbage collector need not look at it again. At the rest it
    looks less often, but never at more than it can in some milliseconds: long lists are many
    objects and no cycles. Threads that compute give way ten times sooner than by default: each I/O
    of the reactor waits for that.
    """

    def startService(self) -> None:
        """Settle the interpreter; this is of the whole process."""
        super().startService()
        gc.collect()
        gc.freeze()
        gc.set_threshold(*GARBAGE_THRESHOLDS)
        sys.setswitchinterval(SWITCH_SECONDS)


def listener(
    mounts: Sequence[Mounted],
    configuration: Configuration,
    port: int,
    reactor: Any,
    request_factory: type[Request] = StreamingRequest,
) -> MultiService:
    """Return the service that logs, runs the components and serves them on `listen`:`port`.

    The log has the name of the first component. Components start in order and before the
    listener, so that each is ready when the first request comes; they stop after it, one after
    the other, and the log is closed last.
    """
    root = InTurn()
    component_log(configuration, mounts[0].name).setServiceParent(root)
    for mounted in mounts:
        mounted.service.setServiceParent(root)
    site = QuietSite(
        Tree(mounts), requestFactory=request_factory, timeout=IDLE_SECONDS, reactor=reactor
    )
    site.told = writes_debug(configuration)
    Responsive().setServiceParent(root)
    # strports' service raises at start when it cannot listen, which ends the process.
    where = f"tcp:{port}:interface={quoteStringArgument(configuration.listen)}"
    strports.service(where, site, reactor).setServiceParent(root)
    return root
