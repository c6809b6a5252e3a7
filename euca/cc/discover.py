"""What the loop starts from: the records, which polls keep up to date."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from attrs import asdict, define
from twisted.internet.interfaces import IReactorTime

from euca.cc.instance import Instance
from euca.cc.node import NodeRecord
from euca.cc.plan import Limits, View, is_listed
from euca.cc.tables import thd_instances, thd_nodes
from euca.store.engine import Database
from euca.store.sql import Connection


def _thd_records(tx: Connection) -> tuple[list[NodeRecord], list[Instance]]:
    return thd_nodes(tx), thd_instances(tx)


@define
class Discovery:
    """Reads the records for each round, and keeps the last view for those who ask how it is."""

    database: Database
    clock: IReactorTime
    limits: Limits
    last: View | None = None

    async def view(self) -> View:
        """Return what the plan needs to know."""
        nodes, instances = await self.database.transact(_thd_records)
        known = {node.tag: node for node in nodes}
        self.last = View(self.clock.seconds(), self.limits, known, instances)
        return self.last


def overview(view: View) -> Mapping[str, object]:
    """Return the nodes and the number of instances by state, for /health."""
    listed = (each for each in view.instances if is_listed(each, view.now, view.limits))
    return {
        "nodes": {tag: _node(node) for tag, node in view.nodes.items()},
        "instances": dict(Counter(each.state.value for each in listed)),
    }


def _node(node: NodeRecord) -> Mapping[str, object]:
    told = {"state": node.health.value, "since": node.since}
    if not node.up:
        return {**told, "reason": node.reason}
    return {**told, **asdict(node.resources)}
