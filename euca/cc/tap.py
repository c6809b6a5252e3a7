"""`twistd cc`: the cluster controller."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from twisted.application.service import IService, MultiService
from twisted.python.usage import Options as UsageOptions
from twisted.python.usage import UsageError

from euca import gatherlog
from euca.auth.keyring import UnusableKey
from euca.cc.node_list import NodeList
from euca.cc.service import make
from euca.cc.settings import Settings
from euca.config import Configuration, ConfigurationError
from euca.wire.client import http_client
from euca.wire.mount import Mounted, listener


class Options(UsageOptions):
    """What `twistd cc` can be told."""

    synopsis = "[options]"
    longdesc = "Spreads instances over the nodes of a cluster, as the cloud controller asks."
    optParameters = [  # noqa: RUF012 (Twisted's contract)
        ["conf", "c", None, "The configuration file, instead of $EUCALYPTUS' own."],
    ]


def makeService(options: Options) -> IService:
    """Return the service of the cluster controller; raises UsageError saying why there is none."""
    from twisted.internet import reactor  # noqa: PLC0415 (the composition root)

    path = options["conf"]
    try:
        configuration = Configuration.read(Path(path) if path else None)
        port = Settings.of(configuration).port
        nodes = NodeList(configuration.path)
        mounts = [make(configuration, reactor, nodes), _logs(configuration, reactor, nodes)]
    except (ConfigurationError, UnusableKey) as error:
        raise UsageError(str(error)) from error
    return listener(mounts, configuration, port, reactor)


def _logs(configuration: Configuration, reactor: Any, nodes: NodeList) -> Mounted:
    """Return the log and key service, which asks those of the nodes in their turn."""
    http, connections = http_client(reactor)
    service = MultiService()
    connections.setServiceParent(service)
    peers = gatherlog.Hosts(lambda: nodes.tags, http, reactor)
    resource = gatherlog.resource(configuration, reactor, peers)
    return Mounted("gatherlog", service, {gatherlog.PATH: resource}, lambda: {"status": "ok"})
