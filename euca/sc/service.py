"""Puts the storage controller together."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from twisted.application.service import Service

from euca.auth.keyring import Identity
from euca.auth.wsse import INTERNAL, Pinned
from euca.config import Configuration
from euca.converge.loop import Loop
from euca.sc.api import StorageApi
from euca.sc.backing import Backing
from euca.sc.changes import World, changes
from euca.sc.discover import Found, discover
from euca.sc.settings import PATH, Settings
from euca.store.engine import Database
from euca.threads import InTurn, Threads
from euca.wire.contract import Contract
from euca.wire.mount import Mounted
from euca.wire.wiring import wired

SCHEMAS = ("sc",)
PERIOD = 10.0  # seconds between two looks at the files


class Prepared(Service):
    """The folder of the volumes, made before anything looks into it."""

    def __init__(self, backing: Backing) -> None:
        self._backing = backing

    def startService(self) -> None:
        """Make the folder."""
        self._backing.thd_prepare()
        super().startService()


def make(configuration: Configuration, reactor: Any) -> Mounted:
    """Return the storage controller of this configuration.

    Raises ConfigurationError and UnusableKey.
    """
    settings = Settings.of(configuration)
    identity = Identity.load(settings.keys / "cloud-cert.pem", settings.keys / "cloud-pk.pem")
    wire, wiring = wired(configuration, "sc", reactor)
    security = wire.security("SC", INTERNAL, Pinned({"cloud": identity.certificate}), identity)
    queries, work = Threads(reactor, 1, "sc database"), Threads(reactor, 2, "sc files")
    database = Database(settings.database_url, SCHEMAS, queries)
    backing = Backing(settings.volumes)
    loop: Loop[Found, World] = Loop(
        reactor,
        PERIOD,
        partial(discover, database, backing, work),
        changes,
        World(database, backing, work),
    )
    service = InTurn()
    for part in (queries, work, wiring, database, Prepared(backing), loop):
        part.setServiceParent(service)
    api = StorageApi(database, settings, reactor.seconds, loop.wake)
    resource = wire.resource(Contract.load("storage_internal"), api, security, reactor)

    def health() -> Mapping[str, object]:
        return {"component": "sc", "status": "ok" if service.running else "stopped"}

    return Mounted("sc", service, {PATH.encode(): resource}, health)
