"""What a call costs on the wire, beside its yardsticks, all in one run.

    python -m benchmarks.wire

Machines differ by a factor of three in RSA alone, so ratios count. A server runs in a process of
its own and is asked for the CPU time that it used; what the client costs does not matter. The
yardsticks: a bare twisted.web POST; the limit L of a server that does one RSA-2048 signature and
one bare POST a call; and lxml's parse of the same bytes, for lists of instances. The yardsticks
stand on a bare twisted.web site, the service on the site of a component's listener.
"""

import http.client
import itertools
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from statistics import median, quantiles
from tempfile import TemporaryDirectory
from typing import Any

from lxml import etree
from twisted.application.service import Service
from twisted.internet.task import Clock
from twisted.web.resource import Resource
from twisted.web.server import Request, Site

from euca.auth.keyring import Certificate, Identity, new_identity
from euca.auth.wsse import (
    CLUSTER,
    Addressing,
    Pinned,
    Security,
    signed_envelope,
    unsigned_envelope,
)
from euca.model.identifiers import uuid7
from euca.wire.contract import Contract
from euca.wire.mount import Mounted, QuietSite, Responsive, Tree
from euca.wire.resource import SoapResource
from euca.wire.service import Call, operation
from euca.wire.streaming import StreamingRequest

_CONTRACT = "eucalyptus_nc"
_ACTION = "EucalyptusNC#ncDescribeResource"
_PAYLOAD = (
    '<n:ncDescribeResource xmlns:n="http://eucalyptus.ucsb.edu/">'
    "<n:userId>eucalyptus</n:userId></n:ncDescribeResource>"
)
_ROUNDS = 20
_CALLS = 2000
_YARDSTICKS = ("/bare", "/limit")


class Node:
    """A node that answers at once."""

    def __init__(self, contract: Contract) -> None:
        self.unbuilt = tuple(contract.operations.keys() - {"ncDescribeResource"})

    @operation("ncDescribeResource")
    async def describe_resource(self, call: Call) -> Mapping[str, Any]:
        """Answer."""
        return {
            "return": True,
            "userId": call.body["userId"],
            "nodeStatus": "ok",
            "memorySizeMax": 4096,
            "memorySizeAvailable": 2048,
            "diskSizeMax": 100,
            "diskSizeAvailable": 50,
            "numberOfCoresMax": 4,
            "numberOfCoresAvailable": 2,
            "publicSubnets": "none",
        }


class Bare(Resource):
    """A POST that does nothing but read and answer as many bytes as a signed reply has."""

    isLeaf = True

    def render_POST(self, request: Request) -> bytes:
        """Read and answer."""
        assert request.content is not None
        request.content.read()
        request.setHeader(b"Content-Type", b"text/xml;charset=UTF-8")
        return b"x" * 5000


class Limit(Bare):
    """One RSA-2048 signature, and the bare POST: nothing signed can be faster."""

    def __init__(self, identity: Identity) -> None:
        super().__init__()
        self._identity = identity

    def render_POST(self, request: Request) -> bytes:
        """Sign, and answer."""
        self._identity.sign_pkcs1_sha1(b"x")
        return super().render_POST(request)


class Used(Resource):
    """Tells the CPU seconds that the process has used."""

    isLeaf = True

    def render_GET(self, request: Request) -> bytes:
        """Tell."""
        return repr(time.process_time()).encode()


def _cores() -> tuple[set[int], set[int]]:
    """Return the one core of the server, and those of its client."""
    *others, last = sorted(os.sched_getaffinity(0))
    return {last}, set(others) or {last}


def serve(folder: Path) -> None:
    """Serve the three kinds of POST on a free port, and print it."""
    from twisted.internet import reactor  # noqa: PLC0415  # this is a composition root

    clock: Any = reactor
    contract = Contract.load(_CONTRACT)
    identity = Identity.load(folder / "node.pem", folder / "node.key")
    trust = Pinned({"cluster": Certificate.load(folder / "cluster.pem")})
    root = Resource()
    root.putChild(b"bare", Bare())
    root.putChild(b"limit", Limit(identity))
    root.putChild(b"used", Used())
    security = Security(CLUSTER, trust, identity)
    services = {
        b"unsigned": SoapResource(contract, Node(contract), None, clock),
        b"signed": SoapResource(contract, Node(contract), security, clock),
    }
    listened = QuietSite(
        Tree([Mounted("node", Service(), services, dict)]), requestFactory=StreamingRequest
    )
    listened.told = False  # as with a LOGLEVEL above DEBUG
    ports = [
        clock.listenTCP(0, site, interface="127.0.0.1").getHost().port
        for site in (Site(root), listened)
    ]
    clock.callWhenRunning(Responsive().startService)
    print(*ports, flush=True)  # noqa: T201
    clock.run()


class Server:
    """The serving process, seen from outside."""

    def __init__(self, folder: Path) -> None:
        command = [sys.executable, "-m", "benchmarks.wire", "serve", str(folder)]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE)
        one, others = _cores()
        os.sched_setaffinity(self._process.pid, one)
        os.sched_setaffinity(0, others)
        assert self._process.stdout is not None
        self._bare, self._listener = (
            http.client.HTTPConnection("127.0.0.1", int(port))
            for port in self._process.stdout.readline().split()
        )

    def stop(self) -> None:
        """End the process."""
        self._bare.close()
        self._listener.close()
        self._process.terminate()
        self._process.wait()

    def seconds(self, bodies: Mapping[str, Sequence[bytes]]) -> dict[str, list[float]]:
        """Return by path the CPU seconds that the server uses for one POST, a figure a round.

        The paths take turns, so that a busy machine is as slow to all of a round.
        """
        rounds: dict[str, list[float]] = {path: [] for path in bodies}
        for number, (path, all_of_it) in itertools.product(range(_ROUNDS), bodies.items()):
            each = len(all_of_it) // _ROUNDS
            before = self._used()
            for body in all_of_it[number * each : (number + 1) * each]:
                self._post(path, body)
            rounds[path].append((self._used() - before) / each)
        return rounds

    def _post(self, path: str, body: bytes) -> None:
        headers = {"SOAPAction": f'"{_ACTION}"', "Content-Type": "text/xml"}
        connection = self._bare if path in _YARDSTICKS else self._listener
        connection.request("POST", path, body, headers)
        response = connection.getresponse()
        content = response.read()
        if response.status != 200:
            raise RuntimeError(f"{path}: {response.status} {content[-500:]!r}")

    def _used(self) -> float:
        self._bare.request("GET", "/used")
        return float(self._bare.getresponse().read())


def _requests(identity: Identity | None) -> list[bytes]:
    made = []
    for number in range(_CALLS):
        now = time.time()
        headers = (
            Addressing("To", "http://127.0.0.1/signed"),
            Addressing("Action", _ACTION),
            Addressing("MessageID", f"urn:uuid:{uuid7(now, secrets.token_bytes)}"),
        )
        if identity is None:
            made.append(unsigned_envelope(headers, _PAYLOAD))
        else:
            made.append(
                signed_envelope(
                    CLUSTER,
                    identity,
                    headers,
                    _PAYLOAD,
                    now=now,
                    lifetime=300,
                    new_id=f"n{number}".strip,
                )
            )
    return made


def per_call(function: Callable[[], Any], least: float = 0.5) -> float:
    """Return the CPU seconds that a call takes: the best of some rounds."""
    best = float("inf")
    end = time.process_time() + least
    while time.process_time() < end:
        before = time.process_time()
        rounds = 0
        while rounds < 10 and time.process_time() - before < least:
            function()
            rounds += 1
        best = min(best, (time.process_time() - before) / rounds)
    return best


def calls() -> list[str]:
    """Measure calls against the bare POST and against L."""
    now = datetime.now(UTC)
    cluster, node = new_identity("cluster", now), new_identity("node", now)
    with TemporaryDirectory() as name:
        folder = Path(name)
        node.save(folder / "node.pem", folder / "node.key")
        cluster.save(folder / "cluster.pem", folder / "cluster.key")
        server = Server(folder)
        try:
            signed_bodies = _requests(cluster)
            used = server.seconds(
                {
                    "/bare": signed_bodies,
                    "/unsigned": _requests(None),
                    "/limit": signed_bodies,
                    "/signed": signed_bodies,
                }
            )
        finally:
            server.stop()
    post, unsigned, limit, signed = used.values()
    return [
        _row("bare POST", post),
        _row("unsigned call", unsigned) + f" {_share(post, unsigned)} of the bare POST"
        " (wanted: 60 %)",
        _row("limit L: one RSA and a bare POST", limit),
        _row("signed call", signed) + f" {_share(limit, signed)} of L (wanted: 50 %)",
    ]


def _row(name: str, rounds: Sequence[float]) -> str:
    seconds = median(rounds)
    return f"{name:34s}{seconds * 1e6:6.0f} us {1 / seconds:6.0f} a second"


def _share(yardstick: Sequence[float], subject: Sequence[float]) -> str:
    """Return the median of the rounds' ratios, and between which the middle half of them lies."""
    low, middle, high = quantiles(
        (one / other for one, other in zip(yardstick, subject, strict=True)), n=4
    )
    return f"{middle:4.0%} ({low:.0%} to {high:.0%})"


def _instance(number: int) -> dict[str, Any]:
    return {
        "reservationId": f"r-{number:08X}",
        "instanceId": f"i-{number:08X}",
        "imageId": "emi-12345678",
        "kernelId": "eki-12345678",
        "ramdiskId": "eri-12345678",
        "userId": "admin",
        "keyName": "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAQQ== admin@eucalyptus",
        "instanceType": {"name": "m1.small", "memory": 128, "cores": 1, "disk": 2},
        "netParams": {
            "privateMacAddress": "d0:0d:00:00:00:01",
            "privateIp": "10.0.0.2",
            "publicIp": "10.1.0.2",
            "vlan": 10,
            "networkIndex": 5,
        },
        "stateName": "Extant",
        "bundleTaskStateName": "none",
        "launchTime": datetime(2026, 11, 21, tzinfo=UTC),
        "userData": "",
        "launchIndex": "0",
        "platform": "linux",
        "groupNames": ["default"],
    }


def _decoded(contract: Contract, raw: bytes) -> Any:
    message = contract.operations["ncDescribeInstances"].reply
    return contract.read(message, etree.fromstring(raw))


def _in_turns(*functions: Callable[[], Any]) -> list[list[float]]:
    """Return the CPU seconds that each takes, a figure a round: on one heap, one machine."""
    rounds = [[per_call(function, least=0.05) for function in functions] for _ in range(_ROUNDS)]
    return [list(each) for each in zip(*rounds, strict=True)]


def _times(subject: Sequence[float], yardstick: Sequence[float]) -> str:
    ratios = [one / other for one, other in zip(subject, yardstick, strict=True)]
    return f"{median(ratios):4.1f} times"


def lists() -> list[str]:
    """Measure encoding and decoding of instances against lxml's parse of the same bytes."""
    contract = Contract.load(_CONTRACT)
    message = contract.operations["ncDescribeInstances"].reply
    rows = []
    for count in (1, 100, 1000):
        values = {"return": True, "instances": [_instance(n) for n in range(count)]}
        raw = contract.write(message, values).encode()
        parse, encode, decode = _in_turns(
            partial(etree.fromstring, raw),
            partial(contract.write, message, values),
            partial(_decoded, contract, raw),
        )
        rows.append(
            f"{count:5d} instances, {len(raw):7d} bytes: parse {median(parse) * 1e6:7.0f} us, "
            f"encode {_times(encode, parse)} (wanted: 3), "
            f"decode with parse {_times(decode, parse)} (wanted: 4)"
        )
    return rows


def parts() -> list[str]:
    """Measure where a signed call's own time goes."""
    from euca.auth.wsse import verify_request  # noqa: PLC0415
    from euca.wire.envelope import parse  # noqa: PLC0415

    identity = new_identity("cluster", datetime.now(UTC))
    security = Security(CLUSTER, Pinned({"cluster": identity.certificate}), identity)
    messages = itertools.cycle(_requests(identity))
    clock = Clock()
    clock.advance(time.time())

    def verify() -> None:
        fresh = Security(CLUSTER, security.trust)
        coroutine = verify_request(parse(next(messages)).root, fresh, clock.seconds())
        try:
            coroutine.send(None)
        except StopIteration:
            return

    measured = _in_turns(
        lambda: identity.sign_pkcs1_sha1(b"x"),
        lambda: _signed(identity, clock.seconds()),
        lambda: parse(next(messages)),
        verify,
    )
    sign, envelope, parsing, verifying = map(median, measured)
    return [
        f"of it: parse {parsing * 1e6:.0f} us, verify {(verifying - parsing) * 1e6:.0f} us, "
        f"sign, beside the RSA, {(envelope - sign) * 1e6:.0f} us",
    ]


def _signed(identity: Identity, now: float) -> bytes:
    headers = (Addressing("Action", _ACTION), Addressing("MessageID", "urn:uuid:x"))
    return signed_envelope(
        CLUSTER, identity, headers, _PAYLOAD, now=now, lifetime=300, new_id=lambda: "x"
    )


def main(arguments: Sequence[str]) -> None:
    """Print the tables, or serve."""
    if arguments[:1] == ["serve"]:
        serve(Path(arguments[1]))
        return
    for rows in (calls, parts, lists):
        print("\n".join(rows()), flush=True)  # noqa: T201


if __name__ == "__main__":
    main(sys.argv[1:])
