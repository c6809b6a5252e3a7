"""Clusters over the wire: signed calls to EucalyptusCC, as the cloud controller of 2.0 made them.

The caller's name goes along as `userId` (`eucalyptus` when the cloud itself asks), the key pair as
the text of its public key, and for a network that the cluster does not manage the vlan -1 with
the network name `default`. `platform` is always sent: the original CC crashes without it.
"""

from __future__ import annotations

import base64
import binascii
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from attrs import field, frozen, mutable
from treq.client import HTTPClient
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from euca.auth.keyring import Certificate, Identity, UnusableKey
from euca.auth.wsse import CLUSTER, Pinned
from euca.clc.instance import Capacity, Instance, Report, Reported
from euca.clc.interfaces import Cluster, ClusterRefused, ClusterUnreachable, Started
from euca.model.identifiers import RandomBytes, mac_address
from euca.model.machine import NO_ADDRESS, VmType
from euca.wire.client import CallFailed, RemoteFault, SoapClient
from euca.wire.contract import Contract
from euca.wire.wiring import Wire

CLOUD_USER = "eucalyptus"
NO_VLAN = -1
NETWORK = "default"
_EMPTY = b"EMPTY"

log = Logger()

Values = Mapping[str, Any]


@frozen
class WireCluster:
    """One cluster behind a signed client."""

    client: SoapClient
    random_bytes: RandomBytes

    async def capacity(self, vm_types: Sequence[VmType]) -> list[Capacity]:
        """Ask with DescribeResources."""
        reply = await self._call(
            "DescribeResources",
            CLOUD_USER,
            self._new_id(),
            instanceTypes=[_vm_type(vm_type) for vm_type in vm_types],
        )
        return [
            Capacity(
                item["instanceType"]["name"],
                item["maxInstances"] or 0,
                max(item["availableInstances"] or 0, 0),
            )
            for item in reply["resources"]
            if item["instanceType"] and item["instanceType"]["name"]
        ]

    async def reports(self) -> list[Report]:
        """Ask with DescribeInstances."""
        reply = await self._call("DescribeInstances", CLOUD_USER, self._new_id())
        reports = [_report(item) for item in reply["instances"]]
        return [report for report in reports if report is not None]

    async def start(self, instance: Instance) -> Started:
        """Ask with RunInstances, one instance a call."""
        boot = instance.boot
        reply = await self._call(
            "RunInstances",
            instance.owner,
            instance.correlation,
            imageId=boot.image_id,
            kernelId=boot.kernel_id,
            ramdiskId=boot.ramdisk_id,
            imageURL=boot.image_url,
            kernelURL=boot.kernel_url,
            ramdiskURL=boot.ramdisk_url,
            instanceType=_vm_type(instance.vm_type),
            keyName=instance.key_text,
            maxCount=1,
            minCount=1,
            reservationId=instance.reservation,
            instanceIds=[instance.identifier],
            netNames=[NETWORK],
            macAddresses=[mac_address(instance.identifier)],
            vlan=NO_VLAN,
            userData=instance.user_data,
            launchIndex=str(instance.launch_index),
            platform=boot.platform,
        )
        for item in reply["instances"]:
            if item["instanceId"] == instance.identifier:
                return Started(*_addresses(item))
        return Started()

    async def terminate(self, instance: Instance) -> None:
        """Ask with TerminateInstances, one instance a call."""
        await self._call(
            "TerminateInstances",
            instance.owner,
            instance.correlation,
            instanceIds=[instance.identifier],
        )

    async def console(self, instance: Instance) -> bytes:
        """Ask with GetConsoleOutput."""
        reply = await self._call(
            "GetConsoleOutput",
            instance.owner,
            instance.correlation,
            instanceId=instance.identifier,
        )
        try:
            output = base64.b64decode(reply["consoleOutput"] or "")
        except binascii.Error as error:
            raise ClusterRefused("the console output is not base64") from error
        return b"" if output == _EMPTY else output

    def _new_id(self) -> str:
        return str(uuid.UUID(bytes=self.random_bytes(16), version=4))

    async def _call(
        self, operation: str, user: str, correlation: str, **fields: Any
    ) -> dict[str, Any]:
        try:
            reply = await self.client.call(
                operation, correlationId=correlation, userId=user, **fields
            )
        except RemoteFault as fault:
            raise ClusterRefused(fault.message) from fault
        except CallFailed as error:
            raise ClusterUnreachable(str(error)) from error
        if reply["return"] is False:
            raise ClusterRefused(reply["statusMessage"] or f"{operation} was refused")
        return reply


def _vm_type(vm_type: VmType) -> Values:
    return {
        "name": vm_type.name,
        "memory": vm_type.memory,
        "cores": vm_type.cores,
        "disk": vm_type.disk,
    }


def _addresses(item: Values) -> tuple[str, str]:
    net = item["netParams"]
    if net is None:
        return NO_ADDRESS, NO_ADDRESS
    return net["privateIp"] or NO_ADDRESS, net["publicIp"] or NO_ADDRESS


def _report(item: Values) -> Report | None:
    """Return the report of an instance; None for one in a state that is not of the wire."""
    identifier, state = item["instanceId"], item["stateName"]
    if not identifier or state not in {known.value for known in Reported}:
        log.warn("A cluster reports {i} in state {state!r}", i=identifier, state=state)
        return None
    return Report(identifier, Reported(state), *_addresses(item))


@mutable(eq=False)
class WireClusters:
    """Clients of clusters, each trusting the certificate that its cluster was registered with.

    The certificates are at `<keys>/<cluster>/cluster-cert.pem`.
    """

    contract: Contract
    http: HTTPClient
    identity: Identity
    keys: Path
    clock: IReactorTime
    timeout: float
    random_bytes: RandomBytes
    wire: Wire = field(factory=Wire)
    _clients: dict[tuple[str, str, int], tuple[Certificate, WireCluster]] = field(factory=dict)

    def at(self, name: str, host: str, port: int) -> Cluster:
        """Return the cluster's client; raises ClusterUnreachable without its certificate."""
        path = self.keys / name / "cluster-cert.pem"
        try:
            certificate = Certificate.load(path)
        except UnusableKey as error:
            raise ClusterUnreachable(f"the certificate of cluster {name}: {error}") from error
        kept = self._clients.get((name, host, port))
        if kept is not None and kept[0] == certificate:
            return kept[1]
        cluster = WireCluster(self._client(name, host, port, certificate), self.random_bytes)
        self._clients[name, host, port] = (certificate, cluster)
        return cluster

    def _client(self, name: str, host: str, port: int, certificate: Certificate) -> SoapClient:
        security = self.wire.security("CC", CLUSTER, Pinned({name: certificate}), self.identity)
        url = f"http://{host}:{port}/axis2/services/EucalyptusCC"
        return self.wire.client(self.contract, url, self.http, security, self.clock, self.timeout)
