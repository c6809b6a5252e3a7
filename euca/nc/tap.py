"""`twistd nc`: the node controller of this host."""

from __future__ import annotations

from twisted.application.service import IService

from euca import gatherlog
from euca.nc.service import make
from euca.nc.settings import Settings
from euca.wire.mount import listener
from euca.wire.options import ComponentOptions, told_in_one_line


class Options(ComponentOptions):
    """What `twistd nc` can be told."""

    longdesc = "Runs instances on this host, as its cluster controller asks."


def makeService(options: Options) -> IService:
    """Return the service of the node controller and its listener.

    Raises SystemExit saying why there is none.
    """
    from twisted.internet import reactor  # noqa: PLC0415 (the composition root)

    with told_in_one_line("nc"):
        configuration = options.configuration()
        port = Settings.of(configuration).port
        mounts = [make(configuration, reactor), gatherlog.make(configuration, "nc", reactor)]
        return listener(mounts, configuration, port, reactor)
