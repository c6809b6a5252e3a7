"""Runs blocking functions away from the reactor, behind one small interface."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from queue import SimpleQueue
from threading import Thread
from typing import Any, ParamSpec, Protocol, TypeVar

from twisted.application.service import MultiService, Service
from twisted.internet.defer import Deferred, DeferredSemaphore, maybeDeferred
from twisted.internet.threads import deferToThreadPool
from twisted.python.failure import Failure
from twisted.python.threadpool import ThreadPool

P = ParamSpec("P")
T = TypeVar("T")


class Offload(Protocol):
    """Where a blocking function runs."""

    async def run(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Return what `function` returns, or raise what it raises."""
        ...


class Threads(Service):
    """A pool of threads of its own, started and stopped with the service that owns it."""

    def __init__(self, reactor: Any, size: int = 4, name: str = "threads") -> None:
        self._reactor = reactor
        self._pool = ThreadPool(0, size, name)

    def startService(self) -> None:
        """Start the pool."""
        super().startService()
        self._pool.start()

    def stopService(self) -> Deferred[None]:
        """Stop the pool; the Deferred fires when the last function has returned."""
        super().stopService()
        done: Deferred[None] = Deferred()

        def thd_stop() -> None:
            self._pool.stop()
            self._reactor.callFromThread(done.callback, None)

        # The pool joins its threads, so it is stopped from a thread outside it.
        self._reactor.callInThread(thd_stop)
        return done

    async def run(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `function` in a thread of the pool."""
        result: Deferred[T] = deferToThreadPool(
            self._reactor, self._pool, function, *args, **kwargs
        )
        return await result


class Offloads(Protocol):
    """Where a thread of one's own is had for some while."""

    def one(self) -> AbstractAsyncContextManager[Offload]:
        """Return a context in which functions run one after the other, all in one thread."""
        ...


class ShortLived:
    """Gives threads that end with the work they were had for, so that nothing of it stays.

    Some libraries keep memory for as long as a thread lives, or want all of a piece of work done
    in one. A few are given at a time; who stops needs not wait for them, as they touch nothing but
    what they were given.
    """

    def __init__(self, reactor: Any, size: int = 2) -> None:
        self._reactor = reactor
        self._places = DeferredSemaphore(size)

    @asynccontextmanager
    async def one(self) -> AsyncIterator[Offload]:
        """Return a context with a thread, when there is a place for one."""
        await self._places.acquire()
        try:
            thread = _OneThread(self._reactor)
            try:
                yield thread
            finally:
                thread.end()
        finally:
            self._places.release()


class _OneThread:
    """Runs functions one after the other in one thread."""

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor
        self._work: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        Thread(target=self._thd_serve, daemon=True).start()

    def end(self) -> None:
        """Let the thread end after what it was given."""
        self._work.put(None)

    async def run(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `function` in the thread."""
        done: Deferred[T] = Deferred()

        def finish(fire: Callable[[Any], None], result: Any) -> None:
            if not done.called:  # else it was cancelled, and nobody waits any more
                fire(result)

        def thd_run() -> None:
            try:
                result = function(*args, **kwargs)
            except Exception:
                failure = Failure()
                failure.cleanFailure()  # its frames hold what the function worked on
                self._reactor.callFromThread(finish, done.errback, failure)
            else:
                self._reactor.callFromThread(finish, done.callback, result)

        self._work.put(thd_run)
        return await done

    def _thd_serve(self) -> None:
        while (work := self._work.get()) is not None:
            work()
            del work  # it holds what the function was given


class Immediate:
    """Runs the function where it is called: the double for tests."""

    async def run(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `function` at once."""
        return function(*args, **kwargs)

    @asynccontextmanager
    async def one(self) -> AsyncIterator[Offload]:
        """Return a context in which functions run where they are called."""
        yield self


class InTurn(MultiService):
    """Services that stop one after the other, the last first.

    A pool of threads that others use outlives them so: a function given to a pool that has
    stopped would never be heard of again.
    """

    def stopService(self) -> Deferred[None]:
        """Stop each service when the one after it has stopped."""
        Service.stopService(self)
        return Deferred.fromCoroutine(self._stop_each())

    async def _stop_each(self) -> None:
        for service in reversed(list(self)):
            await maybeDeferred(service.stopService)
