"""Tests of registrations, and of what the cloud controller says of its health."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from euca.clc import registry
from euca.clc.instance import Capacity
from tests.clc.cloud import House, database


class RegistryTests(SynchronousTestCase):
    """Components are registered, moved and forgotten."""

    def setUp(self) -> None:
        self.database = database()

    def test_clusters(self) -> None:
        """A cluster that is registered again has moved; one that is removed is gone."""

        def work(tx):
            registry.thd_add_cluster(tx, "a", "10.0.0.1", 8774)
            registry.thd_add_cluster(tx, "a", "10.0.0.2", 8774)
            there = [(cluster.name, cluster.host) for cluster in registry.thd_clusters(tx)]
            return there, registry.thd_remove_cluster(tx, "a"), registry.thd_clusters(tx)

        self.assertEqual(([("a", "10.0.0.2")], True, []), self.database.thd_transact(work))

    def test_answer(self) -> None:
        """A cluster is reachable once it answered, and until it does not."""

        def work(tx):
            registry.thd_add_cluster(tx, "a", "10.0.0.1", 8774)
            seen = [registry.thd_cluster(tx, "a").reachable]
            registry.thd_cluster_answered(tx, "a", 1.0, [Capacity("m1.small", 4, 2)])
            seen.append(registry.thd_cluster(tx, "a").reachable)
            registry.thd_cluster_failed(tx, "a", "cable")
            seen.append(registry.thd_cluster(tx, "a").reachable)
            return seen, registry.thd_cluster(tx, "a").capacities

        self.assertEqual(
            ([False, True, False], (Capacity("m1.small", 4, 2),)), self.database.thd_transact(work)
        )

    def test_services(self) -> None:
        """Walrus and the storage controllers are found where they were registered."""

        def work(tx):
            registry.thd_add_walrus(tx, "walrus", "10.0.0.1", 8773)
            registry.thd_add_storage_controller(tx, "a", "10.0.0.1", 8773)
            (controller,) = registry.thd_storage_controllers(tx)
            return registry.thd_walrus(tx).walrus_url, controller.name

        self.assertEqual(
            ("http://10.0.0.1:8773/services/Walrus", "a"), self.database.thd_transact(work)
        )


class HealthTests(SynchronousTestCase):
    """The health report."""

    def test_without_cluster(self) -> None:
        """A cloud without clusters is well, and says that it can start nothing."""
        house = House(database=database()).start()
        self.addCleanup(house.stop)
        health = house.assembled.health()
        self.assertEqual(("ok", {}), (health["status"], health["clusters"]))
        self.assertIn("no cluster is registered", str(health["note"]))

    def test_cluster(self) -> None:
        """A cluster is shown with its room, or with why it does not answer."""
        house = House().start()
        self.addCleanup(house.stop)
        house.pass_time()
        before = house.assembled.health()["clusters"]["cluster1"]
        house.cluster.unreachable = "cable"
        house.pass_time(60)
        after = house.assembled.health()["clusters"]["cluster1"]
        self.assertEqual(
            (True, {"available": 4, "maximum": 4}, False, "cable"),
            (
                before["reachable"],
                before["capacity"]["m1.small"],
                after["reachable"],
                after["error"],
            ),
        )

    def test_stopped(self) -> None:
        """A cloud controller whose loop does not run says so."""
        self.assertEqual("stopped", House().assembled.health()["status"])

    def test_stalled(self) -> None:
        """A cloud controller that cannot read its records for long says so."""
        house = House().start()
        self.addCleanup(house.stop)
        house.database.stopService()
        house.pass_time(140)
        self.flushLoggedErrors(AssertionError)
        self.assertEqual("stalled", house.assembled.health()["status"])
