"""Asks every node how it is, each on its own, so that a slow one holds up no other.

A node is asked for its instances first and for its resources then: an instance that the first
answer names is in the figures of the second. One that it does not name may be, and is then
counted twice until the next poll, which is the safe side.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Protocol

from attrs import frozen
from twisted.application.service import MultiService, Service
from twisted.internet.defer import CancelledError, Deferred, succeed
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from euca.cc.interfaces import NodeFailed, Nodes
from euca.cc.ledger import Answer, thd_answered, thd_failed, thd_found
from euca.cc.tables import thd_list_nodes
from euca.network.interfaces import Neighbours
from euca.process import CommandFailed
from euca.store.engine import Database
from euca.threads import Offload

log = Logger()


class Tags(Protocol):
    """Where the list of nodes is read."""

    def thd_current(self) -> tuple[str, ...]:
        """Return the URLs of the nodes, in order."""
        ...


@frozen
class Surroundings:
    """What polls need; `wake` is called when something may have changed."""

    clock: IReactorTime
    period: float
    database: Database
    nodes: Nodes
    neighbours: Neighbours
    wake: Callable[[], None]


class Repeated(Service, ABC):
    """Something done at once and then every `period` seconds, never twice at a time."""

    log = Logger()

    def __init__(self, clock: IReactorTime, period: float) -> None:
        self._period = period
        self._current: Deferred[None] = succeed(None)
        self._loop = LoopingCall(self._once)
        self._loop.clock = clock

    @abstractmethod
    async def turn(self) -> None:
        """Do it once."""

    def startService(self) -> None:
        """Begin."""
        super().startService()
        self._loop.start(self._period)

    def stopService(self) -> Deferred[None]:
        """Stop, and cancel what is being done."""
        super().stopService()
        self._loop.stop()
        self._current.cancel()
        return self._current

    def _once(self) -> Deferred[None]:
        self._current = Deferred.fromCoroutine(self._turn())
        done: Deferred[None] = Deferred()
        self._current.addCallback(lambda _: done.callback(None))
        return done

    async def _turn(self) -> None:
        try:
            await self.turn()
        except CancelledError:
            return
        except Exception:
            self.log.failure("{what} failed; it is tried again", what=self.name)


class NodePoll(Repeated):
    """Asks one node."""

    def __init__(self, tag: str, around: Surroundings) -> None:
        super().__init__(around.clock, around.period)
        self.setName(tag)
        self._tag = tag
        self._around = around

    async def turn(self) -> None:
        """Ask, and record what was said."""
        around, tag = self._around, self._tag
        node = around.nodes.at(tag)
        began = around.clock.seconds()
        try:
            answer = Answer(began, await node.instances(), await node.resources())
        except NodeFailed as error:
            await self._failed(str(error))
        else:
            now = around.clock.seconds()
            hidden = await around.database.transact(lambda tx: thd_answered(tx, tag, answer, now))
            if hidden:
                await self._look_for([instance.identifier for instance in hidden])
        around.wake()

    async def _failed(self, reason: str) -> None:
        now, tag = self._around.clock.seconds(), self._tag
        was_up = await self._around.database.transact(lambda tx: thd_failed(tx, tag, reason, now))
        if was_up:
            log.warn("{node} is down: {reason}", node=tag, reason=reason)

    async def _look_for(self, instances: Sequence[str]) -> None:
        try:
            addresses = await self._around.neighbours.addresses()
        except CommandFailed as error:
            log.warn("The neighbours of this host are not known: {error}", error=error)
            return
        await self._around.database.transact(lambda tx: thd_found(tx, instances, addresses))


class Polling(Repeated):
    """Keeps one poll for each node of the list, which it looks at once a period."""

    def __init__(self, tags: Tags, threads: Offload, around: Surroundings) -> None:
        super().__init__(around.clock, around.period)
        self.setName("polling")
        self._tags = tags
        self._threads = threads
        self._around = around
        self._polls = MultiService()

    async def turn(self) -> None:
        """Poll the nodes that the list has now, and no others."""
        tags = await self._threads.run(self._tags.thd_current)
        await self._around.database.transact(lambda tx: thd_list_nodes(tx, tags))
        polled = {poll.name: poll for poll in list(self._polls)}
        for tag in polled.keys() - set(tags):
            log.info("{node} is no node of this cluster any more", node=tag)
            await polled[tag].disownServiceParent()
        for tag in tags:
            if tag not in polled:
                NodePoll(tag, self._around).setServiceParent(self._polls)

    def startService(self) -> None:
        """Begin with the list."""
        self._polls.startService()
        super().startService()

    def stopService(self) -> Deferred[None]:
        """Stop looking at the list, then all polls."""
        return super().stopService().addCallback(lambda _: self._polls.stopService())
