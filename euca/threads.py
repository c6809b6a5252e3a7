"""Runs blocking functions away from the reactor, behind one small interface."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ParamSpec, Protocol, TypeVar

from twisted.application.service import MultiService, Service
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.threads import deferToThreadPool
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


class Immediate:
    """Runs the function where it is called: the double for tests."""

    async def run(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `function` at once."""
        return function(*args, **kwargs)


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
