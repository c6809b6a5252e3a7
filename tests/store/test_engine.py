"""Tests of `euca.store.engine`."""

from __future__ import annotations

from pathlib import Path

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from euca.store.accounts import Account, thd_account, thd_add_account
from euca.store.engine import Database
from euca.store.sql import Connection
from euca.threads import Immediate

ALICE = Account("alice", "000000000001")


class DatabaseTests(SynchronousTestCase):
    """A database in a file."""

    def setUp(self) -> None:
        self.path = Path(self.mktemp()) / "db/euca.db"

    def opened(self) -> Database:
        database = Database(f"sqlite:///{self.path}", ["accounts"], Immediate())
        database.startService()
        self.addCleanup(database.stopService)
        return database

    def test_survives(self) -> None:
        """What a transaction wrote is there when the database is opened again."""
        first = self.opened()
        first.thd_transact(lambda tx: thd_add_account(tx, ALICE))
        first.stopService()
        found = self.opened().thd_transact(lambda tx: thd_account(tx, "alice"))
        self.assertEqual(found, ALICE)

    def test_rolls_back(self) -> None:
        """An exception undoes the whole transaction."""
        database = self.opened()

        def work(tx: Connection) -> None:
            thd_add_account(tx, ALICE)
            raise OSError("crash")

        self.assertRaises(OSError, database.thd_transact, work)
        self.assertIsNone(database.thd_transact(lambda tx: thd_account(tx, "alice")))

    def test_private(self) -> None:
        """The file of the database is readable by its owner alone."""
        self.opened()
        self.assertEqual(self.path.stat().st_mode & 0o077, 0)

    def test_two_openers(self) -> None:
        """Two processes may hold one database open and both write."""
        first, second = self.opened(), self.opened()
        first.thd_transact(lambda tx: thd_add_account(tx, ALICE))
        found = second.thd_transact(lambda tx: thd_account(tx, "alice"))
        self.assertEqual(found, ALICE)

    def test_unknown_schema(self) -> None:
        """A schema without migrations stops the start."""
        self.assertRaises(LookupError, Database.in_memory, ["no-such-schema"])

    def test_result(self) -> None:
        """A transaction returns what its work returns."""
        database = self.opened()
        call = Deferred.fromCoroutine(database.transact(lambda tx: 42))
        self.assertEqual(self.successResultOf(call), 42)
