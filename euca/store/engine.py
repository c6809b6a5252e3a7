"""A database: opened and brought to its newest schema at start, used one transaction at a time.

SQLite runs in write-ahead mode and syncs each commit, so that what a transaction wrote survives
`kill -9` and power loss. Each schema (a folder under `migrations`) has a version table of its own,
so that several components may share one database.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.pool import StaticPool
from twisted.application.service import Service

from euca.threads import Immediate, Offload

T = TypeVar("T")

MIGRATIONS = Path(__file__).with_name("migrations")
BUSY_SECONDS = 30


def _prepare_sqlite(connection: Any, _record: object) -> None:
    """Set up a new SQLite connection; transactions are begun by `_begin` alone."""
    connection.isolation_level = None
    for pragma in (
        "journal_mode = WAL",
        "synchronous = FULL",
        "foreign_keys = ON",
        f"busy_timeout = {BUSY_SECONDS * 1000}",
    ):
        connection.execute(f"PRAGMA {pragma}")


def _begin(connection: Connection) -> None:
    """Take the write lock at the beginning, so that a transaction never fails half way for it."""
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def open_engine(url: str) -> Engine:
    """Return the engine for a database URL; the folder of an SQLite file is made, private."""
    parsed = make_url(url)
    if parsed.get_backend_name() != "sqlite":
        return create_engine(parsed, pool_pre_ping=True)
    options: dict[str, Any] = {"connect_args": {"check_same_thread": False}}
    if parsed.database and parsed.database != ":memory:":
        path = Path(parsed.database)
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.touch(mode=0o600)
    else:
        options["poolclass"] = StaticPool
    engine = create_engine(parsed, **options)
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin)
    return engine


def migrate(engine: Engine, schema: str, revision: str = "head") -> None:
    """Bring one schema to `revision`, in one transaction."""
    folder = MIGRATIONS / schema
    if not folder.is_dir():
        raise LookupError(f"there are no migrations for the schema {schema!r}")
    configuration = Config()
    configuration.set_main_option("script_location", str(MIGRATIONS))
    configuration.set_main_option("version_locations", str(folder))
    configuration.set_main_option("path_separator", "os")
    with engine.begin() as connection:
        configuration.attributes["connection"] = connection
        configuration.attributes["version_table"] = "alembic_" + schema
        command.upgrade(configuration, revision)


class Database(Service):
    """One database, whose blocking work runs where `threads` says."""

    def __init__(self, url: str, schemas: Sequence[str], threads: Offload) -> None:
        self._url = url
        self._schemas = tuple(schemas)
        self._threads = threads
        self._engine: Engine | None = None

    @classmethod
    def in_memory(cls, schemas: Sequence[str]) -> Database:
        """Return a started database in memory that runs its work at once, for tests."""
        database = cls("sqlite://", schemas, Immediate())
        database.startService()
        return database

    def startService(self) -> None:
        """Open the database and migrate its schemas; blocks, which is right before listening."""
        self._engine = open_engine(self._url)
        for schema in self._schemas:
            migrate(self._engine, schema)
        super().startService()

    def stopService(self) -> None:
        """Close the connections."""
        super().stopService()
        if self._engine is not None:
            self._engine.dispose()
            self._engine = None

    async def transact(self, work: Callable[[Connection], T]) -> T:
        """Return what `work` returns, run in one transaction that an exception rolls back."""
        return await self._threads.run(self.thd_transact, work)

    def thd_transact(self, work: Callable[[Connection], T]) -> T:
        """Run `work` in one transaction, in this thread."""
        assert self._engine is not None, "the database has not been started"
        with self._engine.begin() as connection:
            return work(connection)
