"""An installation for tests: one configuration and one set of keys for every component."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from euca.auth.keyring import Identity, new_identity
from euca.config import Configuration


@cache
def identity(name: str) -> Identity:
    """Return one identity of that name; making one takes a moment."""
    return new_identity(name, datetime.now(UTC))


class Installation:
    """A directory with `eucalyptus.conf` and keys."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.keys = root / "var/lib/eucalyptus/keys"
        self.keys.mkdir(parents=True)
        self.conf = root / "eucalyptus.conf"
        self.write()
        for name in ("cloud", "cluster", "node"):
            identity(name).save(self.keys / f"{name}-cert.pem", self.keys / f"{name}-pk.pem")

    def write(self, **changes: str) -> None:
        """Write the configuration, with other values of some keys."""
        values = {
            "EUCALYPTUS": str(self.root),
            "HYPERVISOR": "test",
            "INSTANCE_PATH": str(self.root / "instances"),
            "VNET_MODE": "SYSTEM",
            "NODES": "",
            **changes,
        }
        self.conf.write_text("".join(f'{key}="{value}"\n' for key, value in values.items()))

    def configuration(self) -> Configuration:
        """Return the configuration."""
        return Configuration.read(self.conf)
