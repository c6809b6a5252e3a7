"""What the cluster controller takes from `eucalyptus.conf`."""

from __future__ import annotations

import re
from pathlib import Path

from attrs import frozen

from euca.cc.plan import Limits
from euca.cc.schedule import Policy
from euca.config import Configuration, ConfigurationError
from euca.network.interfaces import NetworkMode
from euca.network.modes import network_mode

SERVICE = "EucalyptusCC"
MAX_NODES = 1024

_HOST = re.compile(r"[A-Za-z0-9_.-]+|\[[0-9A-Fa-f:]+\]")


@frozen
class Settings:
    """Where it listens, how it schedules, and its periods in seconds."""

    port: int
    keys: Path
    database_url: str
    policy: Policy
    poll_period: float
    limits: Limits
    network: NetworkMode

    @classmethod
    def of(cls, configuration: Configuration) -> Settings:
        """Read the settings; raises ConfigurationError naming the key that is wrong.

        Nodes are always called signed, so ENABLE_WS_SECURITY must not say otherwise.
        """
        if configuration.text("ENABLE_WS_SECURITY", "Y") != "Y":
            why = "ENABLE_WS_SECURITY must be Y: nodes take signed calls only"
            raise ConfigurationError(configuration.path, why)
        return cls(
            port=configuration.number("CC_PORT", 8774),
            keys=configuration.layout.keys,
            database_url=f"sqlite:///{configuration.layout.cc}/cc.db",
            policy=_policy(configuration.text("SCHEDPOLICY", "GREEDY")),
            poll_period=max(6, configuration.number("NC_POLLING_FREQUENCY", 6)),
            limits=Limits(
                forget=max(30, configuration.number("INSTANCE_TIMEOUT", 300)),
                start=max(300, configuration.number("POWER_WAKETHRESH", 300)),
            ),
            network=network_mode(configuration),
        )


def _policy(name: str) -> Policy:
    """Return the policy of that name; as in 2.0 a name that is none means GREEDY."""
    return Policy(name) if name in Policy.__members__ else Policy.GREEDY


def service_tags(configuration: Configuration) -> tuple[str, ...]:
    """Return the URLs of the nodes that NODES names, in its order, at most 1024.

    Raises ConfigurationError for what is no name of a host.
    """
    hosts = tuple(dict.fromkeys(configuration.words("NODES")))[:MAX_NODES]
    for host in hosts:
        if not _HOST.fullmatch(host):
            raise ConfigurationError(configuration.path, f"NODES has {host!r}, which is no host")
    port = configuration.number("NC_PORT", 8775)
    service = configuration.text("NC_SERVICE", "axis2/services/EucalyptusNC").lstrip("/")
    return tuple(f"http://{host}:{port}/{service}" for host in hosts)
