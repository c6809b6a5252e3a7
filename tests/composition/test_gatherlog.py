"""Tests of the log and key service as components make it."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

from treq.testing import StubTreq
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater
from twisted.trial.unittest import TestCase

from euca import gatherlog
from euca.wire.client import SoapClient
from euca.wire.contract import Contract
from tests.composition.installation import Installation

URL = "http://cc:8774/axis2/services/EucalyptusGL"


class WatchedReactor:
    """The reactor, and how often a thread called it."""

    def __init__(self) -> None:
        self.called = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(reactor, name)

    def callFromThread(self, *call: Any) -> None:
        """Count, and call."""
        self.called += 1
        reactor.callFromThread(*call)


class MadeTests(TestCase):
    """The service with its threads."""

    timeout = 30

    def setUp(self) -> None:
        """Start the service."""
        self.there = Installation(Path(self.mktemp()).resolve())
        self.reactor = WatchedReactor()
        self.mounted = gatherlog.make(self.there.configuration(), "cc", self.reactor)
        self.assertEqual(self.mounted.health()["status"], "stopped")
        self.mounted.service.startService()
        self.addCleanup(self.mounted.service.stopService)
        self.http: Any = StubTreq(self.mounted.children[gatherlog.PATH])

    async def settled(self, waiting: Any) -> Any:
        """Return what is waited for, while the double of HTTP passes bytes on."""
        done: list[Any] = []
        waiting.addBoth(done.append)
        while not done:
            await deferLater(reactor, 0.001)
            self.http.flush()
        return done[0]

    async def test_keys(self) -> None:
        """Whoever asks is told the certificates of the host."""
        contract = Contract.load(gatherlog.CONTRACT)
        client = SoapClient(contract, URL, self.http, None, reactor)
        asking = Deferred.fromCoroutine(client.call("GetKeys", serviceTag="self"))
        reply = await self.settled(asking)
        told = base64.b64decode(reply["CCcert"])
        self.assertEqual(told, (self.there.keys / "cluster-cert.pem").read_bytes())
        self.assertEqual(self.mounted.health()["status"], "ok")

    async def test_strangers(self) -> None:
        """Every message is a stranger's, and read in a thread of its own, also the first."""
        headers = {"SOAPAction": "x", "Content-Type": "text/xml"}
        response = await self.settled(self.http.post(URL, data=b"<a/>", headers=headers))
        self.assertEqual((response.code, self.reactor.called), (500, 1))
