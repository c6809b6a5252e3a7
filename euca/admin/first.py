"""Brings the first instance of a new cloud up: image, key pair, instance, console.

What is there already is used: each step asks the cloud first.
"""

from __future__ import annotations

import base64
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from attrs import frozen

from euca.admin import guest, installation
from euca.admin.ec2 import Item, Refused
from euca.auth import bundle
from euca.auth.keyring import Certificate
from euca.config import Configuration

BUCKET = "guest"
KEY_PAIR = "cloud"
PROMPT = "login:"
ALIVE = ("running", "pending")
ENDED = "terminated"
NO_ROOM = "InsufficientInstanceCapacity"
ROOM_LIMIT = 60.0  # seconds
ADDRESS_LIMIT = 60.0  # seconds
NO_ADDRESSES = ("", "0.0.0.0")  # noqa: S104 (the wire's word for none yet)
RUNNING_LIMIT = 300.0  # seconds
TERMINATED_LIMIT = 60.0  # seconds
PROMPT_LIMIT = 180.0  # seconds
PAUSE = 1.0  # seconds between two questions

Progress = Callable[[str], None]


class Calls(Protocol):
    """Where EC2's operations are called; `euca.admin.ec2.Ec2` is the real one."""

    @property
    def url(self) -> str:
        """The URL of the endpoint."""

    def call(self, action: str, **parameters: str) -> Item:
        """Call an operation; raises Refused."""


class Objects(Protocol):
    """Where buckets and objects are put; `euca.admin.s3.S3` is the real one."""

    @property
    def url(self) -> str:
        """The URL of the endpoint."""

    def make_bucket(self, bucket: str) -> None:
        """Make a bucket, unless the caller has it already; raises Refused."""

    def upload(self, bucket: str, path: Path) -> None:
        """Store a file under its name; raises Refused."""


class Ended(Refused):
    """An instance ended before it did what was expected of it."""


@frozen
class Cloud:
    """A running cloud, as one account sees it."""

    configuration: Configuration
    credentials: installation.Credentials
    ec2: Calls
    s3: Objects
    progress: Progress
    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep

    # The image

    def image(self) -> str:
        """Return the identifier of the guest image, registered with kernel and ramdisk."""
        files = guest.build(self.configuration.root / "guest", self.progress)
        kernel = self._registered(files.kernel, kernel="true")
        ramdisk = self._registered(files.ramdisk, ramdisk="true")
        return self._registered(files.root, kernel=kernel, ramdisk=ramdisk)

    def _registered(self, path: Path, **ids: str) -> str:
        location = f"{BUCKET}/{path.name}.manifest.xml"
        images = self.ec2.call("DescribeImages").items("imagesSet/item")
        for image in images:
            if image.text("imageLocation") == location:
                return image.text("imageId")
        self.s3.make_bucket(BUCKET)
        self.upload(path, BUCKET, **ids)
        self.progress(f"registering {location}")
        return self.ec2.call("RegisterImage", ImageLocation=location).text("imageId")

    def upload(self, path: Path, bucket: str, **ids: str) -> None:
        """Bundle an image file for this cloud and upload the parts, the manifest last."""
        cloud = Certificate.load(self.configuration.layout.keys / "cloud-cert.pem")
        with tempfile.TemporaryDirectory(dir=self.configuration.root) as name:
            self.progress(f"bundling {path.name}")
            manifest = bundle.bundle(
                path,
                Path(name),
                path.name,
                installation.identity(self.credentials),
                cloud,
                self.credentials.account.number,
                "x86_64",
                **ids,  # type: ignore[arg-type]
            )
            parts = sorted(Path(name).glob(path.name + ".part.*"))
            for part in (*parts, manifest):
                self.progress(f"uploading {part.name}")
                self.s3.upload(bucket, part)

    # The key pair

    @property
    def key_file(self) -> Path:
        """The file of the key pair's private key."""
        return self.credentials.key.parent / f"{KEY_PAIR}.pem"

    def key_pair(self) -> None:
        """Make the key pair, unless the cloud has it and its private key is here."""
        pairs = self.ec2.call("DescribeKeyPairs").items("keySet/item")
        known = KEY_PAIR in (pair.text("keyName") for pair in pairs)
        if known and self.key_file.exists():
            return
        if known:
            self.ec2.call("DeleteKeyPair", KeyName=KEY_PAIR)
        self.progress(f"making the key pair {KEY_PAIR}")
        made = self.ec2.call("CreateKeyPair", KeyName=KEY_PAIR)
        installation.write_private(self.key_file, made.text("keyMaterial").encode() + b"\n")

    # The instance

    def instances(self) -> list[Item]:
        """Return all instances that the account sees."""
        found = self.ec2.call("DescribeInstances")
        return found.items("reservationSet/item/instancesSet/item")

    def alive(self) -> list[Item]:
        """Return the instances that are not ended, running ones first."""
        found = [one for one in self.instances() if state(one) in ALIVE]
        return sorted(found, key=lambda one: ALIVE.index(state(one)))

    def start(self, image: str) -> str:
        """Start an instance and return its identifier; raises Refused.

        A cloud that has just come up knows of no room yet: it is asked again for a while.
        """
        limit = self.now() + ROOM_LIMIT
        while True:
            try:
                made = self.ec2.call(
                    "RunInstances", ImageId=image, MinCount="1", MaxCount="1", KeyName=KEY_PAIR
                )
            except Refused as refused:
                if refused.code != NO_ROOM or self.now() > limit:
                    raise
                self.sleep(PAUSE)
                continue
            identifier = made.text("instancesSet/item/instanceId")
            self.progress(f"starting {identifier}")
            return identifier

    def describe(self, identifier: str) -> Item:
        """Return one instance; raises Ended when there is none of that name."""
        for found in self.instances():
            if found.text("instanceId") == identifier:
                return found
        raise Ended(f"the instance {identifier} is not there any more")

    def wait_running(self, identifier: str) -> Item:
        """Return the instance once it is running; raises Ended, Refused."""
        limit = self.now() + RUNNING_LIMIT
        shown = ""
        while True:
            found = self.describe(identifier)
            if state(found) != shown:
                shown = state(found)
                self.progress(f"{identifier} is {shown}")
            if shown == "running":
                return found
            if shown not in ALIVE:
                raise Ended(f"{identifier} is {shown}: {found.text('reason')}")
            if self.now() > limit:
                raise Refused(f"{identifier} is {shown} after {RUNNING_LIMIT:.0f} s")
            self.sleep(PAUSE)

    def console(self, identifier: str) -> str:
        """Return what the instance wrote to its console; raises Refused."""
        output = self.ec2.call("GetConsoleOutput", InstanceId=identifier).text("output")
        return base64.b64decode(output).decode("utf-8", "replace")

    def wait_prompt(self, identifier: str) -> str:
        """Return the console once it shows the login prompt; raises Ended, Refused."""
        limit = self.now() + PROMPT_LIMIT
        self.progress(f"waiting for the login prompt of {identifier}")
        while True:
            # What is recorded as running may have ended while the cloud was down.
            found = self.describe(identifier)
            if state(found) not in ALIVE:
                raise Ended(f"{identifier} is {state(found)}: {found.text('reason')}")
            try:
                said = self.console(identifier)
            except Refused as refused:
                said = str(refused)
            if PROMPT in said:
                return said
            if self.now() > limit:
                raise Refused(f"{identifier} runs, but shows no login prompt:\n{said[-2000:]}")
            self.sleep(PAUSE)

    def wait_address(self, identifier: str) -> str:
        """Return the address of an instance; empty when it has none after a while."""
        limit = self.now() + ADDRESS_LIMIT
        while (address := self.describe(identifier).text("dnsName")) in NO_ADDRESSES:
            if self.now() > limit:
                return ""
            self.sleep(PAUSE)
        return address

    def terminate_all(self) -> list[str]:
        """Terminate all instances; returns those that still live when the time is over."""
        limit = self.now() + TERMINATED_LIMIT
        asked: set[str] = set()
        while True:
            left = {one.text("instanceId") for one in self.instances() if state(one) != ENDED}
            for identifier in left - asked:
                self.progress(f"terminating {identifier}")
                self.ec2.call("TerminateInstances", **{"InstanceId.1": identifier})
            asked |= left
            if not left or self.now() > limit:
                return sorted(left)
            self.sleep(PAUSE)


def state(instance: Item) -> str:
    """Return the name of an instance's state."""
    return instance.text("instanceState/name")
