"""`twistd sc`: the storage controller alone on a listener."""

from __future__ import annotations

from pathlib import Path

from twisted.application.service import IService
from twisted.python.usage import Options as UsageOptions

from euca.config import Configuration
from euca.sc.service import make
from euca.sc.settings import Settings
from euca.wire.mount import listener


class Options(UsageOptions):
    """What `twistd sc` can be told."""

    optParameters = [  # noqa: RUF012 (Twisted's contract)
        ["conf", "c", None, "The configuration file, instead of $EUCALYPTUS' own.", Path],
    ]


def makeService(options: Options) -> IService:
    """Return the service of the storage controller and its listener."""
    from twisted.internet import reactor  # noqa: PLC0415 (the composition root)

    configuration = Configuration.read(options["conf"])
    port = Settings.of(configuration).port
    return listener([make(configuration, reactor)], configuration, port, reactor)
