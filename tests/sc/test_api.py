"""Tests for the storage controller, through its signed wire."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from euca.auth.keyring import Identity, new_identity
from euca.auth.wsse import INTERNAL, Pinned, Security
from euca.converge.loop import Loop
from euca.sc.api import StorageApi
from euca.sc.backing import Backing
from euca.sc.changes import World, changes
from euca.sc.discover import Found, discover
from euca.sc.settings import Settings
from euca.sc.volume import GB
from euca.store.engine import Database
from euca.testing.wire import joined
from euca.threads import Immediate
from euca.wire.client import RemoteFault
from euca.wire.contract import Contract

NOW = 1_290_000_000.0
CLOUD = new_identity("eucalyptus", datetime.fromtimestamp(NOW, UTC))
STRANGER = new_identity("eucalyptus", datetime.fromtimestamp(NOW, UTC))
CONTRACT = Contract.load("storage_internal")
ID = "vol-3E5A0877"


def security(identity: Identity) -> Security:
    """Return how one side of the channel signs, and whom it trusts."""
    return Security(INTERNAL, Pinned({"cloud": CLOUD.certificate}), identity)


class Case(SynchronousTestCase):
    """A storage controller with real files, and the cloud controller's client."""

    def setUp(self) -> None:
        """Start it."""
        self.folder = Path(self.mktemp())
        self.volumes = self.folder / "volumes"
        self.clock = Clock()
        self.clock.advance(NOW)
        self.start()

    def start(self, *, loop: bool = True) -> None:
        """Start a storage controller over what there is."""
        self.folder.mkdir(parents=True, exist_ok=True)
        settings = Settings(8773, self.volumes, self.folder, "", max_volume=10, max_total=25)
        self.database = Database(f"sqlite:///{self.folder}/sc.db", ("sc",), Immediate())
        self.database.startService()
        self.addCleanup(self.database.stopService)
        backing = Backing(self.volumes)
        backing.thd_prepare()
        world = World(self.database, backing, Immediate())
        self.loop: Loop[Found, World] = Loop(
            self.clock, 10.0, lambda: discover(self.database, backing, Immediate()), changes, world
        )
        if loop:
            self.loop.startService()
            self.addCleanup(self.loop.stopService)
        self.api = StorageApi(self.database, settings, self.clock.seconds, self.loop.wake)

    def calling(
        self, operation: str, identity: Identity = CLOUD, **fields: Any
    ) -> Deferred[dict[str, Any]]:
        """Call an operation as the cloud controller does."""
        client = joined(CONTRACT, self.api, security(identity), security(CLOUD), self.clock)
        common = {"correlationId": "c", "userId": "ada", "effectiveUserId": "ada", "_return": True}
        request = {"EucalyptusMessage": common}
        return Deferred.fromCoroutine(client.call(operation, StorageRequestType=request, **fields))

    def call(self, operation: str, **fields: Any) -> dict[str, Any]:
        """Return the answer to a call."""
        return self.successResultOf(self.calling(operation, **fields))

    def refused(self, operation: str, identity: Identity = CLOUD, **fields: Any) -> str:
        """Return the text of the fault that an operation is answered with."""
        calling = self.calling(operation, identity, **fields)
        return str(self.failureResultOf(calling, RemoteFault).value)

    def create(self, identifier: str = ID, size: str = "2") -> dict[str, Any]:
        """Create a volume."""
        return self.call("CreateStorageVolume", volumeId=identifier, size=size)

    def describe(self, *identifiers: str) -> list[dict[str, Any]]:
        """Describe volumes."""
        wanted = {"item": [{"entry": identifier} for identifier in identifiers]}
        reply = self.call("DescribeStorageVolumes", volumeSet=wanted)
        listed: list[dict[str, Any]] = reply["volumeSet"]["item"]
        return listed

    def statuses(self) -> dict[str, str]:
        """Return the status of every volume."""
        return {volume["volumeId"]: volume["status"] for volume in self.describe()}


class VolumeTests(Case):
    """Behaviour of volumes."""

    def test_created(self) -> None:
        """A new volume is being created, and becomes available with a sparse file of its size."""
        reply = self.create()
        self.assertEqual(
            (reply["volumeId"], reply["size"], reply["status"], reply["createTime"]),
            (ID, "2", "creating", "2010-11-17T13:20:00.000Z"),
        )
        self.clock.advance(1)
        self.assertEqual(self.statuses(), {ID: "available"})
        found = (self.volumes / ID).stat()
        self.assertEqual((found.st_size, found.st_blocks), (2 * GB, 0))

    def test_what_replies_repeat(self) -> None:
        """A reply repeats who asked, and says that it succeeded."""
        common = self.create()["StorageResponseType"]["EucalyptusMessage"]
        self.assertEqual((common["userId"], common["_return"]), ("ada", True))

    def test_described(self) -> None:
        """A volume is described with a device that cannot be attached; an unknown one is absent."""
        self.create()
        self.clock.advance(1)
        (volume,) = self.describe(ID, "vol-00000000")
        self.assertEqual((volume["actualDeviceName"], volume["size"]), ("invalid", "2"))
        self.assertEqual(self.describe("vol-00000000"), [])

    def test_bad_sizes(self) -> None:
        """A size that is no whole number of GB from 1 up is refused."""
        for size in ("0", "-1", "1.5", "x", "1099511627776", " "):
            self.refused("CreateStorageVolume", volumeId=ID, size=size)
        self.refused("CreateStorageVolume", volumeId=ID)
        self.assertEqual(self.describe(), [])

    def test_too_large(self) -> None:
        """A volume larger than allowed, and one too many, are refused."""
        self.refused("CreateStorageVolume", volumeId=ID, size="11")
        self.create("vol-00000001", "10")
        self.create("vol-00000002", "10")
        self.assertIn("20 of 25 GB", self.refused("CreateStorageVolume", volumeId=ID, size="6"))
        self.create(ID, "5")

    def test_bad_identifiers(self) -> None:
        """What is no volume's identifier never becomes a path."""
        for identifier in ("../../x", "vol-", "i-3E5A0877", "vol-3E5A087/"):
            self.refused("CreateStorageVolume", volumeId=identifier, size="1")

    def test_duplicate(self) -> None:
        """An identifier that is taken is refused; the message is the identifier."""
        self.create()
        self.assertIn(ID, self.refused("CreateStorageVolume", volumeId=ID, size="1"))

    def test_failed(self) -> None:
        """A volume that cannot be made is reported as failed once, and is gone then."""
        in_the_way = self.volumes / f".{ID}.new"
        in_the_way.mkdir()
        self.create()
        self.clock.advance(1)
        in_the_way.rmdir()
        self.assertEqual(self.statuses(), {ID: "failed"})
        self.clock.advance(1)
        self.assertEqual(self.statuses(), {})
        self.create()

    def test_lost_file(self) -> None:
        """A volume whose file is gone is reported as failed."""
        self.create()
        self.clock.advance(1)
        (self.volumes / ID).unlink()
        self.clock.advance(11)
        self.assertEqual(self.statuses(), {ID: "failed"})

    def test_not_built(self) -> None:
        """What is not built answers with a fault that says so."""
        self.assertIn("not available", self.refused("DeleteStorageVolume", volumeId=ID))
        text = self.refused("CreateStorageVolume", volumeId=ID, snapshotId="snap-00000001")
        self.assertIn("not available", text)

    def test_stranger(self) -> None:
        """A message signed with another certificate is refused, and nothing is recorded."""
        self.refused("CreateStorageVolume", STRANGER, volumeId=ID, size="1")
        self.assertEqual(self.describe(), [])


class KilledTests(Case):
    """Behaviour after the process was killed."""

    def start(self, *, loop: bool = False) -> None:
        """Start one whose loop does not run unless told to."""
        super().start(loop=loop)

    def test_before_the_file(self) -> None:
        """A wish that was recorded is fulfilled after the restart."""
        self.create()
        self.start(loop=True)
        self.clock.advance(1)
        self.assertEqual(self.statuses(), {ID: "available"})

    def test_half_made(self) -> None:
        """A file that was being made is made anew."""
        self.create()
        (self.volumes / f".{ID}.new").write_bytes(b"half")
        self.start(loop=True)
        self.clock.advance(1)
        self.assertEqual(self.statuses(), {ID: "available"})
        self.assertEqual(os.listdir(self.volumes), [ID])

    def test_before_the_record(self) -> None:
        """A file that was made, but is not recorded as made, is kept."""
        self.create()
        with (self.volumes / ID).open("wb") as stream:
            stream.write(b"data")
            stream.truncate(2 * GB)
        self.start(loop=True)
        self.clock.advance(1)
        self.assertEqual(self.statuses(), {ID: "available"})
        with (self.volumes / ID).open("rb") as stream:
            self.assertEqual(stream.read(4), b"data")
