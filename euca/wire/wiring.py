"""What the messages of one component have in common, as its configuration says.

How strictly they are judged, where long ones are worked on, what is remembered of those accepted,
and whether each is written down for people who debug the wire.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from attrs import evolve, field, frozen
from treq.client import HTTPClient
from twisted.application.service import IService, Service
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from euca.auth.keyring import Identity
from euca.auth.wsse import Policy, Security, Trust
from euca.auth.wsse.replay import FileReplays, MemoryReplays, Replays
from euca.config import Configuration
from euca.telemetry.logging import Notice
from euca.threads import Immediate, InTurn, Offload, Offloads, ShortLived, Threads
from euca.wire.client import SoapClient
from euca.wire.contract import Contract
from euca.wire.resource import SoapResource
from euca.wire.trace import FileTrace, Untraced, WireTrace

THREADS = 2
WINDOW = 300.0

_TRACED = "DEBUG_WIRE: every message is written to {where}, and nothing removes them"

log = Logger()


def _always_strict(_service: str) -> str:
    return "strict"


@frozen
class Wire:
    """How a component exchanges messages; by default strictly, in memory and unseen.

    `mode_of` says how strict the messages of a service are judged, and `window` by how many
    seconds clocks may differ. Replies are written in `threads`; long requests, and those of
    strangers, are read `apart`, and the long replies of others in `replies_apart`, so that no
    stranger holds them up.
    """

    mode_of: Callable[[str], str] = _always_strict
    window: float = WINDOW
    replays: Replays = field(factory=MemoryReplays)
    threads: Offload = field(factory=Immediate)
    apart: Offloads = field(factory=Immediate)
    replies_apart: Offloads = field(factory=Immediate)
    trace: WireTrace = field(factory=Untraced)

    def security(
        self, service: str, policy: Policy, trust: Trust, identity: Identity | None = None
    ) -> Security:
        """Return how messages to a service, or its replies to ours, are signed and judged."""
        return Security(
            policy,
            trust,
            identity,
            strict=self.mode_of(service) == "strict",
            replays=self.replays,
            window=self.window,
        )

    def resource(
        self, contract: Contract, api: object, security: Security | None, clock: IReactorTime
    ) -> SoapResource:
        """Return the resource that serves a contract."""
        return SoapResource(
            contract, api, security, clock, self.threads, self.apart, trace=self.trace
        )

    def client(  # noqa: PLR0917 (as of SoapClient)
        self,
        contract: Contract,
        url: str,
        http: HTTPClient,
        security: Security | None,
        clock: IReactorTime,
        timeout: float,
    ) -> SoapClient:
        """Return a client of a service, whose calls take `timeout` seconds at most."""
        return SoapClient(
            contract,
            url,
            http,
            security,
            clock,
            timeout,
            trace=self.trace,
            apart=self.replies_apart,
        )


class KeptReplays(Service):
    """Remembers accepted messages in a file, which is open while the component runs."""

    def __init__(self, path: Path, clock: IReactorTime) -> None:
        self._path = path
        self._clock = clock
        self._kept: FileReplays | None = None

    def startService(self) -> None:
        """Open the file; blocks, which is right before listening."""
        super().startService()
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._kept = FileReplays(self._path, self._clock.seconds())

    def stopService(self) -> None:
        """Close the file."""
        super().stopService()
        if self._kept is not None:
            self._kept.close()
            self._kept = None

    def first_time(self, identifier: str, now: float, until: float) -> bool:
        """Remember the identifier; nothing is accepted while the file is not open."""
        return self._kept is not None and self._kept.first_time(identifier, now, until)


def wired(configuration: Configuration, name: str, reactor: Any) -> tuple[Wire, IService]:
    """Return how the component of that name exchanges messages, and the service it needs.

    The service must start before, and stop after, everything that exchanges messages. Raises
    ConfigurationError.
    """
    service = InTurn()
    threads = Threads(reactor, THREADS, f"{name} wire")
    replays = KeptReplays(configuration.layout.state / "replays" / name, reactor)
    parts: list[IService] = [threads, replays]
    if configuration.debug_wire:
        where = trace_directory(configuration, name)
        parts.append(Notice(log, _TRACED, where=where))
    for part in parts:
        part.setServiceParent(service)
    wire = evolve(
        open_wire(configuration, name, reactor),
        mode_of=configuration.security_mode_of,
        window=configuration.security_skew,
        replays=replays,
        threads=threads,
    )
    return wire, service


def open_wire(configuration: Configuration, name: str, reactor: Any) -> Wire:
    """Return how the component of that name exchanges messages that nobody signs."""
    return Wire(
        apart=ShortLived(reactor),
        replies_apart=ShortLived(reactor),
        trace=wire_trace(configuration, name, reactor),
    )


def wire_trace(configuration: Configuration, name: str, clock: IReactorTime) -> WireTrace:
    """Return where the messages of the component of that name are written, if DEBUG_WIRE is Y."""
    if not configuration.debug_wire:
        return Untraced()
    return FileTrace(trace_directory(configuration, name), clock)


def trace_directory(configuration: Configuration, name: str) -> Path:
    """Return the directory of a component's trace, a file for each message."""
    return configuration.layout.logs / f"wire-{name}"
