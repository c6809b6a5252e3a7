"""Finds the addresses of guests: in the host's neighbour table, and in dnsmasq's leases.

A guest in SYSTEM mode takes its address from the site's own DHCP server, so that nobody tells the
node. As in Eucalyptus 2.0 it is looked up by the guest's hardware address among the host's
neighbours. Where the host runs that DHCP server itself, its leases say it sooner (NC_LEASES).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from attrs import frozen

from euca.process import Commands
from euca.threads import Offload

_UNREACHABLE = frozenset(("FAILED", "INCOMPLETE", "NOARP"))


@frozen
class HostNeighbours:
    """The neighbours of this host; without a file of leases only the table is read."""

    commands: Commands
    threads: Offload
    leases: Path | None

    async def addresses(self) -> Mapping[str, str]:
        """Return IPv4 addresses by hardware address in lower case.

        Raises CommandFailed; ValueError when the command's answer cannot be read.
        """
        found = parse_neighbours(await self.commands.run(["ip", "-4", "-j", "neigh"], timeout=10))
        if self.leases is not None:
            found.update(parse_leases(await self.threads.run(_thd_read, self.leases)))
        return found


def parse_neighbours(table: bytes) -> dict[str, str]:
    """Return the addresses in the output of `ip -4 -j neigh`."""
    return {
        row["lladdr"].lower(): row["dst"]
        for row in json.loads(table or b"[]")
        if "lladdr" in row and not _UNREACHABLE.intersection(row.get("state", ()))
    }


def parse_leases(text: str) -> dict[str, str]:
    """Return the addresses in a file of leases as dnsmasq writes it: time, MAC, address, name."""
    rows = (line.split() for line in text.splitlines())
    return {row[1].lower(): row[2] for row in rows if len(row) >= 4 and "." in row[2]}


def _thd_read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return ""  # dnsmasq makes it with its first lease
