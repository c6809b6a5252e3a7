"""`twistd sc`: the storage controller alone on a listener."""

from __future__ import annotations

from twisted.application.service import IService

from euca.sc.service import make
from euca.sc.settings import Settings
from euca.wire.mount import listener
from euca.wire.options import ComponentOptions, told_in_one_line


class Options(ComponentOptions):
    """What `twistd sc` can be told."""

    longdesc = "Keeps volumes, as the cloud controller asks."


def makeService(options: Options) -> IService:
    """Return the service of the storage controller and its listener.

    Raises SystemExit saying why there is none.
    """
    from twisted.internet import reactor  # noqa: PLC0415 (the composition root)

    with told_in_one_line("sc"):
        configuration = options.configuration()
        port = Settings.of(configuration).port
        return listener([make(configuration, reactor)], configuration, port, reactor)
