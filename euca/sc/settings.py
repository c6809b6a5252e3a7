"""What the storage controller takes from `eucalyptus.conf`."""

from __future__ import annotations

from pathlib import Path

from attrs import frozen

from euca.config import Configuration

PATH = "internal/StorageInternal"


@frozen
class Settings:
    """Where it listens and keeps volumes, and how large they may be, in GB: one, and all."""

    port: int
    volumes: Path
    keys: Path
    database_url: str
    max_volume: int
    max_total: int

    @classmethod
    def of(cls, configuration: Configuration) -> Settings:
        """Read SC_PORT, SC_MAX_VOLUME_GB and SC_MAX_TOTAL_GB; raises ConfigurationError."""
        return cls(
            port=configuration.number("SC_PORT", 8773),
            volumes=configuration.layout.volumes,
            keys=configuration.layout.keys,
            database_url=configuration.database_url,
            max_volume=configuration.number("SC_MAX_VOLUME_GB", 10),
            max_total=configuration.number("SC_MAX_TOTAL_GB", 50),
        )
