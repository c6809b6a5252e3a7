"""Tests of `euca.nc.capacity` and `euca.nc.settings`."""

from __future__ import annotations

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from euca.config import Configuration, ConfigurationError, parse
from euca.hypervisor.dialect import KVM, TEST, XEN
from euca.hypervisor.interfaces import HostResources
from euca.model.machine import VmType
from euca.nc.capacity import Limits, Resources, available, capacity, lacking
from euca.nc.settings import Settings

HOST = HostResources(memory=4_194_304, cores=4)
MB = 1 << 20
SMALL = VmType("m1.small", cores=1, memory=128, disk=2)

MINIMAL = 'HYPERVISOR="qemu"\nINSTANCE_PATH="/srv/instances"\nVNET_MODE="SYSTEM"\n'


class CapacityTests(SynchronousTestCase):
    """What the node has and what is left."""

    def test_memory(self) -> None:
        """Memory is counted in each hypervisor's own way."""
        counted = [capacity(HOST, MB, each, Limits()).actual.memory for each in (KVM, XEN, TEST)]
        self.assertEqual(counted, [4194 - 256, 4096 - 32, 4096])

    def test_disk_limit(self) -> None:
        """MAX_DISK is GB in truth, and compared with MiB in what is reported."""
        found = capacity(HOST, 100_000 * MB, KVM, Limits(disk=50))
        self.assertEqual((found.reported.disk, found.actual.disk), (50, 51_200))

    def test_available(self) -> None:
        """An instance takes 512 more of the disk, and nothing falls below nothing."""
        left = available(Resources(memory=200, disk=1000, cores=1), [SMALL])
        self.assertEqual(left, Resources(memory=72, disk=486, cores=0))
        left = available(Resources(memory=200, disk=1000, cores=1), [SMALL] * 3)
        self.assertEqual(left, Resources(memory=0, disk=0, cores=0))

    def test_lacking(self) -> None:
        """What there is too little of is named with both amounts."""
        has = Resources(memory=256, disk=4096, cores=2)
        self.assertEqual(lacking(has, [SMALL], SMALL), "")
        missing = "memory: 384 of 256 MB; disk: 6144 of 4096 MB; cores: 3 of 2"
        self.assertEqual(lacking(has, [SMALL, SMALL], SMALL), missing)


class SettingsTests(SynchronousTestCase):
    """What the configuration may say."""

    def settings(self, text: str) -> Settings:
        path = Path("/etc/eucalyptus.conf")
        return Settings.of(Configuration(path, Path("/"), parse(text)))

    def test_defaults(self) -> None:
        """The defaults are those of 2.0's code."""
        found = self.settings(MINIMAL)
        told = (found.port, found.swap, found.cache, found.disk_operations, found.virtio_root)
        self.assertEqual(told, (8775, 512, 999_999, 1, False))

    def test_refused(self) -> None:
        """What cannot be used is refused by the name of its key."""
        for key, value in (
            ("HYPERVISOR", "vmware"),
            ("HYPERVISOR", "not_configured"),
            ("INSTANCE_PATH", "relative/path"),
            ("INSTANCE_PATH", "/"),
            ("VNET_MODE", "MANAGED"),
        ):
            with self.assertRaisesRegex(ConfigurationError, key):
                self.settings(f'{key}="{value}"\n{MINIMAL}')

    def test_mandatory(self) -> None:
        """There is no default for what only the administrator knows."""
        for line in MINIMAL.splitlines():
            with self.assertRaises(ConfigurationError):
                self.settings(MINIMAL.replace(line, ""))
