"""Tests of `euca.threads`: one factory for the real thing and for its double."""

from __future__ import annotations

import threading
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred, gatherResults
from twisted.trial.unittest import TestCase

from euca.threads import Immediate, Offload, ShortLived, Threads


class OffloadTests:
    """What everything that runs blocking functions does."""

    def offload(self) -> Offload:
        raise AssertionError("the test case gives the threads")

    async def test_result(self: Any) -> None:
        """The function's result is returned."""
        self.assertEqual(await self.offload().run(max, 1, 2), 2)

    async def test_exception(self: Any) -> None:
        """The function's exception is raised."""
        with self.assertRaises(ZeroDivisionError):
            await self.offload().run(divmod, 1, 0)


class ImmediateTests(OffloadTests, TestCase):
    """The double."""

    def offload(self) -> Immediate:
        return Immediate()


class ThreadsTests(OffloadTests, TestCase):
    """Real threads."""

    def setUp(self) -> None:
        self.threads = Threads(reactor, size=1)
        self.threads.startService()
        self.addCleanup(self.threads.stopService)

    def offload(self) -> Threads:
        return self.threads

    async def test_elsewhere(self) -> None:
        """The function runs in another thread."""
        ran = await self.threads.run(threading.get_ident)
        self.assertNotEqual(ran, threading.get_ident())


class ShortLivedTests(OffloadTests, TestCase):
    """Threads that end with their function."""

    def offload(self) -> ShortLived:
        return ShortLived(reactor)

    async def test_ends(self) -> None:
        """The thread does not outlive its function."""
        thread = await self.offload().run(threading.current_thread)
        thread.join(10)
        self.assertFalse(thread.is_alive())

    async def test_some_at_a_time(self) -> None:
        """No more than so many functions run at a time."""
        offload = ShortLived(reactor, size=2)
        running: list[int] = []
        most: list[int] = []

        def thd_work() -> None:
            running.append(1)
            most.append(len(running))
            threading.Event().wait(0.01)
            running.pop()

        await gatherResults([Deferred.fromCoroutine(offload.run(thd_work)) for _ in range(6)])
        self.assertLessEqual(max(most), 2)
