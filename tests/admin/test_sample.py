"""Tests of the annotated configuration: it is what the components read."""

from __future__ import annotations

import re
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from euca.config import Configuration, parse

ROOT = Path(__file__).parents[2]
SAMPLE = ROOT / "conf/eucalyptus.conf"
_READ = re.compile(r'\.(?:text|number|words)\(\s*"([A-Z][A-Z0-9_]+)"')


class SampleTests(SynchronousTestCase):
    """`conf/eucalyptus.conf` can be used as it is, and leaves nothing out."""

    def test_usable(self) -> None:
        """It can be read, and names no impossible mode."""
        values = parse(SAMPLE.read_text())
        self.assertEqual(Configuration(SAMPLE, Path("/"), values).security_mode_of("CC"), "strict")

    def test_complete(self) -> None:
        """Every key that a component reads is in it, set or commented out."""
        read = {
            key for path in (ROOT / "euca").rglob("*.py") for key in _READ.findall(path.read_text())
        }
        known = set(re.findall(r'^#?([A-Z_0-9]+)="', SAMPLE.read_text(), re.MULTILINE))
        self.assertEqual(read - known, set())
