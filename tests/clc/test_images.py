"""Tests of the operations on images."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from euca.clc import requests as r
from euca.clc.image import Image, Kind
from euca.model.errors import (
    InvalidImage,
    InvalidParameter,
    MissingParameter,
    NotPermitted,
    UnknownImage,
)
from euca.store.accounts import Account
from tests.clc.cloud import ADMIN, ANN, BOB, House, caller, identity, manifest

CLOUD = identity("cloud").certificate


class Case(SynchronousTestCase):
    """A cloud with a bucket of Ann's and one of the administrator's."""

    def setUp(self) -> None:
        self.house = House()
        self.images = self.house.assembled.cloud.images
        self.house.store.owners.update({"bucket": "ann", "kernels": "admin"})

    def put(self, location: str, signer: str = "ann", configuration: str = "") -> None:
        made = manifest(identity(signer), CLOUD, configuration)
        self.house.store.manifests[location] = made

    def register(self, location: str, account: Account = ANN, **more: Any) -> Deferred[Image]:
        asked = r.RegisterImage(location=location, **more)
        return Deferred.fromCoroutine(self.images.register_image(caller(account), asked))

    def describe(self, account: Account = ANN, **asked: Any) -> list[str]:
        found = self.successResultOf(
            Deferred.fromCoroutine(
                self.images.describe_images(caller(account), r.DescribeImages(**asked))
            )
        )
        return [image.identifier for image in found]


class RegisterTests(Case):
    """RegisterImage."""

    def test_machine(self) -> None:
        """A machine image is its registrar's, for everyone, with the kernel of its manifest."""
        self.put("bucket/disk.manifest.xml", configuration="<kernel_id>eki-00000001</kernel_id>")
        image = self.successResultOf(self.register("bucket/disk.manifest.xml"))
        self.assertEqual(
            ("emi", Kind.MACHINE, "ann", True, "eki-00000001", 64 << 20),
            (
                image.identifier[:3],
                image.kind,
                image.owner,
                image.public,
                image.kernel_id,
                image.size,
            ),
        )

    def test_asked_kernel_wins(self) -> None:
        """The kernel and ramdisk of the request go before those of the manifest."""
        self.put("bucket/disk.manifest.xml", configuration="<kernel_id>eki-0BAD0BAD</kernel_id>")
        image = self.successResultOf(
            self.register(
                "bucket/disk.manifest.xml", kernel_id="eki-00000001", ramdisk_id="eri-00000001"
            )
        )
        self.assertEqual(("eki-00000001", "eri-00000001"), (image.kernel_id, image.ramdisk_id))

    def test_kernel_and_ramdisk(self) -> None:
        """What a manifest says it is, or is called, makes it a kernel or a ramdisk."""
        for location, configuration, kind in (
            ("kernels/k.manifest.xml", "<kernel_id>true</kernel_id>", Kind.KERNEL),
            ("kernels/vmlinuz-6.manifest.xml", "", Kind.KERNEL),
            ("kernels/r.manifest.xml", "<ramdisk_id>yes</ramdisk_id>", Kind.RAMDISK),
            ("kernels/initrd-6.manifest.xml", "", Kind.RAMDISK),
        ):
            with self.subTest(location):
                self.put(location, "admin", configuration)
                image = self.successResultOf(self.register(location, ADMIN))
                self.assertEqual((kind, kind.prefix), (image.kind, image.identifier[:3]))

    def test_kernels_are_the_administrators(self) -> None:
        """A user cannot register a kernel."""
        self.put("bucket/vmlinuz.manifest.xml")
        error = self.failureResultOf(self.register("bucket/vmlinuz.manifest.xml"), NotPermitted)
        self.assertEqual("Only administrators can register kernel images.", str(error.value))

    def test_anothers_bucket(self) -> None:
        """A bundle in another's bucket is refused."""
        self.put("bucket/disk.manifest.xml")
        self.failureResultOf(self.register("bucket/disk.manifest.xml", BOB), NotPermitted)

    def test_forged(self) -> None:
        """A manifest that none of its owner's certificates signed is refused."""
        self.put("bucket/disk.manifest.xml", "stranger")
        self.failureResultOf(self.register("bucket/disk.manifest.xml"), InvalidImage)

    def test_tampered(self) -> None:
        """A manifest changed after it was signed is refused."""
        self.put("bucket/disk.manifest.xml")
        manifests = self.house.store.manifests
        manifests["bucket/disk.manifest.xml"] = manifests["bucket/disk.manifest.xml"].replace(
            b"x86_64", b"x86_65"
        )
        self.failureResultOf(self.register("bucket/disk.manifest.xml"), InvalidImage)

    def test_for_another_cloud(self) -> None:
        """A bundle encrypted for another cloud is refused."""
        self.house.store.manifests["bucket/disk.manifest.xml"] = manifest(
            identity("ann"), identity("stranger").certificate
        )
        self.failureResultOf(self.register("bucket/disk.manifest.xml"), InvalidImage)

    def test_bad_requests(self) -> None:
        """A location that is none, a manifest that is none and an unknown kernel are refused."""
        self.put("bucket/disk.manifest.xml")
        for location, more, kind in (
            ("", {}, MissingParameter),
            ("bucket", {}, InvalidParameter),
            ("bucket/a/b", {}, InvalidParameter),
            ("bucket/../x", {}, InvalidParameter),
            ("bucket/a?acl", {}, InvalidParameter),
            ("bucket/none.manifest.xml", {}, InvalidImage),
            ("bucket/disk.manifest.xml", {"kernel_id": "eki-0BAD0BAD"}, InvalidImage),
        ):
            with self.subTest(location):
                self.failureResultOf(self.register(location, **more), kind)


class DescribeTests(Case):
    """DescribeImages."""

    def setUp(self) -> None:
        super().setUp()
        self.put("bucket/disk.manifest.xml")
        image = self.successResultOf(self.register("bucket/disk.manifest.xml"))
        self.own = image.identifier

    def test_all(self) -> None:
        """Public images are everyone's to see, in the order of registration."""
        self.assertEqual(4, len(self.describe(BOB)))

    def test_owners(self) -> None:
        """Owners are named `self`, by name, or by number."""
        found = [self.describe(owners=(owner,)) for owner in ("self", "ann", ANN.number, "bob")]
        self.assertEqual([[self.own]] * 3 + [[]], found)

    def test_identifiers(self) -> None:
        """Identifiers are taken in either case."""
        self.assertEqual(["emi-00000001"], self.describe(identifiers=("EMI-00000001",)))

    def test_executable_by(self) -> None:
        """Everyone may run what is public."""
        self.assertEqual(4, len(self.describe(executable_by=("self",))))

    def test_unknown(self) -> None:
        """An unknown identifier is an error."""
        asked = self.images.describe_images(caller(), r.DescribeImages(("emi-0BAD0BAD",)))
        self.failureResultOf(Deferred.fromCoroutine(asked), UnknownImage)


class DeregisterTests(Case):
    """DeregisterImage."""

    def deregister(self, identifier: str, account: Account) -> Deferred[bool]:
        asked = r.DeregisterImage(identifier)
        return Deferred.fromCoroutine(self.images.deregister_image(caller(account), asked))

    def test_own(self) -> None:
        """The administrator removes any image; it is gone from the list."""
        self.successResultOf(self.deregister("emi-00000001", ADMIN))
        self.assertEqual(["eki-00000001", "eri-00000001"], self.describe())

    def test_anothers(self) -> None:
        """Another's image stays."""
        self.failureResultOf(self.deregister("emi-00000001", ANN), NotPermitted)

    def test_unknown(self) -> None:
        """An unknown image is an error."""
        self.failureResultOf(self.deregister("emi-0BAD0BAD", ADMIN), UnknownImage)
