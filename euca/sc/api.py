"""The operations of the storage controller, on its internal SOAP channel.

A wish is recorded and answered at once; the loop fulfils it. Messages are nested as 2.0 nests
them: what every message holds stands in `StorageRequestType/EucalyptusMessage`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from euca.model.errors import InvalidParameter, MissingParameter, Unsupported, VolumeLimitExceeded
from euca.model.identifiers import is_identifier
from euca.sc.settings import Settings
from euca.sc.tables import thd_add_volume, thd_report
from euca.sc.volume import NO_DEVICE, Status, Volume
from euca.store.engine import Database
from euca.wire.service import Call, operation


class StorageApi:
    """Volumes, for the cloud controller."""

    unbuilt = (
        "AttachStorageVolume",
        "ConvertVolumes",
        "CreateStorageSnapshot",
        "DeleteStorageSnapshot",
        "DeleteStorageVolume",
        "DescribeStorageSnapshots",
        "DetachStorageVolume",
        "GetStorageConfiguration",
        "GetStorageVolume",
        "UpdateStorageConfiguration",
    )

    def __init__(
        self,
        database: Database,
        settings: Settings,
        now: Callable[[], float],
        wake: Callable[[], None],
    ) -> None:
        self._database = database
        self._settings = settings
        self._now = now
        self._wake = wake

    @operation("CreateStorageVolume")
    async def create_volume(self, call: Call) -> Mapping[str, Any]:
        """Record a wish for an empty volume; raises CloudError for what cannot be wished."""
        if call.body.get("snapshotId"):
            raise Unsupported("A volume from a snapshot is not available in this cloud yet")
        volume = Volume(
            _identifier(call.body.get("volumeId")),
            self._size(call.body.get("size")),
            Status.CREATING,
            int(self._now()),
        )
        most = self._settings.max_total
        await self._database.transact(lambda tx: thd_add_volume(tx, volume, most))
        self._wake()
        return {
            **_common(call),
            "volumeId": volume.identifier,
            "size": str(volume.size),
            "status": volume.status.value,
            "createTime": volume.create_time,
        }

    @operation("DescribeStorageVolumes")
    async def describe_volumes(self, call: Call) -> Mapping[str, Any]:
        """Tell of the volumes asked for, or of all; a failed one is told of once."""
        asked = (call.body.get("volumeSet") or {}).get("item") or ()
        wanted = frozenset(item["entry"] for item in asked)
        volumes = await self._database.transact(lambda tx: thd_report(tx, wanted))
        if any(volume.status is Status.FAILED for volume in volumes):
            self._wake()
        return {
            **_common(call),
            "volumeSet": {"item": [_described(volume) for volume in volumes]},
        }

    def _size(self, text: str | None) -> int:
        if not text:
            raise MissingParameter("A volume needs a size, in GB")
        if not re.fullmatch(r"[0-9]{1,9}", text.strip()) or int(text) < 1:
            raise InvalidParameter(f"The size of a volume is a whole number of GB, not {text!r}")
        if int(text) > self._settings.max_volume:
            raise VolumeLimitExceeded(
                f"A volume has at most {self._settings.max_volume} GB, not {int(text)}"
            )
        return int(text)


def _identifier(text: str | None) -> str:
    if not text:
        raise MissingParameter("A volume needs its volumeId")
    if not is_identifier(text, "vol"):
        raise InvalidParameter(f"{text!r} is not the identifier of a volume")
    return text


def _described(volume: Volume) -> dict[str, Any]:
    return {
        "volumeId": volume.identifier,
        "size": str(volume.size),
        "status": volume.status.value,
        "createTime": volume.create_time,
        "actualDeviceName": NO_DEVICE,
    }


def _common(call: Call) -> dict[str, Any]:
    """Return what every reply repeats of its request."""
    sent = call.body["StorageRequestType"]["EucalyptusMessage"]
    repeated = {name: sent.get(name) for name in ("correlationId", "userId", "effectiveUserId")}
    return {"StorageResponseType": {"EucalyptusMessage": {**repeated, "_return": True}}}
