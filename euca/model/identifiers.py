"""Makes and checks the identifiers of the field, and derives addresses from them."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable

RandomBytes = Callable[[int], bytes]

_IDENTIFIER = re.compile(r"[a-z]+-[0-9A-Fa-f]{8}")


def new_identifier(prefix: str, random_bytes: RandomBytes) -> str:
    """Return a new identifier such as `i-3E5A0877`: the prefix and 8 upper-case hex digits."""
    return f"{prefix}-{random_bytes(4).hex().upper()}"


def is_identifier(text: str, prefix: str) -> bool:
    """Tell whether `text` is an identifier of that prefix."""
    return bool(_IDENTIFIER.fullmatch(text)) and text.startswith(prefix + "-")


def mac_address(instance_id: str) -> str:
    """Return the hardware address of an instance: `d0:0d:` and its hex digits in pairs.

    Raises ValueError for what is not an instance's identifier.
    """
    if not is_identifier(instance_id, "i"):
        raise ValueError(f"{instance_id!r} is not the identifier of an instance")
    digits = instance_id[2:]
    return ":".join(["d0", "0d", *(digits[at : at + 2] for at in range(0, 8, 2))])


def uuid7(now: float, random_bytes: RandomBytes) -> uuid.UUID:
    """Return a time-ordered UUID (version 7, RFC 9562) for `now`, in seconds since 1970."""
    milliseconds = round(now * 1000) & (1 << 48) - 1
    low = int.from_bytes(random_bytes(10), "big")
    value = milliseconds << 80 | 0x7 << 76 | (low >> 68 & 0xFFF) << 64
    value |= 0b10 << 62 | low & (1 << 62) - 1
    return uuid.UUID(int=value)


def uuid7_time(identifier: uuid.UUID) -> float | None:
    """Return when a version 7 UUID was made, in seconds since 1970; None for other versions."""
    if identifier.version != 7:
        return None
    return (identifier.int >> 80) / 1000
