"""Tests of crashes: a component is killed while instances run, and `./cloud up` repeats."""

from __future__ import annotations

import os
import shutil
import signal
import time

from twisted.trial.unittest import SkipTest

from tests.system.cloud import SystemTests


class CrashTests(SystemTests):
    """Instances outlast every component."""

    def check_survival(self, component: str) -> None:
        """Kill a component; an instance is still there afterwards, and can be terminated."""
        self.need_guests()
        identifier = self.new_instance()
        number = self.cloud.guests()[identifier]
        self.cloud.kill(component)
        self.cloud.up()
        self.assertEqual(self.cloud.guests().get(identifier), number)
        self.assertEqual(self.cloud.state(identifier), "running")
        self.cloud.terminate(identifier)
        self.assertNotIn(identifier, self.cloud.guests())

    def test_nc(self) -> None:
        """Killed node controllers find their guests again."""
        self.check_survival("nc")

    def test_cc(self) -> None:
        """A killed cluster controller remembers its instances."""
        self.check_survival("cc")

    def test_clc(self) -> None:
        """A killed cloud controller remembers its instances."""
        self.check_survival("clc")

    def test_libvirtd(self) -> None:
        """Guests run on without libvirtd, and are found again."""
        self.need_guests()
        path = self.cloud.root / "libvirt/libvirtd.pid"
        if not path.exists():
            raise SkipTest("this cloud runs no libvirtd of its own")
        before = self.cloud.guests()
        os.kill(int(path.read_text()), signal.SIGKILL)
        self.cloud.up()
        self.assertEqual(self.cloud.guests(), before)

    def test_preparation(self) -> None:
        """An instance whose node dies while preparing it runs afterwards, or leaves nothing."""
        self.check_preparation()

    def test_download(self) -> None:
        """The same goes for a node that dies while it fetches the image for the first time."""
        self.cloud.kill("nc")
        for path in self.cloud.root.glob("nodes/*/instances/eucalyptus/cache"):
            shutil.rmtree(path)
        self.cloud.up()
        self.check_preparation()

    def check_preparation(self) -> None:
        """Start an instance, and kill its node as soon as there is anything of it."""
        identifier = self.cloud.start()
        self.addCleanup(self.end, identifier)
        while not self.cloud.directories(identifier):
            time.sleep(0.005)
        self.cloud.kill("nc")
        self.cloud.up()
        state = self.cloud.wait_state(identifier, "running", "terminated")
        if state == "running":
            self.cloud.terminate(identifier)
        self.assertEqual(self.cloud.directories(identifier), [])
