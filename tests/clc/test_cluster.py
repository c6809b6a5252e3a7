"""Clusters: the same tests for the double in memory and for the signed client over the wire."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from treq.testing import StubTreq
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from euca.auth.wsse import CLUSTER, Pinned, Security
from euca.clc.cluster_client import WireCluster, WireClusters
from euca.clc.instance import Boot, Instance, Reported
from euca.clc.interfaces import Cluster, ClusterRefused, ClusterUnreachable
from euca.clc.memory import MemoryCluster
from euca.model.machine import VM_TYPES
from euca.testing.wire import joined
from euca.wire.contract import Contract
from euca.wire.service import Call, operation
from tests.clc.cloud import NOW, Numbers, identity

CC = Contract.load("eucalyptus_cc")
BUILT = {
    "DescribeResources",
    "DescribeInstances",
    "RunInstances",
    "TerminateInstances",
    "GetConsoleOutput",
}


def wish(identifier: str = "i-00000001") -> Instance:
    """Return an instance to start."""
    return Instance(
        identifier=identifier,
        reservation="r-00000001",
        owner="ann",
        launch_index=0,
        cluster="cluster1",
        vm_type=VM_TYPES[0],
        boot=Boot("emi-00000001", "http://walrus/images/emi.manifest.xml"),
        launched=NOW,
        since=NOW,
        key_text="ssh-rsa AAAA ann@eucalyptus",
        correlation="11111111-2222-4333-8444-555555555555",
    )


class ClusterOnTheWire:
    """The service of a cluster controller, in front of a double. `calls` is what was asked."""

    unbuilt = tuple(sorted(CC.operations.keys() - BUILT))

    def __init__(self, cluster: MemoryCluster) -> None:
        self.cluster = cluster
        self.calls: list[Call] = []

    @operation("DescribeResources")
    async def describe_resources(self, call: Call) -> Mapping[str, Any]:
        self.calls.append(call)
        capacities = await self.cluster.capacity(VM_TYPES)
        return {
            "return": True,
            "resources": [
                {
                    "instanceType": {"name": capacity.vm_type, "memory": 1, "cores": 1, "disk": 1},
                    "maxInstances": capacity.maximum,
                    "availableInstances": capacity.available,
                }
                for capacity in capacities
            ],
        }

    @operation("DescribeInstances")
    async def describe_instances(self, call: Call) -> Mapping[str, Any]:
        self.calls.append(call)
        return {
            "return": True,
            "instances": [_item(report) for report in await self.cluster.reports()],
        }

    @operation("RunInstances")
    async def run_instances(self, call: Call) -> Mapping[str, Any]:
        self.calls.append(call)
        identifier = call.body["instanceIds"][0]
        try:
            await self.cluster.start(wish(identifier))
        except ClusterRefused as error:
            return {"return": False, "statusMessage": str(error)}
        return {"return": True, "instances": [_item(self.cluster.instances[identifier])]}

    @operation("TerminateInstances")
    async def terminate_instances(self, call: Call) -> Mapping[str, Any]:
        self.calls.append(call)
        await self.cluster.terminate(wish(call.body["instanceIds"][0]))
        return {"return": True, "isTerminated": [True]}

    @operation("GetConsoleOutput")
    async def get_console_output(self, call: Call) -> Mapping[str, Any]:
        self.calls.append(call)
        try:
            output = await self.cluster.console(wish(call.body["instanceId"]))
        except ClusterRefused as error:
            return {"return": False, "statusMessage": str(error)}
        return {
            "return": True,
            "consoleOutput": base64.b64encode(output or b"EMPTY").decode(),
        }


def _item(report: Any) -> Mapping[str, Any]:
    return {
        "instanceId": report.identifier,
        "stateName": report.state.value,
        "ownerId": "ann",
        "reservationId": "r-00000001",
        "netParams": {
            "privateMacAddress": "d0:0d:00:00:00:01",
            "privateIp": report.private_ip,
            "publicIp": report.public_ip,
            "vlan": -1,
            "networkIndex": -1,
        },
    }


class Kept:
    """What every cluster does."""

    cluster: Cluster
    memory: MemoryCluster

    def do(self, coroutine: Any) -> Any:
        return self.successResultOf(Deferred.fromCoroutine(coroutine))

    def test_capacity(self) -> None:
        """The room for each type is told."""
        found = self.do(self.cluster.capacity(VM_TYPES))
        self.assertEqual(
            [(vm_type.name, 4, 4) for vm_type in VM_TYPES],
            [(capacity.vm_type, capacity.maximum, capacity.available) for capacity in found],
        )

    def test_start(self) -> None:
        """A started instance has the addresses told, and is reported pending."""
        started = self.do(self.cluster.start(wish()))
        (report,) = self.do(self.cluster.reports())
        self.assertEqual(
            ("10.0.0.1", "i-00000001", Reported.PENDING, "10.0.0.1"),
            (started.private_ip, report.identifier, report.state, report.private_ip),
        )

    def test_start_twice(self) -> None:
        """An instance is not started twice."""
        self.do(self.cluster.start(wish()))
        self.failureResultOf(Deferred.fromCoroutine(self.cluster.start(wish())), ClusterRefused)

    def test_no_room(self) -> None:
        """A cluster without room refuses, and says why."""
        self.memory.slots = 0
        error = self.failureResultOf(
            Deferred.fromCoroutine(self.cluster.start(wish())), ClusterRefused
        ).value
        self.assertEqual("not enough resources", str(error))

    def test_terminate(self) -> None:
        """A terminated instance is reported as being torn down."""
        self.do(self.cluster.start(wish()))
        self.do(self.cluster.terminate(wish()))
        (report,) = self.do(self.cluster.reports())
        self.assertEqual(Reported.TEARDOWN, report.state)

    def test_terminate_unknown(self) -> None:
        """An unknown instance is ended without complaint."""
        self.assertIsNone(self.do(self.cluster.terminate(wish())))

    def test_console(self) -> None:
        """The console is read as the bytes that it is."""
        self.do(self.cluster.start(wish()))
        self.memory.consoles["i-00000001"] = b"\x1b[Hlogin: \xff"
        self.assertEqual(b"\x1b[Hlogin: \xff", self.do(self.cluster.console(wish())))

    def test_empty_console(self) -> None:
        """A console without output is empty."""
        self.do(self.cluster.start(wish()))
        self.assertEqual(b"", self.do(self.cluster.console(wish())))

    def test_console_unknown(self) -> None:
        """The console of an unknown instance is refused."""
        self.failureResultOf(Deferred.fromCoroutine(self.cluster.console(wish())), ClusterRefused)


class MemoryClusterTests(Kept, SynchronousTestCase):
    """The double."""

    def setUp(self) -> None:
        self.memory = MemoryCluster()
        self.cluster = self.memory


class WireClusterTests(Kept, SynchronousTestCase):
    """The client, through every byte of the wire."""

    def setUp(self) -> None:
        self.memory = MemoryCluster()
        self.service = ClusterOnTheWire(self.memory)
        clock = Clock()
        clock.advance(NOW)
        cloud, cluster = identity("cloud"), identity("cluster")
        client = joined(
            CC,
            self.service,
            Security(CLUSTER, Pinned({"cluster1": cluster.certificate}), cloud),
            Security(CLUSTER, Pinned({"cloud": cloud.certificate}), cluster),
            clock,
        )
        self.cluster = WireCluster(client, Numbers())

    def test_run_instances(self) -> None:
        """RunInstances carries what 2.0's carried: key text, platform, mac, no vlan."""
        self.do(self.cluster.start(wish()))
        (call,) = self.service.calls
        asked = {
            name: call.body[name]
            for name in (
                "correlationId",
                "userId",
                "keyName",
                "minCount",
                "maxCount",
                "macAddresses",
                "netNames",
                "vlan",
                "userData",
                "launchIndex",
                "platform",
            )
        }
        self.assertEqual(
            {
                "correlationId": "11111111-2222-4333-8444-555555555555",
                "userId": "ann",
                "keyName": "ssh-rsa AAAA ann@eucalyptus",
                "minCount": 1,
                "maxCount": 1,
                "macAddresses": ["d0:0d:00:00:00:01"],
                "netNames": ["default"],
                "vlan": -1,
                "userData": "",
                "launchIndex": "0",
                "platform": "linux",
            },
            asked,
        )

    def test_signer(self) -> None:
        """Calls are signed by the cloud."""
        self.do(self.cluster.reports())
        self.assertEqual("cloud", self.service.calls[0].signer.name)


class WireClustersTests(SynchronousTestCase):
    """The way to a cluster."""

    def clusters(self) -> WireClusters:
        from pathlib import Path

        self.keys = Path(self.mktemp())
        (self.keys / "cluster1").mkdir(parents=True)
        return WireClusters(
            CC, StubTreq(None), identity("cloud"), self.keys, Clock(), 30.0, Numbers()
        )

    def test_without_certificate(self) -> None:
        """A cluster whose certificate is not here cannot be reached."""
        clusters = self.clusters()
        self.assertRaises(ClusterUnreachable, clusters.at, "cluster1", "127.0.0.1", 8774)

    def test_client_is_kept(self) -> None:
        """A client is made once, and again when the cluster's certificate changes."""
        clusters = self.clusters()
        where = self.keys / "cluster1" / "cluster-cert.pem"
        where.write_bytes(identity("cluster").certificate.pem)
        first = clusters.at("cluster1", "127.0.0.1", 8774)
        second = clusters.at("cluster1", "127.0.0.1", 8774)
        where.write_bytes(identity("stranger").certificate.pem)
        third = clusters.at("cluster1", "127.0.0.1", 8774)
        self.assertEqual((True, False), (first is second, first is third))
