"""Between instances and the values of the contracts of cluster and node."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from euca.cc.instance import (
    Description,
    DeviceMapping,
    Instance,
    Report,
    Reported,
    Source,
    State,
    Volume,
)
from euca.model.errors import InvalidParameter, MissingParameter
from euca.model.machine import NO_ADDRESS, NetworkConfig, VmType

Values = Mapping[str, Any]

MAX_GROUPS = 64

_SIZES = ("memory", "cores", "disk")


def checked_vm_type(values: Values | None) -> VmType:
    """Return the instance type that a request names; raises MissingParameter, InvalidParameter."""
    if values is None:
        raise MissingParameter("instanceType is missing")
    for size in _SIZES:
        if (values[size] or 0) <= 0:
            raise InvalidParameter(f"an instance cannot have a {size} of {values[size]}")
    return _vm_type(values)


def _vm_type(values: Values) -> VmType:
    return VmType(values["name"] or "", **{size: values[size] or 0 for size in _SIZES})


def _mappings(values: Values) -> tuple[DeviceMapping, ...]:
    return tuple(
        DeviceMapping(
            each["deviceName"] or "",
            each["virtualName"] or "",
            each["size"] or 0,
            each["format"] or "",
        )
        for each in values["deviceMapping"]
    )


def asked_description(body: Values, now: float) -> Description:
    """Return what a RunInstances asks for; raises MissingParameter, InvalidParameter."""
    if not body["userId"]:
        raise MissingParameter("an instance needs its user (userId)")
    vm = checked_vm_type(body["instanceType"])
    return Description(
        reservation=body["reservationId"],
        owner=body["userId"],
        image=_source(body, "image"),
        kernel=_source(body, "kernel"),
        ramdisk=_source(body, "ramdisk"),
        vm=vm,
        launched=now,
        key=body["keyName"] or "",
        user_data=body["userData"] or "",
        launch_index=body["launchIndex"] or "",
        platform=body["platform"] or "",
        groups=tuple(body["netNames"][:MAX_GROUPS]),
        mappings=_mappings(body["instanceType"]),
    )


def _source(body: Values, name: str) -> Source:
    return Source(body[f"{name}Id"] or "", body.get(f"{name}URL") or "")


def report_of(item: Values) -> Report:
    """Return an instance as a node tells it; raises ValueError for a state that is none."""
    return Report(
        identifier=item["instanceId"],
        state=State(item["stateName"]),
        network=_network(item["netParams"]),
        description=Description(
            reservation=item["reservationId"],
            owner=item["userId"],
            image=_source(item, "image"),
            kernel=_source(item, "kernel"),
            ramdisk=_source(item, "ramdisk"),
            vm=_vm_type(item["instanceType"]),
            launched=item["launchTime"].timestamp() if item["launchTime"] else 0.0,
            key=item["keyName"] or "",
            user_data=item["userData"] or "",
            launch_index=item["launchIndex"] or "",
            platform=item["platform"] or "",
            bundle_state=item["bundleTaskStateName"] or "",
            groups=tuple(item["groupNames"]),
            mappings=_mappings(item["instanceType"]),
            volumes=tuple(
                Volume(*(each[name] or "" for name in _VOLUME)) for each in item["volumes"]
            ),
        ),
    )


_VOLUME = ("volumeId", "remoteDev", "localDev", "state")


def _network(values: Values | None) -> NetworkConfig:
    if values is None:
        return NetworkConfig("")
    return NetworkConfig(
        mac=values["privateMacAddress"],
        private_ip=values["privateIp"] or NO_ADDRESS,
        public_ip=values["publicIp"] or NO_ADDRESS,
        vlan=values["vlan"],
        index=values["networkIndex"],
    )


def network_values(network: NetworkConfig) -> dict[str, Any]:
    """Return the `netParams` of an instance."""
    return {
        "privateMacAddress": network.mac,
        "privateIp": network.private_ip,
        "publicIp": network.public_ip,
        "vlan": network.vlan,
        "networkIndex": network.index,
    }


def vm_values(what: Description) -> dict[str, Any]:
    """Return the `instanceType` of an instance."""
    vm = what.vm
    return {
        "name": vm.name,
        "memory": vm.memory,
        "cores": vm.cores,
        "disk": vm.disk,
        "deviceMapping": [
            {
                "deviceName": mapping.device,
                "virtualName": mapping.virtual,
                "size": mapping.size,
                "format": mapping.format,
            }
            for mapping in what.mappings
        ],
    }


def described(instance: Instance) -> dict[str, Any]:
    """Return an instance as the cloud is told of it.

    As in 2.0, groups, volumes and the state of bundling are told once its node has told them; and
    `platform` is left out where it is empty.
    """
    what = instance.description
    told = isinstance(instance.phase, Reported)
    return {
        "imageId": what.image.identifier,
        "kernelId": what.kernel.identifier or None,
        "ramdiskId": what.ramdisk.identifier or None,
        "instanceId": instance.identifier,
        "instanceType": vm_values(what),
        "keyName": what.key,
        "launchTime": datetime.fromtimestamp(what.launched, UTC),
        "stateName": instance.state.value,
        "netParams": network_values(instance.network),
        "ownerId": what.owner,
        "reservationId": what.reservation,
        "serviceTag": instance.node,
        "userData": what.user_data,
        "launchIndex": what.launch_index,
        "platform": what.platform or None,
        "bundleTaskStateName": what.bundle_state or None if told else None,
        "groupNames": list(what.groups) if told else [],
        "volumes": [
            dict(zip(_VOLUME, (each.identifier, each.remote, each.local, each.state), strict=True))
            for each in what.volumes
        ],
    }
