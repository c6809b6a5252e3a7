"""Tests of `euca.admin.first`: the first instance of a new cloud."""

from __future__ import annotations

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from euca.admin.__main__ import living_instance
from euca.admin.ec2 import Refused
from euca.admin.first import Cloud, Ended
from tests.admin.clouds import MemoryCalls, cloud


class CloudTests(SynchronousTestCase):
    """A cloud with instances in memory."""

    def setUp(self) -> None:
        self.calls = MemoryCalls()
        self.cloud: Cloud = cloud(Path(self.mktemp()), self.calls)


class LivingInstanceTests(CloudTests):
    """One instance lives at the end, started only if need be."""

    def test_start(self) -> None:
        """In an empty cloud an instance is started, and waited for until its login prompt."""
        found = living_instance(self.cloud, "emi-1", simulated=False)
        self.assertEqual(found, ("i-new0", "a login:"))

    def test_running(self) -> None:
        """An instance that runs is used, and none is started."""
        self.calls.add("i-1", "running", console="euca login:")
        found = living_instance(self.cloud, "emi-1", simulated=False)
        self.assertEqual((found[0], "RunInstances" in self.calls.calls), ("i-1", False))

    def test_recorded_only(self) -> None:
        """An instance that turns out to have ended while the cloud was down is replaced."""
        self.calls.add("i-1", "running", "running", "terminated")
        found = living_instance(self.cloud, "emi-1", simulated=False)
        self.assertEqual(found[0], "i-new1")

    def test_other_images(self) -> None:
        """Where an instance of another image runs, none is started and no prompt expected."""
        self.calls.add("i-1", "running", image="emi-2")
        found = living_instance(self.cloud, "emi-1", simulated=False)
        self.assertEqual((found, "RunInstances" in self.calls.calls), (("i-1", ""), False))

    def test_simulated(self) -> None:
        """Nobody waits for the console of a simulated instance."""
        found = living_instance(self.cloud, "emi-1", simulated=True)
        self.assertEqual((found[1], "GetConsoleOutput" in self.calls.calls), ("", False))

    def test_room_later(self) -> None:
        """A cloud that has no room yet is asked again."""
        self.calls.rooms = [False, False]
        self.assertEqual(living_instance(self.cloud, "emi-1", simulated=True)[0], "i-new0")

    def test_no_room(self) -> None:
        """A cloud that never has room is given up."""
        self.calls.rooms = [False] * 1000
        self.assertRaises(Refused, living_instance, self.cloud, "emi-1", simulated=True)


class WaitTests(CloudTests):
    """What is waited for comes, or is given up with a reason."""

    def test_ended(self) -> None:
        """An instance that ends instead of running raises Ended with the reason."""
        self.calls.add("i-1", "pending", "terminated")
        caught = self.assertRaises(Ended, self.cloud.wait_running, "i-1")
        self.assertEqual(str(caught), "i-1 is terminated: because")

    def test_unknown(self) -> None:
        """An instance that nobody knows any more has ended."""
        self.assertRaises(Ended, self.cloud.wait_running, "i-1")

    def test_never_running(self) -> None:
        """An instance that stays pending is given up."""
        self.calls.add("i-1", "pending")
        self.assertRaises(Refused, self.cloud.wait_running, "i-1")

    def test_no_prompt(self) -> None:
        """An instance that shows no prompt is given up, with the end of its console."""
        self.calls.add("i-1", "running", console="kernel panic")
        caught = self.assertRaises(Refused, self.cloud.wait_prompt, "i-1")
        self.assertIn("kernel panic", str(caught))

    def test_address(self) -> None:
        """The address of an instance is what the cloud says."""
        self.calls.add("i-1", "running")
        self.assertEqual(self.cloud.wait_address("i-1"), "10.0.0.9")

    def test_no_address(self) -> None:
        """An instance may do without an address."""
        self.calls.add("i-1", "running")
        self.calls.address = "0.0.0.0"
        self.assertEqual(self.cloud.wait_address("i-1"), "")

    def test_terminate_all(self) -> None:
        """Every living instance is terminated once, and nothing is left."""
        self.calls.add("i-1", "running")
        self.calls.add("i-2", "pending")
        self.calls.add("i-3", "terminated")
        self.assertEqual(self.cloud.terminate_all(), [])
        self.assertEqual(self.calls.calls.count("TerminateInstances"), 2)

    def test_terminate_in_vain(self) -> None:
        """An instance that does not end is named."""
        self.calls.add("i-1", "running")
        self.calls.endings = ("shutting-down",)
        self.assertEqual(self.cloud.terminate_all(), ["i-1"])


class KeyPairTests(CloudTests):
    """The key pair is made once, and its private key kept."""

    def test_made(self) -> None:
        """The private key is written to a file that only its owner may read."""
        self.cloud.key_pair()
        mode = self.cloud.key_file.stat().st_mode & 0o777
        self.assertEqual((self.cloud.key_file.read_text()[:8], mode), ("material", 0o600))

    def test_kept(self) -> None:
        """A key pair that is there is kept."""
        self.cloud.key_pair()
        before = self.cloud.key_file.read_text()
        self.cloud.key_pair()
        self.assertEqual(self.cloud.key_file.read_text(), before)

    def test_lost(self) -> None:
        """A key pair whose private key is lost is made anew."""
        self.calls.pairs.add("cloud")
        self.cloud.key_pair()
        self.assertIn("DeleteKeyPair", self.calls.calls)
        self.assertTrue(self.cloud.key_file.exists())
