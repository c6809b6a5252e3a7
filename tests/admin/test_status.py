"""Tests of `euca.admin.status`: what components say of themselves."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from euca.admin.status import Component, Health, ask, lacking, lines, wait

CLC = Component("clc", "127.0.0.1", 8773)


class LinesTests(SynchronousTestCase):
    """A health report becomes lines that can be read."""

    def test_each_component(self) -> None:
        """Components that share a listener have a line each."""
        detail = {name: {"component": name, "status": "ok"} for name in ("clc", "walrus")}
        found = [line.split() for line in lines(Health(CLC, "ok", detail))]
        self.assertEqual(found, [[name, "127.0.0.1:8773", "ok"] for name in ("clc", "walrus")])

    def test_nested(self) -> None:
        """Details are indented; one without nesting takes one line."""
        detail = {"clc": {"status": "ok", "clusters": {"c1": {"up": True, "error": None}}}}
        self.assertEqual(
            lines(Health(CLC, "ok", detail))[1:], ["    clusters:", "        c1: up yes, error -"]
        )

    def test_down(self) -> None:
        """A component that does not answer has one line that says why."""
        (line,) = lines(Health(CLC, "down (no route)", {}))
        self.assertIn("down (no route)", line)


class AskTests(SynchronousTestCase):
    """Components are asked over HTTP."""

    NOBODY = Component("nc", "127.0.0.1", 1)

    def test_nobody(self) -> None:
        """Where nobody listens the component is down."""
        found = ask(self.NOBODY)
        self.assertEqual((found.answers, found.status.split()[0]), (False, "down"))

    def test_wait_in_vain(self) -> None:
        """Waiting ends, and names what did not answer."""
        (found,) = wait([self.NOBODY], 0.01, lambda _text: None)
        self.assertTrue(found.startswith("nc on 127.0.0.1:1: down"), found)


class LackingTests(SynchronousTestCase):
    """A component that answers may still not be ready."""

    def lacking(self, name: str, status: str = "ok", **state: object) -> str:
        return lacking(Health(CLC, status, {name: {"status": status, **state}}))

    def test_ready(self) -> None:
        """A component that is well lacks nothing."""
        self.assertEqual(self.lacking("nc"), "")

    def test_degraded(self) -> None:
        """A component that is not well lacks something."""
        self.assertEqual(self.lacking("nc", "degraded"), "it is degraded")

    def test_node_down(self) -> None:
        """A cluster controller waits for all its nodes."""
        nodes = {"http://n1": {"state": "UP"}, "http://n2": {"state": "DOWN"}}
        self.assertEqual(self.lacking("cc", nodes=nodes), "node http://n2 is not up")

    def test_cluster_unreachable(self) -> None:
        """The cloud controller waits for its clusters."""
        cluster = {"reachable": False, "error": "refused", "capacity": {}}
        self.assertEqual(
            self.lacking("clc", clusters={"c1": cluster}), "c1 is not reachable: refused"
        )

    def test_no_room(self) -> None:
        """The cloud controller waits until it knows of room, used or not."""
        cluster = {"reachable": True, "capacity": {"m1.small": {"available": 0, "maximum": 0}}}
        self.assertEqual(
            self.lacking("clc", clusters={"c1": cluster}), "c1 has no room for instances"
        )
        cluster = {"reachable": True, "capacity": {"m1.small": {"available": 0, "maximum": 2}}}
        self.assertEqual(self.lacking("clc", clusters={"c1": cluster}), "")
