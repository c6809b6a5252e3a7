"""The cluster's records. Functions named `thd_` run in the thread of the database."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from euca.cc.instance import Instance
from euca.cc.node import Amounts, Health, NodeRecord, Resources
from euca.cc.record import columns, instance_of
from euca.store.sql import (
    Column,
    Connection,
    Float,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    delete,
    insert,
    select,
    update,
)

_METADATA = MetaData()
_AMOUNTS = ("memory", "disk", "cores")

NODES = Table(
    "cc_nodes",
    _METADATA,
    Column("tag", String(128), primary_key=True),
    Column("position", Integer, nullable=False),
    Column("health", String(8), nullable=False),
    Column("since", Float, nullable=False),
    Column("reason", Text, nullable=False),
    *(
        Column(f"{amount}_{which}", Integer, nullable=False)
        for amount in _AMOUNTS
        for which in ("maximum", "available")
    ),
)
ROUND = Table(
    "cc_round",
    _METADATA,
    Column("name", String(16), primary_key=True),
    Column("position", Integer, nullable=False),
)
INSTANCES = Table(
    "cc_instances",
    _METADATA,
    Column("identifier", String(64), primary_key=True),
    Column("node", String(128), nullable=False, index=True),
    Column("phase", String(16), nullable=False),
    Column("state", String(16), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("tried_at", Float, nullable=False),
    Column("placed_at", Float, nullable=False),
    Column("seen_at", Float, nullable=False),
    Column("correlation", Text, nullable=False),
    Column("network", Text, nullable=False),
    Column("description", Text, nullable=False),
    Column("ending", Text),
)
_ROUND_ROBIN = "ROUNDROBIN"

# Nodes


def thd_nodes(tx: Connection) -> list[NodeRecord]:
    """Return the nodes in the order of the list."""
    rows = tx.execute(select(NODES).order_by(NODES.c.position)).mappings()
    return [_node(row) for row in rows]


def thd_node(tx: Connection, tag: str) -> NodeRecord | None:
    """Return one node; None for one that is not in the list any more."""
    row = tx.execute(select(NODES).where(NODES.c.tag == tag)).mappings().first()
    return None if row is None else _node(row)


def thd_list_nodes(tx: Connection, tags: Sequence[str]) -> None:
    """Make these nodes, in this order, the cluster's; what is known of those that stay is kept.

    Where the list changes, the round begins anew.
    """
    known = {node.tag: node for node in thd_nodes(tx)}
    if list(known) == list(tags):
        return
    tx.execute(delete(NODES))
    for position, tag in enumerate(tags):
        node = known.get(tag, NodeRecord(tag))
        tx.execute(insert(NODES).values(**_node_columns(node), position=position))
    thd_set_pointer(tx, 0)


def thd_save_node(tx: Connection, node: NodeRecord) -> None:
    """Record what is known of a node of the list."""
    tx.execute(update(NODES).where(NODES.c.tag == node.tag).values(**_node_columns(node)))


def _node(row: Mapping[Any, Any]) -> NodeRecord:
    maximum, available = (
        Amounts(**{amount: row[f"{amount}_{which}"] for amount in _AMOUNTS})
        for which in ("maximum", "available")
    )
    return NodeRecord(
        row["tag"],
        Health(row["health"]),
        row["since"],
        row["reason"],
        Resources(maximum, available),
    )


def _node_columns(node: NodeRecord) -> dict[str, Any]:
    figures = {
        f"{amount}_{which}": getattr(getattr(node.resources, which), amount)
        for amount in _AMOUNTS
        for which in ("maximum", "available")
    }
    return {
        "tag": node.tag,
        "health": node.health.value,
        "since": node.since,
        "reason": node.reason,
        **figures,
    }


def thd_pointer(tx: Connection) -> int:
    """Return the position in the list at which ROUNDROBIN goes on."""
    query = select(ROUND.c.position).where(ROUND.c.name == _ROUND_ROBIN)
    return tx.execute(query).scalar() or 0


def thd_set_pointer(tx: Connection, position: int) -> None:
    """Record where ROUNDROBIN goes on."""
    tx.execute(delete(ROUND).where(ROUND.c.name == _ROUND_ROBIN))
    tx.execute(insert(ROUND).values(name=_ROUND_ROBIN, position=position))


# Instances


def thd_instances(tx: Connection, node: str | None = None) -> list[Instance]:
    """Return the instances, or those of one node, in the order in which they came."""
    query = select(INSTANCES).order_by(INSTANCES.c.placed_at, INSTANCES.c.identifier)
    if node is not None:
        query = query.where(INSTANCES.c.node == node)
    return [instance_of(row) for row in tx.execute(query).mappings()]


def thd_instance(tx: Connection, identifier: str) -> Instance | None:
    """Return one instance."""
    query = select(INSTANCES).where(INSTANCES.c.identifier == identifier)
    row = tx.execute(query).mappings().first()
    return None if row is None else instance_of(row)


def thd_save(tx: Connection, instance: Instance) -> None:
    """Record an instance, new or changed."""
    values = columns(instance)
    chosen = INSTANCES.c.identifier == instance.identifier
    if tx.execute(update(INSTANCES).where(chosen).values(**values)).rowcount == 0:
        tx.execute(insert(INSTANCES).values(**values))


def thd_saw(tx: Connection, identifiers: Sequence[str], now: float) -> None:
    """Record that instances were seen, and nothing else about them changed."""
    for at in range(0, len(identifiers), 500):
        chosen = INSTANCES.c.identifier.in_(identifiers[at : at + 500])
        tx.execute(update(INSTANCES).where(chosen).values(seen_at=now))


def thd_forget(tx: Connection, identifier: str) -> None:
    """Drop an instance from the records."""
    tx.execute(delete(INSTANCES).where(INSTANCES.c.identifier == identifier))
