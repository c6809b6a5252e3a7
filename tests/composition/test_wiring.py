"""Tests of what the services of one component share, through the services themselves."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

from attrs import frozen
from twisted.internet import reactor
from twisted.internet.defer import maybeDeferred
from twisted.logger import LogLevel, capturedLogs, formatEvent
from twisted.protocols.policies import WrappingFactory
from twisted.trial.unittest import SynchronousTestCase, TestCase
from twisted.web.server import Site

from euca.auth.wsse import CLUSTER, INTERNAL, USER, Addressing, Pinned, Policy, signed_envelope
from euca.cc import service as cc
from euca.clc import service as clc
from euca.config import Configuration
from euca.model.identifiers import uuid7
from euca.nc import service as nc
from euca.sc import service as sc
from euca.store.accounts import Account, thd_add_account, thd_add_certificate
from euca.store.engine import Database
from euca.threads import Immediate
from euca.wire.client import http_client
from euca.wire.mount import Mounted, Tree
from euca.wire.trace import FileTrace, Untraced
from euca.wire.wiring import KeptReplays, Wire, trace_directory, wired
from tests.composition.installation import Installation, identity
from tests.wire.apis import clock_at

EUCALYPTUS = "http://eucalyptus.ucsb.edu/"
INTERNAL_NAMES = "http://msgs.eucalyptus.com"
EC2 = "http://ec2.amazonaws.com/doc/2009-11-30/"


class NoNodes:
    """A cluster without nodes."""

    def thd_current(self) -> tuple[str, ...]:
        """Return none."""
        return ()


@frozen
class Spoken:
    """How one component is spoken to: who signs what under which policy, and where it goes."""

    make: Callable[[Configuration], Mounted]
    path: str
    policy: Policy
    signer: str
    action: str
    payload: str


SPOKEN = {
    "clc": Spoken(
        lambda configuration: clc.make(configuration, reactor),
        "/services/Eucalyptus",
        USER,
        "ann",
        "DescribeKeyPairs",
        f'<e:DescribeKeyPairs xmlns:e="{EC2}"><e:keySet></e:keySet></e:DescribeKeyPairs>',
    ),
    "cc": Spoken(
        lambda configuration: cc.make(configuration, reactor, NoNodes()),
        "/axis2/services/EucalyptusCC",
        CLUSTER,
        "cloud",
        "EucalyptusCC#DescribeNetworks",
        f'<e:DescribeNetworks xmlns:e="{EUCALYPTUS}"><e:userId>ann</e:userId>'
        "<e:nameserver>10.0.0.1</e:nameserver></e:DescribeNetworks>",
    ),
    "nc": Spoken(
        lambda configuration: nc.make(configuration, reactor),
        "/axis2/services/EucalyptusNC",
        CLUSTER,
        "cluster",
        "EucalyptusNC#ncDescribeInstances",
        f'<e:ncDescribeInstances xmlns:e="{EUCALYPTUS}"><e:userId>ann</e:userId>'
        "</e:ncDescribeInstances>",
    ),
    "sc": Spoken(
        lambda configuration: sc.make(configuration, reactor),
        "/internal/StorageInternal",
        INTERNAL,
        "cloud",
        "DeleteStorageVolume",
        f'<e:DeleteStorageVolumeType xmlns:e="{INTERNAL_NAMES}"></e:DeleteStorageVolumeType>',
    ),
}


def message(spoken: Spoken, url: str, identifier: str = "") -> bytes:
    """Return a signed message of now, with a fresh MessageID or another."""
    now = time.time()
    fresh = f"urn:uuid:{uuid7(now, lambda size: uuid4().bytes[:size])}"
    headers = (
        Addressing("To", url),
        Addressing("Action", spoken.action),
        Addressing("MessageID", identifier or fresh),
    )
    return signed_envelope(
        spoken.policy,
        identity(spoken.signer),
        headers,
        spoken.payload,
        now=now,
        lifetime=300.0,
        new_id=lambda: f"id-{uuid4()}",
    )


class ServiceTests(TestCase):
    """The services of components on a loopback port, over their real files."""

    timeout = 30

    def setUp(self) -> None:
        self.there = Installation(Path(self.mktemp()).resolve())
        self.http, self.connections = http_client(reactor)
        self.addCleanup(self.connections.stopService)
        self.running: list[Any] = []
        self.addCleanup(self.stop)

    def start(self, component: str) -> str:
        """Start a component and return the URL of its service."""
        mounted = SPOKEN[component].make(self.there.configuration())
        mounted.service.startService()
        factory = WrappingFactory(Site(Tree([mounted])))
        port = reactor.listenTCP(0, factory, interface="127.0.0.1")
        self.running = [mounted.service, factory, port]
        return f"http://127.0.0.1:{port.getHost().port}{SPOKEN[component].path}"

    async def stop(self) -> None:
        """Stop the component that runs."""
        if not self.running:
            return
        service, factory, port = self.running
        self.running = []
        await maybeDeferred(port.stopListening)
        for protocol in list(factory.protocols):
            protocol.transport.abortConnection()
        await maybeDeferred(service.stopService)

    async def post(self, url: str, raw: bytes) -> bytes:
        """Return the reply to a message."""
        headers = {"SOAPAction": '""', "Content-Type": "text/xml"}
        response = await self.http.post(url, data=raw, headers=headers)
        content: bytes = await response.content()
        return content

    async def once(self, component: str) -> None:
        """Have a message accepted, and refused after a restart."""
        url = self.start(component)
        raw = message(SPOKEN[component], url)
        first = await self.post(url, raw)
        self.assertNotIn(b"Authentication", first)
        self.assertIn(b"accepted before", await self.post(url, raw))
        await self.stop()
        again = await self.post(self.start(component), raw)
        self.assertIn(b"accepted before", again)

    async def test_cluster_once(self) -> None:
        """What a CC accepted before a restart it refuses after it."""
        await self.once("cc")

    async def test_node_once(self) -> None:
        """What a node accepted before a restart it refuses after it."""
        await self.once("nc")

    async def test_storage_once(self) -> None:
        """What an SC accepted before a restart it refuses after it."""
        await self.once("sc")

    async def test_user_once(self) -> None:
        """What the CLC accepted from a user before a restart it refuses after it."""
        self.enrol()
        await self.once("clc")

    def enrol(self) -> None:
        """Give the user Ann an account and a certificate."""
        url = self.there.configuration().database_url
        database = Database(url, ("accounts",), Immediate())
        database.startService()
        database.thd_transact(lambda tx: thd_add_account(tx, Account("ann", "000000000002")))
        der = identity("ann").certificate.der
        database.thd_transact(lambda tx: thd_add_certificate(tx, "ann", der))
        database.stopService()

    async def test_modes(self) -> None:
        """A random MessageID is taken where the mode of the service is compatible, only there."""
        for mode, refused in (("strict", True), ("compatible", False)):
            self.there.write(WS_SECURITY_MODE_CC=mode)
            url = self.start("cc")
            reply = await self.post(url, message(SPOKEN["cc"], url, f"urn:uuid:{uuid4()}"))
            self.assertEqual(b"of version 7" in reply, refused, mode)
            await self.stop()

    async def test_notices(self) -> None:
        """What is not as one may think is said in the log at the start, and only then."""
        for values, expected in (
            ({}, []),
            ({"SCHEDPOLICY": "POWERSAVE"}, ["POWERSAVE is not available"]),
            ({"DEBUG_WIRE": "Y"}, ["every message is written to"]),
        ):
            self.there.write(**values)
            with capturedLogs() as said:
                self.start("cc")
            warned = [event for event in said if event["log_level"] is LogLevel.warn]
            self.assertEqual(len(warned), len(expected), values)
            for event, text in zip(warned, expected, strict=True):
                self.assertIn(text, formatEvent(event))
            await self.stop()

    async def test_traced(self) -> None:
        """A traced component writes what it read and what it sent, for its owner's eyes."""
        self.there.write(DEBUG_WIRE="Y")
        url = self.start("cc")
        await self.post(url, message(SPOKEN["cc"], url))
        files = sorted(trace_directory(self.there.configuration(), "cc").iterdir())
        self.assertEqual([b"Direction: in" in path.read_bytes() for path in files], [True, False])
        self.assertEqual({path.stat().st_mode & 0o777 for path in files}, {0o600})


class WireTests(SynchronousTestCase):
    """What a configuration makes of it."""

    def wire(self, **changes: str) -> Wire:
        """Return what a configuration makes."""
        there = Installation(Path(self.mktemp()).resolve())
        there.write(**changes)
        return wired(there.configuration(), "cc", reactor)[0]

    def test_security(self) -> None:
        """Mode and window are those of the configuration, the memory is shared."""
        wire = self.wire(WS_SECURITY_MODE_NC="compatible", WS_SECURITY_SKEW="30")
        trust = Pinned({})
        node, cluster = (wire.security(name, CLUSTER, trust) for name in ("NC", "CC"))
        self.assertEqual((node.strict, cluster.strict), (False, True))
        self.assertEqual((node.window, cluster.window), (30.0, 30.0))
        self.assertIs(node.replays, cluster.replays)

    def test_trace(self) -> None:
        """Nothing is traced unless it was asked for."""
        self.assertIsInstance(self.wire().trace, Untraced)
        self.assertIsInstance(self.wire(DEBUG_WIRE="Y").trace, FileTrace)

    def test_kept_replays(self) -> None:
        """While the file is not open nothing is accepted; what is accepted is so once."""
        path = Path(self.mktemp()) / "cc"
        kept = KeptReplays(path, clock_at(100.0))
        self.assertFalse(kept.first_time("a", 100.0, 200.0))
        for expected in (True, False):
            kept.startService()
            self.assertEqual(kept.first_time("a", 100.0, 200.0), expected)
            kept.stopService()
        self.assertEqual(path.stat().st_mode & 0o777, 0o600)
