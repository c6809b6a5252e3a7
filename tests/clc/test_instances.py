"""Tests of the life of instances: what users ask, what the cluster is told, what users see."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from euca.clc import requests as r
from euca.clc.instance import Instance, Reported, State
from euca.model.errors import (
    InstanceNotRunning,
    InvalidParameter,
    NoCapacity,
    UnknownGroup,
    UnknownImage,
    UnknownInstance,
    UnknownKeyPair,
    UnknownVmType,
    UnknownZone,
)
from tests.clc.cloud import ADMIN, ANN, BOB, House, caller, run_one


class Case(SynchronousTestCase):
    """A running cloud controller with one cluster of four places."""

    def setUp(self) -> None:
        self.house = House().start()
        self.addCleanup(self.house.stop)
        self.instances = self.house.assembled.cloud.instances
        self.cluster = self.house.cluster

    def do(self, coroutine):
        from twisted.internet.defer import Deferred

        return self.successResultOf(Deferred.fromCoroutine(coroutine))

    def refused(self, coroutine, kind: type[Exception]) -> Exception:
        from twisted.internet.defer import Deferred

        return self.failureResultOf(Deferred.fromCoroutine(coroutine), kind).value

    def run_one(self, account=ANN, **changes: object) -> str:
        if account is not ANN:
            changes.setdefault("key_name", None)
        made = self.do(self.instances.run_instances(caller(account), run_one(**changes)))
        self.house.settle()
        return made.instances[0].identifier

    def running(self) -> str:
        identifier = self.run_one()
        self.cluster.boot_all()
        self.house.pass_time()
        return identifier

    def see(self, identifier: str, account=ANN) -> Instance:
        found = self.do(
            self.instances.describe_instances(caller(account), r.DescribeInstances((identifier,)))
        )
        return found[0].instances[0]

    def terminate(self, *identifiers: str, account=ANN):
        request = r.TerminateInstances(identifiers)
        changes = self.do(self.instances.terminate_instances(caller(account), request))
        self.house.settle()
        return changes


class RunTests(Case):
    """RunInstances."""

    def test_answers_before_any_call(self) -> None:
        """The answer shows a pending instance while the cluster has not been called."""
        self.house.stop()
        made = self.do(self.instances.run_instances(caller(), run_one()))
        self.assertEqual(([], State.PENDING), (self.cluster.starts, made.instances[0].state))

    def test_starts_on_the_cluster(self) -> None:
        """The loop has the cluster start the instance, once."""
        identifier = self.run_one()
        self.house.pass_time(100)
        self.assertEqual([identifier], self.cluster.starts)

    def test_becomes_running(self) -> None:
        """An instance that the cluster reports as Extant is running, at the address reported."""
        seen = self.see(self.running())
        self.assertEqual((State.RUNNING, "10.0.0.1"), (seen.state, seen.private_ip))

    def test_resolves_what_to_boot(self) -> None:
        """The instance boots the image with its kernel and ramdisk, fetched from Walrus."""
        boot = self.see(self.run_one()).boot
        self.assertEqual(
            (
                "http://127.0.0.1:8773/services/Walrus/images/emi-00000001.manifest.xml",
                "eki-00000001",
                "eri-00000001",
            ),
            (boot.image_url, boot.kernel_id, boot.ramdisk_id),
        )

    def test_starts_as_many_as_fit(self) -> None:
        """Between MinCount and MaxCount, as many instances start as there is room for."""
        made = self.do(self.instances.run_instances(caller(), run_one(least=1, most=9)))
        self.assertEqual(4, len(made.instances))

    def test_no_room(self) -> None:
        """Without room for MinCount nothing is recorded."""
        error = self.refused(
            self.instances.run_instances(caller(), run_one(least=5, most=9)), NoCapacity
        )
        listed = self.do(self.instances.describe_instances(caller(), r.DescribeInstances()))
        self.assertEqual(
            ([], "Not enough resources (4 in default < 5): vm instances."), (listed, str(error))
        )

    def test_pending_instances_hold_their_room(self) -> None:
        """Room spoken for by instances that no report shows yet is not given twice."""
        self.house.stop()
        for _ in range(4):
            self.run_one()
        self.refused(self.instances.run_instances(caller(), run_one()), NoCapacity)

    def test_repeated_client_token(self) -> None:
        """The same client token brings the same reservation, and no second instance."""
        first = self.run_one(client_token="t")
        self.assertEqual((first, [first]), (self.run_one(client_token="t"), self.cluster.starts))

    def test_bad_requests(self) -> None:
        """Each thing wrong with a request is refused as the fact that it is."""
        for changes, kind in (
            ({"image_id": "emi-0BAD0BAD"}, UnknownImage),
            ({"image_id": "eki-00000001"}, InvalidParameter),
            ({"kernel_id": "eki-0BAD0BAD"}, UnknownImage),
            ({"kernel_id": "eri-00000001"}, InvalidParameter),
            ({"key_name": "nokey"}, UnknownKeyPair),
            ({"vm_type": "t9.vast"}, UnknownVmType),
            ({"zone": "nowhere"}, UnknownZone),
            ({"groups": ("web",)}, UnknownGroup),
            ({"least": 0}, InvalidParameter),
            ({"least": 2, "most": 1}, InvalidParameter),
            ({"user_data": "*"}, InvalidParameter),
        ):
            with self.subTest(changes):
                self.refused(self.instances.run_instances(caller(), run_one(**changes)), kind)

    def test_anothers_key_pair(self) -> None:
        """A key pair of another account is not found."""
        self.refused(self.instances.run_instances(caller(BOB), run_one()), UnknownKeyPair)


class TroubleTests(Case):
    """Clusters that refuse, fall silent, or lose instances."""

    def test_lost_answer(self) -> None:
        """An instance whose start was carried out without an answer is not started again."""
        self.cluster.deaf = True
        identifier = self.run_one()
        self.cluster.deaf = False
        self.house.pass_time(60)
        self.assertEqual([identifier], self.cluster.starts)

    def test_lost_request(self) -> None:
        """An instance whose start never reached the cluster is started when that is seen."""
        self.house.pass_time(1)
        self.cluster.unreachable = "cable"
        identifier = self.run_one()
        self.assertEqual([], self.cluster.starts)
        self.cluster.unreachable = ""
        self.house.pass_time(60)
        self.assertEqual([identifier], self.cluster.starts)

    def test_refused_for_long(self) -> None:
        """A cluster that refuses is asked again for two minutes; then the instance fails."""
        self.cluster.slots = 0
        identifier = self.run_one()
        self.house.pass_time(60)
        before = self.see(identifier).state
        self.house.pass_time(80)
        seen = self.see(identifier)
        self.assertEqual(
            (State.PENDING, State.TERMINATED, "not enough resources"),
            (before, seen.state, seen.reason.detail),
        )

    def test_torn_down_while_pending(self) -> None:
        """An instance that a node could not start is terminated, and says so."""
        identifier = self.run_one()
        self.cluster.become(identifier, Reported.TEARDOWN)
        self.house.pass_time()
        seen = self.see(identifier)
        self.assertEqual(
            (State.TERMINATED, "FAILED: The instance failed to start on the NC. -- []"),
            (seen.state, str(seen.reason)),
        )

    def test_torn_down_while_running(self) -> None:
        """An instance that ended by itself is terminated."""
        identifier = self.running()
        self.cluster.become(identifier, Reported.TEARDOWN)
        self.house.pass_time()
        seen = self.see(identifier)
        self.assertEqual((State.TERMINATED, "STOPPED"), (seen.state, seen.reason.word))

    def test_vanished(self) -> None:
        """An instance that is not reported for ten minutes has expired."""
        identifier = self.running()
        self.cluster.drop(identifier)
        self.house.pass_time(600)
        before = self.see(identifier).state
        self.house.pass_time(60)
        seen = self.see(identifier)
        self.assertEqual(
            (State.RUNNING, State.TERMINATED, "EXPIRED"), (before, seen.state, seen.reason.word)
        )

    def test_silent_cluster(self) -> None:
        """While its cluster does not answer, a running instance stays running, however long."""
        identifier = self.running()
        self.cluster.unreachable = "cable"
        self.house.pass_time(7200)
        self.assertEqual(State.RUNNING, self.see(identifier).state)

    def test_silent_cluster_does_not_hold_up_answers(self) -> None:
        """While no cluster answers there is no room, and requests are refused at once."""
        self.cluster.unreachable = "cable"
        self.house.pass_time(40)
        self.refused(self.instances.run_instances(caller(), run_one()), NoCapacity)


class TerminateTests(Case):
    """TerminateInstances."""

    def test_ends_on_the_cluster(self) -> None:
        """A running instance shuts down, and is terminated when its cluster says so."""
        identifier = self.running()
        (change,) = self.terminate(identifier)
        self.house.pass_time(40)
        self.assertEqual(
            (State.RUNNING, State.SHUTTING_DOWN, [identifier], State.TERMINATED),
            (change.before, change.after, self.cluster.ends, self.see(identifier).state),
        )

    def test_never_sent(self) -> None:
        """A pending instance that no cluster heard of ends at once, without any call."""
        self.house.stop()
        identifier = self.run_one()
        self.terminate(identifier)
        self.house.assembled.loop.startService()
        self.house.pass_time(40)
        self.assertEqual(
            (State.TERMINATED, [], []),
            (self.see(identifier).state, self.cluster.starts, self.cluster.ends),
        )

    def test_lost_answer(self) -> None:
        """A cluster whose answer was lost is told again, until it no longer has the instance."""
        identifier = self.running()
        self.cluster.deaf = True
        self.terminate(identifier)
        self.cluster.deaf = False
        self.house.pass_time(60)
        self.assertEqual(State.TERMINATED, self.see(identifier).state)

    def test_revenant(self) -> None:
        """A terminated instance that its cluster reports alive again is terminated again."""
        identifier = self.running()
        self.terminate(identifier)
        self.house.pass_time(40)
        self.cluster.become(identifier, Reported.EXTANT)
        self.house.pass_time(60)
        self.assertEqual([identifier, identifier], self.cluster.ends)

    def test_unknown(self) -> None:
        """An unknown instance among those named stops the request, and none is ended."""
        identifier = self.running()
        self.refused(
            self.instances.terminate_instances(
                caller(), r.TerminateInstances((identifier, "i-0BAD0BAD"))
            ),
            UnknownInstance,
        )
        self.assertEqual(State.RUNNING, self.see(identifier).state)

    def test_anothers(self) -> None:
        """Another's instance is unknown."""
        identifier = self.running()
        self.refused(
            self.instances.terminate_instances(caller(BOB), r.TerminateInstances((identifier,))),
            UnknownInstance,
        )

    def test_administrator(self) -> None:
        """The administrator ends anyone's instance."""
        identifier = self.running()
        self.terminate(identifier, account=ADMIN)
        self.assertEqual(State.SHUTTING_DOWN, self.see(identifier).state)

    def test_twice(self) -> None:
        """Ending an instance again changes nothing."""
        identifier = self.running()
        self.terminate(identifier)
        self.house.pass_time(40)
        (change,) = self.terminate(identifier)
        self.assertEqual((State.TERMINATED, State.TERMINATED), (change.before, change.after))

    def test_disappears(self) -> None:
        """A terminated instance is listed for ten minutes, and forgotten after an hour."""
        identifier = self.running()
        self.terminate(identifier)
        self.house.pass_time(660)
        self.refused(
            self.instances.describe_instances(caller(), r.DescribeInstances((identifier,))),
            UnknownInstance,
        )
        self.cluster.drop(identifier)
        self.house.pass_time(3700)
        self.assertEqual({}, self.house.assembled.health()["instances"])


class ConsoleTests(Case):
    """GetConsoleOutput."""

    def console(self, identifier: str, account=ANN):
        return self.instances.get_console_output(caller(account), r.GetConsoleOutput(identifier))

    def test_running(self) -> None:
        """The console of a running instance is read from its node."""
        identifier = self.running()
        self.cluster.consoles[identifier] = b"login: "
        self.assertEqual(b"login: ", self.do(self.console(identifier)).output)

    def test_terminated(self) -> None:
        """Of a terminated instance, the last output read is shown."""
        identifier = self.running()
        self.cluster.consoles[identifier] = b"login: "
        self.do(self.console(identifier))
        self.terminate(identifier)
        self.house.pass_time(40)
        self.cluster.drop(identifier)
        self.assertEqual(b"login: ", self.do(self.console(identifier)).output)

    def test_pending(self) -> None:
        """A pending instance has no console yet."""
        self.refused(self.console(self.run_one()), InstanceNotRunning)

    def test_anothers(self) -> None:
        """Another's console is not shown."""
        self.refused(self.console(self.running(), BOB), UnknownInstance)


class SeeTests(Case):
    """DescribeInstances."""

    def test_own_alone(self) -> None:
        """A user sees the instances that are his; the administrator sees everyone's."""
        self.run_one()
        self.run_one(BOB)
        seen = [
            len(self.do(self.instances.describe_instances(caller(who), r.DescribeInstances())))
            for who in (ANN, BOB, ADMIN)
        ]
        self.assertEqual([1, 1, 2], seen)


class ManyTests(Case):
    """Many instances at once."""

    def test_calls_at_once(self) -> None:
        """A cluster is called for a few instances at a time, and for all in the end."""
        self.cluster.slots = 50
        self.house.pass_time()
        self.do(self.instances.run_instances(caller(), run_one(least=50, most=50)))
        self.house.pass_time(60)
        self.assertEqual((50, 50), (len(self.cluster.starts), len(set(self.cluster.starts))))
