"""Tests of what every component's command line has in common, through all five."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from twisted.application.service import IService
from twisted.trial.unittest import SynchronousTestCase

from euca.wire.wiring import trace_directory
from tests.composition.installation import Installation

COMPONENTS = ("clc", "cc", "nc", "sc", "walrus")


def parsed(component: str, *arguments: str) -> tuple[Callable[[Any], IService], Any]:
    """Return what makes the service of a component, and the options of a command line."""
    tap = import_module(f"euca.{component}.tap")
    options = tap.Options()
    options.parseOptions(arguments)
    return tap.makeService, options


def made(component: str, *arguments: str) -> IService:
    """Return the service of a component."""
    make, options = parsed(component, *arguments)
    return make(options)


class OptionsTests(SynchronousTestCase):
    """`twistd clc`, `cc`, `nc`, `sc` and `walrus`."""

    def setUp(self) -> None:
        self.there = Installation(Path(self.mktemp()).resolve())

    def test_made(self) -> None:
        """A complete configuration makes a service of each component."""
        for component in COMPONENTS:
            service = made(component, "--conf", str(self.there.conf))
            self.assertTrue(IService.providedBy(service), component)
        both = made("clc", "--conf", str(self.there.conf), "--with-walrus", "--with-sc")
        self.assertTrue(IService.providedBy(both))

    def refused(self, component: str, what: str) -> None:
        """Assert that a component does not start, and says why in one line."""
        with self.assertRaisesRegex(SystemExit, what) as caught:
            made(component, "--conf", str(self.there.conf))
        self.assertTrue(str(caught.exception).startswith(f"twistd {component}: "), component)
        self.assertNotIn("\n", str(caught.exception))

    def test_no_configuration(self) -> None:
        """A configuration that is not there is named."""
        self.there.conf.unlink()
        for component in COMPONENTS:
            self.refused(component, "there is no such file")

    def test_bad_configuration(self) -> None:
        """A configuration that cannot be used is named with its key."""
        self.there.write(WS_SECURITY_MODE="loose")
        for component in ("clc", "cc", "nc", "sc"):
            self.refused(component, r"eucalyptus\.conf: WS_SECURITY_MODE")
        self.there.write(WS_SECURITY_SKEW="0")
        for component in ("clc", "cc", "nc", "sc"):
            self.refused(component, r"eucalyptus\.conf: WS_SECURITY_SKEW")

    def test_no_keys(self) -> None:
        """Without its keys a component does not start, and says which file is missing."""
        for path in self.there.keys.iterdir():
            path.unlink()
        for component in COMPONENTS:
            self.refused(component, r"-cert\.pem")

    def test_debug_wire(self) -> None:
        """`--debug-wire` is for this process alone what DEBUG_WIRE is for all."""
        _, options = parsed("cc", "--conf", str(self.there.conf), "--debug-wire")
        self.assertTrue(options.configuration().debug_wire)
        _, options = parsed("cc", "--conf", str(self.there.conf))
        self.assertFalse(options.configuration().debug_wire)
        self.there.write(DEBUG_WIRE="Y")
        self.assertTrue(options.configuration().debug_wire)

    def test_trace_directory(self) -> None:
        """A traced component has a private directory for its messages beside the logs."""
        for component in ("clc", "cc", "nc", "sc"):
            make, options = parsed(component, "--conf", str(self.there.conf), "--debug-wire")
            make(options)
            directory = trace_directory(options.configuration(), component)
            self.assertEqual(directory.stat().st_mode & 0o777, 0o700)
