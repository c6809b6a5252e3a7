"""Tests of `euca.nc.tap` and of how `euca.nc.service` puts a node controller together."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from twisted.application.service import IService
from twisted.internet import reactor
from twisted.internet.task import deferLater
from twisted.trial.unittest import TestCase

from euca.auth.keyring import new_identity
from euca.config import Configuration
from euca.nc.service import make
from euca.nc.tap import Options, makeService


class TapTests(TestCase):
    """`twistd nc`."""

    def setUp(self) -> None:
        self.root = Path(self.mktemp()).resolve()
        self.keys = self.root / "var/lib/eucalyptus/keys"
        self.keys.mkdir(parents=True)
        self.conf = self.root / "eucalyptus.conf"
        self.write()

    def write(self, **changes: str) -> None:
        values = {
            "EUCALYPTUS": str(self.root),
            "HYPERVISOR": "test",
            "INSTANCE_PATH": str(self.root / "instances"),
            "VNET_MODE": "SYSTEM",
            **changes,
        }
        self.conf.write_text("".join(f'{key}="{value}"\n' for key, value in values.items()))

    def make_keys(self) -> None:
        identity = new_identity("node", datetime.now(UTC))
        identity.save(self.keys / "node-cert.pem", self.keys / "node-pk.pem")
        identity.save(self.keys / "cluster-cert.pem", self.keys / "unused.pem")

    def service(self) -> IService:
        options = Options()
        options.parseOptions(["--conf", str(self.conf)])
        return makeService(options)

    def test_made(self) -> None:
        """A complete configuration makes a service."""
        self.make_keys()
        self.assertTrue(IService.providedBy(self.service()))

    def test_no_keys(self) -> None:
        """Without its keys a node does not start, and says which file is missing."""
        with self.assertRaisesRegex(SystemExit, "node-cert.pem"):
            self.service()

    def test_bad_configuration(self) -> None:
        """A configuration that cannot be used is named with its key."""
        self.make_keys()
        self.write(HYPERVISOR="magic")
        with self.assertRaisesRegex(SystemExit, r"eucalyptus\.conf: HYPERVISOR"):
            self.service()

    def test_no_configuration(self) -> None:
        """A configuration that is not there is named."""
        self.conf.unlink()
        with self.assertRaisesRegex(SystemExit, "there is no such file"):
            self.service()

    async def test_runs(self) -> None:
        """The node controller starts on libvirt's test driver, is well, and stops."""
        self.make_keys()
        mounted = make(Configuration.read(self.conf), reactor)
        mounted.service.startService()
        self.addCleanup(mounted.service.stopService)
        while mounted.health()["status"] != "ok":
            await pause(0.01)
        self.assertEqual(mounted.health()["instances"], {})

    test_runs.timeout = 30  # type: ignore[attr-defined]


async def pause(seconds: float) -> None:
    """Let the reactor work."""
    await deferLater(reactor, seconds)
