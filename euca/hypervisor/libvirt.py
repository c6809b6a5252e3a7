"""Runs guests through libvirt, whose calls block: each one runs in a thread and has a time limit.

Guests are *transient* domains: a guest that ended leaves no definition behind, and one that runs
does not depend on this process. The connection is opened when it is first needed and again when
it broke. Whoever asks in between is told that the hypervisor is unavailable, never that there are
no guests. libvirt's events wake the watchers; they carry no facts, so that a lost one costs only
the time until the next look.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import libvirt
from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.defer import TimeoutError as TimedOut
from twisted.logger import Logger

from euca.hypervisor.dialect import Dialect
from euca.hypervisor.domain_xml import domain_xml
from euca.hypervisor.interfaces import (
    GuestRefused,
    GuestSpec,
    GuestState,
    HostResources,
    HypervisorUnavailable,
    UnknownGuest,
)
from euca.threads import Threads

T = TypeVar("T")

CALL_SECONDS = 60.0
KEEPALIVE = (5, 3)  # seconds between questions to libvirtd, and how many may stay unanswered
_CONNECTION_LOST = frozenset(
    (
        libvirt.VIR_ERR_RPC,
        libvirt.VIR_ERR_NO_CONNECT,
        libvirt.VIR_ERR_INVALID_CONN,
    )
)


@cache
def start_events() -> None:
    """Start libvirt's event loop in a thread; libvirt allows one a process."""
    libvirt.virEventRegisterDefaultImpl()
    # libvirt would print every error; they are raised here and logged by whom they concern.
    libvirt.registerErrorHandler(lambda _context, _error: None, None)

    def thd_events() -> None:
        while True:
            libvirt.virEventRunDefaultImpl()

    threading.Thread(target=thd_events, name="libvirt-events", daemon=True).start()


class LibvirtHypervisor(Service):
    """The hypervisor that a libvirt URI names."""

    log = Logger()

    def __init__(
        self, reactor: Any, dialect: Dialect, uri: str = "", timeout: float = CALL_SECONDS
    ) -> None:
        self._reactor = reactor
        self._dialect = dialect
        self._uri = uri or dialect.uri
        self._timeout = timeout
        self._threads = Threads(reactor, 4, "libvirt")
        self._watchers: list[Callable[[], None]] = []
        self._lock = threading.Lock()
        self._connection: Any = None
        self._events: Any = None

    def startService(self) -> None:
        """Start the threads; the connection is opened when it is needed."""
        super().startService()
        start_events()
        self._threads.startService()

    def stopService(self) -> Deferred[None]:
        """Close the connection; guests run on."""
        super().stopService()
        return Deferred.fromCoroutine(self._stop())

    async def _stop(self) -> None:
        await self._threads.run(self._thd_disconnect)
        await self._threads.stopService()

    def watch(self, changed: Callable[[], None]) -> None:
        """Call `changed` when libvirt reports an event, and when the connection ends."""
        self._watchers.append(changed)

    async def start(self, spec: GuestSpec) -> None:
        """Create a transient domain; raises GuestRefused."""

        def thd_start(connection: Any) -> None:
            xml = domain_xml(spec, self._dialect, self._thd_emulator(spec))
            connection.createXML(xml, 0)

        await self._call(thd_start, spec.uuid)

    async def guests(self) -> Mapping[str, GuestState]:
        """Return the active domains; domains that end during the call are left out."""
        return await self._call(_thd_guests)

    async def destroy(self, uuid: str) -> None:
        """Destroy a domain; raises UnknownGuest also for one that is defined but not active."""

        def thd_destroy(connection: Any) -> None:
            domain = connection.lookupByUUIDString(uuid)
            if not domain.isActive():
                raise UnknownGuest(uuid)
            domain.destroy()

        await self._call(thd_destroy, uuid)

    async def reset(self, uuid: str) -> None:
        """Press the domain's reset button."""
        await self._call(lambda connection: connection.lookupByUUIDString(uuid).reset(0), uuid)

    async def host(self) -> HostResources:
        """Return what libvirt says of its host."""
        return await self._call(_thd_host)

    async def _call(self, work: Callable[[Any], T], uuid: str = "") -> T:
        call: Deferred[T] = Deferred.fromCoroutine(self._threads.run(self._thd_call, work, uuid))
        call.addTimeout(self._timeout, self._reactor)
        try:
            return await call
        except TimedOut as error:
            raise HypervisorUnavailable(f"{self._uri} did not answer in time") from error

    def _thd_call(self, work: Callable[[Any], T], uuid: str) -> T:
        try:
            connection = self._thd_connect()
        except libvirt.libvirtError as error:
            raise HypervisorUnavailable(f"{self._uri}: {error}") from error
        try:
            return work(connection)
        except libvirt.libvirtError as error:
            code = error.get_error_code()
            if not connection.isAlive() or code in _CONNECTION_LOST:
                raise HypervisorUnavailable(f"{self._uri}: {error}") from error
            if code == libvirt.VIR_ERR_NO_DOMAIN:
                raise UnknownGuest(uuid) from error
            raise GuestRefused(str(error)) from error

    def _thd_connect(self) -> Any:
        with self._lock:
            if self._connection is not None and self._connection.isAlive():
                return self._connection
            connection = libvirt.open(self._uri)
            if connection.getType() != "TEST":
                connection.setKeepAlive(*KEEPALIVE)
                connection.registerCloseCallback(self._thd_closed, None)
            self._events = connection.domainEventRegisterAny(
                None, libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE, self._thd_event, None
            )
            self.log.info("Connected to {uri}", uri=self._uri)
            self._connection = connection
            return connection

    def _thd_disconnect(self) -> None:
        with self._lock:
            connection, self._connection = self._connection, None
            if connection is None or not connection.isAlive():
                return
            connection.domainEventDeregisterAny(self._events)
            if connection.getType() != "TEST":
                connection.unregisterCloseCallback()
            connection.close()

    def _thd_event(self, *_event: object) -> None:
        self._reactor.callFromThread(self._changed)

    def _thd_closed(self, *_reason: object) -> None:
        self.log.warn("The connection to {uri} was lost", uri=self._uri)
        self._reactor.callFromThread(self._changed)

    def _changed(self) -> None:
        if self.running:
            for changed in self._watchers:
                changed()

    def _thd_emulator(self, spec: GuestSpec) -> str:
        known = self._dialect.plain_emulators if spec.plain else self._dialect.emulators
        return next((path for path in known if Path(path).exists()), "")


def _thd_guests(connection: Any) -> dict[str, GuestState]:
    found = {}
    for domain in connection.listAllDomains(libvirt.VIR_CONNECT_LIST_DOMAINS_ACTIVE):
        try:
            code = domain.state()[0]
        except libvirt.libvirtError as error:
            if error.get_error_code() == libvirt.VIR_ERR_NO_DOMAIN:
                continue
            raise
        # A guest that sleeps (libvirt's seventh state) is as good as paused.
        found[domain.UUIDString()] = GuestState(code) if code <= 6 else GuestState.PAUSED
    return found


def _thd_host(connection: Any) -> HostResources:
    _model, megabytes, cores, *_rest = connection.getInfo()
    try:
        kibibytes = connection.getMemoryStats(libvirt.VIR_NODE_MEMORY_STATS_ALL_CELLS)["total"]
    except libvirt.libvirtError as error:
        if error.get_error_code() != libvirt.VIR_ERR_NO_SUPPORT:
            raise
        kibibytes = megabytes * 1024
    return HostResources(memory=kibibytes, cores=cores)
