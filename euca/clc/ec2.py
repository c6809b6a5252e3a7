"""Amazon's EC2 as this cloud speaks it: one table that binds operations to `api.Cloud`.

Each line of the table says what the fields of a request are called in Query and in SOAP, and
what a reply looks like. Both front ends read requests and write replies by it, so that an
operation is one method, whatever way it was called. Names are those of the EC2 API reference.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import Enum, unique
from typing import Any

from attrs import field, frozen

from euca.clc import replies
from euca.clc import requests as r

Values = Mapping[str, Any]


@unique
class Form(Enum):
    """How the values of a field are read."""

    TEXT = "text"
    NUMBER = "number"
    TEXTS = "texts"


@frozen
class Field:
    """A field of a request.

    `name` is the attribute of the request's class. `query` are the parameters that carry it; one
    of a list has `.N` behind it, or stands alone. `soap` is the path below the operation's
    element, empty where the contract has no such field.
    """

    name: str
    query: tuple[str, ...]
    soap: str = ""
    form: Form = Form.TEXT
    required: bool = False


@frozen
class Operation:
    """An operation of EC2: the method below `api.Cloud`, the class of its request, and its reply.

    `passed_over` are Query parameters (with all below them) that are read and change nothing, as
    in Eucalyptus 2.0; any parameter that is not known is refused.
    """

    name: str
    method: str
    request: Callable[..., Any]
    reply: Callable[[Any], Values]
    fields: tuple[Field, ...] = ()
    passed_over: tuple[str, ...] = field(default=())


def _texts(name: str, query: str, soap: str, required: bool = False) -> Field:
    return Field(name, (query,), soap, Form.TEXTS, required)


_KERNEL = Field("kernel_id", ("KernelId",), "kernelId")
_RAMDISK = Field("ramdisk_id", ("RamdiskId",), "ramdiskId")
_KEY_NAME = Field("name", ("KeyName",), "keyName", required=True)

_OPERATIONS = (
    Operation(
        "DescribeAvailabilityZones",
        "zones.describe_availability_zones",
        r.DescribeAvailabilityZones,
        replies.zones,
        (_texts("names", "ZoneName", "availabilityZoneSet/item/zoneName"),),
        passed_over=("AllAvailabilityZones",),
    ),
    Operation(
        "DescribeRegions",
        "zones.describe_regions",
        r.DescribeRegions,
        replies.regions,
        (Field("names", ("RegionName", "Region"), "regionSet/item/regionName", Form.TEXTS),),
        passed_over=("AllRegions",),
    ),
    Operation(
        "RegisterImage",
        "images.register_image",
        r.RegisterImage,
        replies.registered_image,
        (
            Field("location", ("ImageLocation",), "imageLocation"),
            Field("name", ("Name",), "name"),
            Field("description", ("Description",), "description"),
            Field("architecture", ("Architecture",), "architecture"),
            _KERNEL,
            _RAMDISK,
        ),
        passed_over=("AmiId", "RootDeviceName", "VirtualizationType", "EnaSupport"),
    ),
    Operation(
        "DescribeImages",
        "images.describe_images",
        r.DescribeImages,
        replies.images,
        (
            _texts("identifiers", "ImageId", "imagesSet/item/imageId"),
            _texts("owners", "Owner", "ownersSet/item/owner"),
            _texts("executable_by", "ExecutableBy", "executableBySet/item/user"),
        ),
        passed_over=("IncludeDeprecated", "IncludeDisabled"),
    ),
    Operation(
        "DeregisterImage",
        "images.deregister_image",
        r.DeregisterImage,
        replies.done,
        (Field("identifier", ("ImageId",), "imageId", required=True),),
    ),
    Operation(
        "CreateKeyPair",
        "key_pairs.create_key_pair",
        r.CreateKeyPair,
        replies.new_key_pair,
        (_KEY_NAME,),
    ),
    Operation(
        "DescribeKeyPairs",
        "key_pairs.describe_key_pairs",
        r.DescribeKeyPairs,
        replies.key_pairs,
        (_texts("names", "KeyName", "keySet/item/keyName"),),
        passed_over=("IncludePublicKey",),
    ),
    Operation(
        "DeleteKeyPair", "key_pairs.delete_key_pair", r.DeleteKeyPair, replies.done, (_KEY_NAME,)
    ),
    Operation(
        "RunInstances",
        "instances.run_instances",
        r.RunInstances,
        replies.reservation,
        (
            Field("image_id", ("ImageId",), "imageId", required=True),
            Field("least", ("MinCount",), "minCount", Form.NUMBER),
            Field("most", ("MaxCount",), "maxCount", Form.NUMBER),
            Field("key_name", ("KeyName",), "keyName"),
            Field(
                "groups",
                ("SecurityGroup", "SecurityGroupId", "GroupSet"),
                "groupSet/item/groupId",
                Form.TEXTS,
            ),
            Field("user_data", ("UserData",), "userData/data"),
            Field("vm_type", ("InstanceType",), "instanceType"),
            Field("zone", ("Placement.AvailabilityZone",), "placement/availabilityZone"),
            _KERNEL,
            _RAMDISK,
            Field("client_token", ("ClientToken",)),
        ),
        passed_over=(
            "AdditionalInfo",
            "AddressingType",
            "BlockDeviceMapping",
            "DisableApiTermination",
            "DisableTerminate",
            "EbsOptimized",
            "Encoding",
            "InstanceInitiatedShutdownBehavior",
            "Monitoring",
            "Placement.Tenancy",
            "ShutdownAction",
            "SubnetId",
        ),
    ),
    Operation(
        "DescribeInstances",
        "instances.describe_instances",
        r.DescribeInstances,
        replies.reservations,
        (_texts("identifiers", "InstanceId", "instancesSet/item/instanceId"),),
    ),
    Operation(
        "TerminateInstances",
        "instances.terminate_instances",
        r.TerminateInstances,
        replies.state_changes,
        (_texts("identifiers", "InstanceId", "instancesSet/item/instanceId", required=True),),
    ),
    Operation(
        "GetConsoleOutput",
        "instances.get_console_output",
        r.GetConsoleOutput,
        replies.console_output,
        (Field("identifier", ("InstanceId", "InstanceId.1"), "instanceId", required=True),),
        passed_over=("Latest",),
    ),
)

OPERATIONS: Mapping[str, Operation] = {operation.name: operation for operation in _OPERATIONS}
"""The operations that this cloud carries out, by name."""
