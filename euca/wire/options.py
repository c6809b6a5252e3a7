"""What every component's command line has in common."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from twisted.python.usage import Options as UsageOptions

from euca.auth.keyring import UnusableKey
from euca.config import Configuration, ConfigurationError


class ComponentOptions(UsageOptions):
    """What `twistd` can be told of any component."""

    synopsis = "[options]"
    optParameters = [  # noqa: RUF012 (Twisted's contract)
        ["conf", "c", None, "The configuration file, instead of $EUCALYPTUS' own.", Path],
    ]
    optFlags = [  # noqa: RUF012 (Twisted's contract)
        ["debug-wire", None, "Write every message to a file, as DEBUG_WIRE does."],
    ]

    def configuration(self) -> Configuration:
        """Return the configuration as the command line changes it; raises ConfigurationError."""
        configuration = Configuration.read(self["conf"])
        return configuration.changed(DEBUG_WIRE="Y") if self["debug-wire"] else configuration


@contextmanager
def told_in_one_line(command: str) -> Iterator[None]:
    """End the process with one line where keys or configuration cannot be used."""
    try:
        yield
    except (ConfigurationError, UnusableKey, OSError) as error:
        raise SystemExit(f"twistd {command}: {error}") from error
