"""The list of nodes in the configuration, read anew when its files change."""

from __future__ import annotations

from pathlib import Path

from attrs import define
from twisted.logger import Logger

from euca.cc.settings import service_tags
from euca.config import Configuration, ConfigurationError

log = Logger()


@define
class NodeList:
    """The URLs of the nodes; reads files, so it is asked in a thread."""

    path: Path
    tags: tuple[str, ...] = ()
    _stamp: tuple[int, ...] | None = None

    def thd_current(self) -> tuple[str, ...]:
        """Return the nodes; a configuration that cannot be used leaves them as they were."""
        stamp = self._thd_stamp()
        if stamp == self._stamp:
            return self.tags
        try:
            self.tags = service_tags(Configuration.read(self.path))
            self._stamp = stamp
        except ConfigurationError as error:
            log.error("The list of nodes stays as it was: {error}", error=error)
        return self.tags

    def _thd_stamp(self) -> tuple[int, ...]:
        """Return the times of change of both configuration files, 0 for one that is absent."""
        times = []
        for path in (self.path, self.path.with_name("eucalyptus.local.conf")):
            try:
                times.append(path.stat().st_mtime_ns)
            except OSError:
                times.append(0)
        return tuple(times)
