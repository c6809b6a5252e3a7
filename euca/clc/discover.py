"""What the loop starts from: the records, read in one transaction.

Clusters are not asked here: asking one is a change like any other (`plan.Poll`), so that a cluster
that does not answer holds up no other.
"""

from __future__ import annotations

from collections.abc import Mapping

from attrs import field, frozen, mutable
from twisted.internet.interfaces import IReactorTime

from euca.clc.plan import BURY_SECONDS, View
from euca.clc.registration import RegisteredCluster
from euca.clc.registry import thd_clusters
from euca.clc.tables import thd_count_by_state, thd_unsettled_instances
from euca.store.engine import Database
from euca.store.sql import Connection


@frozen
class Overview:
    """What the last round saw, for the health report; `seen_at` is in seconds since 1970."""

    seen_at: float
    clusters: Mapping[str, RegisteredCluster] = field(factory=dict)
    instances: Mapping[str, int] = field(factory=dict)


@mutable
class Discovery:
    """Reads the records for each round; `overview` is what it saw last, None before the first."""

    database: Database
    clock: IReactorTime
    period: float
    overview: Overview | None = None

    async def view(self) -> View:
        """Return what is recorded now."""
        now = self.clock.seconds()

        def thd_read(tx: Connection) -> tuple[View, Overview]:
            clusters = {cluster.name: cluster for cluster in thd_clusters(tx)}
            instances = thd_unsettled_instances(tx, now - BURY_SECONDS)
            view = View(now, self.period, clusters, instances)
            return view, Overview(now, clusters, thd_count_by_state(tx))

        view, self.overview = await self.database.transact(thd_read)
        return view
