"""Network modes and neighbours."""

from __future__ import annotations

import json
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from euca.config import Configuration
from euca.model.machine import NetworkConfig
from euca.network.interfaces import Neighbours
from euca.network.modes import network_mode
from euca.network.neighbours import HostNeighbours, Leases, MemoryNeighbours
from euca.network.system import System
from euca.process import CommandFailed, RecordingProcesses
from euca.threads import Immediate
from tests.cc.cluster import at_once

TABLE = json.dumps(
    [
        {"dst": "10.0.0.9", "dev": "br0", "lladdr": "D0:0D:3e:5a:08:77", "state": ["REACHABLE"]},
        {"dst": "10.0.0.8", "dev": "br0", "lladdr": "d0:0d:00:00:00:02", "state": ["FAILED"]},
        {"dst": "10.0.0.7", "dev": "br0", "state": ["INCOMPLETE"]},
    ]
).encode()
LEASES = """1700000000 d0:0d:00:00:00:03 10.0.0.8 euca 01:d0
duid 00:01:00
1700000000 1234 fd00::5 euca 00:01
"""


class SystemTests(SynchronousTestCase):
    """SYSTEM."""

    def test_interface(self) -> None:
        """The hardware address is the identifier's; addresses are found out later."""
        found = System().interface("i-3E5A0877", -1)
        self.assertEqual(found, NetworkConfig("d0:0d:3E:5A:08:77", vlan=-1))

    def test_bad_identifier(self) -> None:
        """What is no instance has no interface."""
        with self.assertRaises(ValueError):
            System().interface("r-3E5A0877", -1)

    def test_default(self) -> None:
        """SYSTEM is what a configuration means that names none."""
        path = Path(self.mktemp())
        path.write_text("", encoding="utf-8")
        self.assertEqual(network_mode(Configuration.read(path)), System())


class NeighboursTests:
    """What holds for every table of neighbours; a subclass makes `neighbours`."""

    neighbours: Neighbours

    def test_addresses(self) -> None:
        """Addresses are found by hardware addresses in lower case."""
        assert isinstance(self, SynchronousTestCase)
        found = at_once(self.neighbours.addresses())
        self.assertEqual(found, {"d0:0d:3e:5a:08:77": "10.0.0.9"})


class HostNeighboursTests(NeighboursTests, SynchronousTestCase):
    """The host's table."""

    def setUp(self) -> None:
        self.neighbours = HostNeighbours(RecordingProcesses({"ip": TABLE}))

    def test_unreadable(self) -> None:
        """What `ip` does not say as JSON is a failure of the command."""
        for output in (b"nonsense", b"[1]", b'[{"lladdr": 1}]'):
            broken = HostNeighbours(RecordingProcesses({"ip": output}))
            with self.assertRaises(CommandFailed):
                at_once(broken.addresses())

    def test_empty(self) -> None:
        """An empty table has nobody in it."""
        empty = HostNeighbours(RecordingProcesses())
        self.assertEqual(at_once(empty.addresses()), {})


class LeasesTests(SynchronousTestCase):
    """The leases of a DHCP server on this host."""

    def setUp(self) -> None:
        self.path = Path(self.mktemp())
        self.leases = Leases(Immediate(), self.path)

    def test_leases(self) -> None:
        """Only IPv4 leases count."""
        self.path.write_text(LEASES)
        found = at_once(self.leases.addresses())
        self.assertEqual(found, {"d0:0d:00:00:00:03": "10.0.0.8"})

    def test_none_yet(self) -> None:
        """A file of leases that is not there yet is no error."""
        self.assertEqual(at_once(self.leases.addresses()), {})

    def test_both(self) -> None:
        """The table and the leases are read together."""
        self.path.write_text(LEASES)
        both = HostNeighbours(RecordingProcesses({"ip": TABLE}), self.leases)
        found = at_once(both.addresses())
        self.assertEqual(sorted(found.values()), ["10.0.0.8", "10.0.0.9"])


class MemoryNeighboursTests(NeighboursTests, SynchronousTestCase):
    """The double."""

    def setUp(self) -> None:
        self.neighbours = MemoryNeighbours({"D0:0D:3E:5A:08:77": "10.0.0.9"})
