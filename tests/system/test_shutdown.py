"""Tests of the end: a cloud that went down leaves nothing running."""

from __future__ import annotations

import subprocess

from tests.system.cloud import SystemTests


class ShutdownTests(SystemTests):
    """`./cloud down` and what is left after it."""

    def test_down(self) -> None:
        """No process, no bridge and no instance is left, and the next `up` starts anew."""
        bridge = self.cloud.settings["VNET_BRIDGE"]
        done = self.cloud.run("down")
        self.assertEqual(done.status, 0, done.output)
        self.assertEqual(self.cloud.processes(), [])
        self.assertEqual(self.cloud.directories("i-*"), [])
        if bridge:
            shown = subprocess.run(["ip", "link"], capture_output=True, check=True).stdout
            self.assertNotIn(bridge.encode(), shown)
        self.assertNotEqual(self.cloud.run("status").status, 0)
        self.assertRegex(self.cloud.up(), r"INSTANCE i-[0-9A-F]{8} +running")
