"""`twistd walrus`: Walrus alone on a listener."""

from __future__ import annotations

from twisted.application.service import IService

from euca.walrus.service import make
from euca.walrus.settings import Settings
from euca.wire.mount import listener
from euca.wire.options import ComponentOptions, told_in_one_line


class Options(ComponentOptions):
    """What `twistd walrus` can be told."""

    longdesc = "Keeps objects in buckets, and gives images to nodes."


def makeService(options: Options) -> IService:
    """Return the service of Walrus and its listener.

    Raises SystemExit saying why there is none.
    """
    from twisted.internet import reactor  # noqa: PLC0415 (the composition root)

    with told_in_one_line("walrus"):
        configuration = options.configuration()
        port = Settings.of(configuration).port
        return listener([make(configuration, reactor)], configuration, port, reactor)
