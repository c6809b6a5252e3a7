"""Tests of `euca.hypervisor.memory`."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from euca.hypervisor.interfaces import HypervisorUnavailable
from euca.hypervisor.memory import MemoryHypervisor
from tests.hypervisor.contract import hypervisor_tests

MemoryHypervisorTests = hypervisor_tests("MemoryHypervisorTests", lambda case: MemoryHypervisor())


class CutConnectionTests(SynchronousTestCase):
    """What the double can do that a real hypervisor does only by accident."""

    def test_unavailable(self) -> None:
        """A hypervisor that cannot be reached says so, not that it has no guests."""
        hypervisor = MemoryHypervisor(available=False)
        with self.assertRaises(HypervisorUnavailable):
            hypervisor.guests().send(None)
