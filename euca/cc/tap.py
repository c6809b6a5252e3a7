"""`twistd cc`: the cluster controller."""

from __future__ import annotations

from typing import Any

from twisted.application.service import IService, MultiService

from euca import gatherlog
from euca.cc.node_list import NodeList
from euca.cc.service import make
from euca.cc.settings import Settings
from euca.config import Configuration
from euca.wire.client import http_client
from euca.wire.mount import Mounted, listener
from euca.wire.options import ComponentOptions, told_in_one_line
from euca.wire.wiring import Wire, wire_trace


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
        mounts = [make(configuration, reactor, nodes), _logs(configuration, reactor, nodes)]
        return listener(mounts, configuration, port, reactor)


def _logs(configuration: Configuration, reactor: Any, nodes: NodeList) -> Mounted:
    """Return the log and key service, which asks those of the nodes in their turn."""
    http, connections = http_client(reactor)
    service = MultiService()
    connections.setServiceParent(service)
    wire = Wire(trace=wire_trace(configuration, "cc", reactor))
    peers = gatherlog.Hosts(lambda: nodes.tags, http, reactor, wire)
    resource = gatherlog.resource(configuration, reactor, peers, wire=wire)
    return Mounted("gatherlog", service, {gatherlog.PATH: resource}, lambda: {"status": "ok"})
