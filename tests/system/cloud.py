"""The cloud that the tests use, driven by `./cloud` as a user drives it."""

from __future__ import annotations

import atexit
import functools
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import boto3
from attrs import Factory, mutable
from botocore.config import Config
from twisted.trial.unittest import SkipTest, SynchronousTestCase

from euca.config import Layout, parse

ROOT = Path(__file__).parents[2]
PAUSE = 0.5
LIMIT = 240.0  # seconds for anything that is waited for
COMMAND_LIMIT = 1200.0

T = TypeVar("T")


@mutable
class Finished:
    """A command of `./cloud` that has ended."""

    status: int
    output: str


@mutable
class SystemCloud:
    """A cloud in a directory of its own."""

    root: Path
    address: str
    nodes: tuple[str, ...]
    clients: dict[tuple[str, str], Any] = Factory(dict)

    @classmethod
    def new(cls) -> SystemCloud:
        """Return a cloud that does not run yet, on addresses that no other process's tests use."""
        number = os.getpid() % 200
        root = Path(tempfile.mkdtemp(prefix="euca-system-"))
        return cls(root, f"127.9.{number}.1", (f"127.9.{number}.2", f"127.9.{number}.3"))

    def run(self, *arguments: str) -> Finished:
        """Run a command of `./cloud`, as its user does."""
        done = subprocess.run(
            [str(ROOT / "cloud"), *arguments],
            env=self.environment,
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=COMMAND_LIMIT,
            check=False,
        )
        return Finished(done.returncode, done.stdout.decode(errors="replace"))

    @property
    def environment(self) -> dict[str, str]:
        """The environment of `./cloud`."""
        mine = {
            "EUCALYPTUS": str(self.root),
            "EUCA_LISTEN": self.address,
            "EUCA_NODES": " ".join(self.nodes),
        }
        return {**os.environ, **mine}

    def up(self) -> str:
        """Bring the cloud up; returns what was said. Raises AssertionError when it fails."""
        done = self.run("up")
        if done.status != 0:
            raise AssertionError(f"./cloud up: status {done.status}\n{done.output}")
        return done.output

    def remove(self) -> None:
        """Bring the cloud down, and its directory away."""
        self.run("down")
        shutil.rmtree(self.root, ignore_errors=True)

    # What a user has

    @functools.cached_property
    def variables(self) -> Mapping[str, str]:
        """What `eval "$(./cloud env)"` puts into a shell's environment."""
        script = f'eval "$({ROOT}/cloud env)"; env -0'
        done = subprocess.run(
            ["bash", "-c", script], env=self.environment, capture_output=True, check=True
        )
        rows = (row.partition("=") for row in done.stdout.decode().split("\0") if row)
        return {name: value for name, _, value in rows}

    def ec2(self, secret: str | None = None) -> Any:
        """Return boto3's EC2 client, signing with the user's keys or with another secret."""
        key = secret or self.variables["EC2_SECRET_KEY"]
        if ("ec2", key) not in self.clients:
            self.clients["ec2", key] = boto3.client(
                "ec2",
                endpoint_url=self.variables["EC2_URL"],
                region_name="eucalyptus",
                aws_access_key_id=self.variables["EC2_ACCESS_KEY"],
                aws_secret_access_key=key,
                config=Config(signature_version="v2", retries={"max_attempts": 0}),
            )
        return self.clients["ec2", key]

    def instances(self) -> list[dict[str, Any]]:
        """Return all instances that boto3 sees."""
        found = self.ec2().describe_instances()["Reservations"]
        return [one for reservation in found for one in reservation["Instances"]]

    def state(self, identifier: str) -> str:
        """Return the state of an instance, empty when it is not listed."""
        for one in self.instances():
            if one["InstanceId"] == identifier:
                return str(one["State"]["Name"])
        return ""

    def image(self) -> str:
        """Return the identifier of the guest's image."""
        found = self.ec2().describe_images()["Images"]
        return str(next(one["ImageId"] for one in found if one["ImageId"].startswith("emi-")))

    def start(self) -> str:
        """Start an instance; returns its identifier."""
        made = self.ec2().run_instances(
            ImageId=self.image(), MinCount=1, MaxCount=1, KeyName="cloud"
        )
        return str(made["Instances"][0]["InstanceId"])

    def wait_state(self, identifier: str, *states: str) -> str:
        """Return the state of an instance once it is one of these."""
        return eventually(lambda: self.state(identifier), lambda state: state in states)

    def terminate(self, identifier: str) -> None:
        """Terminate an instance, and wait until it and its files are gone."""
        self.ec2().terminate_instances(InstanceIds=[identifier])
        self.wait_state(identifier, "terminated", "")
        eventually(lambda: self.directories(identifier), lambda found: not found)

    # What an administrator sees

    @property
    def settings(self) -> Mapping[str, str]:
        """What `./cloud up` wrote into the configuration."""
        return parse(Layout(self.root).configuration.read_text())

    @property
    def simulated(self) -> bool:
        """Whether instances are played by libvirt's test driver."""
        return self.settings["HYPERVISOR"] == "test"

    def directories(self, identifier: str) -> list[Path]:
        """Return the directories of an instance on all nodes."""
        return list(self.root.glob(f"nodes/*/instances/*/{identifier}"))

    def guests(self) -> dict[str, str]:
        """Return the hypervisor's running guests: the number of each by its name."""
        done = subprocess.run(
            ["virsh", "-c", self.settings["LIBVIRT_URI"], "list"],
            capture_output=True,
            check=True,
            timeout=60,
        )
        rows = [row.split() for row in done.stdout.decode().splitlines()]
        return {row[1]: row[0] for row in rows if len(row) == 3 and row[0].isdigit()}

    def kill(self, component: str) -> None:
        """Kill all processes of a component at once, as a crash does."""
        for path in self.root.glob(f"**/var/run/eucalyptus/eucalyptus-{component}.pid"):
            os.kill(int(path.read_text()), signal.SIGKILL)

    def processes(self) -> list[str]:
        """Return the command lines of all processes that belong to this cloud."""
        found = []
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                words = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
            except OSError:
                continue
            if str(self.root) in words:
                found.append(words)
        return found


def eventually(ask: Callable[[], T], good: Callable[[T], bool]) -> T:
    """Return the first good answer; raises AssertionError with the last one after LIMIT."""
    limit = time.monotonic() + LIMIT
    while True:
        found = ask()
        if good(found):
            return found
        if time.monotonic() > limit:
            raise AssertionError(f"still {found!r} after {LIMIT:.0f} s")
        time.sleep(PAUSE)


@functools.cache
def shared_cloud() -> SystemCloud:
    """Return the cloud of all tests, made by the first that asks for it."""
    cloud = SystemCloud.new()
    atexit.register(cloud.remove)
    return cloud


@functools.cache
def first_up() -> Finished:
    """Bring the shared cloud up for the first time, once whether it comes up or not."""
    return shared_cloud().run("up")


class SystemTests(SynchronousTestCase):
    """Tests that use the shared cloud."""

    def setUp(self) -> None:
        self.cloud = shared_cloud()
        first = first_up()
        self.assertEqual(first.status, 0, f"./cloud up failed:\n{first.output}")
        self.first_up = first.output

    def need_guests(self) -> None:
        """Skip the test where no real guest runs."""
        if self.cloud.simulated:
            raise SkipTest("libvirt's test driver runs no guests")

    def new_instance(self) -> str:
        """Return an instance that runs; it is terminated after the test if it still lives."""
        identifier = self.cloud.start()
        self.addCleanup(self.end, identifier)
        self.assertEqual(self.cloud.wait_state(identifier, "running", "terminated"), "running")
        return identifier

    def end(self, identifier: str) -> None:
        """Terminate an instance that may have ended already."""
        if self.cloud.state(identifier) in ("pending", "running"):
            self.cloud.terminate(identifier)
