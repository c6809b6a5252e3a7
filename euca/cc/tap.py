"""`twistd cc`: the cluster controller."""

from __future__ import annotations

from twisted.application.service import IService

from euca import gatherlog
from euca.cc.node_list import NodeList
from euca.cc.service import make
from euca.cc.settings import Settings
from euca.wire.mount import listener
from euca.wire.options import ComponentOptions, told_in_one_line


class Options(ComponentOptions):
    """What `twistd cc` can be told."""

    longdesc = "Spreads instances over the nodes of a cluster, as the cloud controller asks."


def makeService(options: Options) -> IService:
    """Return the service of the cluster controller and its listener.

    Raises SystemExit saying why there is none.
    """
    from twisted.internet import reactor  # noqa: PLC0415 (the composition root)

    with told_in_one_line("cc"):
        configuration = options.configuration()
        port = Settings.of(configuration).port
        nodes = NodeList(configuration.path)
        logs = gatherlog.make(configuration, "cc", reactor, lambda: nodes.tags)
        mounts = [make(configuration, reactor, nodes), logs]
        return listener(mounts, configuration, port, reactor)
