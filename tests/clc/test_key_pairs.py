"""Tests of the operations on key pairs."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from euca.clc import requests as r
from euca.model.errors import InvalidParameter, KeyPairExists, UnknownKeyPair
from euca.store.accounts import Account
from tests.clc.cloud import ANN, BOB, House, caller


class KeyPairTests(SynchronousTestCase):
    """Key pairs are made, listed and forgotten."""

    def setUp(self) -> None:
        self.pairs = House().assembled.cloud.key_pairs

    def create(self, name: str, account: Account = ANN) -> Deferred[Any]:
        asked = self.pairs.create_key_pair(caller(account), r.CreateKeyPair(name))
        return Deferred.fromCoroutine(asked)

    def names(self, account: Account = ANN) -> list[str]:
        asked = self.pairs.describe_key_pairs(caller(account), r.DescribeKeyPairs())
        return [pair.name for pair in self.successResultOf(Deferred.fromCoroutine(asked))]

    def test_create(self) -> None:
        """A new pair has a public line in the owner's name, and its private half is given once."""
        made = self.successResultOf(self.create("new"))
        self.assertTrue(made.record.public_line.endswith(" ann@eucalyptus"))
        self.assertIn("PRIVATE KEY", made.private_pem)
        self.assertNotIn("PRIVATE KEY", repr(made))

    def test_exists(self) -> None:
        """A name that the owner has used is refused, with the text of Eucalyptus 2.0."""
        error = self.failureResultOf(self.create("mykey"), KeyPairExists).value
        self.assertEqual("Creation failed.  Keypair already exists: mykey", str(error))

    def test_own_names(self) -> None:
        """Another account may use the same name, and sees its own alone."""
        self.successResultOf(self.create("mykey", BOB))
        self.assertEqual((["mykey"], ["mykey"]), (self.names(ANN), self.names(BOB)))

    def test_bad_name(self) -> None:
        """A name that is too long or has control characters is refused."""
        for name in ("x" * 256, "a\nb"):
            self.failureResultOf(self.create(name), InvalidParameter)

    def test_delete(self) -> None:
        """A deleted pair is gone; deleting what is not there is no error; others' stay."""
        for account in (BOB, ANN, ANN):
            asked = self.pairs.delete_key_pair(caller(account), r.DeleteKeyPair("mykey"))
            self.assertTrue(self.successResultOf(Deferred.fromCoroutine(asked)))
            self.assertEqual([] if account is ANN else ["mykey"], self.names(ANN))

    def test_unknown(self) -> None:
        """A name that is none is an error."""
        asked = self.pairs.describe_key_pairs(caller(), r.DescribeKeyPairs(("none",)))
        self.failureResultOf(Deferred.fromCoroutine(asked), UnknownKeyPair)
