"""Tests of `euca.hypervisor.domain_xml` and `euca.hypervisor.dialect`."""

from __future__ import annotations

from pathlib import Path

from attrs import evolve
from lxml import etree
from twisted.trial.unittest import SynchronousTestCase

from euca.hypervisor.dialect import DIALECTS, KVM, QEMU, TEST, XEN, UnknownHypervisor, dialect_of
from euca.hypervisor.domain_xml import domain_xml
from euca.hypervisor.interfaces import Disk, GuestSpec

SCHEMA = Path("/usr/share/libvirt/schemas/domain.rng")

SPEC = GuestSpec(
    name="i-12345678",
    uuid="5c9e6f0a-8b3b-4d8e-9f2a-000000000001",
    memory=128,
    cores=2,
    disks=(Disk(Path("/i/disk"), "sda"),),
    console=Path("/i/console.log"),
    mac="d0:0d:12:34:56:78",
    bridge="br0",
    kernel=Path("/i/kernel"),
    ramdisk=Path("/i/ramdisk"),
)
PLAIN = evolve(SPEC, kernel=None, ramdisk=None)
VIRTIO = evolve(SPEC, virtio_root=True, virtio_network=True)


class DomainTests(SynchronousTestCase):
    """What the XML says."""

    def domain(self, spec: GuestSpec, name: str = "kvm") -> etree._Element:
        return etree.fromstring(domain_xml(spec, DIALECTS[name]))

    def test_size(self) -> None:
        """Memory is given in KiB, with the number of processors."""
        domain = self.domain(SPEC)
        self.assertEqual(domain.findtext("memory"), "131072")
        self.assertEqual(domain.findtext("vcpu"), "2")

    def test_type(self) -> None:
        """Software emulation is never mistaken for KVM."""
        self.assertEqual(self.domain(SPEC, "qemu").get("type"), "qemu")
        self.assertEqual(self.domain(SPEC, "kvm").get("type"), "kvm")

    def test_kernel(self) -> None:
        """A guest with a kernel has it, its ramdisk and the command line of 2.0."""
        system = self.domain(SPEC).find("os")
        assert system is not None
        self.assertEqual(
            [system.findtext(tag) for tag in ("type", "kernel", "initrd", "cmdline")],
            ["hvm", "/i/kernel", "/i/ramdisk", "root=/dev/sda1 console=ttyS0"],
        )

    def test_plain(self) -> None:
        """A guest without a kernel boots from its disk, on the buses of an old machine."""
        domain = self.domain(PLAIN)
        self.assertEqual(domain.xpath("string(os/boot/@dev)"), "hd")
        self.assertEqual(domain.xpath("string(devices/disk/target/@dev)"), "hda")
        self.assertEqual(domain.xpath("string(devices/interface/model/@type)"), "rtl8139")

    def test_virtio(self) -> None:
        """Virtio gives the root disk and the network card their paravirtual forms."""
        domain = self.domain(VIRTIO)
        self.assertEqual(domain.xpath("string(devices/disk/target/@bus)"), "virtio")
        self.assertEqual(domain.xpath("string(devices/interface/model/@type)"), "virtio")

    def test_bridge(self) -> None:
        """The network card is on the node's bridge, with the instance's address."""
        interface = self.domain(SPEC).find("devices/interface")
        assert interface is not None
        self.assertEqual(interface.xpath("string(source/@bridge)"), "br0")
        self.assertEqual(interface.xpath("string(mac/@address)"), SPEC.mac)

    def test_no_bridge(self) -> None:
        """Without a bridge the guest has QEMU's own network."""
        domain = self.domain(evolve(SPEC, bridge=""))
        self.assertEqual(domain.xpath("string(devices/interface/@type)"), "user")

    def test_console(self) -> None:
        """The first serial port is a file that a second boot appends to."""
        source = self.domain(SPEC).find("devices/serial/source")
        assert source is not None
        self.assertEqual(dict(source.attrib), {"path": "/i/console.log", "append": "on"})

    def test_xen(self) -> None:
        """Xen gets a file for each partition."""
        disks = tuple(Disk(Path(f"/i/{name}"), name) for name in ("sda1", "sda2", "sda3"))
        domain = self.domain(evolve(SPEC, disks=disks), "xen")
        self.assertEqual(domain.xpath("devices/disk/target/@dev"), ["sda1", "sda2", "sda3"])

    def test_nothing_is_markup(self) -> None:
        """A path with the letters of markup stays text."""
        domain = self.domain(evolve(SPEC, console=Path("/i/<x>&'\".log")))
        self.assertEqual(domain.xpath("string(devices/serial/source/@path)"), "/i/<x>&'\".log")

    def test_schema(self) -> None:
        """Libvirt's own schema accepts what is written for every dialect."""
        if not SCHEMA.exists():
            self.skipTest("libvirt's schemas are not installed")
        schema = etree.RelaxNG(etree.parse(SCHEMA))
        for dialect in (KVM, QEMU, XEN, TEST):
            for spec in (SPEC, PLAIN, VIRTIO, evolve(SPEC, bridge="")):
                document = etree.fromstring(domain_xml(spec, dialect, "/usr/bin/kvm"))
                self.assertTrue(schema.validate(document), (dialect.name, schema.error_log))

    def test_unknown(self) -> None:
        """A hypervisor that is not known is refused by name."""
        with self.assertRaisesRegex(UnknownHypervisor, "vmware.*kvm, qemu, xen, test"):
            dialect_of("vmware")
