"""Writes a guest as libvirt's domain XML: a pure function of the guest and the dialect."""

from __future__ import annotations

from lxml import etree

from euca.hypervisor.dialect import Dialect
from euca.hypervisor.interfaces import Disk, GuestSpec


def domain_xml(spec: GuestSpec, dialect: Dialect, emulator: str = "") -> str:
    """Return the domain of a guest; without an emulator libvirt chooses one."""
    domain = etree.Element("domain", type=dialect.domain_type)
    _leaf(domain, "name", spec.name)
    _leaf(domain, "uuid", spec.uuid)
    _leaf(domain, "memory", str(spec.memory * 1024), unit="KiB")
    _leaf(domain, "vcpu", str(spec.cores))
    _boot(domain, spec, dialect)
    names = dialect.plain_features if spec.plain else dialect.features
    if names:
        features = _leaf(domain, "features")
        for name in names:
            _leaf(features, name)
    _leaf(domain, "on_poweroff", "destroy")
    _leaf(domain, "on_reboot", "restart")
    _leaf(domain, "on_crash", "destroy")
    devices = _leaf(domain, "devices")
    if emulator:
        _leaf(devices, "emulator", emulator)
    for number, disk in enumerate(spec.disks):
        _disk(devices, disk, spec, dialect, root=number == 0)
    _interface(devices, spec, dialect)
    _console(devices, spec, dialect)
    if dialect.random_source:
        # Without it a guest of today waits minutes for the entropy of its SSH host keys.
        source = _leaf(devices, "rng", model="virtio")
        _leaf(source, "backend", dialect.random_source, model="random")
    return str(etree.tostring(domain, pretty_print=True, encoding="unicode"))


def _leaf(parent: etree._Element, tag: str, text: str = "", **attributes: str) -> etree._Element:
    element = etree.SubElement(parent, tag, attrib=attributes)
    element.text = text or None
    return element


def _boot(domain: etree._Element, spec: GuestSpec, dialect: Dialect) -> None:
    system = _leaf(domain, "os")
    if spec.plain:
        _leaf(system, "type", dialect.plain_os_type)
        if dialect.loader:
            _leaf(system, "loader", dialect.loader)
        _leaf(system, "boot", dev="hd")
        return
    _leaf(system, "type", dialect.os_type)
    if spec.kernel is not None:
        _leaf(system, "kernel", str(spec.kernel))
    if spec.ramdisk is not None:
        _leaf(system, "initrd", str(spec.ramdisk))
    _leaf(system, "cmdline", dialect.arguments)


def root_target(spec: GuestSpec, dialect: Dialect) -> tuple[str, str]:
    """Return the device and the bus of the root disk; an empty bus is libvirt's choice."""
    if spec.virtio_root and dialect.models:
        return "vda", "virtio"
    if spec.plain:
        return dialect.plain_target, "ide"
    return dialect.root_target, ""


def _disk(
    devices: etree._Element, disk: Disk, spec: GuestSpec, dialect: Dialect, *, root: bool
) -> None:
    target, bus = root_target(spec, dialect) if root else (disk.target, "")
    element = _leaf(devices, "disk", type="file", device="disk")
    if dialect.disk_driver:
        _leaf(element, "driver", name=dialect.disk_driver, type="raw")
    _leaf(element, "source", file=str(disk.path))
    _leaf(element, "target", dev=target, **({"bus": bus} if bus else {}))


def _interface(devices: etree._Element, spec: GuestSpec, dialect: Dialect) -> None:
    interface = _leaf(devices, "interface", type="bridge" if spec.bridge else "user")
    _leaf(interface, "mac", address=spec.mac)
    if spec.bridge:
        _leaf(interface, "source", bridge=spec.bridge)
        if dialect.interface_script:
            _leaf(interface, "script", path=dialect.interface_script)
    if dialect.models:
        plain = "rtl8139" if spec.plain else "e1000"
        _leaf(interface, "model", type="virtio" if spec.virtio_network else plain)


def _console(devices: etree._Element, spec: GuestSpec, dialect: Dialect) -> None:
    if not dialect.serial_file:
        return
    serial = _leaf(devices, "serial", type="file")
    # Appended, so that a second boot does not wipe out what the first one said.
    _leaf(serial, "source", path=str(spec.console), append="on")
    # 2.0 wrote port 1; for libvirt of today that is the guest's ttyS1, and its kernel says ttyS0.
    _leaf(serial, "target", port="0")
