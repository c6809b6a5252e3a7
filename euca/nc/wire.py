"""Between an instance and the values of the node controller's contract."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from euca.model.errors import InvalidParameter, MissingParameter
from euca.model.machine import NetworkConfig, VmType
from euca.nc.files import checked_name
from euca.nc.instance import DeviceMapping, Instance, Source, Wish, reported
from euca.nc.keys import public_key

_MAC = re.compile(r"[0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2}){5}")


def wish_of(body: Mapping[str, Any], now: float) -> Wish:
    """Return what an ncRunInstance asks for; raises InvalidParameter, MissingParameter."""
    if not body["userId"]:
        raise MissingParameter("an instance needs its user (userId)")
    image = _source(body, "image")
    if image is None:
        raise MissingParameter("an instance needs an image (imageId)")
    return Wish(
        instance=body["instanceId"],
        reservation=body["reservationId"],
        owner=body["userId"],
        image=image,
        kernel=_source(body, "kernel"),
        ramdisk=_source(body, "ramdisk"),
        vm=_vm_type(body["instanceType"]),
        mappings=tuple(_mapping(each) for each in body["instanceType"]["deviceMapping"]),
        key=public_key(body["keyName"]),
        user_data=body["userData"] or "",
        launch_index=body["launchIndex"] or "",
        platform=body["platform"] or "",
        groups=tuple(body["groupNames"]),
        launched=now,
        correlation=body["correlationId"] or "",
    )


def network_of(body: Mapping[str, Any]) -> NetworkConfig:
    """Return the network that an ncRunInstance gives; raises InvalidParameter."""
    given = body["netParams"]
    mac = given["privateMacAddress"]
    if not _MAC.fullmatch(mac):
        raise InvalidParameter(f"{mac[:40]!r} is no hardware address")
    return NetworkConfig(
        mac=mac,
        private_ip=given["privateIp"],
        public_ip=given["publicIp"],
        vlan=given["vlan"],
        index=given["networkIndex"],
    )


def _source(body: Mapping[str, Any], name: str) -> Source | None:
    identifier = body[f"{name}Id"]
    if not identifier:
        return None
    checked_name(identifier, f"the identifier of a {name}")
    return Source(identifier, body[f"{name}URL"] or "")


def _vm_type(given: Mapping[str, Any]) -> VmType:
    sizes = {name: given[name] or 0 for name in ("memory", "cores", "disk")}
    for name, size in sizes.items():
        if size <= 0:
            raise InvalidParameter(f"an instance cannot have a {name} of {size}")
    return VmType(given["name"] or "", **sizes)


def _mapping(given: Mapping[str, Any]) -> DeviceMapping:
    return DeviceMapping(
        device=given["deviceName"] or "",
        virtual=given["virtualName"] or "",
        size=given["size"] or 0,
        format=given["format"] or "",
    )


def described(instance: Instance) -> dict[str, Any]:
    """Return an instance as the cluster controller is told of it; URLs are never told."""
    wish, network = instance.wish, instance.network
    return {
        "reservationId": wish.reservation,
        "instanceId": wish.instance,
        "imageId": wish.image.identifier,
        "kernelId": wish.kernel.identifier if wish.kernel else "",
        "ramdiskId": wish.ramdisk.identifier if wish.ramdisk else "",
        "userId": wish.owner,
        "keyName": wish.key,
        "instanceType": _described_type(wish),
        "netParams": {
            "privateMacAddress": network.mac,
            "privateIp": network.private_ip,
            "publicIp": network.public_ip,
            "vlan": network.vlan,
            "networkIndex": network.index,
        },
        "stateName": reported(instance.phase)[0],
        "bundleTaskStateName": "none",
        "launchTime": datetime.fromtimestamp(wish.launched, UTC),
        "userData": wish.user_data,
        "launchIndex": wish.launch_index,
        "platform": wish.platform,
        "groupNames": list(wish.groups),
        "volumes": [],
    }


def _described_type(wish: Wish) -> dict[str, Any]:
    return {
        "name": wish.vm.name,
        "memory": wish.vm.memory,
        "cores": wish.vm.cores,
        "disk": wish.vm.disk,
        "deviceMapping": [
            {
                "deviceName": mapping.device,
                "virtualName": mapping.virtual,
                "size": mapping.size,
                "format": mapping.format,
            }
            for mapping in wish.mappings
        ],
    }
