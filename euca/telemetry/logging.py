"""Writes a component's log: one line an event, with its correlation id, rotated by size."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from twisted.application.service import Service
from twisted.logger import (
    FilteringLogObserver,
    ILogObserver,
    LogEvent,
    Logger,
    LogLevel,
    LogLevelFilterPredicate,
    eventAsText,
    globalLogPublisher,
)
from twisted.python.logfile import LogFile
from zope.interface import implementer

from euca.config import Configuration
from euca.telemetry import trace

if TYPE_CHECKING:
    from constantly import NamedConstant

ROTATE_BYTES = 32_768_000
OLD_COPIES = 6

_LEVELS = {
    "DEBUG": LogLevel.debug,
    "INFO": LogLevel.info,
    "WARN": LogLevel.warn,
    "ERROR": LogLevel.error,
    "FATAL": LogLevel.critical,
}
_CHATTY = ("twisted.web.client._HTTP11ClientFactory", "twisted.internet")
"""Tell of each connection; of these only what is wrong is written."""
_NAMES = {level: "EUCA" + name for name, level in _LEVELS.items()}


def format_line(event: LogEvent, correlation: str) -> str:
    """Return the line of an event: `[ctime][pid][LEVEL] [correlation] text`, as 2.0 wrote them."""
    text = eventAsText(event, includeTimestamp=False, includeSystem=False)
    when = time.ctime(event.get("log_time", time.time()))
    level = _NAMES.get(event.get("log_level", LogLevel.info), "EUCAINFO")
    system = event.get("log_namespace", "-")
    return f"[{when}][{os.getpid():06d}][{level:<10}] [{correlation}] {system}: {text}\n"


@implementer(ILogObserver)
class LineObserver:
    """Writes each event as a line to a file that rotates."""

    def __init__(self, log_file: LogFile) -> None:
        self._file = log_file

    def __call__(self, event: LogEvent) -> None:
        """Write the event's line at once, so that a killed process loses none."""
        self._file.write(format_line(event, trace.current()))
        self._file.flush()


class ComponentLog(Service):
    """The log file of one component, open while the service runs."""

    def __init__(self, configuration: Configuration, name: str) -> None:
        self._directory = configuration.layout.logs
        self._name = name + ".log"
        self._level = _level(configuration)

    def startService(self) -> None:
        """Open the file and listen to the process' events."""
        super().startService()
        self._directory.mkdir(parents=True, exist_ok=True)
        self._file = LogFile(
            self._name, str(self._directory), ROTATE_BYTES, maxRotatedFiles=OLD_COPIES
        )
        level: NamedConstant = self._level
        predicate = LogLevelFilterPredicate(defaultLogLevel=level)
        for namespace in _CHATTY:
            predicate.setLogLevelForNamespace(namespace, LogLevel.warn)
        self._observer = FilteringLogObserver(LineObserver(self._file), [predicate])
        globalLogPublisher.addObserver(self._observer)

    def stopService(self) -> None:
        """Stop listening and close the file."""
        super().stopService()
        globalLogPublisher.removeObserver(self._observer)
        self._file.close()


class Notice(Service):
    """Warns of something at the start of a component, once its log is open."""

    def __init__(self, log: Logger, text: str, **values: object) -> None:
        self._log = log
        self._text = text
        self._values = values

    def startService(self) -> None:
        """Say it."""
        super().startService()
        self._log.warn(self._text, **self._values)


def _level(configuration: Configuration) -> NamedConstant:
    return _LEVELS.get(configuration.text("LOGLEVEL", "DEBUG"), LogLevel.debug)


def writes_debug(configuration: Configuration) -> bool:
    """Tell whether the log has what is told for debugging."""
    return _level(configuration) is LogLevel.debug


def component_log(configuration: Configuration, name: str) -> ComponentLog:
    """Return the service that writes `<logs>/<name>.log`, from the level that LOGLEVEL names."""
    return ComponentLog(configuration, name)
