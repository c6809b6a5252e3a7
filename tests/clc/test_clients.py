"""Real clients, unmodified, against the cloud controller on a loopback port."""

from __future__ import annotations

import base64
import tempfile
import time
from pathlib import Path
from typing import Any

import boto3
import zeep
from botocore.config import Config
from botocore.exceptions import ClientError
from twisted.internet import reactor
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThread
from twisted.protocols.policies import WrappingFactory
from twisted.trial.unittest import TestCase
from twisted.web.server import Site
from zeep.wsse.signature import BinarySignature
from zeep.wsse.utils import WSU

from euca.clc.memory import MemoryCluster, MemoryClusters, MemoryImageStore
from euca.clc.service import Assembled, Parts, assemble, endpoint, mounted
from euca.threads import InTurn, Threads
from euca.wire.mount import Tree
from tests.clc.cloud import Numbers, ec2, identity, manifest, populated


class Stamped(BinarySignature):
    """zeep's own signature, with a Timestamp."""

    def apply(self, envelope: Any, headers: Any) -> Any:
        """Sign Timestamp and Body."""
        security = zeep.wsse.utils.get_security_header(envelope)
        now = time.time()
        stamp = WSU.Timestamp()
        for name, at in (("Created", now), ("Expires", now + 300)):
            stamp.append(WSU(name, time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at))))
        security.append(stamp)
        return super().apply(envelope, headers)

    def verify(self, envelope: Any) -> Any:
        """Take the reply: this cloud does not sign what it tells users, as 2.0 did not."""
        return envelope


class ClientCase(TestCase):
    """A cloud controller on a port, clients in threads."""

    timeout = 60

    def setUp(self) -> None:
        self.cluster = MemoryCluster()
        self.store = MemoryImageStore()
        self.service = InTurn()
        threads = Threads(reactor, 2, "test")
        database = populated()
        parts = Parts(
            database=database,
            clusters=MemoryClusters({"cluster1": self.cluster}),
            store=self.store,
            threads=threads,
            identity=identity("cloud"),
            clock=reactor,
            period=0.05,
            endpoint="http://127.0.0.1:8773/services/Eucalyptus",
            contract=ec2(),
            random_bytes=Numbers(),
        )
        self.assembled: Assembled = assemble(parts)
        for part in (threads, self.assembled.loop):
            part.setServiceParent(self.service)
        self.service.startService()
        self.addCleanup(self.service.stopService)
        resource = endpoint(parts, self.assembled.cloud)
        tree = Tree([mounted(resource, self.assembled, self.service)])
        self.connections = WrappingFactory(Site(tree))
        self.port = reactor.listenTCP(0, self.connections, interface="127.0.0.1")
        self.addCleanup(self.hang_up)
        self.url = f"http://127.0.0.1:{self.port.getHost().port}/services/Eucalyptus"

    async def hang_up(self) -> None:
        """Close the port and the connections that clients keep."""
        await maybeDeferred(self.port.stopListening)
        for protocol in list(self.connections.protocols):
            protocol.transport.abortConnection()
        await deferLater(reactor, 0)

    def boto3(self, user: str = "ann", secret: str = "", path: str = "/") -> Any:
        """Return a boto3 client that signs with version 2."""
        return boto3.session.Session().client(
            "ec2",
            region_name="eucalyptus",
            endpoint_url=self.url + path,
            aws_access_key_id=f"AK{user}",
            aws_secret_access_key=secret or f"secret-{user}",
            config=Config(signature_version="v2", retries={"max_attempts": 0}),
        )

    def inside(self, function: Any, *arguments: Any) -> Deferred[Any]:
        """Run a client's work in a thread."""
        return deferToThread(function, *arguments)


class Boto3Tests(ClientCase):
    """boto3, Version 2016-11-15."""

    def test_life_of_an_instance(self) -> Deferred[Any]:
        """An instance is run, seen running, read and terminated."""
        client = self.boto3()

        def work() -> None:
            made = client.run_instances(
                ImageId="emi-00000001",
                MinCount=1,
                MaxCount=1,
                KeyName="mykey",
                InstanceType="m1.small",
                UserData="#!/bin/sh + ~ *",
                Placement={"AvailabilityZone": "cluster1"},
            )
            self.assertEqual("ann", made["OwnerId"])
            identifier = made["Instances"][0]["InstanceId"]
            self._wait_for_start(identifier)
            client.get_waiter("instance_running").wait(
                InstanceIds=[identifier], WaiterConfig={"Delay": 1}
            )
            (reservation,) = client.describe_instances()["Reservations"]
            (instance,) = reservation["Instances"]
            self.assertEqual(
                ("running", "cluster1", "10.0.0.1"),
                (
                    instance["State"]["Name"],
                    instance["Placement"]["AvailabilityZone"],
                    instance["PrivateIpAddress"],
                ),
            )
            self.cluster.consoles[identifier] = b"login: "
            console = client.get_console_output(InstanceId=identifier)
            self.assertEqual("login: ", console["Output"])
            (ended,) = client.terminate_instances(InstanceIds=[identifier])["TerminatingInstances"]
            self.assertEqual("shutting-down", ended["CurrentState"]["Name"])
            client.get_waiter("instance_terminated").wait(
                InstanceIds=[identifier], WaiterConfig={"Delay": 1}
            )

        return self.inside(work)

    def _wait_for_start(self, identifier: str) -> None:
        deadline = time.monotonic() + 30
        while identifier not in self.cluster.instances and time.monotonic() < deadline:
            time.sleep(0.01)
        self.cluster.boot_all()

    def test_user_data(self) -> Deferred[Any]:
        """User data reaches the cluster as the bytes that the client gave."""
        client = self.boto3()

        def work() -> None:
            client.run_instances(ImageId="emi-00000001", MinCount=1, MaxCount=1, UserData="a+b c~d")

        def check(_: object) -> None:
            from euca.clc.tables import thd_visible_instances

            database = self.assembled.cloud.zones.database
            (instance,) = database.thd_transact(lambda tx: thd_visible_instances(tx, None, 0))
            self.assertEqual(b"a+b c~d", base64.b64decode(instance.user_data))

        return self.inside(work).addCallback(check)

    def test_key_pairs(self) -> Deferred[Any]:
        """A key pair is made, listed and deleted."""
        client = self.boto3(path="")

        def work() -> None:
            made = client.create_key_pair(KeyName="new key")
            self.assertTrue(made["KeyMaterial"].startswith("-----BEGIN RSA PRIVATE KEY-----"))
            names = [pair["KeyName"] for pair in client.describe_key_pairs()["KeyPairs"]]
            self.assertEqual(["mykey", "new key"], names)
            client.delete_key_pair(KeyName="new key")
            self.assertEqual(1, len(client.describe_key_pairs()["KeyPairs"]))

        return self.inside(work)

    def test_images(self) -> Deferred[Any]:
        """An image is registered, listed among those of its owner, and deregistered."""
        client = self.boto3()
        self.store.owners["bucket"] = "ann"
        self.store.manifests["bucket/disk.manifest.xml"] = manifest(
            identity("ann"), identity("cloud").certificate
        )

        def work() -> None:
            made = client.register_image(ImageLocation="bucket/disk.manifest.xml", Name="disk")
            (image,) = client.describe_images(Owners=["self"])["Images"]
            self.assertEqual(
                (made["ImageId"], "x86_64", "machine"),
                (image["ImageId"], image["Architecture"], image["ImageType"]),
            )
            client.deregister_image(ImageId=made["ImageId"])
            self.assertEqual([], client.describe_images(Owners=["self"])["Images"])
            self.assertEqual(3, len(client.describe_images()["Images"]))

        return self.inside(work)

    def test_zones_and_regions(self) -> Deferred[Any]:
        """Zones and regions are listed; the region's endpoint is this cloud's."""
        client = self.boto3()

        def work() -> None:
            (zone,) = client.describe_availability_zones()["AvailabilityZones"]
            self.assertEqual("cluster1", zone["ZoneName"])
            regions = client.describe_regions()["Regions"]
            self.assertEqual("http://127.0.0.1:8773/services/Eucalyptus", regions[0]["Endpoint"])

        return self.inside(work)

    def test_errors(self) -> Deferred[Any]:
        """Each refusal has EC2's code and status."""
        cases = (
            (401, "AuthFailure", lambda: self.boto3("nobody").describe_instances()),
            (
                403,
                "SignatureDoesNotMatch",
                lambda: self.boto3("ann", "wrong").describe_instances(),
            ),
            (400, "InvalidAMIID.NotFound", lambda: self._launch(ImageId="emi-0BAD0BAD")),
            (500, "InsufficientInstanceCapacity", lambda: self._launch(MinCount=9, MaxCount=9)),
            (400, "InvalidKeyPair.NotFound", lambda: self._launch(KeyName="none")),
            (400, "UnsupportedOperation", lambda: self._launch(DryRun=True)),
            (
                400,
                "InvalidInstanceID.NotFound",
                lambda: self.boto3().terminate_instances(InstanceIds=["i-0BAD0BAD"]),
            ),
            (
                400,
                "InvalidKeyPair.Duplicate",
                lambda: self.boto3().create_key_pair(KeyName="mykey"),
            ),
            (400, "UnsupportedOperation", lambda: self.boto3().describe_volumes()),
            (400, "InvalidAction", lambda: self.boto3().describe_tags()),
        )

        def work() -> None:
            for status, code, call in cases:
                with self.assertRaises(ClientError) as caught:
                    call()
                answer = caught.exception.response
                self.assertEqual(
                    (status, code),
                    (answer["ResponseMetadata"]["HTTPStatusCode"], answer["Error"]["Code"]),
                )

        return self.inside(work)

    def _launch(self, **changes: Any) -> Any:
        asked = {"ImageId": "emi-00000001", "MinCount": 1, "MaxCount": 1, **changes}
        return self.boto3().run_instances(**asked)


class ZeepTests(ClientCase):
    """zeep, made from the service's own ?wsdl, signing with a certificate."""

    def zeep(self, user: str) -> zeep.Client:
        """Return a client that signs as `user`."""
        folder = Path(tempfile.mkdtemp(dir=self.mktemp_folder()))
        who = identity(user)
        who.save(folder / "cert.pem", folder / "key.pem")
        wsse = Stamped(str(folder / "key.pem"), str(folder / "cert.pem"))
        client = zeep.Client(self.url + "?wsdl", wsse=wsse)
        binding = str(next(iter(client.wsdl.bindings)))
        return client.create_service(binding, self.url)

    def mktemp_folder(self) -> str:
        """Return a new folder of this test."""
        folder = Path(self.mktemp())
        folder.mkdir(parents=True)
        return str(folder)

    def test_run_and_list(self) -> Deferred[Any]:
        """A signed client runs an instance and lists it."""

        def work() -> None:
            service = self.zeep("ann")
            made = service.RunInstances(
                imageId="emi-00000001",
                minCount=1,
                maxCount=1,
                keyName="mykey",
                groupSet={},
                instanceType="m1.small",
            )
            identifier = made.instancesSet.item[0].instanceId
            listed = service.DescribeInstances(instancesSet={"item": [{"instanceId": identifier}]})
            self.assertEqual(
                [identifier],
                [
                    instance.instanceId
                    for reservation in listed.reservationSet.item
                    for instance in reservation.instancesSet.item
                ],
            )

        return self.inside(work)

    def test_stranger(self) -> Deferred[Any]:
        """A client with a certificate of no account is refused with a fault."""

        def work() -> None:
            service = self.zeep("stranger")
            with self.assertRaises(zeep.exceptions.Fault):
                service.DescribeInstances(instancesSet={})

        return self.inside(work)

    def test_faults(self) -> Deferred[Any]:
        """What is wrong with a request is a fault with EC2's code."""

        def work() -> None:
            service = self.zeep("ann")
            for code, call in (
                (
                    "Client.InvalidInstanceID.NotFound",
                    lambda: service.GetConsoleOutput(instanceId="i-0BAD0BAD"),
                ),
                (
                    "Client.UnsupportedOperation",
                    lambda: service.DescribeVolumes(volumeSet={}),
                ),
            ):
                with self.assertRaises(zeep.exceptions.Fault) as caught:
                    call()
                self.assertEqual(code, caught.exception.code)

        return self.inside(work)
