"""Tests of `euca.threads`: one factory for the real thing and for its double."""

from __future__ import annotations

import threading
from typing import Any

from twisted.internet import reactor, threads
from twisted.internet.defer import CancelledError, Deferred, gatherResults
from twisted.trial.unittest import TestCase

from euca.threads import Immediate, Offload, Offloads, ShortLived, Threads


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


class OneThreadTests:
    """What everything that gives threads does."""

    def offloads(self) -> Offloads:
        raise AssertionError("the test case gives what gives threads")

    async def test_same_thread(self: Any) -> None:
        """All functions of a context run in one thread, in turn."""
        async with self.offloads().one() as thread:
            first = await thread.run(threading.get_ident)
            self.assertEqual(await thread.run(threading.get_ident), first)

    async def test_exception_inside(self: Any) -> None:
        """A function's exception is raised, and the next one runs all the same."""
        async with self.offloads().one() as thread:
            with self.assertRaises(ZeroDivisionError):
                await thread.run(divmod, 1, 0)
            self.assertEqual(await thread.run(max, 1, 2), 2)


class ImmediateOneTests(OneThreadTests, TestCase):
    """The double."""

    def offloads(self) -> Immediate:
        return Immediate()


class ShortLivedTests(OneThreadTests, TestCase):
    """Threads that end with their context."""

    def offloads(self) -> ShortLived:
        return ShortLived(reactor)

    async def test_ends(self) -> None:
        """The thread does not outlive its context, even where an exception ended that."""
        with self.assertRaises(KeyError):
            async with self.offloads().one() as thread:
                ran = await thread.run(threading.current_thread)
                self.assertNotEqual(ran, threading.current_thread())
                raise KeyError("x")
        await threads.deferToThread(ran.join, 10)
        self.assertFalse(ran.is_alive())

    async def test_cancelled(self) -> None:
        """Who is cancelled gives the place back, whatever the thread still does."""
        offloads = ShortLived(reactor, size=1)
        go_on = threading.Event()
        self.addCleanup(go_on.set)

        async def wait() -> None:
            async with offloads.one() as thread:
                await thread.run(go_on.wait, 10)

        waiting = Deferred.fromCoroutine(wait())
        waiting.cancel()
        await self.assertFailure(waiting, CancelledError)
        async with offloads.one() as thread:
            self.assertEqual(await thread.run(max, 1, 2), 2)

    async def test_some_at_a_time(self) -> None:
        """No more than so many threads are given at a time."""
        offloads = ShortLived(reactor, size=2)
        running: list[int] = []
        most: list[int] = []

        def thd_work() -> None:
            running.append(1)
            most.append(len(running))
            threading.Event().wait(0.01)
            running.pop()

        async def work() -> None:
            async with offloads.one() as thread:
                await thread.run(thd_work)

        await gatherResults([Deferred.fromCoroutine(work()) for _ in range(6)])
        self.assertEqual(max(most), 2)
