"""Tests of `euca.hypervisor.libvirt`, on libvirt's test driver and on a private libvirtd."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from functools import cache
from pathlib import Path
from unittest import SkipTest

from attrs import evolve
from twisted.internet import reactor
from twisted.trial.unittest import TestCase

from euca.hypervisor.dialect import QEMU, TEST
from euca.hypervisor.interfaces import HypervisorUnavailable
from euca.hypervisor.libvirt import LibvirtHypervisor
from tests.hypervisor.contract import hypervisor_tests

NODE = """<node>
<cpu><mhz>1000</mhz><model>i686</model><active>4</active><nodes>1</nodes><sockets>1</sockets>
<cores>4</cores><threads>1</threads></cpu><memory>4194304</memory></node>"""

_SCRIPT = """
mount --make-rprivate / && mkdir -p /run/libvirt /var/lib/libvirt /var/cache/libvirt \
/var/log/libvirt /etc/libvirt && mount --bind {0}/etc /etc/libvirt && \
mount --bind {0}/run /run/libvirt && mount --bind {0}/var /var/lib/libvirt && \
mount --bind {0}/cache /var/cache/libvirt && mount --bind {0}/log /var/log/libvirt && \
exec libvirtd -f /etc/libvirt/libvirtd.conf -p {0}/libvirtd.pid
"""


def missing() -> str:
    """Return why a private libvirtd cannot be run here, or nothing."""
    if os.geteuid() != 0:
        return "a private libvirtd needs root"
    needed = ("libvirtd", "qemu-system-x86_64", "unshare")
    absent = [name for name in needed if shutil.which(name) is None]
    return f"not installed: {', '.join(absent)}" if absent else ""


class PrivateLibvirtd:
    """A libvirtd with all its files in one directory, and none of the system's."""

    def __init__(self) -> None:
        # A socket's path may have 107 characters, so it cannot lie in trial's directory.
        self.root = Path(tempfile.mkdtemp(prefix="libvirtd-"))
        for name in ("etc", "run", "var", "cache", "log", "sock"):
            (self.root / name).mkdir()
        (self.root / "etc/qemu.conf").write_text(
            'user = "root"\ngroup = "root"\nsecurity_driver = "none"\nstdio_handler = "file"\n'
            "namespaces = []\nremember_owner = 0\n"
        )
        (self.root / "etc/libvirtd.conf").write_text(
            f'unix_sock_dir = "{self.root}/sock"\nauth_unix_rw = "none"\n'
            f'log_outputs = "2:file:{self.root}/log/libvirtd.log"\n'
        )
        self.socket = self.root / "sock/libvirt-sock"
        self.uri = f"qemu+unix:///system?socket={self.socket}"
        self.start()

    def start(self) -> None:
        """Start the daemon and wait for its socket."""
        command = ["unshare", "-m", "sh", "-c", _SCRIPT.format(self.root)]
        self.process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        for _ in range(200):
            if self.socket.exists() and (self.root / "libvirtd.pid").exists():
                return
            time.sleep(0.05)
        raise SkipTest("libvirtd did not start")

    def kill(self) -> None:
        """Kill the daemon as a crash would."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.socket.unlink(missing_ok=True)
        (self.root / "libvirtd.pid").unlink(missing_ok=True)

    def stop(self) -> None:
        """End the daemon and forget its files."""
        self.process.terminate()
        self.process.wait()
        shutil.rmtree(self.root)


def started(case: TestCase, hypervisor: LibvirtHypervisor) -> LibvirtHypervisor:
    """Return the hypervisor, running until the test ends."""
    hypervisor.startService()
    case.addCleanup(hypervisor.stopService)
    return hypervisor


def driver(case: TestCase) -> LibvirtHypervisor:
    """Return libvirt's test driver with a node of its own."""
    node = Path(case.mktemp())
    node.write_text(NODE)
    return started(case, LibvirtHypervisor(reactor, TEST, f"test://{node.resolve()}"))


TestDriverTests = hypervisor_tests("TestDriverTests", driver)


@cache
def private_libvirtd() -> PrivateLibvirtd:
    """Return the one daemon of this run, which takes seconds to probe QEMU."""
    daemon = PrivateLibvirtd()
    reactor.addSystemEventTrigger("after", "shutdown", daemon.stop)
    return daemon


def qemu(case: TestCase) -> LibvirtHypervisor:
    """Return a connection to the private libvirtd."""
    return started(case, LibvirtHypervisor(reactor, QEMU, private_libvirtd().uri))


class QemuTests(hypervisor_tests("QemuTests", qemu, missing())):  # type: ignore[misc]
    """A real libvirtd and QEMU's software emulation."""

    async def test_daemon_restarts(self) -> None:
        """While libvirtd is away nothing is known; when it is back the guest is still there."""
        await self.start()
        private_libvirtd().kill()
        with self.assertRaises(HypervisorUnavailable):
            await self.hypervisor.guests()
        private_libvirtd().start()
        self.assertIn(self.spec.uuid, await self.hypervisor.guests())

    async def test_another_connection(self) -> None:
        """A guest does not depend on the connection that started it."""
        await self.start()
        other = qemu(self)
        self.assertIn(self.spec.uuid, await other.guests())

    async def test_plain_guest(self) -> None:
        """A guest of whatever buses an old image wants starts too."""
        self.spec = evolve(self.spec, virtio_root=False, virtio_network=False)
        await self.start()
        self.assertIn(self.spec.uuid, await self.hypervisor.guests())
