"""Tests for Walrus on a port of the loopback: with boto3, and for its appetite for memory.

These need the real reactor; the clients block, and run in a thread.
"""

from __future__ import annotations

import hashlib
import http.client
import os
import tracemalloc
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from time import time
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase
from twisted.web.server import Site

from euca.auth.bundle import bundle
from euca.auth.keyring import new_identity
from euca.auth.rest import sign_euca, sign_hmac
from euca.config import Configuration
from euca.store import accounts
from euca.store.engine import Database
from euca.store.sql import Connection
from euca.threads import Immediate
from euca.walrus.service import make
from euca.wire.mount import Tree
from euca.wire.streaming import StreamingRequest

MIB = 1 << 20
PREFIX = "/services/Walrus"
CLOUD = new_identity("eucalyptus", datetime.now(UTC))
PIECE = os.urandom(MIB)


def thd_add_user(tx: Connection) -> None:
    """Add ada, with a key and a certificate."""
    accounts.thd_add_account(tx, accounts.Account("ada", "000000000001"))
    accounts.thd_add_access_key(tx, accounts.AccessKey("AKIADA", "secret", "ada"))
    accounts.thd_add_certificate(tx, "ada", CLOUD.certificate.der)


class Connected(Site):
    """A site that knows its connections."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.connections: list[Any] = []

    def buildProtocol(self, addr: Any) -> Any:
        """Make a connection, and keep it."""
        self.connections.append(super().buildProtocol(addr))
        return self.connections[-1]

    async def disconnect(self) -> None:
        """End the connections that clients keep open."""
        for connection in self.connections:
            connection._channel.transport.abortConnection()
        await deferLater(reactor, 0)


class Case(TestCase):
    """Walrus as `twistd walrus` makes it, on a port that the system chose."""

    timeout = 60

    def setUp(self) -> None:
        """Write a configuration, add a user, and listen."""
        self.root = Path(self.mktemp()).absolute()
        path = self.root / "etc/eucalyptus/eucalyptus.conf"
        path.parent.mkdir(parents=True)
        path.write_text(f'EUCALYPTUS="{self.root}"\n')
        configuration = Configuration(path, self.root, {})
        keys = configuration.layout.keys
        keys.mkdir(parents=True)
        CLOUD.save(keys / "cloud-cert.pem", keys / "cloud-pk.pem")
        database = Database(configuration.database_url, ("accounts",), Immediate())
        database.startService()
        database.thd_transact(thd_add_user)
        database.stopService()
        mounted = make(configuration, reactor)
        mounted.service.startService()
        self.addCleanup(mounted.service.stopService)
        site = Connected(Tree([mounted]), requestFactory=StreamingRequest)
        self.addCleanup(lambda: Deferred.fromCoroutine(site.disconnect()))
        port = reactor.listenTCP(0, site, interface="127.0.0.1")
        self.addCleanup(port.stopListening)
        self.port: int = port.getHost().port

    async def aside(self, function: Callable[..., Any], *args: Any) -> Any:
        """Run a client in a thread."""
        return await deferToThread(function, *args)


class BotoTests(Case):
    """Behaviour towards boto3 with its version 1 signature."""

    def client(self, secret: str = "secret") -> Any:
        """Return a client."""
        return boto3.client(
            "s3",
            endpoint_url=f"http://127.0.0.1:{self.port}{PREFIX}",
            aws_access_key_id="AKIADA",
            aws_secret_access_key=secret,
            region_name="US",
            config=Config(
                signature_version="s3",
                s3={"addressing_style": "path"},
                retries={"max_attempts": 0},
            ),
        )

    async def test_objects(self) -> None:
        """Boto makes a bucket, puts 20 MB, lists, reads and deletes them."""

        def work() -> None:
            client, key = self.client(), "a b+c/\u00fc~"
            content = PIECE * 20
            client.create_bucket(Bucket="bucket")
            client.put_object(Bucket="bucket", Key=key, Body=content, Metadata={"x": "y"})
            (listed,) = client.list_objects(Bucket="bucket")["Contents"]
            self.assertEqual((listed["Key"], listed["Size"]), (key, len(content)))
            got = client.get_object(Bucket="bucket", Key=key)
            self.assertEqual(got["Body"].read(), content)
            self.assertEqual(got["Metadata"], {"x": "y"})
            self.assertEqual(got["ETag"], f'"{hashlib.md5(content).hexdigest()}"')
            client.delete_object(Bucket="bucket", Key=key)
            client.delete_bucket(Bucket="bucket")
            self.assertEqual(client.list_buckets()["Buckets"], [])

        await self.aside(work)

    async def test_acl_and_location(self) -> None:
        """Boto reads a bucket's ACL and location."""

        def work() -> None:
            client = self.client()
            client.create_bucket(Bucket="bucket", ACL="public-read")
            acl = client.get_bucket_acl(Bucket="bucket")
            self.assertEqual(acl["Owner"], {"DisplayName": "ada", "ID": "AKIADA"})
            self.assertEqual(len(acl["Grants"]), 2)
            location = client.get_bucket_location(Bucket="bucket")
            self.assertEqual(location["LocationConstraint"], "US")

        await self.aside(work)

    async def test_presigned(self) -> None:
        """A URL that boto signed opens the object to who has it."""

        def work() -> tuple[int, bytes]:
            client = self.client()
            client.create_bucket(Bucket="bucket")
            client.put_object(Bucket="bucket", Key="k", Body=b"x")
            url = client.generate_presigned_url(
                "get_object", Params={"Bucket": "bucket", "Key": "k"}
            )
            connection = http.client.HTTPConnection("127.0.0.1", self.port)
            connection.request("GET", url.partition(str(self.port))[2])
            with connection.getresponse() as response:
                return response.status, response.read()

        self.assertEqual(await self.aside(work), (200, b"x"))

    async def test_wrong_secret(self) -> None:
        """Boto is told that the signature does not match."""

        def work() -> str:
            with self.assertRaises(ClientError) as caught:
                self.client("other").list_buckets()
            return str(caught.exception.response["Error"]["Code"])

        self.assertEqual(await self.aside(work), "SignatureDoesNotMatch")
        self.flushLoggedErrors()


class MemoryTests(Case):
    """How much memory a transfer takes; client and Walrus are in one process here."""

    size = 64 * MIB

    def ask(self, method: str, target: str, headers: dict[str, str], body: Any = None) -> int:
        """Send a request, read its answer in pieces, and return how much that was."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port)
        connection.request(method, PREFIX + target, body, headers)
        length = 0
        with connection.getresponse() as response:
            self.assertEqual(response.status, 200)
            while piece := response.read(MIB):
                length += len(piece)
        connection.close()
        return length

    def signed(self, method: str, target: str, **headers: str) -> dict[str, str]:
        """Return the headers of a user's request."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        target = PREFIX + target
        return sign_hmac("AKIADA", "secret", method, target, headers=sent, now=time())

    async def peak(self, function: Callable[[], int]) -> tuple[int, int]:
        """Return what the function returns, and the most bytes that were held meanwhile."""
        tracemalloc.start()
        try:
            return await self.aside(function), tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    async def test_object(self) -> None:
        """A large object goes in and out in little memory."""

        def pieces() -> Iterator[bytes]:
            for _ in range(self.size // MIB):
                yield PIECE

        def put() -> int:
            self.ask("PUT", "/bucket", self.signed("PUT", "/bucket"))
            headers = self.signed("PUT", "/bucket/k", Content_Length=str(self.size))
            return self.ask("PUT", "/bucket/k", headers, pieces())

        def get() -> int:
            return self.ask("GET", "/bucket/k", self.signed("GET", "/bucket/k"))

        _, peak = await self.peak(put)
        self.assertLess(peak, 16 * MIB)
        length, peak = await self.peak(get)
        self.assertEqual(length, self.size)
        self.assertLess(peak, 16 * MIB)

    async def test_image(self) -> None:
        """A large image is decrypted and sent in little memory."""
        image = self.root / "disk"
        with image.open("wb") as stream:
            stream.write(PIECE)
            stream.truncate(self.size)

        def put() -> None:
            self.ask("PUT", "/bucket", self.signed("PUT", "/bucket"))
            bundle(image, self.root, "disk", CLOUD, CLOUD.certificate, "000000000001", "x86_64")
            for path in self.root.glob("disk.*"):
                target = f"/bucket/{path.name}"
                headers = self.signed("PUT", target, Content_Length=str(path.stat().st_size))
                self.ask("PUT", target, headers, path.read_bytes())

        def get() -> int:
            target = "/bucket/disk.manifest.xml"
            headers = sign_euca(CLOUD, "GET", PREFIX + target, time(), "GetDecryptedImage")
            return self.ask("GET", target, headers)

        await self.aside(put)
        length, peak = await self.peak(get)
        self.assertEqual(length, self.size)
        self.assertLess(peak, 16 * MIB)
