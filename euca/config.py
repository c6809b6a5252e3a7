"""Reads `eucalyptus.conf`, the one configuration file of an installation.

The grammar is that of Eucalyptus 2.0: `KEY="value"` or `KEY=value` at the start of a line, comments
behind `#`, the first matching line wins, and a file `eucalyptus.local.conf` beside the main one is
searched before it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

from attrs import evolve, field, frozen

_LINE = re.compile(
    r"""^\s*(?P<key>[A-Za-z_]\w*)\s*=\s*(?:"(?P<quoted>[^"]*)"|(?P<bare>[^\s#"]*))"""
)
_INTEGER = re.compile(r"\s*([+-]?\d+)")

SECURITY_MODES = ("strict", "compatible")


class ConfigurationError(Exception):
    """The configuration cannot be used; the message names the file, the key and what is wrong."""

    def __init__(self, path: Path | str, why: str) -> None:
        super().__init__(f"{path}: {why}")
        self.path = path
        self.why = why


@frozen
class Layout:
    """Where things lie under `$EUCALYPTUS`, as in Eucalyptus 2.0."""

    root: Path

    @property
    def configuration(self) -> Path:
        """The main configuration file."""
        return self.root / "etc/eucalyptus/eucalyptus.conf"

    @property
    def logs(self) -> Path:
        """The directory of the components' logs."""
        return self.root / "var/log/eucalyptus"

    @property
    def run(self) -> Path:
        """The directory of process id files and other things of the running system."""
        return self.root / "var/run/eucalyptus"

    @property
    def state(self) -> Path:
        """The directory that holds everything persistent."""
        return self.root / "var/lib/eucalyptus"

    @property
    def keys(self) -> Path:
        """The directory of certificates and private keys."""
        return self.state / "keys"

    @property
    def db(self) -> Path:
        """The directory of the embedded database of the cloud's components."""
        return self.state / "db"

    @property
    def cc(self) -> Path:
        """The directory of the cluster controller's persistent state."""
        return self.state / "CC"

    @property
    def bukkits(self) -> Path:
        """The directory of Walrus' objects."""
        return self.state / "bukkits"

    @property
    def volumes(self) -> Path:
        """The directory of the storage controller's volumes."""
        return self.state / "volumes"


def parse(text: str) -> dict[str, str]:
    """Return the settings in the text of one configuration file; the first line of a key wins."""
    values: dict[str, str] = {}
    for line in text.splitlines():
        match = _LINE.match(line)
        if match:
            quoted = match["quoted"]
            values.setdefault(match["key"], match["bare"] if quoted is None else quoted)
    return values


@frozen
class Configuration:
    """The settings of one installation: what the files say, and where its things lie."""

    path: Path
    root: Path
    values: Mapping[str, str] = field(repr=False)

    @classmethod
    def read(cls, path: Path | None = None) -> Configuration:
        """Read the file at `path`, by default the one under `$EUCALYPTUS`.

        Raises ConfigurationError when the file cannot be read.
        """
        home = os.environ.get("EUCALYPTUS", "")
        path = path or Layout(Path(home or "/")).configuration
        values: dict[str, str] = {}
        for candidate in (path.with_name("eucalyptus.local.conf"), path):
            try:
                found = parse(candidate.read_text(encoding="utf-8"))
            except FileNotFoundError as error:
                if candidate is path:
                    raise ConfigurationError(path, "there is no such file") from error
                continue
            except (OSError, UnicodeDecodeError) as error:
                raise ConfigurationError(candidate, f"cannot be read: {error}") from error
            values = {**found, **values}
        return cls(path, Path(home or values.get("EUCALYPTUS") or "/"), values)

    @property
    def layout(self) -> Layout:
        """Where this installation's things lie."""
        return Layout(self.root)

    def text(self, key: str, default: str | None = None) -> str:
        """Return the text of `key`; raises ConfigurationError when it is absent without default."""
        value = self.values.get(key, default)
        if value is None:
            raise ConfigurationError(self.path, f"{key} is not set, and has no default")
        return value

    def number(self, key: str, default: int | None = None) -> int:
        """Return the integer that `key` begins with, 0 for text that begins with none."""
        match = _INTEGER.match(self.text(key, None if default is None else str(default)))
        return int(match[1]) if match else 0

    def words(self, key: str) -> tuple[str, ...]:
        """Return the words of `key`, separated by white space; an absent key has none."""
        return tuple(self.text(key, "").split())

    @property
    def listen(self) -> str:
        """The address that this component listens on: loopback unless LISTEN says otherwise."""
        return self.text("LISTEN", "127.0.0.1")

    @property
    def database_url(self) -> str:
        """The database that the components of the cloud host share, as an SQLAlchemy URL."""
        return self.text("DATABASE_URL", f"sqlite:///{self.layout.db}/euca.db")

    def security_mode_of(self, service: str) -> str:
        """Return how messages of CLC, CC, NC or SC are judged: `strict`, or `compatible`.

        WS_SECURITY_MODE with the service behind it goes before WS_SECURITY_MODE. Raises
        ConfigurationError for any other word.
        """
        key = f"WS_SECURITY_MODE_{service}"
        if key not in self.values:
            key = "WS_SECURITY_MODE"
        mode = self.text(key, "strict")
        if mode not in SECURITY_MODES:
            known = " or ".join(SECURITY_MODES)
            raise ConfigurationError(self.path, f"{key} is {mode!r}; use {known}")
        return mode

    @property
    def security_skew(self) -> float:
        """WS_SECURITY_SKEW: by how many seconds the clocks of two hosts may differ.

        Raises ConfigurationError for what is not at least one second.
        """
        seconds = self.number("WS_SECURITY_SKEW", 300)
        if seconds < 1:
            why = f"WS_SECURITY_SKEW is {self.text('WS_SECURITY_SKEW')!r}; use seconds, 1 or more"
            raise ConfigurationError(self.path, why)
        return float(seconds)

    @property
    def debug_wire(self) -> bool:
        """DEBUG_WIRE: whether every message is written down, for people who debug the wire."""
        return self.text("DEBUG_WIRE", "") == "Y"

    def changed(self, **values: str) -> Configuration:
        """Return the configuration with other values of some keys."""
        return evolve(self, values={**self.values, **values})
