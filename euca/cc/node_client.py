"""Nodes over the wire: signed calls to EucalyptusNC, as the cluster controller of 2.0 made them.

Polls are made as the user `eucalyptus`, who sees every instance; everything else in the name of
the user whose instance it is. The correlation id goes along, which 2.0 left out. ncRebootInstance
answers `status` false for success, so only `return` is looked at.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from attrs import define, field, frozen
from treq.client import HTTPClient
from twisted.internet.interfaces import IReactorTime

from euca.auth.wsse import Security
from euca.cc.instance import Instance, Report
from euca.cc.interfaces import Node, NodeFailed, NodeRefused
from euca.cc.node import Amounts, Resources
from euca.cc.wire import network_values, report_of, vm_values
from euca.telemetry import trace
from euca.wire.client import CallFailed, SoapClient
from euca.wire.contract import Contract, ContractViolation
from euca.wire.wiring import Wire

CLOUD_USER = "eucalyptus"


@frozen
class WireNode:
    """One node behind a signed client."""

    client: SoapClient

    async def resources(self) -> Resources:
        """Ask with ncDescribeResource."""
        reply = await self._call("ncDescribeResource", CLOUD_USER)
        return Resources(_amounts(reply, "Max"), _amounts(reply, "Available"))

    async def instances(self, identifiers: Sequence[str] = ()) -> list[Report]:
        """Ask with ncDescribeInstances."""
        reply = await self._call("ncDescribeInstances", CLOUD_USER, instanceIds=list(identifiers))
        try:
            return [report_of(item) for item in reply["instances"]]
        except ValueError as error:
            raise NodeFailed(f"{self.client.url}: {error}") from error

    async def start_network(self, instance: Instance) -> None:
        """Ask with ncStartNetwork."""
        await self._call(
            "ncStartNetwork",
            instance.description.owner,
            remoteHostPort=0,
            vlan=instance.network.vlan,
        )

    async def run(self, instance: Instance) -> None:
        """Ask with ncRunInstance."""
        what = instance.description
        await self._call(
            "ncRunInstance",
            what.owner,
            imageId=what.image.identifier,
            kernelId=what.kernel.identifier or None,
            ramdiskId=what.ramdisk.identifier or None,
            imageURL=what.image.url,
            kernelURL=what.kernel.url or None,
            ramdiskURL=what.ramdisk.url or None,
            reservationId=what.reservation,
            instanceId=instance.identifier,
            instanceType=vm_values(what),
            keyName=what.key,
            netParams=network_values(instance.network),
            userData=what.user_data,
            launchIndex=what.launch_index,
            platform=what.platform,
            groupNames=list(what.groups),
        )

    async def terminate(self, identifier: str, user: str) -> None:
        """Ask with ncTerminateInstance."""
        await self._call("ncTerminateInstance", user, instanceId=identifier)

    async def reboot(self, identifier: str, user: str) -> None:
        """Ask with ncRebootInstance."""
        await self._call("ncRebootInstance", user, instanceId=identifier)

    async def console(self, identifier: str, user: str) -> str:
        """Ask with ncGetConsoleOutput."""
        reply = await self._call("ncGetConsoleOutput", user, instanceId=identifier)
        return str(reply["consoleOutput"] or "")

    async def _call(self, operation: str, user: str, **fields: Any) -> Mapping[str, Any]:
        correlation = trace.current()
        if correlation != "-":
            fields["correlationId"] = correlation
        host = urlsplit(self.client.url).hostname
        try:
            reply = await self.client.call(operation, userId=user, nodeName=host, **fields)
        except CallFailed as error:
            raise NodeFailed(str(error)) from error
        except ContractViolation as error:  # what we were asked for cannot be said to a node
            raise NodeFailed(f"{operation}: {error}") from error
        if reply["return"] is False:
            raise NodeRefused(f"{self.client.url} refused {operation}")
        return reply


def _amounts(reply: Mapping[str, Any], which: str) -> Amounts:
    return Amounts(
        *(max(0, reply[f"{name}{which}"]) for name in ("memorySize", "diskSize", "numberOfCores"))
    )


@define
class WireNodes:
    """Makes the clients of nodes; all nodes of a cluster have the same certificate."""

    contract: Contract
    http: HTTPClient
    security: Security
    clock: IReactorTime
    timeout: float
    wire: Wire = field(factory=Wire)
    _clients: dict[str, WireNode] = field(factory=dict)

    def at(self, tag: str) -> Node:
        """Return the node at that URL."""
        if tag not in self._clients:
            self._clients[tag] = WireNode(
                self.wire.client(
                    self.contract, tag, self.http, self.security, self.clock, self.timeout
                )
            )
        return self._clients[tag]
