"""Puts a user's public key into the root file system of a disk, through debugfs.

debugfs works on the file itself: nothing is mounted and no right is needed but to write the file.
It understands ext2, ext3 and ext4. As in Eucalyptus 2.0, the counters that would make the guest
check its file system at boot are switched off too.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from euca.model.errors import InvalidParameter
from euca.process import Commands

_KEYS = "/root/.ssh/authorized_keys"
_SCRATCH = "authorized_keys.new"
_WRITE = (
    "cd /root/.ssh",
    "rm authorized_keys",
    f"write {_SCRATCH} authorized_keys",
    *(f"sif /root/.ssh {field}" for field in ("mode 040700", "uid 0", "gid 0")),
    *(f"sif {_KEYS} {field}" for field in ("mode 0100600", "uid 0", "gid 0")),
)


class KeyNotInjected(Exception):
    """The key is not in the file system; the message says what debugfs said."""


def public_key(text: str) -> str:
    """Return the public key as one line, or nothing; raises InvalidParameter for other text."""
    line = text.strip()
    if line and not (line.isascii() and line.isprintable()):
        raise InvalidParameter("the public key is not one line of printable ASCII")
    return line


async def inject(commands: Commands, disk: Path, offset: int, key: str) -> None:
    """Add the key to root's authorized keys in the file system at `offset` bytes of the disk.

    Keys that are there stay. Without a key only the counters are switched off. Raises
    KeyNotInjected, CommandFailed.
    """
    target = f"{disk.name}?offset={offset}" if offset else disk.name

    def ask(request: str) -> Awaitable[bytes]:
        return commands.run(["debugfs", "-R", request, target], cwd=disk.parent)

    async def write(script: Sequence[str]) -> None:
        text = "\n".join(script).encode() + b"\n"
        await commands.run(["debugfs", "-w", "-f", "-", target], stdin=text, cwd=disk.parent)

    if key:
        before = (await ask(f"cat {_KEYS}")).rstrip(b"\n")
        content = (before + b"\n" if before else b"") + key.encode() + b"\n"
        scratch = disk.with_name(_SCRATCH)
        scratch.write_bytes(content)
        try:
            await write([*await _missing_directories(ask), *_WRITE])
        finally:
            scratch.unlink()
        # debugfs ends with status 0 whatever its commands did, so only looking tells.
        if await ask(f"cat {_KEYS}") != content:
            raise KeyNotInjected(f"{_KEYS} could not be written")
    await write(["ssv max_mnt_count -1", "ssv checkinterval 0"])


async def _missing_directories(ask: Callable[[str], Awaitable[bytes]]) -> list[str]:
    """Return the commands that make them; for one that exists mkdir would leave a lost one."""
    return [
        f"mkdir {path}"
        for path in ("/root", "/root/.ssh")
        if b"Type: directory" not in await ask(f"stat {path}")
    ]
