"""What the cloud controller takes from `eucalyptus.conf`."""

from __future__ import annotations

from pathlib import Path

from attrs import frozen

from euca.config import Configuration

PATH = "services/Eucalyptus"
CLUSTER_SECONDS = 30.0  # that a cluster may take to answer, as in Eucalyptus 2.0
WALRUS_SECONDS = 30.0


@frozen
class Settings:
    """Where the cloud controller listens, and how often it asks its clusters, in seconds.

    `endpoint` is the URL that clients are told to use.
    """

    port: int
    endpoint: str
    period: float
    keys: Path
    database_url: str

    @classmethod
    def of(cls, configuration: Configuration) -> Settings:
        """Read CLC_PORT, CLOUD_HOST and CLC_POLLING_FREQUENCY; raises ConfigurationError."""
        port = configuration.number("CLC_PORT", 8773)
        host = configuration.text("CLOUD_HOST", configuration.listen)
        return cls(
            port=port,
            endpoint=f"http://{host}:{port}/{PATH}",
            period=float(max(configuration.number("CLC_POLLING_FREQUENCY", 20), 1)),
            keys=configuration.layout.keys,
            database_url=configuration.database_url,
        )
