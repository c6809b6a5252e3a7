"""Tests for euca.walrus.files, and for what a killed Walrus leaves."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from euca.walrus.tables import thd_files
from tests.walrus.cloud import Cloud


class KilledTests(SynchronousTestCase):
    """Behaviour of a Walrus that is started after it was killed."""

    def setUp(self) -> None:
        """Start a Walrus and put an object."""
        self.folder = Path(self.mktemp())
        self.folder.mkdir(parents=True)
        self.cloud = Cloud(self.folder)
        self.cloud.start()
        self.cloud.ask("PUT", "/bucket")
        self.cloud.ask("PUT", "/bucket/k", b"old")

    def restarted(self) -> Cloud:
        """Return a new Walrus over what the old one left, without stopping that."""
        cloud = Cloud(self.folder)
        cloud.start()
        return cloud

    def test_objects_stay(self) -> None:
        """Objects outlive the process."""
        cloud = self.restarted()
        self.assertEqual(cloud.ask("GET", "/bucket/k").body, b"old")

    def test_half_written(self) -> None:
        """A body that was being written is swept."""
        draft = self.cloud.files.thd_draft()
        draft.thd_write(b"half")
        cloud = self.restarted()
        self.assertEqual(len(cloud.paths()), 1)
        self.assertEqual(cloud.ask("GET", "/bucket/k").body, b"old")

    def test_written_but_not_recorded(self) -> None:
        """A file that was complete, but that no metadata names yet, is swept."""
        draft = self.cloud.files.thd_draft()
        draft.thd_write(b"new")
        draft.thd_keep(self.cloud.files.folder("bucket"))
        cloud = self.restarted()
        self.assertEqual(len(cloud.paths()), 1)
        self.assertEqual(cloud.ask("GET", "/bucket/k").body, b"old")

    def test_replaced_but_not_removed(self) -> None:
        """A file that was replaced, but not removed yet, is swept."""
        (path,) = self.cloud.paths()
        root = self.folder / "bukkits"
        kept = root / "kept"
        os.link(root / path, kept)
        self.cloud.ask("PUT", "/bucket/k", b"new")
        kept.rename(root / path)
        cloud = self.restarted()
        self.assertEqual(len(cloud.paths()), 1)
        self.assertEqual(cloud.ask("GET", "/bucket/k").body, b"new")

    def test_every_object_has_its_file(self) -> None:
        """Whatever was put, replaced and deleted, metadata and files agree."""
        for number in range(20):
            self.cloud.ask("PUT", f"/bucket/{number % 7}", str(number).encode())
            self.cloud.ask("DELETE", f"/bucket/{number % 3}")
        known = self.cloud.database.thd_transact(thd_files)
        self.assertEqual({f"{bucket}/{name}" for bucket, name in known}, set(self.cloud.paths()))

    def test_private(self) -> None:
        """Nobody else can enter the folders or read the files."""
        root = self.folder / "bukkits"
        for path in (root, root / ".images", root / "bucket", root / self.cloud.paths()[0]):
            self.assertEqual(stat.S_IMODE(path.stat().st_mode) & 0o077, 0, path)
