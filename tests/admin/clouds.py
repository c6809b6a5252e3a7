"""A cloud that the administrator's commands can talk to without one being there."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from pathlib import Path
from xml.etree import ElementTree

from attrs import Factory, mutable

from euca.admin.ec2 import Item, Refused
from euca.admin.first import NO_ROOM, Cloud
from euca.admin.installation import Credentials
from euca.config import Configuration
from euca.store.accounts import AccessKey, Account

KEY = AccessKey("AKIDADMIN", "secret", "admin")


@mutable
class MemoryCalls:
    """EC2 with instances in a list, whose states change by one step with every look at them.

    `rooms` says for each call of RunInstances to come whether there is room.
    """

    url: str = "http://cloud/services/Eucalyptus"
    states: dict[str, list[str]] = Factory(dict)
    images: dict[str, str] = Factory(dict)
    consoles: dict[str, str] = Factory(dict)
    rooms: list[bool] = Factory(list)
    endings: tuple[str, ...] = ("shutting-down", "terminated")
    address: str = "10.0.0.9"
    pairs: set[str] = Factory(set)
    calls: list[str] = Factory(list)

    def add(self, identifier: str, *states: str, image: str = "emi-1", console: str = "") -> None:
        """Let there be an instance that goes through these states and stays in the last."""
        self.states[identifier] = list(states)
        self.images[identifier] = image
        self.consoles[identifier] = console

    def call(self, action: str, **parameters: str) -> Item:
        """Answer like EC2; raises Refused."""
        self.calls.append(action)
        known = {
            "DescribeInstances": self._describe,
            "RunInstances": self._run,
            "GetConsoleOutput": self._console,
            "TerminateInstances": self._terminate,
            "DescribeKeyPairs": self._pairs,
            "CreateKeyPair": self._create,
            "DeleteKeyPair": self._delete,
        }
        return Item(ElementTree.fromstring(f"<r>{known[action](parameters)}</r>"))

    def _describe(self, _parameters: Mapping[str, str]) -> str:
        rows = []
        for identifier, states in self.states.items():
            rows.append(
                f"<item><instanceId>{identifier}</instanceId><imageId>{self.images[identifier]}"
                f"</imageId><instanceState><name>{states[0]}</name></instanceState>"
                f"<reason>because</reason><dnsName>{self.address}</dnsName></item>"
            )
            if len(states) > 1:
                states.pop(0)
        inner = f"<item><instancesSet>{''.join(rows)}</instancesSet></item>"
        return f"<reservationSet>{inner}</reservationSet>"

    def _run(self, parameters: Mapping[str, str]) -> str:
        if self.rooms and not self.rooms.pop(0):
            raise Refused("there is no room", NO_ROOM)
        identifier = f"i-new{len(self.states)}"
        self.add(identifier, "pending", "running", image=parameters["ImageId"], console="a login:")
        return f"<instancesSet><item><instanceId>{identifier}</instanceId></item></instancesSet>"

    def _console(self, parameters: Mapping[str, str]) -> str:
        text = self.consoles[parameters["InstanceId"]].encode()
        return f"<output>{base64.b64encode(text).decode()}</output>"

    def _terminate(self, parameters: Mapping[str, str]) -> str:
        self.states[parameters["InstanceId.1"]] = list(self.endings)
        return ""

    def _pairs(self, _parameters: Mapping[str, str]) -> str:
        rows = "".join(f"<item><keyName>{name}</keyName></item>" for name in self.pairs)
        return f"<keySet>{rows}</keySet>"

    def _create(self, parameters: Mapping[str, str]) -> str:
        self.pairs.add(parameters["KeyName"])
        return f"<keyMaterial>material {len(self.calls)}</keyMaterial>"

    def _delete(self, parameters: Mapping[str, str]) -> str:
        self.pairs.remove(parameters["KeyName"])
        return ""


@mutable
class RecordingObjects:
    """S3 that remembers what was put into it."""

    url: str = "http://cloud/services/Walrus"
    put: list[str] = Factory(list)

    def make_bucket(self, bucket: str) -> None:
        """Remember the bucket."""
        self.put.append(bucket)

    def upload(self, bucket: str, path: Path) -> None:
        """Remember the object."""
        self.put.append(f"{bucket}/{path.name}")


@mutable
class Passing:
    """Time that passes when someone sleeps."""

    at: float = 0.0

    def now(self) -> float:
        """Return the time."""
        return self.at

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self.at += seconds


def cloud(directory: Path, calls: MemoryCalls) -> Cloud:
    """Return the cloud behind these calls; its files are in the directory."""
    directory.mkdir(parents=True)
    files = (directory / "cert.pem", directory / "pk.pem")
    credentials = Credentials(Account("admin", "1" * 12, administrator=True), KEY, *files)
    configuration = Configuration(directory / "eucalyptus.conf", directory, {})
    time = Passing()
    return Cloud(
        configuration,
        credentials,
        calls,
        RecordingObjects(),
        lambda _text: None,
        time.now,
        time.sleep,
    )
