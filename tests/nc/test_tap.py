"""Tests of `euca.nc.tap` and of how `euca.nc.service` puts a node controller together."""

from __future__ import annotations

from pathlib import Path

from twisted.internet import reactor
from twisted.internet.task import deferLater
from twisted.trial.unittest import TestCase

from euca.nc.service import make
from euca.nc.tap import Options, makeService
from tests.composition.installation import Installation


class TapTests(TestCase):
    """`twistd nc`, where it differs from the other components."""

    def setUp(self) -> None:
        self.there = Installation(Path(self.mktemp()).resolve())

    def test_bad_configuration(self) -> None:
        """A configuration that cannot be used is named with its key."""
        self.there.write(HYPERVISOR="magic")
        options = Options()
        options.parseOptions(["--conf", str(self.there.conf)])
        with self.assertRaisesRegex(SystemExit, r"eucalyptus\.conf: HYPERVISOR"):
            makeService(options)

    async def test_runs(self) -> None:
        """The node controller starts on libvirt's test driver, is well, and stops."""
        mounted = make(self.there.configuration(), reactor)
        mounted.service.startService()
        self.addCleanup(mounted.service.stopService)
        while mounted.health()["status"] != "ok":
            await pause(0.01)
        self.assertEqual(mounted.health()["instances"], {})

    test_runs.timeout = 30  # type: ignore[attr-defined]


async def pause(seconds: float) -> None:
    """Let the reactor work."""
    await deferLater(reactor, seconds)
