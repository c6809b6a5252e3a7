"""Where an instance's files lie under INSTANCE_PATH, and what happens to them as a whole.

    <user>/<instance>/                 disk, kernel, ramdisk, console.log, libvirt's leavings
    <user>/<instance>/instance-checkpoint
    eucalyptus/cache/<image>/          see `euca.nc.cache`

The checkpoint is written first and removed last: a directory without one belongs to nobody.
Everything here blocks, and runs in a thread.
"""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

from euca.model.errors import InvalidParameter
from euca.model.identifiers import is_identifier

CHECKPOINT = "instance-checkpoint"
_DRAFT = CHECKPOINT + ".new"
_DIRECTORY_MODE = 0o751  # a guest may run as another user, who must reach its files by name
_NAME = re.compile(r"[A-Za-z0-9_@+=,][A-Za-z0-9_@+=,.-]{0,127}")


def checked_name(text: str, what: str) -> str:
    """Return a text that is to become a part of a path; raises InvalidParameter if it may not."""
    if not _NAME.fullmatch(text):
        raise InvalidParameter(f"{text[:80]!r} cannot be {what}")
    return text


def instance_directory(root: Path, owner: str, instance: str) -> Path:
    """Return the directory of an instance; raises InvalidParameter for names that are no names."""
    if not is_identifier(instance, "i"):
        raise InvalidParameter(f"{instance[:80]!r} is not the identifier of an instance")
    return root / checked_name(owner, "a user's name") / instance


def cache_directory(root: Path) -> Path:
    """Return the directory of cached images."""
    return root / "eucalyptus" / "cache"


def thd_sync(directory: Path) -> None:
    """Make what was created or renamed in a directory outlast a power cut."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def thd_make(directory: Path) -> None:
    """Make an instance's directory and its user's, whatever the umask of this process."""
    for path in (directory.parent, directory):
        path.mkdir(parents=True, exist_ok=True)
        path.chmod(_DIRECTORY_MODE)


def thd_replace(path: Path, content: bytes) -> None:
    """Write a file so that there is the old one or the new one, whole, at any time."""
    draft = path.with_name(path.name + ".new")
    with draft.open("wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    draft.replace(path)
    thd_sync(path.parent)


def thd_empty(directory: Path) -> None:
    """Remove everything in an instance's directory but its checkpoint, and one being written."""
    for path in list(directory.iterdir()) if directory.is_dir() else ():
        if path.name not in (CHECKPOINT, _DRAFT):
            _remove(path)


def thd_remove(directory: Path) -> None:
    """Remove an instance's directory, the checkpoint last, and its user's when it was the last."""
    if not directory.is_dir():
        return
    thd_empty(directory)
    for name in (_DRAFT, CHECKPOINT):
        (directory / name).unlink(missing_ok=True)
    directory.rmdir()
    if not any(directory.parent.iterdir()):
        directory.parent.rmdir()


def thd_instance_directories(root: Path) -> list[Path]:
    """Return every directory that is an instance's by its name."""
    return [
        path
        for path in sorted(root.glob("*/i-*"))
        if is_identifier(path.name, "i") and path.is_dir() and not path.is_symlink()
    ]


def thd_used(root: Path) -> int:
    """Return the bytes of the file system that everything below a directory takes."""
    total = 0
    for directory, _names, files in os.walk(root):
        for name in files:
            try:
                total += os.lstat(os.path.join(directory, name)).st_blocks * 512
            except FileNotFoundError:
                continue  # it was removed while we looked
    return total


def thd_room(root: Path) -> int:
    """Return the bytes that the node may fill: what is free, and what it fills already."""
    root.mkdir(parents=True, exist_ok=True)
    return shutil.disk_usage(root).free + thd_used(root)


def thd_tail(path: Path, limit: int) -> bytes:
    """Return the last bytes of a file, at most `limit`; none when there is no such file."""
    try:
        with path.open("rb") as stream:
            size = stream.seek(0, os.SEEK_END)
            stream.seek(max(0, size - limit))
            return stream.read(limit)
    except FileNotFoundError:
        return b""


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
