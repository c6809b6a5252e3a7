"""How hypervisors differ, as data: where they are, and what their guests are made of."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum

from attrs import frozen

ROOT_ARGUMENTS = "root=/dev/sda1 console=ttyS0"


class UnknownHypervisor(Exception):
    """There is no hypervisor of that name."""

    def __init__(self, name: str) -> None:
        super().__init__(f"{name!r} is no hypervisor; use {', '.join(DIALECTS)}")
        self.name = name


class ImageForm(Enum):
    """What is made of an image: one whole disk, or a file for each partition."""

    DISK = "disk"
    PARTITIONS = "partitions"


@frozen
class Dialect:
    """The ways of one hypervisor.

    The host's memory in MB is its KiB divided by `memory_divisor`, less `memory_reserve`. Of
    `emulators` the first that exists is used, and libvirt's own choice when none does.
    """

    name: str
    uri: str
    domain_type: str
    os_type: str
    image_form: ImageForm
    plain_os_type: str = "hvm"
    loader: str = ""
    emulators: tuple[str, ...] = ()
    plain_emulators: tuple[str, ...] = ()
    disk_driver: str = ""
    arguments: str = ROOT_ARGUMENTS
    features: tuple[str, ...] = ()
    plain_features: tuple[str, ...] = ()
    root_target: str = "sda"
    plain_target: str = "hda"
    interface_script: str = ""
    models: bool = True
    serial_file: bool = True
    random_source: str = ""
    memory_divisor: int = 1000
    memory_reserve: int = 256


KVM = Dialect(
    name="kvm",
    uri="qemu:///system",
    domain_type="kvm",
    os_type="hvm",
    image_form=ImageForm.DISK,
    emulators=("/usr/bin/kvm", "/usr/bin/qemu-kvm"),
    plain_emulators=("/usr/bin/kvm", "/usr/bin/qemu-kvm"),
    disk_driver="qemu",
    features=("acpi",),
    plain_features=("acpi",),
    random_source="/dev/urandom",
)

QEMU = Dialect(
    name="qemu",
    uri="qemu:///system",
    domain_type="qemu",
    os_type="hvm",
    image_form=ImageForm.DISK,
    disk_driver="qemu",
    features=("acpi",),
    plain_features=("acpi",),
    random_source="/dev/urandom",
)

XEN = Dialect(
    name="xen",
    uri="xen:///",
    domain_type="xen",
    os_type="linux",
    image_form=ImageForm.PARTITIONS,
    loader="/usr/lib/xen/boot/hvmloader",
    plain_emulators=("/usr/lib64/xen/bin/qemu-dm",),
    arguments="root=/dev/sda1 ro",
    plain_features=("acpi", "apic", "pae"),
    root_target="sda1",
    interface_script="/etc/xen/scripts/vif-bridge",
    models=False,
    serial_file=False,
    memory_divisor=1024,
    memory_reserve=32,
)

TEST = Dialect(
    name="test",
    uri="test:///default",
    domain_type="test",
    os_type="hvm",
    image_form=ImageForm.DISK,
    memory_divisor=1024,
    memory_reserve=0,
)
"""Libvirt's test driver: guests live in this process, compute nothing, and end with it."""

DIALECTS: Mapping[str, Dialect] = {dialect.name: dialect for dialect in (KVM, QEMU, XEN, TEST)}


def dialect_of(name: str) -> Dialect:
    """Return the dialect that HYPERVISOR names; raises UnknownHypervisor."""
    try:
        return DIALECTS[name]
    except KeyError:
        raise UnknownHypervisor(name) from None
