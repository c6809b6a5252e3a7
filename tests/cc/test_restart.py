"""The controller is killed at every step of a start and of an end, and started again."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from euca.cc.instance import State
from tests.cc.cluster import CORRELATION, ID, Cluster, run_fields


class RestartTests(SynchronousTestCase):
    """Whenever it is killed, the end is the same."""

    def started(self, deadly: int | None) -> Cluster:
        """Have an instance started by a controller that dies at that step."""
        cluster = Cluster(self)
        cluster.start(deadly)
        cluster.pass_time(1)
        asked = cluster.ask_the_mortal("RunInstances", **run_fields(ID))
        cluster.pass_time(7)
        if cluster.fate.dead:
            answered = asked.called
            cluster.restart()
            cluster.pass_time(1)
            if not answered:  # the cloud asks again then
                cluster.run(ID)
            cluster.pass_time(21, 3)
        return cluster

    def steps_of_a_start(self) -> range:
        """Return the steps at which a controller may die that has polled its nodes once."""
        booted = Cluster(self)
        booted.start()
        booted.pass_time(1)
        steps = range(booted.fate.steps, self.started(None).fate.steps)
        self.assertGreater(len(steps), 20)
        return steps

    def ended(self, deadly: int | None) -> Cluster:
        """Have a running instance ended by a controller that dies at that step."""
        cluster = Cluster(self)
        cluster.start()
        cluster.pass_time(1)
        cluster.run(ID)
        cluster.pass_time(1)
        cluster.node().become(ID, State.EXTANT)
        cluster.pass_time(6)
        cluster.fate.steps, cluster.fate.deadly = 0, deadly
        fields = {"userId": "ann", "correlationId": CORRELATION, "instanceIds": [ID]}
        asked = cluster.ask_the_mortal("TerminateInstances", **fields)
        cluster.pass_time(7)
        if cluster.fate.dead:
            answered = asked.called
            cluster.restart()
            if not answered:
                cluster.terminate(ID)
            cluster.pass_time(21, 3)
        return cluster

    def test_start(self) -> None:
        """One node has the instance, was told to run it once, and the cluster tells it."""
        for deadly in self.steps_of_a_start():
            cluster = self.started(deadly)
            self.assertEqual(cluster.holders(), [1], deadly)
            self.assertEqual(cluster.node().asked.count(("run", ID)), 1, deadly)
            self.assertEqual(cluster.listed(), {ID: "Pending"}, deadly)
            self.assertEqual(len(cluster.records()), 1, deadly)

    def test_end(self) -> None:
        """The node has ended the instance, and the cluster tells that and forgets it."""
        steps = self.ended(None).fate.steps
        self.assertGreater(steps, 10)
        for deadly in range(steps):
            cluster = self.ended(deadly)
            self.assertEqual(cluster.node().held[ID].state, State.TEARDOWN, deadly)
            self.assertEqual(cluster.listed(), {ID: "Teardown"}, deadly)
            cluster.node().held.clear()
            cluster.pass_time(310, 31)
            self.assertEqual(cluster.records(), [], deadly)

    def test_end_of_a_start(self) -> None:
        """An instance ended while its start is cut off by a kill is nowhere in the end."""
        for deadly in self.steps_of_a_start():
            cluster = Cluster(self)
            cluster.start(deadly)
            cluster.pass_time(1)
            cluster.ask_the_mortal("RunInstances", **run_fields(ID))
            cluster.pass_time(2)
            cluster.restart()
            known = cluster.terminate(ID)["isTerminated"] == [True]
            cluster.pass_time(140, 7)
            alive = [
                node
                for node in cluster.nodes.values()
                if ID in node.held and node.held[ID].state is not State.TEARDOWN
            ]
            self.assertEqual(alive, [], deadly)
            self.assertEqual(cluster.listed(), {ID: "Teardown"} if known else {}, deadly)
