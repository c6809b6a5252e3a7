"""Tests of `euca.telemetry`."""

from __future__ import annotations

import json
from pathlib import Path

from twisted.logger import Logger, LogLevel, capturedLogs, eventAsText
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.test.requesthelper import DummyRequest

from euca.config import Configuration
from euca.telemetry.health import HealthResource
from euca.telemetry.logging import Notice, component_log, format_line, writes_debug
from euca.telemetry.trace import correlated, current


class TraceTests(SynchronousTestCase):
    """The correlation id."""

    def test_inside_and_outside(self) -> None:
        """The id holds inside its block and not after it."""
        with correlated("abc"):
            inside = current()
        self.assertEqual((inside, current()), ("abc", "-"))


class LogTests(SynchronousTestCase):
    """The log file."""

    def test_line(self) -> None:
        """A line has time, process, level and correlation id in the form of 2.0."""
        event = {
            "log_time": 0.0,
            "log_level": LogLevel.warn,
            "log_namespace": "x",
            "log_format": "no {what}",
            "what": "node",
        }
        line = format_line(event, "abc")
        self.assertRegex(line, r"^\[.*1970\]\[\d{6,}\]\[EUCAWARN  \] \[abc\] x: no node\n$")

    def test_file(self) -> None:
        """What is logged while the service runs is in the component's file, from its level on."""
        root = Path(self.mktemp())
        configuration = Configuration(root / "conf", root, {"LOGLEVEL": "INFO"})
        service = component_log(configuration, "nc")
        service.startService()
        with correlated("abc"):
            Logger("test").info("hello")
            Logger("test").debug("whisper")
        service.stopService()
        text = (root / "var/log/eucalyptus/nc.log").read_text()
        self.assertIn("[abc] test: hello", text)
        self.assertNotIn("whisper", text)

    def test_debugging(self) -> None:
        """Unless a higher level is asked for, the log has what is told for debugging."""
        for level, expected in (({}, True), ({"LOGLEVEL": "INFO"}, False)):
            found = writes_debug(Configuration(Path("conf"), Path(), level))
            self.assertEqual(found, expected, level)

    def test_notice(self) -> None:
        """A notice is said at the start, as a warning."""
        notice = Notice(Logger("test"), "beware of {what}", what="dog")
        with capturedLogs() as said:
            self.assertEqual(said, [])
            notice.startService()
        told = [(event["log_level"], eventAsText(event, includeTimestamp=False)) for event in said]
        self.assertEqual(told, [(LogLevel.warn, "[test#warn] beware of dog")])


class HealthTests(SynchronousTestCase):
    """The health resource."""

    def test_well(self) -> None:
        """A component that is well answers 200 with its state."""
        request = DummyRequest([b"health"])
        body = HealthResource(lambda: {"status": "ok", "nodes": 2}).render_GET(request)
        self.assertEqual((request.responseCode, json.loads(body)["nodes"]), (None, 2))

    def test_unwell(self) -> None:
        """A component that is not answers 503."""
        request = DummyRequest([b"health"])
        HealthResource(lambda: {"status": "no database"}).render_GET(request)
        self.assertEqual(request.responseCode, 503)
