"""The records of volumes. Functions named `thd_` run in the thread of the database."""

from __future__ import annotations

from collections.abc import Collection

from euca.model.errors import VolumeExists, VolumeLimitExceeded
from euca.sc.volume import Status, Volume
from euca.store.sql import (
    BigInteger,
    Column,
    Connection,
    Integer,
    MetaData,
    String,
    Table,
    delete,
    func,
    insert,
    select,
    update,
)

VOLUMES = Table(
    "sc_volumes",
    MetaData(),
    Column("identifier", String(32), primary_key=True),
    Column("size", Integer, nullable=False),
    Column("status", String(16), nullable=False),
    Column("created", BigInteger, nullable=False),
)


def thd_add_volume(tx: Connection, volume: Volume, max_total: int) -> None:
    """Record a wish for a volume; raises VolumeExists and VolumeLimitExceeded.

    All volumes together may have `max_total` GB.
    """
    known = select(VOLUMES.c.identifier).where(VOLUMES.c.identifier == volume.identifier)
    if tx.execute(known).first() is not None:
        raise VolumeExists(volume.identifier)  # in 2.0 the message is the identifier
    used = tx.execute(select(func.coalesce(func.sum(VOLUMES.c.size), 0))).scalar_one()
    if used + volume.size > max_total:
        raise VolumeLimitExceeded(
            f"A volume of {volume.size} GB finds no room: {used} of {max_total} GB are in use"
        )
    tx.execute(
        insert(VOLUMES).values(
            identifier=volume.identifier,
            size=volume.size,
            status=volume.status.value,
            created=volume.created,
        )
    )


def thd_volumes(tx: Connection) -> list[Volume]:
    """Return all volumes, by identifier."""
    rows = tx.execute(select(VOLUMES).order_by(VOLUMES.c.identifier))
    return [Volume(row.identifier, row.size, Status(row.status), row.created) for row in rows]


def thd_report(tx: Connection, wanted: Collection[str]) -> list[Volume]:
    """Return the volumes of those identifiers, or all; a failed one is returned only once."""
    shown = [
        volume
        for volume in thd_volumes(tx)
        if volume.status is not Status.REPORTED and (not wanted or volume.identifier in wanted)
    ]
    for volume in shown:
        if volume.status is Status.FAILED:
            thd_set_status(tx, volume.identifier, Status.REPORTED)
    return shown


def thd_set_status(tx: Connection, identifier: str, status: Status) -> None:
    """Record where a volume is in its life."""
    chosen = VOLUMES.c.identifier == identifier
    tx.execute(update(VOLUMES).where(chosen).values(status=status.value))


def thd_remove_volume(tx: Connection, identifier: str) -> None:
    """Forget a volume."""
    tx.execute(delete(VOLUMES).where(VOLUMES.c.identifier == identifier))
