"""Turns a request for instances into a reservation: the pipeline of Eucalyptus 2.0, without calls.

The stages are its own: type, image with kernel and ramdisk, key pair, groups, admission. All of
it happens in the transaction that records the instances, so that two requests never get the same
room, and a refused one leaves nothing behind.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence

from attrs import evolve

from euca.clc.admission import Share, admit, room_of
from euca.clc.image import Image, Kind, normal_identifier
from euca.clc.instance import Boot, Instance, Reservation
from euca.clc.registry import thd_clusters, thd_walrus
from euca.clc.requests import Caller, RunInstances
from euca.clc.tables import (
    KeyPairRecord,
    thd_cluster_instances,
    thd_first_image,
    thd_image,
    thd_instance,
    thd_key_pair,
)
from euca.model.errors import (
    InvalidParameter,
    MissingParameter,
    Unavailable,
    UnknownGroup,
    UnknownImage,
    UnknownKeyPair,
    UnknownVmType,
)
from euca.model.identifiers import RandomBytes, new_identifier
from euca.model.machine import VM_TYPES, VmType
from euca.store.sql import Connection

DEFAULT_GROUP = "default"
MAX_INSTANCES = 1000  # that one request may ask for
MAX_USER_DATA = 16384  # bytes, decoded


def thd_launch(
    tx: Connection, caller: Caller, request: RunInstances, now: float, random_bytes: RandomBytes
) -> Reservation:
    """Return the reservation that a request makes, not recorded yet.

    Raises the CloudError that says what the request lacks or what the cloud does.
    """
    _check_counts(request)
    groups = _groups(request.groups)
    wish = _thd_wish(tx, caller, request, now)
    shares = _thd_shares(tx, request, wish.vm_type)
    clusters = [share.cluster for share in shares for _ in range(share.count)]
    names = _thd_new_identifiers(tx, len(clusters), random_bytes)
    reservation = new_identifier("r", random_bytes)
    instances = [
        evolve(wish, identifier=name, reservation=reservation, launch_index=index, cluster=cluster)
        for index, (name, cluster) in enumerate(zip(names, clusters, strict=True))
    ]
    return Reservation(reservation, caller.name, groups, tuple(instances))


def _thd_wish(tx: Connection, caller: Caller, request: RunInstances, now: float) -> Instance:
    """Return what every instance of the request has in common, as an instance without name."""
    vm_type = vm_type_of(request.vm_type)
    image, boot = _thd_boot(tx, caller, request)
    _check_size(image, vm_type)
    key = _thd_key(tx, caller, request.key_name)
    return Instance(
        identifier="",
        reservation="",
        owner=caller.name,
        launch_index=0,
        cluster="",
        vm_type=vm_type,
        boot=boot,
        launched=now,
        since=now,
        key_name=key.name if key else "",
        key_text=key.public_line if key else "",
        user_data=checked_user_data(request.user_data),
        correlation=caller.request_id,
    )


def _check_counts(request: RunInstances) -> None:
    if request.least < 1 or request.most < request.least:
        raise InvalidParameter(
            "MinCount must be at least 1, and MaxCount at least MinCount"
            f" (MinCount {request.least}, MaxCount {request.most})."
        )
    if request.most > MAX_INSTANCES:
        raise InvalidParameter(f"MaxCount is {request.most}; at most {MAX_INSTANCES} at a time.")


def vm_type_of(name: str | None) -> VmType:
    """Return the type of that name, the smallest by default; raises UnknownVmType."""
    for vm_type in VM_TYPES:
        if vm_type.name == (name or "m1.small"):
            return vm_type
    raise UnknownVmType(f"instance type does not exist: {name}")


def _check_size(image: Image, vm_type: VmType) -> None:
    if image.size > vm_type.disk << 30:
        raise InvalidParameter(
            f"image too large [size={image.size >> 20}MB] for instance type {vm_type.name}"
            f" [disk={vm_type.disk << 10}MB]"
        )


def checked_user_data(text: str | None) -> str:
    """Return user data as base64 without white space; raises InvalidParameter."""
    compact = "".join((text or "").split())
    try:
        data = base64.b64decode(compact, validate=True)
    except binascii.Error as error:
        raise InvalidParameter("Invalid BASE64 encoding of user data") from error
    if len(data) > MAX_USER_DATA:
        raise InvalidParameter(f"User data is limited to {MAX_USER_DATA} bytes")
    return compact


def _groups(names: Sequence[str]) -> tuple[str, ...]:
    for name in names:
        if name != DEFAULT_GROUP:
            raise UnknownGroup(f"Failed to find network group: {name}")
    return (DEFAULT_GROUP,)


def _thd_key(tx: Connection, caller: Caller, name: str | None) -> KeyPairRecord | None:
    if not name:
        return None
    key = thd_key_pair(tx, caller.name, name)
    if key is None:
        raise UnknownKeyPair(f"Failed to find key pair: {name} for user {caller.name}")
    return key


def thd_usable_image(tx: Connection, caller: Caller, identifier: str, what: str) -> Image:
    """Return an image that the caller may run; raises UnknownImage, calling it `what`."""
    image = thd_image(tx, normal_identifier(identifier))
    if image is None or not (image.public or caller.owns(image.owner)):
        raise UnknownImage(f"Failed to find {what} image: {identifier}")
    return image


def _thd_boot(tx: Connection, caller: Caller, request: RunInstances) -> tuple[Image, Boot]:
    """Return the image to run and what it boots from, its kernel and ramdisk found by default."""
    walrus = thd_walrus(tx)
    if walrus is None:
        raise Unavailable("Walrus has not been configured.")
    image = thd_usable_image(tx, caller, request.image_id, "disk")
    if image.kind is not Kind.MACHINE:
        raise InvalidParameter(f"Image specified is not a machine image: {request.image_id}")
    kernel = _thd_part(tx, caller, request.kernel_id or image.kernel_id, Kind.KERNEL)
    if kernel is None and image.platform != "windows":
        raise MissingParameter("Unable to determine required kernel image.")
    ramdisk = None
    if _wants_ramdisk(request, image):
        ramdisk = _thd_part(tx, caller, request.ramdisk_id or image.ramdisk_id, Kind.RAMDISK)
    url = walrus.walrus_url
    return image, Boot(
        image_id=image.identifier,
        image_url=f"{url}/{image.location}",
        platform=image.platform,
        kernel_id=kernel.identifier if kernel else None,
        kernel_url=f"{url}/{kernel.location}" if kernel else None,
        ramdisk_id=ramdisk.identifier if ramdisk else None,
        ramdisk_url=f"{url}/{ramdisk.location}" if ramdisk else None,
    )


def _wants_ramdisk(request: RunInstances, image: Image) -> bool:
    """Tell whether a ramdisk is looked for: not with a kernel that was chosen to go without."""
    if request.ramdisk_id:
        return True
    if request.kernel_id:
        return False
    return bool(image.ramdisk_id) or not image.kernel_id


def _thd_part(tx: Connection, caller: Caller, identifier: str | None, kind: Kind) -> Image | None:
    """Return the kernel or ramdisk asked for, or else the cloud's first."""
    if not identifier:
        return thd_first_image(tx, kind)
    part = thd_usable_image(tx, caller, identifier, kind.value)
    if part.kind is not kind:
        raise InvalidParameter(f"Image specified is not a {kind.value}: {identifier}")
    return part


def _thd_shares(tx: Connection, request: RunInstances, vm_type: VmType) -> list[Share]:
    rooms = {
        cluster.name: room_of(cluster, thd_cluster_instances(tx, cluster.name))
        if cluster.reachable
        else {}
        for cluster in thd_clusters(tx)
    }
    return admit(rooms, vm_type.name, request.zone, request.least, request.most)


def _thd_new_identifiers(tx: Connection, count: int, random_bytes: RandomBytes) -> list[str]:
    names: list[str] = []
    while len(names) < count:
        name = new_identifier("i", random_bytes)
        if name not in names and thd_instance(tx, name) is None:
            names.append(name)
    return names
