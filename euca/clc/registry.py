"""The components that the cloud consists of, as the administrator registered them.

Functions named `thd_` run in a transaction, in the thread of the database.
"""

from __future__ import annotations

from collections.abc import Sequence

from euca.clc.instance import Capacity
from euca.clc.registration import RegisteredCluster, RegisteredService
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

CLUSTERS = Table(
    "clusters",
    _METADATA,
    Column("name", String(64), primary_key=True),
    Column("host", String(255), nullable=False),
    Column("port", Integer, nullable=False),
    Column("asked_at", Float),
    Column("answered_at", Float),
    Column("error", Text),
)
CAPACITIES = Table(
    "capacities",
    _METADATA,
    Column("cluster", String(64), primary_key=True),
    Column("vm_type", String(64), primary_key=True),
    Column("maximum", Integer, nullable=False),
    Column("available", Integer, nullable=False),
)
WALRUSES = Table(
    "walruses",
    _METADATA,
    Column("name", String(64), primary_key=True),
    Column("host", String(255), nullable=False),
    Column("port", Integer, nullable=False),
)
STORAGE_CONTROLLERS = Table(
    "storage_controllers",
    _METADATA,
    Column("name", String(64), primary_key=True),
    Column("host", String(255), nullable=False),
    Column("port", Integer, nullable=False),
)


def thd_add_cluster(tx: Connection, name: str, host: str, port: int = 8774) -> None:
    """Register a cluster, or move the one of that name."""
    values = {"host": host, "port": port}
    if not tx.execute(update(CLUSTERS).where(CLUSTERS.c.name == name).values(values)).rowcount:
        tx.execute(insert(CLUSTERS).values(name=name, **values))


def thd_remove_cluster(tx: Connection, name: str) -> bool:
    """Forget a cluster; returns whether there was one."""
    tx.execute(delete(CAPACITIES).where(CAPACITIES.c.cluster == name))
    return tx.execute(delete(CLUSTERS).where(CLUSTERS.c.name == name)).rowcount > 0


def thd_clusters(tx: Connection) -> list[RegisteredCluster]:
    """Return the clusters in the order of their names."""
    capacities: dict[str, list[Capacity]] = {}
    for cluster, *capacity in tx.execute(select(CAPACITIES)):
        capacities.setdefault(cluster, []).append(Capacity(*capacity))
    return [
        RegisteredCluster(**row._asdict(), capacities=tuple(capacities.get(row.name, ())))
        for row in tx.execute(select(CLUSTERS).order_by(CLUSTERS.c.name))
    ]


def thd_cluster(tx: Connection, name: str) -> RegisteredCluster | None:
    """Return the cluster of that name."""
    return next((cluster for cluster in thd_clusters(tx) if cluster.name == name), None)


def thd_cluster_asked(tx: Connection, name: str, now: float) -> None:
    """Note that the cluster is being asked for its state."""
    tx.execute(update(CLUSTERS).where(CLUSTERS.c.name == name).values(asked_at=now))


def thd_cluster_failed(tx: Connection, name: str, why: str) -> None:
    """Note that the cluster did not answer."""
    tx.execute(update(CLUSTERS).where(CLUSTERS.c.name == name).values(error=why))


def thd_cluster_answered(
    tx: Connection, name: str, now: float, capacities: Sequence[Capacity]
) -> None:
    """Note the cluster's answer: the room that it has."""
    row = update(CLUSTERS).where(CLUSTERS.c.name == name)
    tx.execute(row.values(answered_at=now, error=None))
    tx.execute(delete(CAPACITIES).where(CAPACITIES.c.cluster == name))
    for capacity in capacities:
        tx.execute(
            insert(CAPACITIES).values(
                cluster=name,
                vm_type=capacity.vm_type,
                maximum=capacity.maximum,
                available=capacity.available,
            )
        )


def thd_add_walrus(tx: Connection, name: str, host: str, port: int = 8773) -> None:
    """Register Walrus, or move the one of that name."""
    _thd_put_service(tx, WALRUSES, RegisteredService(name, host, port))


def thd_walrus(tx: Connection) -> RegisteredService | None:
    """Return the Walrus of the cloud: the first by name."""
    services = _thd_services(tx, WALRUSES)
    return services[0] if services else None


def thd_walruses(tx: Connection) -> list[RegisteredService]:
    """Return every registered Walrus, in the order of their names."""
    return _thd_services(tx, WALRUSES)


def thd_add_storage_controller(tx: Connection, name: str, host: str, port: int = 8773) -> None:
    """Register the storage controller of the cluster `name`, or move it."""
    _thd_put_service(tx, STORAGE_CONTROLLERS, RegisteredService(name, host, port))


def thd_storage_controllers(tx: Connection) -> list[RegisteredService]:
    """Return every registered storage controller, in the order of their clusters' names."""
    return _thd_services(tx, STORAGE_CONTROLLERS)


def _thd_put_service(tx: Connection, table: Table, service: RegisteredService) -> None:
    values = {"host": service.host, "port": service.port}
    if not tx.execute(update(table).where(table.c.name == service.name).values(values)).rowcount:
        tx.execute(insert(table).values(name=service.name, **values))


def _thd_services(tx: Connection, table: Table) -> list[RegisteredService]:
    return [RegisteredService(*row) for row in tx.execute(select(table).order_by(table.c.name))]
