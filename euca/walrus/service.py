"""Puts Walrus together."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from functools import partial
from typing import Any

from twisted.application.service import MultiService, Service

from euca.auth.keyring import Identity
from euca.config import Configuration
from euca.store.engine import Database
from euca.threads import InTurn, Threads
from euca.walrus.api import Walrus
from euca.walrus.callers import Callers
from euca.walrus.files import Files
from euca.walrus.images import Images
from euca.walrus.resource import WalrusResource, claims
from euca.walrus.settings import PREFIX, Settings
from euca.walrus.tables import thd_files
from euca.wire.mount import Mounted

SCHEMAS = ("accounts", "walrus")


class Store(MultiService):
    """The database and the files, brought to agree before anything else starts."""

    def __init__(self, database: Database, files: Files) -> None:
        super().__init__()
        self._database = database
        self._files = files
        database.setServiceParent(self)

    def startService(self) -> None:
        """Open the database, and remove what a killed process left in the files."""
        super().startService()
        self._files.thd_prepare()
        self._files.thd_sweep(self._database.thd_transact(thd_files))


def make(configuration: Configuration, reactor: Any) -> Mounted:
    """Return Walrus as this configuration wants it; raises ConfigurationError and UnusableKey."""
    settings = Settings.of(configuration)
    identity = Identity.load(settings.keys / "cloud-cert.pem", settings.keys / "cloud-pk.pem")
    service = InTurn()
    queries, work, unfolding = (
        Threads(reactor, size, f"walrus {name}")
        for size, name in ((1, "database"), (8, "files"), (2, "images"))
    )
    database = Database(settings.database_url, SCHEMAS, queries)
    files = Files(settings.bukkits, lambda: str(uuid.uuid4()))
    images = Images(
        database=database,
        files=files,
        threads=unfolding,
        identity=identity,
        limit=settings.cache_size,
        now=reactor.seconds,
    )
    for part in (queries, work, unfolding, Store(database, files), images):
        part.setServiceParent(service)
    walrus = Walrus(
        database=database, files=files, images=images, threads=work, now=reactor.seconds
    )
    callers = Callers(database, settings.keys, work, reactor.seconds)
    return mounted(WalrusResource(walrus, callers, work), service)


def mounted(resource: WalrusResource, service: Service) -> Mounted:
    """Return Walrus as it is put under a listener; the service tells whether it is well."""

    def health() -> Mapping[str, object]:
        return {"component": "walrus", "status": "ok" if service.running else "stopped"}

    return Mounted(
        "walrus",
        service,
        {PREFIX.strip("/").encode(): resource},
        health,
        partial(claims, resource),
    )
