"""Tests for euca.auth.bundle."""

from __future__ import annotations

import hashlib
import io
import os
import subprocess
import tracemalloc
from datetime import UTC, datetime
from pathlib import Path

from lxml import etree
from twisted.trial.unittest import SynchronousTestCase

from euca.auth.bundle import BadBundle, Manifest, bundle, image_pieces, write_image
from euca.auth.keyring import new_identity

WHEN = datetime(2010, 11, 17, tzinfo=UTC)
CLOUD = new_identity("eucalyptus", WHEN)
USER = new_identity("admin", WHEN)


class BundleTests(SynchronousTestCase):
    """Behaviour of bundles, from an image to its parts and back."""

    def setUp(self) -> None:
        """Make a folder and an image with a hole."""
        self.folder = Path(self.mktemp())
        self.folder.mkdir(parents=True)
        self.image = self.folder / "disk.img"
        self.content = os.urandom(300_000) + bytes(500_000) + b"end"
        self.image.write_bytes(self.content)

    def bundled(self, **options: object) -> Path:
        """Bundle the image in small parts, and return the manifest's path."""
        settings: dict[str, object] = {"part_size": 100_000, "kernel": "eki-11111111", **options}
        return bundle(
            self.image,
            self.folder,
            "disk",
            USER,
            CLOUD.certificate,
            "000000000001",
            "x86_64",
            **settings,  # type: ignore[arg-type]
        )

    def unbundled(self, path: Path) -> bytes:
        """Return the image of a bundle, as Walrus unfolds it."""
        manifest = Manifest.parse(path.read_bytes())
        parts = [(self.folder / part.filename, part.digest) for part in manifest.parts]
        with io.BytesIO() as stream:
            write_image(image_pieces(parts, manifest.keys(CLOUD)), stream, manifest.size)
            return stream.getvalue()

    def test_round_trip(self) -> None:
        """What was bundled comes out again."""
        self.assertEqual(self.unbundled(self.bundled()), self.content)

    def test_what_the_manifest_says(self) -> None:
        """The manifest tells size, architecture and kernel, and names parts of the size asked."""
        manifest = Manifest.parse(self.bundled().read_bytes())
        self.assertEqual(
            (manifest.size, manifest.architecture, manifest.kernel_id, manifest.ramdisk_id),
            (len(self.content), "x86_64", "eki-11111111", ""),
        )
        sizes = [(self.folder / part.filename).stat().st_size for part in manifest.parts]
        self.assertEqual(set(sizes[:-1]), {100_000})

    def test_kernel(self) -> None:
        """A kernel says so of itself."""
        self.assertEqual(Manifest.parse(self.bundled(kernel="true").read_bytes()).kernel_id, "true")

    def test_digest_is_of_the_raw_image(self) -> None:
        """The image's digest is that of the raw image."""
        text = self.bundled().read_text()
        self.assertIn(hashlib.sha1(self.content).hexdigest(), text)

    def test_signature(self) -> None:
        """The user's certificate verifies the manifest, and another does not."""
        manifest = Manifest.parse(self.bundled().read_bytes())
        self.assertTrue(manifest.signed_by([CLOUD.certificate, USER.certificate]))
        self.assertFalse(manifest.signed_by([CLOUD.certificate]))

    def test_changed_byte(self) -> None:
        """A manifest changed after signing is not signed."""
        raw = self.bundled().read_bytes().replace(b"eki-1", b"eki-2")
        self.assertFalse(Manifest.parse(raw).signed_by([USER.certificate]))

    def test_other_tools_can_decrypt(self) -> None:
        """With the user's key, openssl, gzip and tar unfold the bundle."""
        manifest = self.bundled()
        root = etree.fromstring(manifest.read_bytes())
        key, vector = (
            USER.decrypt_pkcs1(bytes.fromhex(root.findtext(f"image/user_encrypted_{name}") or ""))
            for name in ("key", "iv")
        )
        parts = Manifest.parse(manifest.read_bytes()).parts
        joined = b"".join((self.folder / part.filename).read_bytes() for part in parts)
        command = "openssl enc -d -aes-128-cbc -K $KEY -iv $IV | tar -xzO"
        environment = {**os.environ, "KEY": key.decode(), "IV": vector.decode()}
        result = subprocess.run(
            ["sh", "-c", command], input=joined, env=environment, check=True, capture_output=True
        )
        self.assertEqual(result.stdout, self.content)

    def test_damaged_part(self) -> None:
        """A part that is not what the manifest says stops the unfolding."""
        manifest = self.bundled()
        part = self.folder / "disk.part.1"
        content = bytearray(part.read_bytes())
        content[500] ^= 1
        part.write_bytes(content)
        self.assertRaises(BadBundle, self.unbundled, manifest)

    def test_missing_end(self) -> None:
        """A bundle whose last parts are not named is refused."""
        manifest = Manifest.parse(self.bundled().read_bytes())
        parts = [(self.folder / part.filename, part.digest) for part in manifest.parts[:-1]]
        self.assertRaises(
            BadBundle, write_image, image_pieces(parts, manifest.keys(CLOUD)), io.BytesIO(), 10**9
        )

    def test_bundle_larger_than_it_says(self) -> None:
        """Unfolding stops at the size of the manifest."""
        manifest = Manifest.parse(self.bundled().read_bytes())
        parts = [(self.folder / part.filename, part.digest) for part in manifest.parts]
        pieces = image_pieces(parts, manifest.keys(CLOUD))
        self.assertRaises(BadBundle, write_image, pieces, io.BytesIO(), manifest.size - 1)

    def test_wrong_cloud(self) -> None:
        """A bundle for another cloud has no key for this one."""
        manifest = Manifest.parse(self.bundled().read_bytes())
        self.assertRaises(BadBundle, manifest.keys, USER)

    def test_what_could_hide_the_signed_text(self) -> None:
        """Manifests in which the parsed and the signed text could differ are refused."""
        raw = self.bundled().read_bytes()
        for old, new in (
            (b"<image>", b"<image><image></image>"),
            (b"<signature>", b"<image></image><signature>"),
            (b"<image>", b"<!-- <image> --><image>"),
            (b"<manifest>", b'<!DOCTYPE m [<!ENTITY a "b">]><manifest>'),
            (b"<image>", b'<image a="b">'),
            (b"</manifest>", b""),
            (b"manifest>", b"other>"),
        ):
            self.assertRaises(BadBundle, Manifest.parse, raw.replace(old, new))

    def test_not_a_manifest(self) -> None:
        """Bytes that are no XML, or XML that is no manifest, are refused."""
        for raw in (b"", b"\x00\xff", b"<a/>", b"<manifest/>"):
            self.assertRaises(BadBundle, Manifest.parse, raw)

    def test_bounded_memory(self) -> None:
        """A large image is bundled and unfolded in little memory."""
        with self.image.open("wb") as stream:
            stream.write(os.urandom(1 << 20))
            stream.truncate(64 << 20)
        tracemalloc.start()
        self.addCleanup(tracemalloc.stop)
        manifest = Manifest.parse(self.bundled(part_size=1 << 20).read_bytes())
        parts = [(self.folder / part.filename, part.digest) for part in manifest.parts]
        with (self.folder / "out").open("wb") as stream:
            write_image(image_pieces(parts, manifest.keys(CLOUD)), stream, manifest.size)
        self.assertLess(tracemalloc.get_traced_memory()[1], 8 << 20)
