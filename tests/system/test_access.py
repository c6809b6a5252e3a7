"""Tests of a cloud in use: the launcher, boto3, zeep and SSH."""

from __future__ import annotations

import re
import subprocess
from datetime import UTC, datetime, timedelta
from typing import Any

import zeep
from lxml import etree
from twisted.trial.unittest import SkipTest
from zeep.wsse import utils
from zeep.wsse.signature import BinarySignature

from tests.system.cloud import SystemTests, eventually

WSU = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd"


class UserSignature(BinarySignature):  # type: ignore[misc]
    """zeep's own signature over Body and Timestamp; the cloud's replies are not signed."""

    def apply(self, envelope: etree._Element, headers: Any) -> Any:
        """Put a Timestamp in and sign."""
        stamp = etree.SubElement(utils.get_security_header(envelope), f"{{{WSU}}}Timestamp")
        now = datetime.now(UTC)
        for name, at in (("Created", now), ("Expires", now + timedelta(minutes=5))):
            text = at.strftime("%Y-%m-%dT%H:%M:%SZ")
            etree.SubElement(stamp, f"{{{WSU}}}{name}").text = text
        return super().apply(envelope, headers)

    def verify(self, envelope: etree._Element) -> Any:
        """Believe the reply."""
        return envelope


class LauncherTests(SystemTests):
    """What `./cloud` shows."""

    def test_up(self) -> None:
        """The first `up` shows one running instance and its login prompt."""
        self.assertRegex(self.first_up, r"INSTANCE i-[0-9A-F]{8} +running")
        if not self.cloud.simulated:
            self.assertIn("login:", self.first_up)

    def test_again(self) -> None:
        """A second `up` starts nothing and shows the same instance."""
        pattern = r"INSTANCE (i-[0-9A-F]{8}) +running"
        again = self.cloud.up()
        self.assertEqual(re.findall(pattern, again), re.findall(pattern, self.first_up))
        self.assertNotIn("started", again)

    def test_status(self) -> None:
        """Every component is shown with its address, and is well."""
        done = self.cloud.run("status")
        found = re.findall(r"^(\w+) +([0-9.]+:\d+) +(\w+)$", done.output, re.MULTILINE)
        host = self.cloud.address
        expected = [(name, f"{host}:8773", "ok") for name in ("clc", "walrus", "sc")]
        expected += [(name, f"{host}:8774", "ok") for name in ("cc", "gatherlog")]
        for node in self.cloud.nodes:
            expected += [(name, f"{node}:8775", "ok") for name in ("nc", "gatherlog")]
        self.assertEqual((done.status, found), (0, expected), done.output)

    def test_logs(self) -> None:
        """The logs of a component can be asked for by its name."""
        done = self.cloud.run("logs", "nc")
        self.assertEqual((done.status, done.output.count("==> ")), (0, 2))

    def test_env(self) -> None:
        """A shell that evaluates `env` has what the tools of EC2 and S3 want."""
        names = "EC2_URL S3_URL EC2_ACCESS_KEY EC2_SECRET_KEY EC2_CERT EC2_PRIVATE_KEY"
        more = "EUCALYPTUS_CERT EC2_USER_ID AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY"
        missing = [name for name in f"{names} {more}".split() if not self.cloud.variables.get(name)]
        self.assertEqual(missing, [])

    def test_secret(self) -> None:
        """The secret key is in no log and in no process's arguments."""
        secret = self.cloud.variables["EC2_SECRET_KEY"]
        logs = (path.read_text(errors="replace") for path in self.cloud.root.rglob("*.log"))
        self.assertNotIn(secret, "\n".join([*logs, *self.cloud.processes()]))


class ClientTests(SystemTests):
    """Clients that know nothing of this project."""

    def test_boto3(self) -> None:
        """boto3 sees the instance, runs a second, reads its console and terminates it."""
        first = {one["InstanceId"] for one in self.cloud.instances()}
        second = self.new_instance()
        self.assertLessEqual(
            first | {second}, {one["InstanceId"] for one in self.cloud.instances()}
        )
        if not self.cloud.simulated:
            console = eventually(lambda: self.console(second), lambda text: "login:" in text)
            self.assertIn("Linux version", console)
        self.cloud.terminate(second)
        self.assertNotEqual(self.cloud.state(second), "running")

    def console(self, identifier: str) -> str:
        """Return the console of an instance; a node may not have it at once."""
        ec2 = self.cloud.ec2()
        return str(ec2.get_console_output(InstanceId=identifier).get("Output", ""))

    def test_zeep(self) -> None:
        """A zeep client made from the service's own ?wsdl lists what boto3 lists."""
        variables = self.cloud.variables
        signature = UserSignature(variables["EC2_PRIVATE_KEY"], variables["EC2_CERT"])
        url = variables["EC2_URL"]
        client = zeep.Client(f"{url}?wsdl", wsse=signature)
        (name,) = (str(name) for name in client.wsdl.bindings)
        reply = client.create_service(name, url).DescribeInstances(instancesSet={"item": []})
        items = [one for set_ in reply.reservationSet.item for one in set_.instancesSet.item]
        listed = {one["InstanceId"] for one in self.cloud.instances()}
        self.assertEqual({one.instanceId for one in items}, listed)

    def test_ssh(self) -> None:
        """The key pair's owner can log in to the guest over the network."""
        self.need_guests()
        if not self.cloud.settings["VNET_BRIDGE"]:
            raise SkipTest("guests have no network that this machine is on")
        (identifier,) = re.findall(r"INSTANCE (i-\w+) +running", self.first_up)
        (found,) = (one for one in self.cloud.instances() if one["InstanceId"] == identifier)
        command = ["ssh", "-i", str(self.cloud.root / "credentials/admin/cloud.pem")]
        for option in ("StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "BatchMode=yes"):
            command += ["-o", option]
        command += [f"root@{found['PublicDnsName']}", "cat /etc/hostname"]
        done = subprocess.run(
            command, capture_output=True, stdin=subprocess.DEVNULL, timeout=60, check=False
        )
        self.assertEqual(done.stdout, b"euca\n", done.stderr)
