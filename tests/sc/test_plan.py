"""Tests for euca.sc.plan."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from euca.sc.plan import Create, Fail, Remove, plan
from euca.sc.volume import GB, Status, Volume

ID = "vol-3E5A0877"


def volume(status: Status) -> Volume:
    """Return a volume of 2 GB."""
    return Volume(ID, 2, status, 0)


class PlanTests(SynchronousTestCase):
    """What is to be done for a volume in each state."""

    def test_wished(self) -> None:
        """A wish is fulfilled, also where a killed process had made the file."""
        for files in ({}, {ID: 2 * GB}):
            self.assertEqual(plan([volume(Status.CREATING)], files), [Create(ID, 2)])

    def test_available(self) -> None:
        """A volume with its file is left alone."""
        self.assertEqual(plan([volume(Status.AVAILABLE)], {ID: 2 * GB}), [])

    def test_lost(self) -> None:
        """A volume whose file is gone or has another size has failed."""
        for files in ({}, {ID: GB}):
            self.assertEqual(plan([volume(Status.AVAILABLE)], files), [Fail(ID)])

    def test_failed(self) -> None:
        """A failed volume waits to be reported, and is removed then."""
        self.assertEqual(plan([volume(Status.FAILED)], {}), [])
        self.assertEqual(plan([volume(Status.REPORTED)], {}), [Remove(ID)])

    def test_unknown_file(self) -> None:
        """A file that no record knows is left alone."""
        self.assertEqual(plan([], {ID: GB}), [])
