"""The controller over nodes in memory, asked over the wire."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any, cast

from treq.testing import StubTreq
from twisted.trial.unittest import SynchronousTestCase

from euca.cc.instance import Gone, Reported, State
from euca.cc.node import Amounts, Health
from euca.cc.plan import Limits
from euca.cc.schedule import Policy
from euca.model.machine import VM_TYPES
from euca.store.engine import Database
from euca.threads import Immediate
from euca.wire.client import RemoteFault
from tests.cc.cluster import ID, SMALL, Cluster, run_fields, tag, vm_values

OTHER = "i-00000002"


class ClusterCase(SynchronousTestCase):
    """A cluster of two nodes that has been polled."""

    def setUp(self) -> None:
        self.cluster = Cluster(self)
        self.cluster.start()
        self.cluster.pass_time(1)


class LaunchTests(ClusterCase):
    """RunInstances, and what comes of it."""

    def test_answers_at_once(self) -> None:
        """The reply has the instance as Pending, with its address from its identifier."""
        for node in self.cluster.nodes.values():
            node.hangs = True
        reply = self.cluster.run(ID)
        (told,) = reply["instances"]
        self.assertEqual((told["stateName"], told["serviceTag"]), ("Pending", tag(1)))
        self.assertEqual(
            told["netParams"],
            {
                "privateMacAddress": "d0:0d:3E:5A:08:77",
                "privateIp": "0.0.0.0",
                "publicIp": "0.0.0.0",
                "vlan": -1,
                "networkIndex": -1,
            },
        )
        self.assertEqual((told["groupNames"], told["userData"]), ([], ""))
        self.assertEqual(
            (reply["correlationId"], reply["userId"]), (run_fields()["correlationId"], "ann")
        )

    def test_node_gets_it(self) -> None:
        """The node is asked for network and instance, and a poll shows how it is."""
        self.cluster.run(ID)
        self.cluster.pass_time(1)
        node = self.cluster.node()
        self.assertIn(("start_network", ID), node.asked)
        self.assertEqual(self.cluster.holders(), [1])
        node.become(ID, State.EXTANT)
        self.cluster.pass_time(6)
        self.assertEqual(self.cluster.listed(), {ID: "Extant"})
        self.assertEqual(node.asked.count(("run", ID)), 1)

    def test_round_robin(self) -> None:
        """ROUNDROBIN spreads instances, and remembers where it was over a restart."""
        self.cluster = Cluster(self, policy=Policy.ROUNDROBIN)
        self.cluster.start()
        self.cluster.pass_time(1)
        self.cluster.run(ID)
        self.cluster.restart()
        reply = self.cluster.run(OTHER, reservationId="r-2")
        self.assertEqual(reply["instances"][0]["serviceTag"], tag(2))

    def test_repeated_request(self) -> None:
        """A request that is repeated places nothing twice, and gets the same answer."""
        first, second = self.cluster.run(ID), self.cluster.run(ID)
        self.assertEqual(first["instances"], second["instances"])
        self.assertEqual(len(self.cluster.records()), 1)

    def test_identifier_of_another(self) -> None:
        """An identifier that another reservation has is not placed."""
        self.cluster.run(ID)
        reply = self.cluster.run(ID, reservationId="r-99999999")
        self.assertEqual((reply["return"], reply["statusMessage"]), (False, "ERROR"))

    def test_capacity_is_shared_between_polls(self) -> None:
        """What is placed is not placed again, though the nodes' own figures lack it so far."""
        self.cluster.nodes[tag(1)].maximum = Amounts(4096, 102400, 2)
        self.cluster.nodes[tag(2)].maximum = Amounts(4096, 102400, 1)
        self.cluster.pass_time(6)
        for node in self.cluster.nodes.values():
            node.hangs = True
        self.assertEqual(len(self.cluster.run(ID, OTHER)["instances"]), 2)
        third = self.cluster.run("i-00000003", "i-00000004", reservationId="r-2")
        self.assertEqual([item["serviceTag"] for item in third["instances"]], [tag(2)])
        full = self.cluster.run("i-00000005", reservationId="r-3")
        self.assertEqual((full["return"], full["statusMessage"]), (False, "ERROR"))

    def test_no_capacity_leaves_nothing(self) -> None:
        """When nothing is placed the request fails, and nothing of it stays."""
        big = VM_TYPES[-1].__class__("big", cores=99, memory=1, disk=1)
        reply = self.cluster.run(ID, vm=big)
        self.assertEqual((reply["return"], reply["statusMessage"]), (False, "ERROR"))
        self.assertEqual((reply["userId"], reply["instances"]), ("ann", []))
        self.assertEqual((self.cluster.records(), self.cluster.listed()), ([], {}))

    def test_bad_requests(self) -> None:
        """What cannot be meant is refused by a reply, never by a fault."""
        bad: list[dict[str, Any]] = [
            {"maxCount": 0},
            {"minCount": 0},
            {"maxCount": 2},
            {"instanceType": None},
            {"instanceType": {**vm_values(SMALL), "memory": 0}},
            {"instanceType": {"name": "t"}},
            {"userId": None},
            {"instanceIds": ["nonsense"]},
        ]
        for change in bad:
            reply = self.cluster.run(ID, **change)
            self.assertEqual((reply["return"], reply["statusMessage"]), (False, "ERROR"), change)
        self.assertEqual(self.cluster.records(), [])

    def test_absent_fields(self) -> None:
        """What may be absent may be: platform, kernel, ramdisk, key, image."""
        gone = dict.fromkeys(("platform", "keyName", "imageId", "imageURL", "correlationId"))
        self.assertTrue(self.cluster.run(ID, **gone)["return"])
        self.cluster.pass_time(7)
        self.assertEqual(self.cluster.holders(), [1])

    def test_lost_answer(self) -> None:
        """An answer that was lost does no harm: the node is asked before it is told again."""
        self.cluster.node().answers_lost = 1
        self.cluster.run(ID)
        self.cluster.pass_time(12)
        self.assertEqual(self.cluster.node().asked.count(("run", ID)), 1)
        self.assertEqual(self.cluster.listed(), {ID: "Pending"})

    def test_known_already(self) -> None:
        """A node that refuses an instance because it has it has started it."""
        self.cluster.run(ID)
        self.cluster.pass_time(1)
        self.cluster.run(ID)
        self.cluster.pass_time(12)
        self.assertIsInstance(self.cluster.records()[0].phase, Reported)

    def test_vain_start(self) -> None:
        """What no node starts within the limit is told as Teardown, and forgotten later."""
        node = self.cluster.node()
        node.reachable = False
        self.cluster.run(ID)
        self.cluster.pass_time(299)
        self.assertEqual(self.cluster.listed(), {ID: "Pending"})
        self.cluster.pass_time(5)
        self.assertEqual(self.cluster.listed(), {ID: "Teardown"})
        node.reachable = True
        self.cluster.pass_time(320, 10)
        self.assertEqual((self.cluster.listed(), self.cluster.holders()), ({}, []))
        self.assertEqual(self.cluster.records(), [])

    def test_late_success(self) -> None:
        """An instance that was given up, and that its node has after all, is ended there."""
        node = self.cluster.node()
        node.answers_lost = 1
        self.cluster.run(ID)
        node.reachable = False
        self.cluster.pass_time(302, 2)
        self.assertEqual(self.cluster.listed(), {ID: "Teardown"})
        node.reachable = True
        self.cluster.pass_time(20)
        self.assertEqual(node.held[ID].state, State.TEARDOWN)


class EndTests(ClusterCase):
    """TerminateInstances, and what comes of it."""

    def setUp(self) -> None:
        super().setUp()
        self.cluster.run(ID)
        self.cluster.pass_time(1)
        self.cluster.node().become(ID, State.EXTANT)
        self.cluster.pass_time(6)

    def test_node_is_told_once(self) -> None:
        """The node is told; when it reports Teardown so does the cluster, and is content."""
        self.assertEqual(self.cluster.terminate(ID)["isTerminated"], [True])
        self.cluster.pass_time(60)
        self.assertEqual(self.cluster.listed(), {ID: "Teardown"})
        self.assertEqual(self.cluster.node().asked.count(("terminate", ID)), 1)

    def test_one_answer_an_id(self) -> None:
        """There is one isTerminated for each identifier, known or not."""
        self.assertEqual(self.cluster.terminate(ID, OTHER)["isTerminated"], [True, False])

    def test_node_does_not_know_it(self) -> None:
        """What the node does not have any more is told as Teardown, and forgotten later."""
        self.cluster.node().held.clear()
        self.cluster.terminate(ID)
        self.cluster.pass_time(8)
        self.assertEqual(self.cluster.listed(), {ID: "Teardown"})
        self.assertEqual(self.cluster.records()[0].phase, Gone())
        self.cluster.pass_time(305, 5)
        self.assertEqual(self.cluster.records(), [])

    def test_unreachable_node_is_told_later(self) -> None:
        """The wish survives both sides: a node that is back after an hour is told then."""
        self.cluster.node().reachable = False
        self.cluster.terminate(ID)
        self.cluster.pass_time(3600, 60)
        self.assertEqual(self.cluster.listed(), {})
        self.cluster.restart()
        self.cluster.node().reachable = True
        self.cluster.pass_time(20)
        self.assertEqual(self.cluster.node().held[ID].state, State.TEARDOWN)

    def test_lost_answer(self) -> None:
        """An answer that was lost is no harm."""
        self.cluster.node().answers_lost = 1
        self.cluster.terminate(ID)
        self.cluster.pass_time(12)
        self.assertEqual(self.cluster.listed(), {ID: "Teardown"})

    def test_before_the_start(self) -> None:
        """An instance that its node was never told of has ended at once, and is not started."""
        self.successResultOf(self.cluster.parts.loop.stopService())
        self.cluster.run(OTHER, reservationId="r-2")
        self.cluster.terminate(OTHER)
        self.assertEqual(self.cluster.listed()[OTHER], "Teardown")
        self.cluster.restart()
        self.cluster.pass_time(20)
        self.assertEqual(self.cluster.holders(OTHER), [])


class KeptTests(ClusterCase):
    """What is kept of instances and nodes."""

    def test_unreachable_node_keeps_its_instances(self) -> None:
        """Instances of a node that is down keep their state until the limit, and come back."""
        self.cluster.run(ID)
        self.cluster.pass_time(1)
        node = self.cluster.node()
        node.become(ID, State.EXTANT)
        self.cluster.pass_time(6)
        node.reachable = False
        self.cluster.pass_time(290, 5)
        self.assertEqual(self.cluster.listed(), {ID: "Extant"})
        self.cluster.pass_time(15)
        self.assertEqual(self.cluster.listed(), {})
        node.reachable = True
        self.cluster.pass_time(6)
        self.assertEqual(self.cluster.listed(), {ID: "Extant"})

    def test_limit_of_the_configuration(self) -> None:
        """INSTANCE_TIMEOUT is the limit."""
        self.cluster = Cluster(self, limits=Limits(forget=30))
        self.cluster.start()
        self.cluster.pass_time(1)
        self.cluster.run(ID)
        self.cluster.pass_time(7)
        self.cluster.node().held.clear()
        self.cluster.pass_time(35)
        self.assertEqual(self.cluster.listed(), {})

    def test_records_survive(self) -> None:
        """Another process over the same file knows nodes and instances before any poll."""
        url = f"sqlite:///{Path(self.mktemp()).absolute()}/cc.db"
        database = Database(url, ("cc",), Immediate())
        database.startService()
        first = Cluster(self, database=database)
        first.start()
        first.pass_time(1)
        first.run(ID)
        first.stop()
        database.stopService()
        again = Database(url, ("cc",), Immediate())
        again.startService()
        self.addCleanup(again.stopService)
        second = Cluster(self, database=again)
        self.assertEqual(second.node_records()[tag(1)].health, Health.UP)
        self.assertEqual([each.identifier for each in second.records()], [ID])

    def test_list_of_nodes_changes(self) -> None:
        """Nodes come and go with the list; those that stay keep what is known of them."""
        self.cluster.tags.tags = (tag(2),)
        self.cluster.pass_time(6)
        self.assertEqual(list(self.cluster.node_records()), [tag(2)])
        self.assertTrue(self.cluster.node_records()[tag(2)].up)
        asked = len(self.cluster.node().asked)
        self.cluster.pass_time(30)
        self.assertEqual(len(self.cluster.node().asked), asked)
        self.cluster.tags.tags = (tag(1), tag(2))
        self.cluster.pass_time(7)
        self.assertTrue(self.cluster.node_records()[tag(1)].up)

    def test_node_under_another_name(self) -> None:
        """Instances of a node that the list calls otherwise now belong to the new name."""
        self.cluster.run(ID)
        self.cluster.pass_time(7)
        self.cluster.nodes[tag(3)] = self.cluster.nodes.pop(tag(1))
        self.cluster.tags.tags = (tag(3),)
        self.cluster.restart()
        self.cluster.pass_time(7)
        self.assertEqual(self.cluster.records()[0].node, tag(3))

    def test_node_claims_what_is_anothers(self) -> None:
        """What a node says of another node's instance is not heeded."""
        self.cluster.run(ID)
        self.cluster.pass_time(1)
        report = self.cluster.node().held[ID]
        self.cluster.node(2).held[ID] = report
        self.cluster.node(2).become(ID, State.TEARDOWN)
        self.cluster.pass_time(12)
        self.assertEqual(self.cluster.listed(), {ID: "Pending"})


class AddressTests(ClusterCase):
    """Addresses in SYSTEM mode."""

    def addresses(self) -> tuple[str, str]:
        """Return the addresses that the cluster tells."""
        (item,) = self.cluster.call("DescribeInstances")["instances"]
        return item["netParams"]["privateIp"], item["netParams"]["publicIp"]

    def setUp(self) -> None:
        super().setUp()
        self.cluster.run(ID)
        self.cluster.pass_time(1)
        self.cluster.node().become(ID, State.EXTANT)

    def test_found_among_neighbours(self) -> None:
        """An address that the node does not know is found by the hardware address, in any case."""
        self.cluster.neighbours.known["D0:0D:3e:5a:08:77"] = "10.0.0.9"
        self.cluster.pass_time(6)
        self.assertEqual(self.addresses(), ("10.0.0.9", "10.0.0.9"))

    def test_node_knows_better(self) -> None:
        """What the node says goes before, and 0.0.0.0 is nothing said."""
        self.cluster.neighbours.known["d0:0d:3e:5a:08:77"] = "10.0.0.9"
        self.cluster.pass_time(6)
        node = self.cluster.node()
        report = node.held[ID]
        network = report.network.__class__(report.network.mac, private_ip="10.0.0.5", vlan=-1)
        node.held[ID] = report.__class__(ID, State.EXTANT, network, report.description)
        self.cluster.pass_time(6)
        self.assertEqual(self.addresses(), ("10.0.0.5", "10.0.0.9"))


class OtherOperationTests(ClusterCase):
    """The other operations."""

    def test_resources(self) -> None:
        """Each type is counted on its own, reservations are subtracted, all nodes are named."""
        self.cluster.node(2).reachable = False
        self.cluster.pass_time(6)
        self.cluster.node().hangs = True
        self.cluster.run(ID)
        types = [vm_values(SMALL), vm_values(VM_TYPES[4])]
        reply = self.cluster.call("DescribeResources", instanceTypes=types)
        counts = [(r["availableInstances"], r["maxInstances"]) for r in reply["resources"]]
        self.assertEqual(counts, [(7, 8), (1, 2)])
        self.assertEqual(reply["serviceTags"], [tag(1), tag(2)])
        self.assertEqual(
            [r["instanceType"]["name"] for r in reply["resources"]], ["m1.small", "c1.xlarge"]
        )

    def test_resources_of_nothing(self) -> None:
        """A type with nothing in it is refused."""
        reply = self.cluster.call("DescribeResources", instanceTypes=[{"name": "t"}])
        self.assertEqual((reply["return"], reply["statusMessage"]), (False, "ERROR"))

    def test_console(self) -> None:
        """The console is what the instance's node says, asked in its owner's name."""
        self.cluster.run(ID)
        self.cluster.pass_time(1)
        reply = self.cluster.call("GetConsoleOutput", userId="somebody", instanceId=ID)
        self.assertEqual(base64.b64decode(reply["consoleOutput"]), f"{ID} login: ".encode())

    def test_console_of_the_unknown(self) -> None:
        """An instance that is not known is asked for at every node, then the request fails."""
        reply = self.cluster.call("GetConsoleOutput", userId="ann", instanceId=OTHER)
        self.assertEqual((reply["return"], reply["statusMessage"]), (False, "ERROR"))
        for node in self.cluster.nodes.values():
            self.assertIn(("console", OTHER), node.asked)

    def test_console_takes_too_long(self) -> None:
        """A node that does not answer in 5 s fails the request."""
        self.cluster.run(ID)
        self.cluster.pass_time(1)
        self.cluster.node().hangs = True
        asked = self.cluster.ask("GetConsoleOutput", userId="ann", instanceId=ID)
        self.cluster.pass_time(6)
        cast(StubTreq, self.cluster.client.http).flush()
        self.assertFalse(self.successResultOf(asked)["return"])

    def test_reboot(self) -> None:
        """A reboot is passed on; the answer is yes, also for what is not known."""
        self.cluster.run(ID)
        self.cluster.pass_time(1)
        reply = self.cluster.call("RebootInstances", userId="ann", instanceIds=[ID, OTHER])
        self.assertTrue(reply["return"])
        self.assertIn(("reboot", ID), self.cluster.node().asked)

    def test_networks(self) -> None:
        """In SYSTEM mode there are no networks to tell of, and nothing to do for them."""
        reply = self.cluster.call("DescribeNetworks", clusterControllers=[])
        self.assertEqual((reply["mode"], reply["addrsPerNet"]), (0, 0))
        net = {"vlan": 10, "netName": "default"}
        self.assertTrue(self.cluster.call("StartNetwork", **net)["return"])
        self.assertTrue(self.cluster.call("ConfigureNetwork")["return"])
        self.assertTrue(self.cluster.call("StopNetwork", **net)["return"])

    def test_public_addresses(self) -> None:
        """There are no public addresses, which is said in the word that the cloud knows."""
        reply = self.cluster.call("DescribePublicAddresses", userId="ann", correlationId="c")
        self.assertEqual((reply["return"], reply["statusMessage"]), (False, "NOTSUPPORTED"))
        self.assertEqual((reply["userId"], reply["correlationId"]), ("ann", "c"))

    def test_unbuilt(self) -> None:
        """What is not built says so."""
        failure = self.failureResultOf(self.cluster.ask("AttachVolume", volumeId="vol-1"))
        self.assertIn("not available", str(failure.trap(RemoteFault) and failure.value))

    def test_health(self) -> None:
        """The health names the nodes with their state, and counts instances."""
        self.cluster.node(2).reachable = False
        self.cluster.run(ID)
        self.cluster.pass_time(8)
        health = self.cluster.parts.health()
        nodes = health["nodes"]
        assert isinstance(nodes, dict)
        self.assertEqual((nodes[tag(1)]["state"], nodes[tag(2)]["state"]), ("UP", "DOWN"))
        self.assertEqual(nodes[tag(2)]["reason"], "the node cannot be reached")
        self.assertEqual(nodes[tag(1)]["available"]["cores"], 7)
        self.assertEqual((health["status"], health["instances"]), ("ok", {"Pending": 1}))


class SlowNodeTests(SynchronousTestCase):
    """Nodes that do not answer."""

    def test_hanging_node_delays_nobody(self) -> None:
        """While a node hangs, the other is polled and gets instances."""
        cluster = Cluster(self)
        cluster.node().hangs = True
        cluster.start()
        cluster.pass_time(12)
        records = cluster.node_records()
        self.assertEqual((records[tag(1)].up, records[tag(2)].up), (False, True))
        self.assertEqual(cluster.run(ID)["instances"][0]["serviceTag"], tag(2))
        cluster.pass_time(1)
        self.assertEqual(cluster.holders(), [2])

    def test_no_nodes(self) -> None:
        """A cluster without nodes answers, and has room for nothing."""
        cluster = Cluster(self, nodes={})
        cluster.start()
        self.assertFalse(cluster.run(ID)["return"])
        self.assertEqual(cluster.listed(), {})


class RecordTests(SynchronousTestCase):
    """Instances in the records."""

    def test_stop_is_clean(self) -> None:
        """After the controller has stopped nothing of it is left to be called."""
        cluster = Cluster(self)
        before = cluster.clock.getDelayedCalls()
        cluster.node().hangs = True
        cluster.start()
        cluster.pass_time(3)
        cluster.stop()
        self.assertEqual(cluster.clock.getDelayedCalls(), before)
