"""How long the reactor of a CC waits while 1,000 instances are described under load.

    python -m benchmarks.stall [SECONDS]

A cluster controller of its own process has 1,000 instances in its records, and runs as it always
does. A client describes them over and over through the signed wire, twice at a time, and makes
small calls beside that. In both processes a ticker asks the reactor for its turn every 2 ms: what
it waits longer is a stall. Of each is told how much of it the reactor's thread computed, for on a
machine with other work to do it waits for the processor too.
"""

import json
import subprocess
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from treq import content
from twisted.internet.defer import Deferred, DeferredList
from twisted.internet.interfaces import IReactorTime
from twisted.web.resource import Resource
from twisted.web.server import Request, Site

from euca.auth.keyring import Certificate, Identity, new_identity
from euca.auth.wsse import CLUSTER, Pinned
from euca.cc.instance import Description, Instance, Reported, Source, State
from euca.cc.service import SCHEMAS, make
from euca.cc.settings import Settings
from euca.cc.tables import thd_save
from euca.config import Configuration
from euca.model.machine import VM_TYPES, NetworkConfig
from euca.store.engine import Database
from euca.store.sql import Connection
from euca.threads import Immediate, ShortLived
from euca.wire.client import SoapClient, http_client
from euca.wire.contract import Contract
from euca.wire.mount import Responsive, Tree
from euca.wire.wiring import Wire

_INSTANCES = 1000
_TICK = 0.002
_SECONDS = 20.0
_WARM_SECONDS = 3.0
_ALLOWED = 0.050


class Ticker(Resource):
    """Asks the reactor for its turn, and tells the longest waits, worst first, and forgets them."""

    isLeaf = True

    def __init__(self, clock: IReactorTime) -> None:
        super().__init__()
        self._clock = clock
        self._waits: list[tuple[float, float]] = []
        self._before = (time.perf_counter(), time.thread_time())
        self._clock.callLater(_TICK, self._tick)

    def _tick(self) -> None:
        now = (time.perf_counter(), time.thread_time())
        waited, computed = now[0] - self._before[0] - _TICK, now[1] - self._before[1]
        self._waits.append((waited, computed))
        self._before = now
        self._clock.callLater(_TICK, self._tick)

    def worst(self) -> list[tuple[float, float]]:
        """Return the five longest waits in seconds, each with what was computed meanwhile."""
        worst = sorted(self._waits, reverse=True)[:5]
        self._waits = []
        return worst

    def render_GET(self, request: Request) -> bytes:
        """Tell."""
        return json.dumps(self.worst()).encode()


class NoNodes:
    """A cluster whose nodes are away."""

    def thd_current(self) -> tuple[str, ...]:
        """Return none."""
        return ()


def _instance(number: int, now: float) -> Instance:
    return Instance(
        identifier=f"i-{number:08X}",
        node="http://node:8775/axis2/services/EucalyptusNC",
        phase=Reported(State.EXTANT),
        network=NetworkConfig("d0:0d:00:00:00:01", "10.0.0.2", "10.1.0.2", 10, 5),
        description=Description(
            reservation=f"r-{number:08X}",
            owner="admin",
            image=Source("emi-12345678", "http://127.0.0.1:8773/services/Walrus/b/i.manifest.xml"),
            kernel=Source("eki-12345678"),
            ramdisk=Source("eri-12345678"),
            vm=VM_TYPES[0],
            launched=now,
            key="ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAQQ== admin@eucalyptus",
            launch_index="0",
            platform="linux",
            groups=("default",),
        ),
        placed_at=now,
        seen_at=now,
    )


def prepare(folder: Path) -> Configuration:
    """Make configuration, keys and records."""
    conf = folder / "eucalyptus.conf"
    conf.write_text(f'EUCALYPTUS="{folder}"\nNODES=""\nVNET_MODE="SYSTEM"\n')
    configuration = Configuration.read(conf)
    keys = configuration.layout.keys
    keys.mkdir(parents=True)
    for name in ("cloud", "cluster", "node"):
        identity = new_identity(name, datetime.now(UTC))
        identity.save(keys / f"{name}-cert.pem", keys / f"{name}-pk.pem")
    database = Database(Settings.of(configuration).database_url, SCHEMAS, Immediate())
    database.startService()

    def thd_fill(tx: Connection) -> None:
        for number in range(_INSTANCES):
            thd_save(tx, _instance(number, time.time()))

    database.thd_transact(thd_fill)
    database.stopService()
    return configuration


def serve(folder: Path) -> None:
    """Serve the cluster controller on a free port, and print it."""
    from twisted.internet import reactor  # noqa: PLC0415  # this is a composition root

    clock: Any = reactor
    mounted = make(Configuration.read(folder / "eucalyptus.conf"), clock, NoNodes())
    tree = Tree([mounted])
    tree.putChild(b"stalls", Ticker(clock))
    clock.callWhenRunning(mounted.service.startService)
    clock.callWhenRunning(Responsive().startService)
    clock.addSystemEventTrigger("before", "shutdown", mounted.service.stopService)
    port = clock.listenTCP(0, Site(tree), interface="127.0.0.1")
    print(port.getHost().port, flush=True)  # noqa: T201
    clock.run()


class Load:
    """The client: calls that go on until it is told to stop."""

    def __init__(self, configuration: Configuration, port: int, clock: Any) -> None:
        self._http, _ = http_client(clock)
        self._clock = clock
        self._root = f"http://127.0.0.1:{port}"
        self._client = self._new_client(configuration)
        self._ticker = Ticker(clock)
        self.calls = {"DescribeInstances": 0, "DescribeNetworks": 0}

    def _new_client(self, configuration: Configuration) -> SoapClient:
        keys = configuration.layout.keys
        wire = Wire(apart=ShortLived(self._clock))
        identity = Identity.load(keys / "cloud-cert.pem", keys / "cloud-pk.pem")
        trust = Pinned({"cluster": Certificate.load(keys / "cluster-cert.pem")})
        security = wire.security("CC", CLUSTER, trust, identity)
        url = f"{self._root}/axis2/services/EucalyptusCC"
        contract = Contract.load("eucalyptus_cc")
        return wire.client(contract, url, self._http, security, self._clock, 60.0)

    async def run(self, seconds: float) -> list[str]:
        """Return the rows of a run of so many seconds, after a warm beginning."""
        Responsive().startService()
        await self._calls(_WARM_SECONDS)
        await self._stalls()
        self.calls = dict.fromkeys(self.calls, 0)
        await self._calls(seconds)
        service, client = await self._stalls()
        each = ", ".join(f"{count / seconds:.0f} {name}" for name, count in self.calls.items())
        return [
            f"a second: {each}",
            _row("CC, which tells", service),
            _row("client, which reads", client),
        ]

    async def _calls(self, seconds: float) -> None:
        end = self._clock.seconds() + seconds
        each = ["DescribeInstances"] * 2 + ["DescribeNetworks"] * 2
        calling = [Deferred.fromCoroutine(self._repeat(name, end)) for name in each]
        for _, result in await DeferredList(calling, fireOnOneErrback=True):
            assert result is None

    async def _repeat(self, name: str, end: float) -> None:
        fields = {"nameserver": "10.0.0.1"} if name == "DescribeNetworks" else {}
        while self._clock.seconds() < end:
            reply = await self._client.call(name, userId="eucalyptus", **fields)
            assert name == "DescribeNetworks" or len(reply["instances"]) == _INSTANCES
            self.calls[name] += 1

    async def _stalls(self) -> tuple[list[tuple[float, float]], list[tuple[float, float]]]:
        response = await self._http.get(f"{self._root}/stalls")
        return json.loads(await content(response)), self._ticker.worst()


def _row(name: str, worst: Sequence[tuple[float, float]]) -> str:
    waits = ", ".join(f"{waited * 1e3:.0f} ({busy * 1e3:.0f})" for waited, busy in worst)
    verdict = "" if worst[0][0] <= _ALLOWED else f"  more than {_ALLOWED * 1e3:.0f}"
    return f"{name:20s} longest waits, ms (of it computed): {waits}{verdict}"


def main(arguments: Sequence[str]) -> None:
    """Print the table, or serve."""
    if arguments[:1] == ["serve"]:
        serve(Path(arguments[1]))
        return
    from twisted.internet import reactor  # noqa: PLC0415  # this is a composition root
    from twisted.internet.task import react  # noqa: PLC0415

    seconds = float(arguments[0]) if arguments else _SECONDS
    with TemporaryDirectory() as name:
        configuration = prepare(Path(name))
        command = [sys.executable, "-m", "benchmarks.stall", "serve", name]
        process = subprocess.Popen(command, stdout=subprocess.PIPE)
        try:
            assert process.stdout is not None
            load = Load(configuration, int(process.stdout.readline()), reactor)

            async def run(_reactor: Any) -> None:
                print("\n".join(await load.run(seconds)))  # noqa: T201

            react(run)
        finally:
            process.kill()
            process.wait()


if __name__ == "__main__":
    main(sys.argv[1:])
