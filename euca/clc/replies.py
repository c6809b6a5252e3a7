"""What replies look like: values of the api as elements of EC2's contract, version 2009-11-30."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from typing import Any

from euca.clc.image import Image, Kind
from euca.clc.instance import Instance, Reservation, State
from euca.clc.instances import ConsoleOutput, StateChange
from euca.clc.key_pairs import NewKeyPair
from euca.clc.tables import KeyPairRecord
from euca.clc.zones import Region, Zone
from euca.model.machine import NO_ADDRESS

Values = Mapping[str, Any]

# What many items of a list say alike is one value: thousands are told while others wait.
_NO_ITEMS: Values = {"item": ()}
_UNMONITORED: Values = {"state": "false"}


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


@cache
def _state(state: State) -> Values:
    return {"code": state.code, "name": state.value}


def done(result: bool) -> Values:
    """Return the reply of an operation that tells only whether it was done."""
    return {"return": result}


def zones(found: Sequence[Zone]) -> Values:
    """Return the zones; their state is the host of their cluster, as Eucalyptus 2.0 has it."""
    return {
        "availabilityZoneInfo": {
            "item": [
                {
                    "zoneName": zone.name,
                    "zoneState": zone.state,
                    "regionName": "",
                    "messageSet": _NO_ITEMS,
                }
                for zone in found
            ]
        }
    }


def regions(found: Sequence[Region]) -> Values:
    """Return the regions with their endpoints."""
    return {
        "regionInfo": {
            "item": [
                {"regionName": region.name, "regionEndpoint": region.endpoint} for region in found
            ]
        }
    }


def registered_image(image: Image) -> Values:
    """Return the identifier of a new image."""
    return {"imageId": image.identifier}


def images(found: Sequence[Image]) -> Values:
    """Return images."""
    return {"imagesSet": {"item": [_image(image) for image in found]}}


def _image(image: Image) -> Values:
    machine = image.kind is Kind.MACHINE
    return {
        "imageId": image.identifier,
        "imageLocation": image.location,
        "imageState": "available",
        "imageOwnerId": image.owner,
        "isPublic": image.public,
        "productCodes": _NO_ITEMS,
        "architecture": image.architecture,
        "imageType": image.kind.value,
        "kernelId": image.kernel_id,
        "ramdiskId": image.ramdisk_id,
        "platform": image.platform if machine else None,
        "name": image.name,
        "description": image.description,
        "rootDeviceType": "instance-store",
        "rootDeviceName": "/dev/sda1",
        "blockDeviceMapping": _NO_ITEMS,
    }


def new_key_pair(pair: NewKeyPair) -> Values:
    """Return a new key pair with its private half, for the only time."""
    return {
        "keyName": pair.record.name,
        "keyFingerprint": pair.record.fingerprint,
        "keyMaterial": pair.private_pem,
    }


def key_pairs(found: Sequence[KeyPairRecord]) -> Values:
    """Return key pairs."""
    return {
        "keySet": {
            "item": [{"keyName": pair.name, "keyFingerprint": pair.fingerprint} for pair in found]
        }
    }


def reservation(made: Reservation) -> Values:
    """Return a reservation: the reply of RunInstances, and an item of DescribeInstances."""
    return {
        "reservationId": made.identifier,
        "ownerId": made.owner,
        "groupSet": {"item": [{"groupId": group} for group in made.groups]},
        "instancesSet": {"item": [_instance(instance) for instance in made.instances]},
    }


def reservations(found: Sequence[Reservation]) -> Values:
    """Return reservations."""
    return {"reservationSet": {"item": [reservation(made) for made in found]}}


def _instance(instance: Instance) -> Values:
    private, public = instance.private_ip, instance.public_ip
    reason, boot = instance.reason, instance.boot
    return {
        "instanceId": instance.identifier,
        "imageId": boot.image_id,
        "instanceState": _state(instance.state),
        "privateDnsName": private,
        "dnsName": private if public == NO_ADDRESS else public,
        "reason": str(reason),
        "keyName": instance.key_name or None,
        "amiLaunchIndex": str(instance.launch_index),
        "productCodes": _NO_ITEMS,
        "instanceType": instance.vm_type.name,
        "launchTime": _time(instance.launched),
        "placement": {"availabilityZone": instance.cluster},
        "kernelId": boot.kernel_id,
        "ramdiskId": boot.ramdisk_id,
        "platform": boot.platform,
        "monitoring": _UNMONITORED,
        "privateIpAddress": None if private == NO_ADDRESS else private,
        "ipAddress": None if public == NO_ADDRESS else public,
        "stateReason": _state_reason(instance),
        "rootDeviceType": "instance-store",
        "rootDeviceName": "/dev/sda1",
        "blockDeviceMapping": _NO_ITEMS,
    }


def _state_reason(instance: Instance) -> Values | None:
    reason = instance.reason
    if not reason.code:
        return None
    detail = f" ({reason.detail})" if reason.detail else ""
    return {"code": reason.code, "message": reason.message + detail}


def state_changes(changes: Sequence[StateChange]) -> Values:
    """Return the states of instances before and after."""
    return {
        "instancesSet": {
            "item": [
                {
                    "instanceId": change.identifier,
                    "currentState": _state(change.after),
                    "previousState": _state(change.before),
                }
                for change in changes
            ]
        }
    }


def console_output(console: ConsoleOutput) -> Values:
    """Return the console of an instance, in base64."""
    return {
        "instanceId": console.identifier,
        "timestamp": _time(console.read_at),
        "output": base64.b64encode(console.output).decode("ascii"),
    }
