"""A cloud controller for tests: its real parts, in memory, with one clock."""

from __future__ import annotations

import hashlib
from functools import cache
from typing import Any

from attrs import define, field
from twisted.internet.base import DelayedCall
from twisted.internet.task import Clock

from euca.auth.bundle import Secret, render
from euca.auth.keyring import Certificate, Identity
from euca.clc import requests as r
from euca.clc.endpoint import Endpoint
from euca.clc.image import Image, Kind
from euca.clc.memory import MemoryCluster, MemoryClusters, MemoryImageStore
from euca.clc.registry import thd_add_cluster, thd_add_walrus
from euca.clc.requests import Caller
from euca.clc.service import EC2, Assembled, Parts, assemble, endpoint
from euca.clc.tables import KeyPairRecord, thd_add_image, thd_add_key_pair
from euca.store.accounts import (
    AccessKey,
    Account,
    thd_add_access_key,
    thd_add_account,
    thd_add_certificate,
)
from euca.store.engine import Database
from euca.store.sql import Connection
from euca.threads import Immediate
from euca.wire.contract import Contract
from tests.composition.installation import identity

NOW = 1_300_000_000.0
PERIOD = 20.0

ADMIN = Account("admin", "000000000001", administrator=True)
ANN = Account("ann", "000000000002")
BOB = Account("bob", "000000000003")


@cache
def ec2() -> Contract:
    """Return the EC2 contract; compiling it takes a moment."""
    return Contract.load(EC2)


class Numbers:
    """Bytes that look random, and are the same in every run."""

    def __init__(self) -> None:
        self._count = 0

    def __call__(self, size: int) -> bytes:
        self._count += 1
        return hashlib.shake_128(str(self._count).encode()).digest(size)


def thd_populate(tx: Connection) -> None:
    """Put three accounts, an image with kernel and ramdisk, a cluster and a Walrus there."""
    for account in (ADMIN, ANN, BOB):
        thd_add_account(tx, account)
        key = AccessKey(f"AK{account.name}", f"secret-{account.name}", account.name)
        thd_add_access_key(tx, key)
    for account in (ADMIN, ANN):
        thd_add_certificate(tx, account.name, identity(account.name).certificate.der)
    thd_add_cluster(tx, "cluster1", "127.0.0.1", 8774)
    thd_add_walrus(tx, "walrus", "127.0.0.1", 8773)
    thd_add_key_pair(tx, KeyPairRecord("ann", "mykey", "ssh-rsa AAAA ann@eucalyptus", "aa:bb"))
    for image in (
        image_of("eki-00000001", Kind.KERNEL),
        image_of("eri-00000001", Kind.RAMDISK),
        image_of("emi-00000001", Kind.MACHINE, "eki-00000001", "eri-00000001"),
    ):
        thd_add_image(tx, image, NOW)


def image_of(
    identifier: str, kind: Kind, kernel_id: str | None = None, ramdisk_id: str | None = None
) -> Image:
    """Return an image of the administrator's for everyone."""
    return Image(
        identifier=identifier,
        location=f"images/{identifier}.manifest.xml",
        kind=kind,
        owner="admin",
        architecture="x86_64",
        platform="linux",
        public=True,
        size=64 << 20,
        kernel_id=kernel_id,
        ramdisk_id=ramdisk_id,
    )


def manifest(
    signer: Identity, cloud: Certificate, configuration: str = "", size: int = 64 << 20
) -> bytes:
    """Return a manifest of an image that was never uploaded."""
    secret = Secret.new()
    key, vector = (
        cloud.encrypt_pkcs1(value.hex().encode()).hex() for value in (secret.key, secret.vector)
    )
    machine = f"<architecture>x86_64</architecture>{configuration}"
    image = (
        f"<image><name>disk</name><size>{size}</size>"
        f"<ec2_encrypted_key>{key}</ec2_encrypted_key><ec2_encrypted_iv>{vector}</ec2_encrypted_iv>"
        "<parts count='1'><part index='0'><filename>disk.part.0</filename></part></parts></image>"
    )
    return render(f"<machine_configuration>{machine}</machine_configuration>", image, signer)


def database(url: str = "sqlite://") -> Database:
    """Return a started database that runs its work at once."""
    made = Database(url, ("accounts", "clc"), Immediate())
    made.startService()
    return made


def populated(url: str = "sqlite://") -> Database:
    """Return a started database with `thd_populate`'s contents."""
    made = database(url)
    made.thd_transact(thd_populate)
    return made


@define
class House:
    """A cloud controller whose cluster and image store are doubles."""

    database: Database = field(factory=populated)
    cluster: Any = field(factory=MemoryCluster)
    store: MemoryImageStore = field(factory=MemoryImageStore)
    clock: Clock = field()
    parts: Parts = field()
    assembled: Assembled = field()

    @clock.default
    def _clock(self) -> Clock:
        clock = Clock()
        clock.advance(NOW)
        return clock

    @parts.default
    def _parts(self) -> Parts:
        return Parts(
            database=self.database,
            clusters=MemoryClusters({"cluster1": self.cluster}),
            store=self.store,
            threads=Immediate(),
            identity=identity("cloud"),
            clock=self.clock,
            period=PERIOD,
            endpoint="http://127.0.0.1:8773/services/Eucalyptus",
            contract=ec2(),
            random_bytes=Numbers(),
        )

    @assembled.default
    def _assembled(self) -> Assembled:
        return assemble(self.parts)

    @property
    def door(self) -> Endpoint:
        """The resource that users speak to."""
        return endpoint(self.parts, self.assembled.cloud)

    def start(self) -> House:
        """Start the loop; the first round polls the cluster."""
        self.assembled.loop.startService()
        self.settle()
        return self

    def stop(self) -> None:
        """Stop the loop."""
        self.assembled.loop.stopService()

    def settle(self) -> None:
        """Let the loop finish what can be done at this moment."""
        for _ in range(100):
            if not any(call.getTime() <= self.clock.seconds() for call in self._calls()):
                return
            self.clock.advance(0)
        raise AssertionError("the loop is never done")

    def _calls(self) -> list[DelayedCall]:
        return self.clock.getDelayedCalls()

    def pass_time(self, seconds: float = PERIOD) -> None:
        """Let time pass, a period at most at once."""
        while seconds > 0:
            self.clock.advance(min(seconds, PERIOD))
            self.settle()
            seconds -= PERIOD


def caller(account: Account = ANN) -> Caller:
    """Return a caller with that account."""
    return Caller(account, "11111111-2222-4333-8444-555555555555")


def run_one(**changes: object) -> r.RunInstances:
    """Return a request for one instance of the image."""
    values: dict[str, object] = {"image_id": "emi-00000001", "key_name": "mykey", **changes}
    return r.RunInstances(**values)  # type: ignore[arg-type]
