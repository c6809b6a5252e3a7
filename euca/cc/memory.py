"""A node in memory, that does at once what a real one takes its time for: the double for tests."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence

from attrs import Factory, define, evolve
from twisted.internet.defer import Deferred

from euca.cc.instance import Instance, Report, State
from euca.cc.interfaces import Node, NodeFailed, NodeRefused
from euca.cc.node import Amounts, Resources

ADMINISTRATOR = "eucalyptus"


@define
class MemoryNode:
    """Holds instances; it can be unreachable, hang, or lose its answers.

    `asked` is what it was told to do, `hanging` the calls that wait for ever while `hangs`, and
    `answers_lost` how many calls will be carried out without an answer.
    """

    maximum: Amounts = Factory(lambda: Amounts(4096, 102400, 8))
    reachable: bool = True
    hangs: bool = False
    answers_lost: int = 0
    held: dict[str, Report] = Factory(dict)
    asked: list[tuple[str, str]] = Factory(list)
    hanging: list[Deferred[None]] = Factory(list)

    async def _arrive(self, what: str, about: str = "") -> None:
        self.asked.append((what, about))
        if self.hangs:
            waiting: Deferred[None] = Deferred()
            self.hanging.append(waiting)
            await waiting
        if not self.reachable:
            raise NodeFailed("the node cannot be reached")

    def _leave(self) -> None:
        if self.answers_lost:
            self.answers_lost -= 1
            raise NodeFailed("the answer was lost")

    async def resources(self) -> Resources:
        """Return what no instance has taken."""
        await self._arrive("resources")
        left = self.maximum
        for report in self.held.values():
            if report.state is not State.TEARDOWN:
                left = left.without(report.description.vm)
        available = Amounts(max(0, left.memory), max(0, left.disk), max(0, left.cores))
        return Resources(self.maximum, available)

    async def instances(self, identifiers: Sequence[str] = ()) -> list[Report]:
        """Return all, or the named ones."""
        await self._arrive("instances")
        return [
            report for name, report in self.held.items() if not identifiers or name in identifiers
        ]

    async def start_network(self, instance: Instance) -> None:
        """Make nothing."""
        await self._arrive("start_network", instance.identifier)

    async def run(self, instance: Instance) -> None:
        """Hold the instance, as Pending."""
        await self._arrive("run", instance.identifier)
        if instance.identifier in self.held:
            raise NodeRefused("it is here already")
        self.held[instance.identifier] = Report(
            instance.identifier, State.PENDING, instance.network, instance.description
        )
        self._leave()

    async def terminate(self, identifier: str, user: str) -> None:
        """Put the instance into Teardown."""
        await self._arrive("terminate", identifier)
        self.become(self._checked(identifier), State.TEARDOWN)
        self._leave()

    async def reboot(self, identifier: str, user: str) -> None:
        """Check that it is here."""
        await self._arrive("reboot", identifier)
        self._checked(identifier)

    async def console(self, identifier: str, user: str) -> str:
        """Return a line with its name."""
        await self._arrive("console", identifier)
        report = self.held[self._checked(identifier)]
        if user not in (ADMINISTRATOR, report.description.owner):
            raise NodeRefused(f"it is not of {user}")
        return base64.b64encode(f"{identifier} login: ".encode()).decode("ascii")

    def become(self, identifier: str, state: State) -> None:
        """Put an instance into a state."""
        self.held[identifier] = evolve(self.held[identifier], state=state)

    def _checked(self, identifier: str) -> str:
        if identifier not in self.held:
            raise NodeRefused("it is not here")
        return identifier


@define
class MemoryNodes:
    """Nodes by their URLs."""

    known: Mapping[str, Node]

    def at(self, tag: str) -> Node:
        """Return the node of that URL."""
        return self.known[tag]
