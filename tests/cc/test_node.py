"""Nodes: the same tests for the double in memory and for the signed client over the wire."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, cast

from attrs import evolve
from treq.client import HTTPClient
from treq.testing import StubTreq
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.resource import Resource
from twisted.web.server import Request

from euca.auth.wsse import CLUSTER, Pinned, Security
from euca.cc.instance import Placed, State
from euca.cc.interfaces import Node, NodeFailed, NodeRefused
from euca.cc.memory import MemoryNode
from euca.cc.node import Amounts
from euca.cc.node_client import WireNode, WireNodes
from euca.cc.wire import asked_description, described, network_values, report_of, vm_values
from euca.telemetry.trace import correlated
from euca.testing.wire import joined
from euca.wire.client import SoapClient
from euca.wire.service import Call, operation
from tests.cc.cluster import (
    CORRELATION,
    ID,
    NOW,
    Cluster,
    at_once,
    contract,
    identity,
    instance,
    security,
    tag,
)

BUILT = {
    "ncDescribeResource",
    "ncDescribeInstances",
    "ncRunInstance",
    "ncTerminateInstance",
    "ncRebootInstance",
    "ncGetConsoleOutput",
    "ncStartNetwork",
}


class NodeOnTheWire:
    """The service of a node, in front of a double. `calls` is what was asked."""

    unbuilt = tuple(sorted(contract("eucalyptus_nc").operations.keys() - BUILT))

    def __init__(self, node: MemoryNode) -> None:
        self.node = node
        self.calls: list[Call] = []

    async def _or_refused(self, call: Call, work: Any, **more: Any) -> Mapping[str, Any]:
        self.calls.append(call)
        try:
            await work
        except NodeRefused:
            return {"return": False, **more}
        return {"return": True, **more}

    @operation("ncDescribeResource")
    async def describe_resource(self, call: Call) -> Mapping[str, Any]:
        self.calls.append(call)
        found = await self.node.resources()
        most, left = found.maximum, found.available
        return {
            "return": True,
            "nodeStatus": "OK",
            "memorySizeMax": most.memory,
            "memorySizeAvailable": left.memory,
            "diskSizeMax": most.disk,
            "diskSizeAvailable": left.disk,
            "numberOfCoresMax": most.cores,
            "numberOfCoresAvailable": left.cores,
            "publicSubnets": "none",
        }

    @operation("ncDescribeInstances")
    async def describe_instances(self, call: Call) -> Mapping[str, Any]:
        self.calls.append(call)
        reports = await self.node.instances(call.body["instanceIds"])
        return {"return": True, "instances": [told(report) for report in reports]}

    @operation("ncRunInstance")
    async def run_instance(self, call: Call) -> Mapping[str, Any]:
        body = {**call.body, "netNames": call.body["groupNames"]}
        wanted = evolve(instance(call.body["instanceId"]), description=asked_description(body, NOW))
        return await self._or_refused(call, self.node.run(wanted))

    @operation("ncTerminateInstance")
    async def terminate_instance(self, call: Call) -> Mapping[str, Any]:
        name = call.body["instanceId"]
        user = call.body["userId"]
        return await self._or_refused(call, self.node.terminate(name, user), instanceId=name)

    @operation("ncRebootInstance")
    async def reboot_instance(self, call: Call) -> Mapping[str, Any]:
        work = self.node.reboot(call.body["instanceId"], call.body["userId"])
        return await self._or_refused(call, work, status=False)

    @operation("ncGetConsoleOutput")
    async def get_console_output(self, call: Call) -> Mapping[str, Any]:
        self.calls.append(call)
        try:
            output = await self.node.console(call.body["instanceId"], call.body["userId"])
        except NodeRefused:
            return {"return": False}
        return {"return": True, "consoleOutput": output}

    @operation("ncStartNetwork")
    async def start_network(self, call: Call) -> Mapping[str, Any]:
        self.calls.append(call)
        return {"return": True, "networkStatus": "SUCCESS", "statusMessage": 0}


def told(report: Any) -> Mapping[str, Any]:
    """Return a report as the wire has it."""
    what = report.description
    return {
        "reservationId": what.reservation,
        "instanceId": report.identifier,
        "imageId": what.image.identifier,
        "userId": what.owner,
        "keyName": what.key,
        "instanceType": vm_values(what),
        "netParams": network_values(report.network),
        "stateName": report.state.value,
        "launchTime": datetime.fromtimestamp(what.launched, UTC),
        "groupNames": list(what.groups),
    }


class NodeTests:
    """What holds for every node; a subclass makes `node`, which stands for `memory`."""

    node: Node
    memory: MemoryNode

    def ask(self, awaitable: Any) -> Any:
        """Return what a call to the node returns."""
        return at_once(awaitable)

    def refuses(self, awaitable: Any) -> None:
        """Check that the node refuses a call."""
        with cast(SynchronousTestCase, self).assertRaises(NodeRefused):
            self.ask(awaitable)

    def test_resources(self) -> None:
        """It says what it has and what is left."""
        case = cast(SynchronousTestCase, self)
        self.ask(self.node.run(instance()))
        found = self.ask(self.node.resources())
        case.assertEqual(found.maximum, Amounts(4096, 102400, 8))
        case.assertEqual(found.available, Amounts(3968, 102398, 7))

    def test_runs(self) -> None:
        """An instance that it took is told as it was asked for, and is refused another time."""
        case = cast(SynchronousTestCase, self)
        self.ask(self.node.start_network(instance()))
        self.ask(self.node.run(instance()))
        (report,) = self.ask(self.node.instances())
        wanted = instance()
        case.assertEqual((report.identifier, report.state), (ID, State.PENDING))
        case.assertEqual(report.network, wanted.network)
        for name in ("reservation", "owner", "vm", "key", "groups", "launched"):
            case.assertEqual(
                getattr(report.description, name), getattr(wanted.description, name), name
            )
        self.refuses(self.node.run(instance()))

    def test_named_instances(self) -> None:
        """Of the named instances it tells those that it has."""
        case = cast(SynchronousTestCase, self)
        self.ask(self.node.run(instance()))
        self.ask(self.node.run(instance("i-00000002")))
        found = self.ask(self.node.instances((ID, "i-00000003")))
        case.assertEqual([report.identifier for report in found], [ID])

    def test_terminates(self) -> None:
        """An instance that is to end is told so; one that is not there is refused."""
        self.ask(self.node.run(instance()))
        self.ask(self.node.terminate(ID, "ann"))
        (report,) = self.ask(self.node.instances())
        cast(SynchronousTestCase, self).assertEqual(report.state, State.TEARDOWN)
        self.refuses(self.node.terminate("i-00000002", "ann"))

    def test_console_and_reboot(self) -> None:
        """Console and reboot are for instances that are there."""
        self.ask(self.node.run(instance()))
        self.ask(self.node.reboot(ID, "ann"))
        cast(SynchronousTestCase, self).assertTrue(self.ask(self.node.console(ID, "ann")))
        self.refuses(self.node.reboot("i-00000002", "ann"))
        self.refuses(self.node.console("i-00000002", "ann"))


class MemoryNodeTests(NodeTests, SynchronousTestCase):
    """The double."""

    def setUp(self) -> None:
        self.node = self.memory = MemoryNode()


class WireNodeTests(NodeTests, SynchronousTestCase):
    """The client, signed both ways."""

    def setUp(self) -> None:
        self.memory = MemoryNode()
        self.api = NodeOnTheWire(self.memory)
        clock = Clock()
        clock.advance(NOW)
        self.node = WireNode(
            joined(
                contract("eucalyptus_nc"),
                self.api,
                security("cluster", "node"),
                security("node", "cluster"),
                clock,
            )
        )

    def test_names(self) -> None:
        """Polls are the cloud's own; the node's name and the correlation id go along."""
        self.ask(self.node.instances())
        with correlated(CORRELATION):
            self.ask(self.node.run(instance(phase=Placed(1, NOW))))
        poll, run = (call.body for call in self.api.calls)
        self.assertEqual((poll["userId"], poll["correlationId"]), ("eucalyptus", None))
        self.assertEqual((run["userId"], run["correlationId"]), ("ann", CORRELATION))
        self.assertEqual(run["nodeName"], "service.example")
        self.assertEqual(run["imageURL"], "http://walrus/img")

    def test_unknown_state(self) -> None:
        """A state that is none makes the answer unusable."""
        self.ask(self.node.run(instance()))

        class Odd:
            value = "Dancing"

        self.memory.become(ID, cast(State, Odd))
        with self.assertRaises(NodeFailed):
            self.ask(self.node.instances())


class Garbage(Resource):
    """Answers with what is no SOAP."""

    isLeaf = True

    def render_POST(self, request: Request) -> bytes:
        return b"<html>hello</html>"


class BadNodeTests(SynchronousTestCase):
    """Nodes that are not what they should be, beside one that is."""

    def polled(self, bad: Node) -> str:
        """Poll a bad node beside a good one; returns why the bad one is down."""
        cluster = Cluster(self, nodes={tag(1): bad, tag(2): MemoryNode()})
        cluster.start()
        cluster.pass_time(2)
        records = cluster.node_records()
        self.assertEqual((records[tag(1)].up, records[tag(2)].up), (False, True))
        self.assertEqual(cluster.run(ID)["instances"][0]["serviceTag"], tag(2))
        reason: str = records[tag(1)].reason
        return reason

    def test_another_certificate(self) -> None:
        """A node that answers with another certificate than the nodes' is down."""
        stranger = Security(
            CLUSTER, Pinned({"c": identity("cluster").certificate}), identity("stranger")
        )
        clock = Clock()
        clock.advance(NOW)
        api = NodeOnTheWire(MemoryNode())
        own = security("cluster", "node")
        client = joined(contract("eucalyptus_nc"), api, own, stranger, clock)
        self.assertIn("service.example", self.polled(WireNode(client)))

    def test_garbage(self) -> None:
        """A node that answers garbage is down."""
        http = cast(HTTPClient, StubTreq(Garbage()))
        own = security("cluster", "node")
        nodes = WireNodes(contract("eucalyptus_nc"), http, own, Clock(), 20.0)
        self.assertIn("no SOAP", self.polled(nodes.at(tag(1))))
        self.assertIs(nodes.at(tag(1)), nodes.at(tag(1)))

    def test_silence(self) -> None:
        """A node that takes a call and never answers is down when the limit has passed."""

        class Silent:
            async def post(self, *args: Any, **kwargs: Any) -> Any:
                return await Deferred()

        cluster = Cluster(self, nodes={tag(1): MemoryNode(), tag(2): MemoryNode()})
        client = SoapClient(
            contract("eucalyptus_nc"),
            tag(1),
            cast(HTTPClient, Silent()),
            security("cluster", "node"),
            cluster.clock,
            20.0,
        )
        cluster.start()
        cluster.pass_time(1)
        cluster.stop()
        cluster.nodes[tag(1)] = WireNode(client)
        cluster.start()
        cluster.pass_time(19)
        self.assertTrue(cluster.node_records()[tag(1)].up)
        cluster.pass_time(2)
        record = cluster.node_records()[tag(1)]
        self.assertEqual((record.up, "in time" in record.reason), (False, True))


class ReportTests(SynchronousTestCase):
    """What nodes tell, and how it is told on."""

    def test_sparse_report(self) -> None:
        """A report that has only what it must is understood."""
        node_contract = contract("eucalyptus_nc")
        self.assertIn("ncDescribeInstances", node_contract.operations)
        item: dict[str, Any] = {
            **dict.fromkeys(("kernelId", "ramdiskId", "netParams", "bundleTaskStateName")),
            **dict.fromkeys(("launchTime", "userData", "launchIndex", "platform")),
            "reservationId": "r",
            "instanceId": ID,
            "imageId": "",
            "userId": "ann",
            "keyName": "",
            "instanceType": {
                "name": None,
                "memory": None,
                "cores": None,
                "disk": None,
                "deviceMapping": [],
            },
            "stateName": "Extant",
            "groupNames": [],
            "volumes": [],
        }
        report = report_of(item)
        self.assertEqual((report.state, report.network.private_ip), (State.EXTANT, "0.0.0.0"))

    def test_told_on(self) -> None:
        """An empty platform is left out, and so are groups that no node has told."""
        values = described(instance())
        self.assertEqual((values["platform"], values["groupNames"]), (None, []))
