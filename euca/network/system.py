"""SYSTEM: the site's own DHCP server gives addresses, and the cluster finds them out afterwards."""

from __future__ import annotations

from attrs import frozen

from euca.model.identifiers import mac_address
from euca.model.machine import NetworkConfig


@frozen
class System:
    """The mode that needs nothing of the network: no groups, no public addresses, no metadata."""

    name: str = "SYSTEM"
    managed: bool = False
    addresses_per_net: int = 0

    def interface(self, instance: str, vlan: int) -> NetworkConfig:
        """Return the interface whose hardware address is derived from the instance's identifier."""
        return NetworkConfig(mac_address(instance), vlan=vlan)
