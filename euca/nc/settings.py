"""What the node controller reads from `eucalyptus.conf`, checked when it starts."""

from __future__ import annotations

from pathlib import Path

from attrs import frozen

from euca.config import Configuration, ConfigurationError
from euca.hypervisor.dialect import Dialect, UnknownHypervisor, dialect_of

NETWORK_MODES = ("SYSTEM", "STATIC")


@frozen
class Settings:
    """The settings of one node; sizes are in MB, and 0 is no limit where a limit is meant."""

    root: Path
    port: int
    dialect: Dialect
    uri: str
    network_mode: str
    bridge: str
    leases: Path | None
    virtio_root: bool
    virtio_network: bool
    max_memory: int
    max_cores: int
    max_disk: int
    swap: int
    cache: int
    disk_operations: int
    keep_files: bool

    @classmethod
    def of(cls, configuration: Configuration) -> Settings:
        """Read the keys; raises ConfigurationError for what cannot be used."""
        leases = configuration.text("NC_LEASES", "")
        return cls(
            root=_instance_path(configuration),
            port=configuration.number("NC_PORT", 8775),
            dialect=_dialect(configuration),
            uri=configuration.text("LIBVIRT_URI", ""),
            network_mode=_network_mode(configuration),
            bridge=configuration.text("VNET_BRIDGE", ""),
            leases=Path(leases) if leases else None,
            virtio_root=configuration.number("USE_VIRTIO_ROOT", 0) == 1,
            virtio_network=configuration.number("USE_VIRTIO_NET", 0) == 1,
            max_memory=configuration.number("MAX_MEM", 0),
            max_cores=configuration.number("MAX_CORES", 0),
            max_disk=configuration.number("MAX_DISK", 0),
            swap=max(0, configuration.number("SWAP_SIZE", 512)),
            cache=max(0, configuration.number("NC_CACHE_SIZE", 999_999)),
            disk_operations=max(1, configuration.number("CONCURRENT_DISK_OPS", 1)),
            keep_files=configuration.number("MANUAL_INSTANCES_CLEANUP", 0) != 0,
        )


def _instance_path(configuration: Configuration) -> Path:
    root = Path(configuration.text("INSTANCE_PATH"))
    # What lies there is swept at every start, so it must be a place of our own.
    if not root.is_absolute() or root == Path("/"):
        raise ConfigurationError(
            configuration.path, f"INSTANCE_PATH is {str(root)!r}; use an absolute path below /"
        )
    return root


def _dialect(configuration: Configuration) -> Dialect:
    try:
        return dialect_of(configuration.text("HYPERVISOR"))
    except UnknownHypervisor as error:
        raise ConfigurationError(configuration.path, f"HYPERVISOR: {error}") from error


def _network_mode(configuration: Configuration) -> str:
    mode = configuration.text("VNET_MODE")
    if mode not in NETWORK_MODES:
        known = " or ".join(NETWORK_MODES)
        raise ConfigurationError(
            configuration.path, f"VNET_MODE is {mode!r}; this node controller knows {known}"
        )
    return mode
