"""Zones and regions: the operations that tell clients where things are."""

from __future__ import annotations

from attrs import frozen

from euca.clc import requests as r
from euca.clc.registry import thd_clusters, thd_walrus
from euca.clc.requests import Caller
from euca.model.errors import UnknownZone
from euca.store.engine import Database


@frozen
class Zone:
    """An availability zone: a cluster, with its host as state, as Eucalyptus 2.0 showed it."""

    name: str
    state: str


@frozen
class Region:
    """A service of the cloud under the name of a region, as Eucalyptus 2.0 showed it."""

    name: str
    endpoint: str


@frozen
class Zones:
    """The cloud's zones and regions; `endpoint` is the URL that clients are told to use."""

    database: Database
    endpoint: str

    async def describe_availability_zones(
        self, caller: Caller, request: r.DescribeAvailabilityZones
    ) -> list[Zone]:
        """List the clusters; raises UnknownZone for a name that is none."""
        clusters = await self.database.transact(thd_clusters)
        zones = {cluster.name: Zone(cluster.name, cluster.host) for cluster in clusters}
        for name in request.names:
            if name not in zones:
                raise UnknownZone(f"Invalid availability zone: [{name}]")
        return [zones[name] for name in dict.fromkeys(request.names) or zones]

    async def describe_regions(self, caller: Caller, request: r.DescribeRegions) -> list[Region]:
        """List the cloud itself and its Walrus, by the URLs that clients are to use."""
        walrus = await self.database.transact(thd_walrus)
        regions = [Region("Eucalyptus", self.endpoint)]
        if walrus is not None:
            regions.append(Region("Walrus", walrus.walrus_url))
        return [region for region in regions if not request.names or region.name in request.names]
