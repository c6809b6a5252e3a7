"""The ports that the cluster controller needs and does not own: its nodes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from euca.cc.instance import Instance, Report
from euca.cc.node import Resources


class NodeFailed(Exception):
    """A call to a node brought no answer that could be used; the message says why."""


class NodeRefused(NodeFailed):
    """A node answered that it will not."""


class Node(Protocol):
    """One node, asked over the wire; every call raises NodeFailed, or NodeRefused."""

    async def resources(self) -> Resources:
        """Return what the node has, and what is left of it."""
        ...

    async def instances(self, identifiers: Sequence[str] = ()) -> list[Report]:
        """Return the node's instances, or those of them that are named."""
        ...

    async def start_network(self, instance: Instance) -> None:
        """Have the node make the network of an instance that is to come."""
        ...

    async def run(self, instance: Instance) -> None:
        """Have the node take an instance; it refuses one that it has already."""
        ...

    async def terminate(self, identifier: str, user: str) -> None:
        """Have the node end an instance; it refuses one that it does not have."""
        ...

    async def reboot(self, identifier: str, user: str) -> None:
        """Have the node reset an instance."""
        ...

    async def console(self, identifier: str, user: str) -> str:
        """Return the end of what the instance of that user wrote to its console, in base64."""
        ...


class Nodes(Protocol):
    """Where nodes are found."""

    def at(self, tag: str) -> Node:
        """Return the node of that URL."""
        ...
