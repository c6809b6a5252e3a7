"""Builds a small real guest from packages of Debian: a kernel, a ramdisk and a root file system.

The kernel is Debian's cloud kernel; the programs are busybox and dropbear, as this machine has
them. The ramdisk loads the drivers, finds the root file system and hands over; the root file
system, ext4 without journal, boots to a login prompt on the serial console, asks for an address
by DHCP and runs an SSH server that takes the key pair's key. Nothing here needs root.
"""

from __future__ import annotations

import gzip
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from attrs import frozen

FILES = Path(__file__).parents[2] / "conf/guest"
KERNEL_PACKAGE = "linux-image-cloud-amd64"
MODULES = (
    "virtio_pci",
    "virtio_blk",
    "virtio_net",
    "virtio_rng",
    "ata_piix",
    "sd_mod",
    "button",
    "evdev",
)
ROOT_SIZE = "32M"
LIMIT = 300.0  # seconds for any one command

Progress = Callable[[str], None]


class CannotBuild(Exception):
    """The guest cannot be built on this machine; the message says what is missing."""


@frozen
class Guest:
    """The three files of the guest."""

    kernel: Path
    ramdisk: Path
    root: Path

    @classmethod
    def at(cls, directory: Path) -> Guest:
        """Return the guest in a directory, whether it is built or not."""
        return cls(directory / "vmlinuz-guest", directory / "initrd-guest", directory / "guest")

    @property
    def built(self) -> bool:
        """Whether all three files are there."""
        return all(path.exists() for path in (self.kernel, self.ramdisk, self.root))


def build(directory: Path, progress: Progress) -> Guest:
    """Build the guest into `directory`, unless it is there; raises CannotBuild."""
    guest = Guest.at(directory)
    if guest.built:
        return guest
    directory.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=directory) as name:
        work = Path(name)
        progress("fetching Debian's cloud kernel")
        package = _unpacked_kernel(work)
        progress("making the ramdisk")
        _make_ramdisk(package, work)
        progress("making the root file system")
        _make_root(work)
        kernel = next((package / "boot").glob("vmlinuz-*"))
        for made, path in (
            (kernel, guest.kernel),
            (work / "ramdisk", guest.ramdisk),
            (work / "root.img", guest.root),
        ):
            made.replace(path)
    return guest


def _run(argv: list[str], cwd: Path | None = None, stdin: bytes = b"") -> bytes:
    try:
        done = subprocess.run(
            argv, cwd=cwd, input=stdin, capture_output=True, timeout=LIMIT, check=True
        )
    except FileNotFoundError as error:
        raise CannotBuild(f"{argv[0]} is not installed") from error
    except subprocess.SubprocessError as error:
        said = (getattr(error, "stderr", None) or b"").decode(errors="replace").strip()
        raise CannotBuild(f"{' '.join(argv)}: {error} {said}") from error
    return done.stdout


def _unpacked_kernel(work: Path) -> Path:
    """Return the directory of the unpacked kernel package."""
    depends = _run(["apt-cache", "depends", KERNEL_PACKAGE]).decode()
    found = re.search(r"Depends: (linux-image-\S+)", depends)
    if not found:
        raise CannotBuild(f"apt-cache knows no {KERNEL_PACKAGE}: run apt-get update")
    _run(["apt-get", "download", found[1]], cwd=work)
    package = work / "kernel"
    _run(["dpkg", "-x", str(next(work.glob("linux-image-*.deb"))), str(package)])
    return package


def _busybox() -> Path:
    path = shutil.which("busybox")
    if path is None:
        raise CannotBuild("busybox-static is not installed")
    return Path(path)


# The ramdisk


def load_order(dependencies: Mapping[str, list[str]], wanted: Iterable[str]) -> list[str]:
    """Return the modules to load, by path, each after those that it depends on."""
    by_name = {Path(path).stem.replace("-", "_"): path for path in dependencies}
    order: list[str] = []

    def add(path: str) -> None:
        for needed in dependencies[path]:
            add(needed)
        if path not in order:
            order.append(path)

    for name in wanted:
        if name in by_name:  # else it is built into the kernel
            add(by_name[name])
    return order


def _dependencies(package: Path, version: str) -> dict[str, list[str]]:
    _run([str(_busybox()), "depmod", "-b", str(package.resolve()), version])
    text = (package / "lib/modules" / version / "modules.dep").read_text()
    lines = (line.split(":") for line in text.splitlines())
    return {path: needed.split() for path, needed in lines}


def _make_ramdisk(package: Path, work: Path) -> None:
    tree = work / "ramdisk-tree"
    for name in ("bin", "modules", "proc", "sys", "dev", "new"):
        (tree / name).mkdir(parents=True)
    shutil.copy(_busybox(), tree / "bin/busybox")
    _install("ramdisk-init", tree / "init")
    version = next((package / "lib/modules").iterdir()).name
    order = load_order(_dependencies(package, version), MODULES)
    for path in order:
        shutil.copy(package / "lib/modules" / version / path, tree / "modules")
    (tree / "modules/order").write_text("".join(Path(path).name + "\n" for path in order))
    names = "\n".join(str(path.relative_to(tree)) for path in sorted(tree.rglob("*"))).encode()
    archive = _run(["cpio", "-o", "-H", "newc", "-R", "0:0", "--quiet"], tree, names)
    (work / "ramdisk").write_bytes(gzip.compress(archive))


def _install(name: str, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(FILES / name, path)
    path.chmod(0o755)


# The root file system


def _make_root(work: Path) -> None:
    tree = work / "root-tree"
    for name in ("bin", "etc", "proc", "sys", "dev", "run", "tmp", "var/log", "root"):
        (tree / name).mkdir(parents=True)
    (tree / "root").chmod(0o700)
    _install_busybox(tree)
    _install_dropbear(tree)
    for name, where in (
        ("inittab", "etc/inittab"),
        ("rcS", "etc/init.d/rcS"),
        ("rcK", "etc/init.d/rcK"),
        ("udhcpc.script", "etc/udhcpc.script"),
        ("power", "etc/acpi/PWRF/00000080"),
    ):
        _install(name, tree / where)
    (tree / "etc/hostname").write_text("euca\n")
    # `*` is no password: the key pair's key is the only way in.
    (tree / "etc/passwd").write_text("root:*:0:0:root:/root:/bin/sh\n")
    (tree / "etc/group").write_text("root:x:0:\n")
    (tree / "etc/shells").write_text("/bin/sh\n")
    _run(
        [
            "mke2fs",
            "-q",
            *("-t", "ext4", "-O", "^has_journal", "-E", "root_owner=0:0"),
            *("-d", str(tree), str(work / "root.img"), ROOT_SIZE),
        ]
    )
    # The SSH server trusts keys only in a home that root owns, whoever built the image.
    owner = b"set_inode_field /root uid 0\nset_inode_field /root gid 0\n"
    _run(["debugfs", "-w", "-f", "-", str(work / "root.img")], stdin=owner)


def _install_busybox(tree: Path) -> None:
    shutil.copy(_busybox(), tree / "bin/busybox")
    for name in _run([str(_busybox()), "--list-full"]).decode().split():
        path = tree / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists() and not path.is_symlink():
            path.symlink_to("/bin/busybox")


def _install_dropbear(tree: Path) -> None:
    program = shutil.which("dropbear", path="/usr/sbin:/usr/bin")
    if program is None:
        raise CannotBuild("dropbear-bin is not installed")
    libraries = re.findall(r"(/\S+) \(0x", _run(["ldd", program]).decode())
    for path in (program, *libraries):
        target = tree / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(Path(path).resolve(), target)
