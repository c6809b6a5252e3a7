"""Tests of `euca.store.accounts`."""

from __future__ import annotations

from attrs import evolve
from twisted.trial.unittest import SynchronousTestCase

from euca.store import accounts
from euca.store.accounts import AccessKey, Account
from euca.store.engine import Database
from euca.store.sql import IntegrityError

ALICE = Account("alice", "000000000001")
KEY = AccessKey("AKALICE", "secret", "alice")


class AccountsTests(SynchronousTestCase):
    """Accounts and what speaks for them."""

    def setUp(self) -> None:
        self.database = Database.in_memory(["accounts"])
        self.addCleanup(self.database.stopService)

    def add(self, account: Account = ALICE) -> None:
        self.database.thd_transact(lambda tx: accounts.thd_add_account(tx, account))
        self.database.thd_transact(lambda tx: accounts.thd_add_access_key(tx, KEY))
        self.database.thd_transact(lambda tx: accounts.thd_add_certificate(tx, "alice", b"der"))

    def test_by_access_key(self) -> None:
        """An access key leads to its account and its secret."""
        self.add()
        found = self.database.thd_transact(
            lambda tx: accounts.thd_account_by_access_key(tx, "AKALICE")
        )
        self.assertEqual(found, (ALICE, KEY))

    def test_by_certificate(self) -> None:
        """A certificate leads to its account."""
        self.add()
        found = self.database.thd_transact(
            lambda tx: accounts.thd_account_by_certificate(tx, b"der")
        )
        self.assertEqual(found, ALICE)

    def test_unknown(self) -> None:
        """What nobody registered leads nowhere."""
        self.add()
        key = self.database.thd_transact(lambda tx: accounts.thd_account_by_access_key(tx, "no"))
        certificate = self.database.thd_transact(
            lambda tx: accounts.thd_account_by_certificate(tx, b"no")
        )
        self.assertEqual((key, certificate), (None, None))

    def test_disabled(self) -> None:
        """Nothing speaks for a disabled account."""
        self.add(evolve(ALICE, enabled=False))
        key = self.database.thd_transact(
            lambda tx: accounts.thd_account_by_access_key(tx, "AKALICE")
        )
        certificate = self.database.thd_transact(
            lambda tx: accounts.thd_account_by_certificate(tx, b"der")
        )
        self.assertEqual((key, certificate), (None, None))

    def test_name_taken(self) -> None:
        """A name is given once."""
        self.add()
        again = evolve(ALICE, number="000000000002")
        self.assertRaises(
            IntegrityError,
            self.database.thd_transact,
            lambda tx: accounts.thd_add_account(tx, again),
        )

    def test_secret_stays_out_of_the_repr(self) -> None:
        """The repr of an access key does not show its secret."""
        self.assertNotIn("secret", repr(KEY))
