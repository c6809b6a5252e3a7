"""Tests of `euca.admin.guest`: the order of drivers, and what is built when."""

from __future__ import annotations

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from euca.admin.guest import CannotBuild, Guest, _run, build, load_order

DEPENDENCIES = {
    "kernel/virtio.ko": [],
    "kernel/ring.ko": ["kernel/virtio.ko"],
    "kernel/virtio_pci.ko": ["kernel/ring.ko", "kernel/virtio.ko"],
    "kernel/net_failover.ko": ["kernel/failover.ko"],
    "kernel/failover.ko": [],
    "kernel/virtio_net.ko": ["kernel/net_failover.ko", "kernel/failover.ko", "kernel/ring.ko"],
}


class LoadOrderTests(SynchronousTestCase):
    """Drivers are loaded after what they depend on."""

    def test_dependencies_first(self) -> None:
        """Every module comes after all those it needs, and comes once."""
        order = load_order(DEPENDENCIES, ["virtio_pci", "virtio_net"])
        self.assertEqual(len(order), len(set(order)))
        for path in order:
            for needed in DEPENDENCIES[path]:
                self.assertLess(order.index(needed), order.index(path))

    def test_built_in(self) -> None:
        """A driver that is no module is built into the kernel."""
        self.assertEqual(load_order(DEPENDENCIES, ["ext4"]), [])


class BuildTests(SynchronousTestCase):
    """The guest is built once."""

    def test_built(self) -> None:
        """A guest that is there is not built again."""
        directory = Path(self.mktemp())
        directory.mkdir()
        guest = Guest.at(directory)
        for path in (guest.kernel, guest.ramdisk, guest.root):
            path.touch()
        said: list[str] = []
        self.assertEqual((build(directory, said.append), said), (guest, []))

    def test_missing_program(self) -> None:
        """A program that is not installed is named."""
        caught = self.assertRaises(CannotBuild, _run, ["no-such-program"])
        self.assertEqual(str(caught), "no-such-program is not installed")
