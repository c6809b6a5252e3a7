"""`twistd clc`: the cloud controller on its listener, with Walrus and the SC beside it if asked."""

from __future__ import annotations

from twisted.application.service import IService

from euca.clc.service import make
from euca.clc.settings import Settings
from euca.sc.service import make as make_sc
from euca.walrus.service import make as make_walrus
from euca.wire.mount import listener
from euca.wire.options import ComponentOptions, told_in_one_line


class Options(ComponentOptions):
    """What `twistd clc` can be told."""

    longdesc = "Serves EC2, and has clusters run the instances."
    optFlags = [  # noqa: RUF012 (Twisted's contract)
        ["with-walrus", None, "Serve Walrus too, in the same process and on the same port."],
        ["with-sc", None, "Serve the storage controller too."],
    ]


def makeService(options: Options) -> IService:
    """Return the service of the cloud controller and its listener.

    Raises SystemExit saying why there is none.
    """
    from twisted.internet import reactor  # noqa: PLC0415 (the composition root)

    with told_in_one_line("clc"):
        configuration = options.configuration()
        mounts = [make(configuration, reactor)]
        if options["with-walrus"]:
            mounts.append(make_walrus(configuration, reactor))
        if options["with-sc"]:
            mounts.append(make_sc(configuration, reactor))
        return listener(mounts, configuration, Settings.of(configuration).port, reactor)
