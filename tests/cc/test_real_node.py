"""The controller over a real node controller, whose hypervisor alone is a double."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from euca.cc.node_client import WireNode
from euca.testing.wire import joined
from tests.cc.cluster import ID, Cluster, contract, security, tag
from tests.nc.world import IMAGE, KERNEL, RAMDISK, World, url

IMAGES = {
    "imageId": IMAGE,
    "imageURL": url(IMAGE),
    "kernelId": KERNEL,
    "kernelURL": url(KERNEL),
    "ramdiskId": RAMDISK,
    "ramdiskURL": url(RAMDISK),
}


class RealNodeTests(SynchronousTestCase):
    """A cluster of one node."""

    def setUp(self) -> None:
        self.world = World.of(self)
        self.cluster = Cluster(self, nodes={})
        self.world.clock = self.cluster.clock
        self.world.start()
        self.addCleanup(self.stop_node)
        self.cluster.pass_time(1)
        client = joined(
            contract("eucalyptus_nc"),
            self.world.controller.api(),
            security("cluster", "node"),
            security("node", "cluster"),
            self.cluster.clock,
        )
        self.cluster.nodes[tag(1)] = WireNode(client)
        self.cluster.tags.tags = (tag(1),)
        self.cluster.start()
        self.cluster.pass_time(1)

    def stop_node(self) -> None:
        self.successResultOf(self.world.controller.stopService())

    def run_one(self) -> None:
        """Have an instance run."""
        self.assertTrue(self.cluster.run(ID, **IMAGES)["return"])
        self.cluster.pass_time(40, 2)

    def test_life_of_an_instance(self) -> None:
        """An instance runs, is ended, is told as Teardown, and is forgotten."""
        self.run_one()
        self.assertEqual(self.cluster.listed(), {ID: "Extant"})
        self.assertEqual(len(self.world.specs()), 1)
        self.cluster.terminate(ID)
        self.cluster.pass_time(30, 2)
        self.assertEqual(self.cluster.listed(), {ID: "Teardown"})
        self.assertEqual(list(self.world.specs()), [])
        self.cluster.pass_time(520, 5)
        self.assertEqual(self.cluster.records(), [])

    def test_what_the_node_tells(self) -> None:
        """What the node tells of an instance is what was asked for."""
        (before,) = self.cluster.run(ID, **IMAGES)["instances"]
        self.cluster.pass_time(40, 2)
        (after,) = self.cluster.call("DescribeInstances")["instances"]
        for name in ("imageId", "instanceType", "keyName", "netParams", "ownerId", "serviceTag"):
            self.assertEqual(after[name], before[name], name)
        self.assertEqual((after["groupNames"], after["platform"]), (["default"], "linux"))

    def test_capacity(self) -> None:
        """A running instance is missing from what is left, once."""
        asked = [{"name": "m1.small", "memory": 128, "cores": 1, "disk": 2}]
        (empty,) = self.cluster.call("DescribeResources", instanceTypes=asked)["resources"]
        self.run_one()
        (after,) = self.cluster.call("DescribeResources", instanceTypes=asked)["resources"]
        self.assertEqual(after["availableInstances"], empty["availableInstances"] - 1)
        self.assertEqual(after["maxInstances"], empty["maxInstances"])
