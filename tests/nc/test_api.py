"""Tests of `euca.nc.api` and `euca.nc.wire`, through the contract."""

from __future__ import annotations

import base64
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from euca.hypervisor.interfaces import HostResources
from euca.wire.client import RemoteFault
from tests.nc.world import INSTANCE, MAC, World, run_fields

GB = 1 << 30


class ApiTests(SynchronousTestCase):
    """What the cluster controller sees."""

    def setUp(self) -> None:
        self.world = World.of(self)
        self.world.start()

    def call(self, operation: str, **fields: Any) -> dict[str, Any]:
        return self.successResultOf(self.world.call(operation, **fields))

    def run_instance(self, identifier: str = INSTANCE, **changes: Any) -> dict[str, Any]:
        return self.call("ncRunInstance", **run_fields(identifier, **changes))

    def listed(self, user: str = "eucalyptus", *identifiers: str) -> list[str]:
        reply = self.call("ncDescribeInstances", userId=user, instanceIds=list(identifiers))
        return [found["instanceId"] for found in reply["instances"]]

    def test_run(self) -> None:
        """A new instance is pending, and everything that was given is told back."""
        reply = self.run_instance(userData="dGV4dA==", platform="linux")
        told = reply["instance"]
        self.assertEqual((reply["return"], reply["correlationId"]), (True, "request-1"))
        expected = {
            "reservationId": "r-12345678",
            "instanceId": INSTANCE,
            "userId": "admin",
            "stateName": "Pending",
            "bundleTaskStateName": "none",
            "userData": "dGV4dA==",
            "platform": "linux",
            "launchIndex": "0",
            "groupNames": ["default"],
            "volumes": [],
        }
        self.assertEqual({name: told[name] for name in expected}, expected)
        self.assertEqual(told["netParams"]["privateMacAddress"], MAC)
        self.assertEqual(told["launchTime"].timestamp(), self.world.clock.seconds())

    def test_run_twice(self) -> None:
        """An identifier that is known, even of an ended instance, is refused."""
        self.run_instance()
        self.assertEqual(self.run_instance()["return"], False)
        self.call("ncTerminateInstance", instanceId=INSTANCE)
        self.world.pass_time(1)
        reply = self.run_instance()
        self.assertEqual((reply["return"], reply["instance"]), (False, None))

    def test_refused_values(self) -> None:
        """What cannot be an instance is refused, and nothing is made of it."""
        for changes in (
            {"instanceId": "../../etc"},
            {"instanceId": "i-1"},
            {"userId": "../x"},
            {"userId": None},
            {"userId": ".."},
            {"imageId": "a/b"},
            {"kernelId": "../x"},
            {"keyName": "ssh-rsa A\nssh-rsa B"},
            {"instanceType": {"name": "x", "memory": 0, "cores": 1, "disk": 1}},
            {"netParams": {**run_fields()["netParams"], "privateMacAddress": "<x/>"}},
        ):
            reply = self.call("ncRunInstance", **{**run_fields(), **changes})
            self.assertIs(reply["return"], False, changes)
        self.assertEqual(self.world.files(), [])

    def test_no_room(self) -> None:
        """An instance that does not fit is refused; the end of another makes room."""
        for size in ({"cores": 9}, {"memory": 100_000}, {"disk": 1_000_000}):
            kind = {"name": "x", "memory": 1, "cores": 1, "disk": 1, **size}
            self.assertIs(self.run_instance(instanceType=kind)["return"], False, size)
        whole = {"name": "x", "memory": 1, "cores": 8, "disk": 1}
        self.assertIs(self.run_instance("i-00000001", instanceType=whole)["return"], True)
        self.assertIs(self.run_instance("i-00000002")["return"], False)
        self.call("ncTerminateInstance", instanceId="i-00000001")
        self.world.pass_time(1)
        self.assertIs(self.run_instance("i-00000002")["return"], True)

    def test_describe(self) -> None:
        """A user sees his instances, the administrator all of them; unknown ones are left out."""
        self.run_instance("i-00000001")
        self.run_instance("i-00000002", userId="other")
        self.assertEqual(self.listed(), ["i-00000001", "i-00000002"])
        self.assertEqual(self.listed("other"), ["i-00000002"])
        self.assertEqual(self.listed("eucalyptus", "i-00000001", "i-00000009"), ["i-00000001"])

    def test_states(self) -> None:
        """The states are Pending, Extant and Teardown."""

        def state() -> str:
            reply = self.call("ncDescribeInstances", userId="eucalyptus", instanceIds=[])
            name: str = reply["instances"][0]["stateName"]
            return name

        self.world.hypervisor.refusal = "not yet"
        self.run_instance()
        states = [state()]
        self.world.hypervisor.refusal = ""
        self.world.pass_time(6)
        states.append(state())
        self.call("ncTerminateInstance", instanceId=INSTANCE)
        self.world.pass_time(1)
        self.assertEqual([*states, state()], ["Pending", "Extant", "Teardown"])
        self.flushLoggedErrors()

    def test_terminate(self) -> None:
        """The reply has the code of the new state, twice."""
        self.run_instance()
        self.world.pass_time(1)
        reply = self.call("ncTerminateInstance", instanceId=INSTANCE, userId="admin")
        told = (reply["instanceId"], reply["shutdownState"], reply["previousState"])
        self.assertEqual(told, (INSTANCE, "13", "13"))

    def test_terminate_again(self) -> None:
        """An instance that has ended can be told to end again."""
        self.test_terminate()
        self.world.pass_time(1)
        reply = self.call("ncTerminateInstance", instanceId=INSTANCE)
        self.assertEqual((reply["return"], reply["shutdownState"]), (True, "14"))

    def test_terminate_unknown(self) -> None:
        """What is not here cannot end."""
        self.assertIs(self.call("ncTerminateInstance", instanceId=INSTANCE)["return"], False)

    def test_resources(self) -> None:
        """The figures are those of 2.0: KiB by 1000 less 256, and 512 of disk an instance."""
        self.world.kill()
        self.world.hypervisor.resources = HostResources(memory=4_000_000, cores=4)
        self.world.start()
        before = self.call("ncDescribeResource")
        self.run_instance()
        after = self.call("ncDescribeResource")
        self.assertEqual((before["nodeStatus"], before["publicSubnets"]), ("OK", "none"))
        self.assertEqual((before["memorySizeMax"], before["numberOfCoresMax"]), (3744, 4))
        used = {name: before[name] - after[name] for name in before if name.endswith("Available")}
        self.assertEqual(
            used,
            {"memorySizeAvailable": 128, "diskSizeAvailable": 513, "numberOfCoresAvailable": 1},
        )

    def test_limits(self) -> None:
        """What an administrator allows is reported, processors beyond the host's too."""
        self.world.kill()
        self.world = World.of(self, max_memory=100, max_cores=64, max_disk=50)
        self.world.start()
        reply = self.call("ncDescribeResource")
        told = (reply["memorySizeMax"], reply["numberOfCoresMax"], reply["diskSizeMax"])
        self.assertEqual(told, (100, 64, 50))

    def test_not_ready(self) -> None:
        """While the hypervisor has not answered, resources are not known: a fault says so."""
        self.world.kill()
        self.world.hypervisor.available = False
        self.world.start()
        self.failureResultOf(self.world.call("ncDescribeResource"), RemoteFault)
        self.failureResultOf(self.world.call("ncRunInstance", **run_fields()), RemoteFault)

    def test_console(self) -> None:
        """The console is the last 64 KiB, in base64 on one line."""
        self.run_instance()
        self.world.pass_time(1)
        console = self.world.root / "admin" / INSTANCE / "console.log"
        console.write_bytes(b"early" + b"x" * 65536)
        reply = self.call("ncGetConsoleOutput", userId="admin", instanceId=INSTANCE)
        self.assertEqual(base64.b64decode(reply["consoleOutput"]), b"x" * 65536)
        self.assertNotIn("\n", reply["consoleOutput"])

    def test_console_missing(self) -> None:
        """A console that is not there yet is empty."""
        self.world.hypervisor.available = False
        self.run_instance()
        (self.world.root / "admin" / INSTANCE / "console.log").unlink(missing_ok=True)
        reply = self.call("ncGetConsoleOutput", userId="admin", instanceId=INSTANCE)
        self.assertEqual((reply["return"], reply["consoleOutput"]), (True, ""))

    def test_console_of_another(self) -> None:
        """Nobody but its owner and the administrator reads a console."""
        self.run_instance()
        for user, allowed in (("other", False), (None, False), ("eucalyptus", True)):
            reply = self.call("ncGetConsoleOutput", userId=user, instanceId=INSTANCE)
            self.assertIs(reply["return"], allowed, user)

    def test_console_unknown(self) -> None:
        """There is no path from an identifier to a file of another kind."""
        reply = self.call("ncGetConsoleOutput", userId="..", instanceId="../../etc/passwd")
        self.assertIs(reply["return"], False)

    def test_reboot(self) -> None:
        """A reboot resets the guest, and says success by a false status, as 2.0 does."""
        self.run_instance()
        self.world.pass_time(1)
        reply = self.call("ncRebootInstance", instanceId=INSTANCE)
        self.assertEqual((reply["return"], reply["status"]), (True, False))
        self.assertEqual(len(self.world.hypervisor.resets), 1)

    def test_reboot_unknown(self) -> None:
        """What does not run cannot be rebooted."""
        reply = self.call("ncRebootInstance", instanceId=INSTANCE)
        self.assertEqual((reply["return"], reply["status"]), (False, True))

    def test_start_network(self) -> None:
        """The network is always there."""
        reply = self.call("ncStartNetwork", remoteHosts=[], remoteHostPort=0, vlan=10)
        told = (reply["return"], reply["networkStatus"], reply["statusMessage"])
        self.assertEqual(told, (True, "SUCCESS", 0))

    def test_unbuilt(self) -> None:
        """An operation that is not built is a fault that says so, never a success."""
        failure = self.failureResultOf(
            self.world.call("ncAttachVolume", instanceId=INSTANCE), RemoteFault
        )
        self.assertIn("ncAttachVolume is not available", str(failure.value))
