"""What Walrus takes from `eucalyptus.conf`."""

from __future__ import annotations

from pathlib import Path

from attrs import frozen

from euca.config import Configuration

PREFIX = "/services/Walrus"


@frozen
class Settings:
    """Where Walrus listens and keeps its things; `cache_size` is in bytes."""

    port: int
    bukkits: Path
    keys: Path
    database_url: str
    cache_size: int

    @classmethod
    def of(cls, configuration: Configuration) -> Settings:
        """Read WALRUS_PORT and WALRUS_CACHE_MB; raises ConfigurationError."""
        return cls(
            port=configuration.number("WALRUS_PORT", 8773),
            bukkits=configuration.layout.bukkits,
            keys=configuration.layout.keys,
            database_url=configuration.database_url,
            cache_size=configuration.number("WALRUS_CACHE_MB", 30720) << 20,
        )
