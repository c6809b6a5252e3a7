"""Finds the addresses of guests by their hardware addresses, in the host's neighbour table."""

from __future__ import annotations

import json
from collections.abc import Mapping

from attrs import Factory, define, frozen

from euca.process import CommandFailed, Commands

LIMIT = 10.0  # seconds
_COMMAND = ("ip", "-4", "-j", "neigh")
_ABSENT = frozenset(("FAILED", "INCOMPLETE", "NOARP"))


@frozen
class HostNeighbours:
    """The neighbour table of this host."""

    commands: Commands

    async def addresses(self) -> Mapping[str, str]:
        """Return IPv4 addresses by hardware address in lower case.

        Raises CommandFailed, also when the table cannot be read.
        """
        table = await self.commands.run(_COMMAND, timeout=LIMIT)
        try:
            return parse(table)
        except (ValueError, TypeError, AttributeError, KeyError) as error:
            raise CommandFailed(_COMMAND, f"told what cannot be read: {error}") from error


def parse(table: bytes) -> dict[str, str]:
    """Return the addresses in the output of `ip -4 -j neigh`, without those that do not answer."""
    return {
        row["lladdr"].lower(): row["dst"]
        for row in json.loads(table or b"[]")
        if "lladdr" in row and not _ABSENT.intersection(row.get("state", ()))
    }


@define
class MemoryNeighbours:
    """Neighbours as a test wants them."""

    known: dict[str, str] = Factory(dict)

    async def addresses(self) -> Mapping[str, str]:
        """Return what is known."""
        return {mac.lower(): address for mac, address in self.known.items()}
