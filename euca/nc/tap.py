"""`twistd nc`: the node controller of this host."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from attrs import evolve
from twisted.application.service import IService
from twisted.python.usage import Options as UsageOptions

from euca import gatherlog
from euca.auth.keyring import UnusableKey
from euca.config import Configuration, ConfigurationError
from euca.nc.service import make
from euca.nc.settings import Settings
from euca.wire.mount import listener


class Options(UsageOptions):
    """The command line."""

    synopsis = "[options]"
    longdesc = "Runs instances on this host, as its cluster controller asks."
    optParameters = [  # noqa: RUF012 (Twisted's contract)
        [
            "conf",
            "c",
            None,
            "eucalyptus.conf; by default the one below $EUCALYPTUS/etc/eucalyptus",
        ],
    ]


def makeService(options: Options) -> IService:
    """Return the service that the command line asks for; raises SystemExit saying why not."""
    from twisted.internet import reactor  # noqa: PLC0415

    conf: Any = options["conf"]
    try:
        configuration = Configuration.read(Path(conf) if conf else None)
        mounted = make(configuration, reactor)
        port = Settings.of(configuration).port
    except (ConfigurationError, UnusableKey, OSError) as error:
        raise SystemExit(f"twistd nc: {error}") from error
    logs = gatherlog.resource(configuration, reactor)
    children = {**mounted.children, b"axis2/services/EucalyptusGL": logs}
    return listener([evolve(mounted, children=children)], configuration, port, reactor)
