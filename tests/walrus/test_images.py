"""Tests for euca.walrus.images: what a node is given when it asks for an image."""

from __future__ import annotations

import gzip
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionLost
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from euca.auth.bundle import bundle
from euca.auth.keyring import Identity, new_identity
from euca.auth.rest import sign_euca
from tests.walrus.cloud import CLOUD, NODE, NOW, PREFIX, USER, WHEN, Cloud, Wire, head

OPERATION = "GetDecryptedImage"
TARGET = "/images/disk.manifest.xml"


class Held:
    """Runs functions when told to, so that a test sees what happens meanwhile."""

    def __init__(self) -> None:
        self.holding = False
        self.queue: list[Callable[[], None]] = []
        self.ran: list[str] = []

    async def run(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        """Run `function` now or later."""
        if not self.holding or "unfold" not in function.__name__:
            return function(*args, **kwargs)
        done: Deferred[None] = Deferred()
        self.queue.append(lambda: done.callback(None))
        self.ran.append(function.__name__)
        await done
        return function(*args, **kwargs)


class Case(SynchronousTestCase):
    """A Walrus with ada's bucket `images` and a bundle in it."""

    limit = 1 << 30

    def setUp(self) -> None:
        """Start Walrus and upload a bundle."""
        self.folder = Path(self.mktemp())
        self.folder.mkdir(parents=True)
        self.threads = Held()
        self.cloud = Cloud(self.folder, self.threads, self.limit)
        self.cloud.start()
        self.cloud.ask("PUT", "/images")
        self.content = os.urandom(200_000) + bytes(300_000)
        self.upload(self.content)

    def upload(
        self, content: bytes, signer: Identity = USER, cloud: Identity = CLOUD, name: str = "disk"
    ) -> None:
        """Bundle an image and put it into the bucket."""
        image = self.folder / name
        image.write_bytes(content)
        manifest = bundle(
            image,
            self.folder,
            name,
            signer,
            cloud.certificate,
            "000000000001",
            "x86_64",
            part_size=80_000,
        )
        for path in (*self.folder.glob(f"{name}.part.*"), manifest):
            self.cloud.ask("PUT", f"/images/{path.name}", path.read_bytes())

    def asking(self, target: str = TARGET) -> Wire:
        """Ask as a node, and return the connection."""
        wire = self.cloud.connection()
        signed = sign_euca(NODE, "GET", PREFIX + target, NOW, OPERATION)
        wire.send(head("GET", PREFIX + target, signed))
        return wire

    def cached(self) -> list[str]:
        """Return the decrypted images that lie there."""
        return [path for path in self.cloud.paths() if path.startswith(".images/")]


class ImageTests(Case):
    """Behaviour of GetDecryptedImage."""

    def test_decrypted(self) -> None:
        """A node gets the raw image with its size."""
        reply = self.cloud.ask_as_component(TARGET, OPERATION)
        self.assertEqual((reply.status, reply.body == self.content), (200, True))
        self.assertEqual(reply.headers["content-length"], str(len(self.content)))

    def test_compressed(self) -> None:
        """A node that asks for compression gets one gzip member."""
        reply = self.cloud.ask_as_component(TARGET + "?IsCompressed=true", OPERATION)
        self.assertEqual(gzip.decompress(reply.body), self.content)
        self.assertEqual(reply.body.count(b"\x1f\x8b\x08\x00"), 1)

    def test_manifest(self) -> None:
        """Without the operation, a node gets the manifest."""
        reply = self.cloud.ask_as_component(TARGET)
        self.assertEqual(reply.body, (self.folder / "disk.manifest.xml").read_bytes())

    def test_at_rest(self) -> None:
        """The image lies encrypted; its decrypted copy is for the owner of the process alone."""
        self.cloud.ask_as_component(TARGET, OPERATION)
        (name,) = self.cached()
        mode = (self.folder / "bukkits" / name).stat().st_mode
        self.assertEqual(stat.S_IMODE(mode), 0o600)
        for path in self.cloud.paths():
            if path != name:
                data = (self.folder / "bukkits" / path).read_bytes()
                self.assertNotIn(self.content[:64], data)

    def test_kept(self) -> None:
        """A second request, also after a restart, does not unfold the image again."""
        self.cloud.ask_as_component(TARGET, OPERATION)
        self.threads.holding = True
        self.assertEqual(self.cloud.ask_as_component(TARGET, OPERATION).body, self.content)
        again = Cloud(self.folder, self.threads)
        again.start()
        self.assertEqual(again.ask_as_component(TARGET, OPERATION).body, self.content)

    def test_once_for_many(self) -> None:
        """Nodes that ask at once wait for one decryption."""
        self.threads.holding = True
        asking = [self.asking() for _ in range(5)]
        self.assertEqual(self.threads.ran, ["_thd_unfold"])
        self.assertEqual([wire.transport.value() for wire in asking], [b""] * 5)
        self.threads.queue.pop()()
        self.assertEqual([wire.reply().body == self.content for wire in asking], [True] * 5)

    def test_replaced(self) -> None:
        """A new manifest gives a new image, and the old one is gone."""
        self.cloud.ask_as_component(TARGET, OPERATION)
        self.upload(b"another image")
        reply = self.cloud.ask_as_component(TARGET, OPERATION)
        self.assertEqual(reply.body, b"another image")
        self.assertEqual(len(self.cached()), 1)

    def test_deleted(self) -> None:
        """With its manifest, the decrypted image goes."""
        self.cloud.ask_as_component(TARGET, OPERATION)
        self.cloud.ask("DELETE", TARGET)
        self.assertEqual(self.cached(), [])
        self.assertEqual(self.cloud.ask_as_component(TARGET, OPERATION).code, "NoSuchKey")

    def test_deleted_meanwhile(self) -> None:
        """A manifest deleted while its image is unfolded leaves no image."""
        self.threads.holding = True
        wire = self.asking()
        self.cloud.ask("DELETE", TARGET)
        self.threads.queue.pop()()
        self.assertEqual(wire.reply().code, "NoSuchKey")
        self.assertEqual(self.cached(), [])

    def test_impatient_node(self) -> None:
        """A node that went away while it waited costs nothing; the image is kept for the next."""
        self.threads.holding = True
        wire = self.asking()
        wire.protocol.connectionLost(Failure(ConnectionLost()))
        self.threads.queue.pop()()
        self.assertEqual(len(self.cached()), 1)
        self.assertEqual(self.cloud.ask_as_component(TARGET, OPERATION).body, self.content)
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_left_behind(self) -> None:
        """An image whose manifest is gone is swept at the start."""
        (self.folder / "bukkits/.images/stray").write_bytes(b"x")
        Cloud(self.folder).start()
        self.assertEqual(self.cached(), [])


class WrongBundleTests(Case):
    """Behaviour towards bundles that must not become a disk."""

    def assertRefused(self, code: str, target: str = TARGET) -> str:
        """Check that the node gets an error, and that nothing stays; return the message."""
        reply = self.cloud.ask_as_component(target, OPERATION)
        self.assertEqual(reply.code, code)
        self.assertGreaterEqual(reply.status, 400)
        self.assertEqual(self.cached(), [])
        self.assertFalse([path for path in self.cloud.paths() if path.startswith(".incoming")])
        return reply.texts("Message")[0]

    def test_stranger(self) -> None:
        """A manifest signed by nobody of this cloud is refused."""
        self.upload(b"image", signer=new_identity("stranger", WHEN))
        self.assertIn("signed", self.assertRefused("DecryptionFailed"))

    def test_signed_by_the_cloud(self) -> None:
        """A manifest may be signed by the cloud itself."""
        self.upload(b"image", signer=CLOUD)
        self.assertEqual(self.cloud.ask_as_component(TARGET, OPERATION).body, b"image")

    def test_other_cloud(self) -> None:
        """A bundle encrypted for another cloud is refused."""
        self.upload(b"image", cloud=new_identity("other", WHEN))
        self.assertIn("encrypted", self.assertRefused("DecryptionFailed"))

    def test_missing_part(self) -> None:
        """A missing part is named."""
        self.cloud.ask("DELETE", "/images/disk.part.1")
        self.assertIn("disk.part.1", self.assertRefused("DecryptionFailed"))

    def test_damaged_part(self) -> None:
        """A part that is not what was bundled is refused."""
        self.cloud.ask("PUT", "/images/disk.part.1", b"x" * 80_000)
        self.assertRefused("DecryptionFailed")

    def test_no_manifest(self) -> None:
        """An object that is no manifest is refused."""
        self.cloud.ask("PUT", "/images/plain", b"not a manifest")
        self.assertRefused("DecryptionFailed", "/images/plain")

    def test_user(self) -> None:
        """A user who may read the bundle is not given the image this way."""
        reply = self.cloud.ask("GET", TARGET, EucaOperation=OPERATION)
        self.assertEqual(reply.code, "AccessDenied")


class LimitTests(Case):
    """Behaviour when images together are larger than the cache may be."""

    limit = 900_000

    def test_oldest_goes(self) -> None:
        """An image makes room by removing another that is not in use."""
        self.upload(bytes(500_000), name="second")
        self.cloud.ask_as_component(TARGET, OPERATION)
        self.cloud.ask_as_component("/images/second.manifest.xml", OPERATION)
        self.assertEqual(len(self.cached()), 1)

    def test_in_use(self) -> None:
        """An image in use is not removed; the other request is told to come later."""
        self.upload(bytes(500_000), name="second")
        self.threads.holding = True
        self.asking()
        reply = self.cloud.ask_as_component("/images/second.manifest.xml", OPERATION)
        self.assertEqual((reply.status, reply.code), (503, "ServiceUnavailable"))

    def test_too_large(self) -> None:
        """An image larger than the whole cache is refused before anything is written."""
        self.upload(bytes(1_000_000), name="large")
        reply = self.cloud.ask_as_component("/images/large.manifest.xml", OPERATION)
        self.assertEqual(reply.status, 503)
