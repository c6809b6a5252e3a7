"""Finds the addresses of guests: in the host's neighbour table, and in dnsmasq's leases.

A guest in SYSTEM mode takes its address from the site's own DHCP server, so that nobody tells its
node. As in Eucalyptus 2.0 it is looked up by the guest's hardware address among the host's
neighbours. Where the host runs that DHCP server itself, its leases say it sooner.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from attrs import Factory, define, frozen

from euca.network.interfaces import Neighbours
from euca.process import CommandFailed, Commands
from euca.threads import Offload

LIMIT = 10.0  # seconds
_COMMAND = ("ip", "-4", "-j", "neigh")
_ABSENT = frozenset(("FAILED", "INCOMPLETE", "NOARP"))


@frozen
class HostNeighbours:
    """The neighbours of this host: its table, and the leases if there are any to read."""

    commands: Commands
    leases: Neighbours | None = None

    async def addresses(self) -> Mapping[str, str]:
        """Return IPv4 addresses by hardware address in lower case.

        Raises CommandFailed, also when the table cannot be read.
        """
        table = await self.commands.run(_COMMAND, timeout=LIMIT)
        leased = {} if self.leases is None else await self.leases.addresses()
        try:
            return {**parse(table), **leased}
        except (ValueError, TypeError, AttributeError, KeyError) as error:
            raise CommandFailed(_COMMAND, f"told what cannot be read: {error}") from error


def parse(table: bytes) -> dict[str, str]:
    """Return the addresses in the output of `ip -4 -j neigh`, without those that do not answer."""
    return {
        row["lladdr"].lower(): row["dst"]
        for row in json.loads(table or b"[]")
        if "lladdr" in row and not _ABSENT.intersection(row.get("state", ()))
    }


@frozen
class Leases:
    """The leases that dnsmasq gave, read from its file."""

    threads: Offload
    path: Path

    async def addresses(self) -> Mapping[str, str]:
        """Return IPv4 addresses by hardware address in lower case."""
        return parse_leases(await self.threads.run(_thd_read, self.path))


def parse_leases(text: str) -> dict[str, str]:
    """Return the addresses in a file of leases as dnsmasq writes it: time, MAC, address, name."""
    rows = (line.split() for line in text.splitlines())
    return {row[1].lower(): row[2] for row in rows if len(row) >= 4 and "." in row[2]}


def _thd_read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return ""  # dnsmasq makes it with its first lease


@define
class MemoryNeighbours:
    """Neighbours as a test wants them."""

    known: dict[str, str] = Factory(dict)

    async def addresses(self) -> Mapping[str, str]:
        """Return what is known."""
        return {mac.lower(): address for mac, address in self.known.items()}
