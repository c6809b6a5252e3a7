"""What the cloud controller remembers: its tables and its statements.

Functions named `thd_` run in a transaction, in the thread of the database. Where an owner or
an account is asked for, None stands for an administrator, who sees everyone's.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

from attrs import frozen

from euca.clc.image import Image, Kind
from euca.clc.instance import Boot, Instance, Reason, Reservation, Start, State
from euca.model.machine import VmType
from euca.store.sql import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Float,
    ForeignKey,
    Integer,
    LargeBinary,
    MetaData,
    Row,
    String,
    Table,
    Text,
    and_,
    delete,
    func,
    insert,
    or_,
    select,
    update,
)

_METADATA = MetaData()

IMAGES = Table(
    "images",
    _METADATA,
    Column("identifier", String(64), primary_key=True),
    Column("location", String(1024)),
    Column("kind", String(64)),
    Column("owner", String(64)),
    Column("architecture", String(64)),
    Column("platform", String(64)),
    Column("public", Boolean),
    Column("size", BigInteger),
    Column("kernel_id", String(64)),
    Column("ramdisk_id", String(64)),
    Column("signature", Text),
    Column("name", String(255)),
    Column("description", String(1024)),
    Column("registered", Float),
)
KEY_PAIRS = Table(
    "key_pairs",
    _METADATA,
    Column("owner", String(64), primary_key=True),
    Column("name", String(255), primary_key=True),
    Column("public_line", Text),
    Column("fingerprint", String(128)),
)
RESERVATIONS = Table(
    "reservations",
    _METADATA,
    Column("identifier", String(64), primary_key=True),
    Column("owner", String(64)),
    Column("groups", Text),
    Column("client_token", String(255)),
)
INSTANCES = Table(
    "instances",
    _METADATA,
    Column("identifier", String(64), primary_key=True),
    Column("reservation", String(64), ForeignKey("reservations.identifier")),
    Column("owner", String(64)),
    Column("launch_index", Integer),
    Column("cluster", String(64)),
    Column("vm_type", String(64)),
    Column("cores", Integer),
    Column("memory", Integer),
    Column("disk", Integer),
    Column("image_id", String(64)),
    Column("image_url", String(2048)),
    Column("platform", String(64)),
    Column("kernel_id", String(64)),
    Column("kernel_url", String(2048)),
    Column("ramdisk_id", String(64)),
    Column("ramdisk_url", String(2048)),
    Column("launched", Float),
    Column("since", Float),
    Column("key_name", String(255)),
    Column("key_text", Text),
    Column("user_data", Text),
    Column("correlation", String(64)),
    Column("private_ip", String(64)),
    Column("public_ip", String(64)),
    Column("state", String(64)),
    Column("start", String(64)),
    Column("reason_word", String(64)),
    Column("reason_message", Text),
    Column("reason_code", String(64)),
    Column("reason_detail", Text),
    Column("told", Boolean),
    Column("alive", Boolean),
    Column("missing_since", Float),
    Column("called_at", Float),
    Column("rests_until", Float),
    Column("console", LargeBinary),
)

_VALUES = [column for column in INSTANCES.c if column.name != "console"]


@frozen
class KeyPairRecord:
    """The public half of a key pair, as an OpenSSH line, and the fingerprint of the pair."""

    owner: str
    name: str
    public_line: str
    fingerprint: str


# Instances


@lru_cache(maxsize=4096)  # the same row is the same instance, and lists are read again and again
def _instance(row: Row[Any]) -> Instance:
    return Instance(
        identifier=row.identifier,
        reservation=row.reservation,
        owner=row.owner,
        launch_index=row.launch_index,
        cluster=row.cluster,
        vm_type=VmType(row.vm_type, row.cores, row.memory, row.disk),
        boot=Boot(
            row.image_id,
            row.image_url,
            row.platform,
            row.kernel_id,
            row.kernel_url,
            row.ramdisk_id,
            row.ramdisk_url,
        ),
        launched=row.launched,
        since=row.since,
        key_name=row.key_name,
        key_text=row.key_text,
        user_data=row.user_data,
        correlation=row.correlation,
        private_ip=row.private_ip,
        public_ip=row.public_ip,
        state=State(row.state),
        reason=Reason(row.reason_word, row.reason_message, row.reason_code, row.reason_detail),
        start=Start(row.start),
        told=row.told,
        alive=row.alive,
        missing_since=row.missing_since,
        called_at=row.called_at,
        rests_until=row.rests_until,
    )


def _wish(instance: Instance) -> dict[str, Any]:
    """Return the columns that never change."""
    boot, vm_type = instance.boot, instance.vm_type
    return {
        "identifier": instance.identifier,
        "reservation": instance.reservation,
        "owner": instance.owner,
        "launch_index": instance.launch_index,
        "cluster": instance.cluster,
        "vm_type": vm_type.name,
        "cores": vm_type.cores,
        "memory": vm_type.memory,
        "disk": vm_type.disk,
        "image_id": boot.image_id,
        "image_url": boot.image_url,
        "platform": boot.platform,
        "kernel_id": boot.kernel_id,
        "kernel_url": boot.kernel_url,
        "ramdisk_id": boot.ramdisk_id,
        "ramdisk_url": boot.ramdisk_url,
        "launched": instance.launched,
        "key_name": instance.key_name,
        "key_text": instance.key_text,
        "user_data": instance.user_data,
        "correlation": instance.correlation,
    }


def _progress(instance: Instance) -> dict[str, Any]:
    """Return the columns that tell how far the wish is fulfilled."""
    reason = instance.reason
    return {
        "since": instance.since,
        "private_ip": instance.private_ip,
        "public_ip": instance.public_ip,
        "state": instance.state.value,
        "start": instance.start.value,
        "reason_word": reason.word,
        "reason_message": reason.message,
        "reason_code": reason.code,
        "reason_detail": reason.detail,
        "told": instance.told,
        "alive": instance.alive,
        "missing_since": instance.missing_since,
        "called_at": instance.called_at,
        "rests_until": instance.rests_until,
    }


def thd_add_reservation(
    tx: Connection, reservation: Reservation, client_token: str | None = None
) -> None:
    """Record a reservation with its instances."""
    tx.execute(
        insert(RESERVATIONS).values(
            identifier=reservation.identifier,
            owner=reservation.owner,
            groups=json.dumps(reservation.groups),
            client_token=client_token,
        )
    )
    for instance in reservation.instances:
        tx.execute(insert(INSTANCES).values({**_wish(instance), **_progress(instance)}))


def thd_reservation_of_token(tx: Connection, owner: str, token: str) -> Reservation | None:
    """Return the reservation that an earlier request of that client token made."""
    columns = RESERVATIONS.c
    query = select(columns.identifier).where(
        and_(columns.owner == owner, columns.client_token == token)
    )
    identifier = tx.execute(query).scalar()
    if identifier is None:
        return None
    chosen = tx.execute(select(*_VALUES).where(INSTANCES.c.reservation == identifier))
    found = thd_reservations(tx, [_instance(row) for row in chosen])
    return found[0] if found else None


def thd_reservations(tx: Connection, instances: Iterable[Instance]) -> list[Reservation]:
    """Return the instances by their reservations, in the order of launch."""
    members: dict[str, list[Instance]] = {}
    for instance in sorted(instances, key=lambda i: (i.launched, i.reservation, i.launch_index)):
        members.setdefault(instance.reservation, []).append(instance)
    rows = tx.execute(select(RESERVATIONS).where(RESERVATIONS.c.identifier.in_(members)))
    heads = {row.identifier: row for row in rows}
    return [
        Reservation(name, heads[name].owner, tuple(json.loads(heads[name].groups)), tuple(listed))
        for name, listed in members.items()
    ]


def thd_instance(tx: Connection, identifier: str) -> Instance | None:
    """Return the instance of that identifier."""
    row = tx.execute(select(*_VALUES).where(INSTANCES.c.identifier == identifier)).first()
    return None if row is None else _instance(row)


def thd_visible_instances(
    tx: Connection, owner: str | None, ended_after: float, identifiers: Sequence[str] = ()
) -> list[Instance]:
    """Return an owner's instances, those terminated only if they ended after that time."""
    columns = INSTANCES.c
    query = select(*_VALUES).where(
        or_(columns.state != State.TERMINATED.value, columns.since > ended_after)
    )
    if owner is not None:
        query = query.where(columns.owner == owner)
    if identifiers:
        query = query.where(columns.identifier.in_(identifiers))
    return [_instance(row) for row in tx.execute(query)]


def thd_cluster_instances(tx: Connection, cluster: str) -> list[Instance]:
    """Return every instance, in whatever state, that was given to the cluster."""
    return [
        _instance(row) for row in tx.execute(select(*_VALUES).where(INSTANCES.c.cluster == cluster))
    ]


def thd_unsettled_instances(tx: Connection, forget_before: float) -> list[Instance]:
    """Return the instances that the loop may have work with.

    These are all but the terminated ones, of which only those still alive on their cluster and
    those that ended before `forget_before` count.
    """
    columns = INSTANCES.c
    query = select(*_VALUES).where(
        or_(
            columns.state != State.TERMINATED.value,
            columns.alive,
            columns.since < forget_before,
        )
    )
    return [_instance(row) for row in tx.execute(query.order_by(columns.launched))]


def thd_save_instance(tx: Connection, instance: Instance) -> None:
    """Record how far an instance has come."""
    row = update(INSTANCES).where(INSTANCES.c.identifier == instance.identifier)
    tx.execute(row.values(_progress(instance)))


def thd_forget_instance(tx: Connection, identifier: str) -> None:
    """Delete an instance, and its reservation with the last of its instances."""
    gone = thd_instance(tx, identifier)
    if gone is None:
        return
    tx.execute(delete(INSTANCES).where(INSTANCES.c.identifier == identifier))
    left = select(func.count()).where(INSTANCES.c.reservation == gone.reservation)
    if not tx.execute(left).scalar():
        tx.execute(delete(RESERVATIONS).where(RESERVATIONS.c.identifier == gone.reservation))


def thd_save_console(tx: Connection, identifier: str, output: bytes) -> None:
    """Keep the last console output of an instance."""
    row = update(INSTANCES).where(INSTANCES.c.identifier == identifier)
    tx.execute(row.values(console=output))


def thd_console(tx: Connection, identifier: str) -> bytes | None:
    """Return the last console output kept of an instance."""
    query = select(INSTANCES.c.console).where(INSTANCES.c.identifier == identifier)
    output: bytes | None = tx.execute(query).scalar()
    return output


def thd_count_by_state(tx: Connection) -> dict[str, int]:
    """Return how many instances there are in each state."""
    query = select(INSTANCES.c.state, func.count()).group_by(INSTANCES.c.state)
    return {state: count for state, count in tx.execute(query)}


# Images


def _image(row: Row[Any]) -> Image:
    values = row._asdict()
    del values["registered"]
    return Image(**{**values, "kind": Kind(values["kind"])})


def thd_add_image(tx: Connection, image: Image, now: float) -> None:
    """Record an image."""
    tx.execute(
        insert(IMAGES).values(
            identifier=image.identifier,
            location=image.location,
            kind=image.kind.value,
            owner=image.owner,
            architecture=image.architecture,
            platform=image.platform,
            public=image.public,
            size=image.size,
            kernel_id=image.kernel_id,
            ramdisk_id=image.ramdisk_id,
            signature=image.signature,
            name=image.name,
            description=image.description,
            registered=now,
        )
    )


def thd_images(tx: Connection, account: str | None) -> list[Image]:
    """Return the images that an account may use, in the order of registration."""
    query = select(IMAGES).order_by(IMAGES.c.registered, IMAGES.c.identifier)
    if account is not None:
        query = query.where(or_(IMAGES.c.public, IMAGES.c.owner == account))
    return [_image(row) for row in tx.execute(query)]


def thd_image(tx: Connection, identifier: str) -> Image | None:
    """Return the image of that identifier."""
    row = tx.execute(select(IMAGES).where(IMAGES.c.identifier == identifier)).first()
    return None if row is None else _image(row)


def thd_first_image(tx: Connection, kind: Kind) -> Image | None:
    """Return the image of that kind that was registered first."""
    query = select(IMAGES).where(IMAGES.c.kind == kind.value)
    row = tx.execute(query.order_by(IMAGES.c.registered, IMAGES.c.identifier)).first()
    return None if row is None else _image(row)


def thd_remove_image(tx: Connection, identifier: str) -> None:
    """Forget an image; instances made of it keep what they need."""
    tx.execute(delete(IMAGES).where(IMAGES.c.identifier == identifier))


# Key pairs


def thd_add_key_pair(tx: Connection, pair: KeyPairRecord) -> None:
    """Record a key pair; raises IntegrityError when the owner has one of that name."""
    tx.execute(
        insert(KEY_PAIRS).values(
            owner=pair.owner,
            name=pair.name,
            public_line=pair.public_line,
            fingerprint=pair.fingerprint,
        )
    )


def thd_key_pairs(tx: Connection, owner: str) -> list[KeyPairRecord]:
    """Return the key pairs of an owner in the order of their names."""
    query = select(KEY_PAIRS).where(KEY_PAIRS.c.owner == owner).order_by(KEY_PAIRS.c.name)
    return [KeyPairRecord(*row) for row in tx.execute(query)]


def thd_key_pair(tx: Connection, owner: str, name: str) -> KeyPairRecord | None:
    """Return the owner's key pair of that name."""
    return next((pair for pair in thd_key_pairs(tx, owner) if pair.name == name), None)


def thd_remove_key_pair(tx: Connection, owner: str, name: str) -> None:
    """Forget a key pair, if there is one of that name."""
    columns = KEY_PAIRS.c
    tx.execute(delete(KEY_PAIRS).where(and_(columns.owner == owner, columns.name == name)))
