"""A volume as the storage controller knows it."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import Enum

from attrs import frozen

GB = 1 << 30
NO_DEVICE = "invalid"
"""What 2.0 calls the device of a volume that cannot be attached."""


class Status(Enum):
    """Where a volume is in its life; the last is never shown."""

    CREATING = "creating"
    AVAILABLE = "available"
    FAILED = "failed"
    REPORTED = "reported"
    """Failed, and said so to who asked: it is to be removed."""


@frozen
class Volume:
    """A volume: `size` in GB, `created` in seconds since 1970."""

    identifier: str
    size: int
    status: Status
    created: int

    @property
    def create_time(self) -> str:
        """When it was created, as 2.0 writes it."""
        return datetime.fromtimestamp(self.created, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
