"""Finds out what there is: the records of volumes, and the files."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import frozen

from euca.sc.backing import Backing
from euca.sc.tables import thd_volumes
from euca.sc.volume import Volume
from euca.store.engine import Database
from euca.threads import Offload


@frozen
class Found:
    """The volumes recorded, and the sizes in bytes of the files that are there."""

    volumes: tuple[Volume, ...]
    files: Mapping[str, int]


async def discover(database: Database, backing: Backing, threads: Offload) -> Found:
    """Return what there is."""
    volumes = await database.transact(thd_volumes)
    return Found(tuple(volumes), await threads.run(backing.thd_present))
