"""How long the reactors of CC and CLC wait while 1,000 instances are described under load.

    python -m benchmarks.stall [SECONDS]

A cluster controller of its own process has 1,000 instances in its records, and runs as it always
does. A client describes them over and over through the signed wire, twice at a time, and makes
small calls beside that. Then a cloud controller has the same instances: it asks that cluster for
them every second, while a user describes them over and over by Query, twice at a time, and makes
small calls beside that. In each process a ticker asks the reactor for its turn every 2 ms: what it
waits longer is a stall. Of each is told how much of it the reactor's thread computed, for on a
machine with other work to do it waits for the processor too.
"""

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import urlencode

from treq import content
from twisted.internet.defer import Deferred, DeferredList
from twisted.internet.interfaces import IReactorTime
from twisted.web.resource import Resource
from twisted.web.server import Request

import euca.cc.instance as on_cluster
import euca.cc.service as cc
import euca.cc.settings as cc_settings
import euca.clc.instance as in_cloud
import euca.clc.service as clc
import euca.clc.settings as clc_settings
from euca.auth.keyring import Certificate, Identity, new_identity
from euca.auth.query import sign
from euca.auth.wsse import CLUSTER, Pinned
from euca.cc.tables import thd_save
from euca.clc.registry import thd_add_cluster
from euca.clc.tables import thd_add_reservation
from euca.config import Configuration
from euca.model.machine import VM_TYPES, NetworkConfig
from euca.store.accounts import AccessKey, Account, thd_add_access_key, thd_add_account
from euca.store.engine import Database
from euca.store.sql import Connection
from euca.threads import Immediate, ShortLived
from euca.wire.client import SoapClient, http_client
from euca.wire.contract import Contract
from euca.wire.mount import QuietSite, Responsive, Tree
from euca.wire.streaming import StreamingRequest
from euca.wire.wiring import Wire

_INSTANCES = 1000
_TICK = 0.002
_SECONDS = 20.0
_WARM_SECONDS = 3.0
_ALLOWED = 0.050
_CLUSTER, _USER, _SECRET = "cluster1", "admin", "secret"
_RESERVED = 10  # instances in a reservation
_KEY = "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAQQ== admin@eucalyptus"


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


def _on_cluster(number: int, now: float) -> on_cluster.Instance:
    return on_cluster.Instance(
        identifier=f"i-{number:08X}",
        node="http://node:8775/axis2/services/EucalyptusNC",
        phase=on_cluster.Reported(on_cluster.State.EXTANT),
        network=NetworkConfig("d0:0d:00:00:00:01", "10.0.0.2", "10.1.0.2", 10, 5),
        description=on_cluster.Description(
            reservation=f"r-{number:08X}",
            owner="admin",
            image=on_cluster.Source(
                "emi-12345678", "http://127.0.0.1:8773/services/Walrus/b/i.manifest.xml"
            ),
            kernel=on_cluster.Source("eki-12345678"),
            ramdisk=on_cluster.Source("eri-12345678"),
            vm=VM_TYPES[0],
            launched=now,
            key=_KEY,
            launch_index="0",
            platform="linux",
            groups=("default",),
        ),
        placed_at=now,
        seen_at=now,
    )


def _in_cloud(number: int, index: int, now: float) -> in_cloud.Instance:
    return in_cloud.Instance(
        identifier=f"i-{number:08X}",
        reservation=f"r-{number - index:08X}",
        owner=_USER,
        launch_index=index,
        cluster=_CLUSTER,
        vm_type=VM_TYPES[0],
        boot=in_cloud.Boot(
            "emi-12345678",
            "http://127.0.0.1:8773/services/Walrus/b/i.manifest.xml",
            "linux",
            "eki-12345678",
            "",
            "eri-12345678",
            "",
        ),
        launched=now,
        since=now,
        key_name="admin",
        key_text=_KEY,
        state=in_cloud.State.RUNNING,
        start=in_cloud.Start.ACCEPTED,
        alive=True,
    )


def prepare(folder: Path) -> Configuration:
    """Make configuration, keys and the records of the cluster controller."""
    conf = folder / "eucalyptus.conf"
    conf.write_text(
        f'EUCALYPTUS="{folder}"\nNODES=""\nVNET_MODE="SYSTEM"\nCLC_POLLING_FREQUENCY="1"\n'
    )
    configuration = Configuration.read(conf)
    keys = configuration.layout.keys
    (keys / _CLUSTER).mkdir(parents=True)
    for name in ("cloud", "cluster", "node"):
        identity = new_identity(name, datetime.now(UTC))
        identity.save(keys / f"{name}-cert.pem", keys / f"{name}-pk.pem")
    shutil.copy(keys / "cluster-cert.pem", keys / _CLUSTER)

    def thd_fill(tx: Connection) -> None:
        for number in range(_INSTANCES):
            thd_save(tx, _on_cluster(number, time.time()))

    _fill(cc_settings.Settings.of(configuration).database_url, cc.SCHEMAS, thd_fill)
    return configuration


def prepare_cloud(configuration: Configuration, cluster_port: int) -> None:
    """Make the records of the cloud controller: a user, the cluster, and the same instances."""

    def thd_fill(tx: Connection) -> None:
        thd_add_account(tx, Account(_USER, "000000000001", administrator=True))
        thd_add_access_key(tx, AccessKey(_USER, _SECRET, _USER))
        thd_add_cluster(tx, _CLUSTER, "127.0.0.1", cluster_port)
        for first in range(0, _INSTANCES, _RESERVED):
            members = tuple(_in_cloud(first + n, n, time.time()) for n in range(_RESERVED))
            name = members[0].reservation
            thd_add_reservation(tx, in_cloud.Reservation(name, _USER, ("default",), members))

    _fill(clc_settings.Settings.of(configuration).database_url, clc.SCHEMAS, thd_fill)


def _fill(url: str, schemas: Sequence[str], thd_fill: Callable[[Connection], None]) -> None:
    database = Database(url, schemas, Immediate())
    database.startService()
    database.thd_transact(thd_fill)
    database.stopService()


def serve(name: str, folder: Path) -> None:
    """Serve a component on a free port, and print it."""
    from twisted.internet import reactor  # noqa: PLC0415  # this is a composition root

    clock: Any = reactor
    configuration = Configuration.read(folder / "eucalyptus.conf")
    mounted = (
        cc.make(configuration, clock, NoNodes()) if name == "cc" else clc.make(configuration, clock)
    )
    tree = Tree([mounted])
    tree.putChild(b"stalls", Ticker(clock))
    clock.callWhenRunning(mounted.service.startService)
    clock.callWhenRunning(Responsive().startService)
    clock.addSystemEventTrigger("before", "shutdown", mounted.service.stopService)
    port = clock.listenTCP(
        0, QuietSite(tree, requestFactory=StreamingRequest), interface="127.0.0.1"
    )
    print(port.getHost().port, flush=True)  # noqa: T201
    clock.run()


@contextmanager
def served(name: str, folder: str) -> Iterator[int]:
    """Serve a component in a process of its own while the block runs; yields its port."""
    command = [sys.executable, "-m", "benchmarks.stall", "serve", name, folder]
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        yield int(process.stdout.readline())
    finally:
        process.kill()
        process.wait()


class Load:
    """Calls that go on until it is told to stop: lists, two at a time, and small calls."""

    def __init__(self, port: int, clock: Any) -> None:
        self._port = port
        self._http, _ = http_client(clock)
        self._clock = clock

    async def cluster(self, configuration: Configuration, seconds: float) -> list[str]:
        """Return the rows of describing the instances of a cluster, as a cloud does."""
        client, ticker = self._client(configuration), Ticker(self._clock)

        async def described() -> int:
            return len((await client.call("DescribeInstances", userId="eucalyptus"))["instances"])

        async def small() -> object:
            return await client.call("DescribeNetworks", userId="eucalyptus", nameserver="10.0.0.1")

        rate, stalls = await self._measured(described, small, seconds, ticker)
        own = ticker.worst()
        return [f"CC, {rate}", _row("CC, which tells", stalls), _row("client, which reads", own)]

    async def cloud(self, seconds: float) -> list[str]:
        """Return the rows of describing the instances of a cloud, as a user does."""

        async def described() -> int:
            return (await self._query("DescribeInstances")).count(b"<instanceId>")

        async def small() -> object:
            return await self._query("DescribeRegions")

        rate, stalls = await self._measured(described, small, seconds, None)
        return [f"CLC, {rate}", _row("CLC, which tells", stalls)]

    def _client(self, configuration: Configuration) -> SoapClient:
        keys = configuration.layout.keys
        wire = Wire(replies_apart=ShortLived(self._clock))
        identity = Identity.load(keys / "cloud-cert.pem", keys / "cloud-pk.pem")
        trust = Pinned({"cluster": Certificate.load(keys / "cluster-cert.pem")})
        security = wire.security("CC", CLUSTER, trust, identity)
        url = f"http://127.0.0.1:{self._port}/axis2/services/EucalyptusCC"
        contract = Contract.load("eucalyptus_cc")
        return wire.client(contract, url, self._http, security, self._clock, 60.0)

    async def _query(self, action: str) -> bytes:
        host, path = f"127.0.0.1:{self._port}", "/services/Eucalyptus/"
        asked = {"Action": action, "Version": "2010-06-15"}
        signed = sign(asked, _USER, _SECRET, host, path, "GET", self._clock.seconds())
        response = await self._http.get(f"http://{host}{path}?{urlencode(signed)}")
        body: bytes = await content(response)
        assert response.code == 200, body
        return body

    async def _measured(
        self,
        described: Callable[[], Awaitable[int]],
        small: Callable[[], Awaitable[object]],
        seconds: float,
        own: Ticker | None,
    ) -> tuple[str, list[tuple[float, float]]]:
        """Return how many calls there were in a second, and how the component waited."""
        Responsive().startService()
        await self._calls(described, small, _WARM_SECONDS)
        await self._stalls()
        if own is not None:
            own.worst()
        lists, calls = await self._calls(described, small, seconds)
        rate = f"a second: {lists / seconds:.0f} lists, {calls / seconds:.0f} small calls"
        return rate, await self._stalls()

    async def _calls(
        self,
        described: Callable[[], Awaitable[int]],
        small: Callable[[], Awaitable[object]],
        seconds: float,
    ) -> tuple[int, int]:
        """Return how many lists and small calls were answered in so many seconds."""
        end = self._clock.seconds() + seconds
        counts = {"lists": 0, "small": 0}

        async def repeat(what: str, call: Callable[[], Awaitable[object]]) -> None:
            while self._clock.seconds() < end:
                told = await call()
                assert what == "small" or told == _INSTANCES, told
                counts[what] += 1

        calling = [repeat("lists", described) for _ in range(2)]
        calling += [repeat("small", small) for _ in range(2)]
        running = [Deferred.fromCoroutine(each) for each in calling]
        await DeferredList(running, fireOnOneErrback=True)
        return counts["lists"], counts["small"]

    async def _stalls(self) -> list[tuple[float, float]]:
        response = await self._http.get(f"http://127.0.0.1:{self._port}/stalls")
        return json.loads(await content(response))


def _row(name: str, worst: Sequence[tuple[float, float]]) -> str:
    waits = ", ".join(f"{waited * 1e3:.0f} ({busy * 1e3:.0f})" for waited, busy in worst)
    verdict = "" if worst[0][0] <= _ALLOWED else f"  more than {_ALLOWED * 1e3:.0f}"
    return f"{name:20s} longest waits, ms (of it computed): {waits}{verdict}"


def main(arguments: Sequence[str]) -> None:
    """Print the table, or serve."""
    if arguments[:1] == ["serve"]:
        serve(arguments[1], Path(arguments[2]))
        return
    from twisted.internet import reactor  # noqa: PLC0415  # this is a composition root
    from twisted.internet.task import react  # noqa: PLC0415

    seconds = float(arguments[0]) if arguments else _SECONDS

    async def run(_reactor: Any) -> None:
        with TemporaryDirectory() as name:
            configuration = prepare(Path(name))
            with served("cc", name) as port:
                print("\n".join(await Load(port, reactor).cluster(configuration, seconds)))  # noqa: T201
                prepare_cloud(configuration, port)
                with served("clc", name) as cloud_port:
                    print("\n".join(await Load(cloud_port, reactor).cloud(seconds)))  # noqa: T201

    react(run)


if __name__ == "__main__":
    main(sys.argv[1:])
