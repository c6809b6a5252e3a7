"""Images: what may be booted, and how a registration tells a kernel from a machine."""

from __future__ import annotations

import re
from enum import Enum, unique

from attrs import frozen

from euca.model.errors import InvalidParameter

_YES = ("yes", "true")
# Characters that stand for themselves in a URL: nodes get the location as a part of one.
_LOCATION = re.compile(r"(?P<bucket>\w[\w.~-]*)/(?P<manifest>\w[\w.~+@-]*)", re.ASCII)


@unique
class Kind(Enum):
    """What an image is for; the value is EC2's word for it."""

    MACHINE = "machine"
    KERNEL = "kernel"
    RAMDISK = "ramdisk"

    @property
    def prefix(self) -> str:
        """The prefix of the identifiers of such images."""
        return {Kind.MACHINE: "emi", Kind.KERNEL: "eki", Kind.RAMDISK: "eri"}[self]


@frozen
class Location:
    """Where the manifest of an image lies in Walrus."""

    bucket: str
    manifest: str

    @classmethod
    def parse(cls, text: str) -> Location:
        """Take `bucket/manifest`; raises InvalidParameter for anything else."""
        match = _LOCATION.fullmatch(text.strip("/"))
        if match is None:
            raise InvalidParameter("Image registration failed:  Invalid image location.")
        return cls(match["bucket"], match["manifest"])

    def __str__(self) -> str:
        return f"{self.bucket}/{self.manifest}"


@frozen
class Image:
    """A registered image; `size` is that of its file system in bytes."""

    identifier: str
    location: str
    kind: Kind
    owner: str
    architecture: str
    platform: str
    public: bool
    size: int
    kernel_id: str | None = None
    ramdisk_id: str | None = None
    signature: str = ""
    name: str | None = None
    description: str | None = None


def kind_of(location: Location, kernel_id: str | None, ramdisk_id: str | None) -> Kind:
    """Tell what a manifest describes: its fields say so, or else its name, as in Eucalyptus 2.0."""
    if (kernel_id or "").lower() in _YES or location.manifest.startswith("vmlinuz"):
        return Kind.KERNEL
    if (ramdisk_id or "").lower() in _YES or location.manifest.startswith("initrd"):
        return Kind.RAMDISK
    return Kind.MACHINE


def platform_of(location: Location) -> str:
    """Return the platform that the name of a machine's manifest stands for."""
    return "windows" if location.manifest.startswith("windows") else "linux"


def normal_identifier(text: str) -> str:
    """Return an identifier as it is kept: prefix in lower case, digits in upper case."""
    return text[:4].lower() + text[4:].upper()
