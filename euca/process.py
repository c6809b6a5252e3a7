"""Runs commands of the operating system: lists of arguments, never a shell, always a time limit."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from attrs import Factory, define, field
from twisted.internet.defer import Deferred
from twisted.internet.error import ProcessDone
from twisted.internet.protocol import ProcessProtocol
from twisted.python.failure import Failure

_SHOWN = 500  # bytes of standard error kept in a message


class CommandFailed(Exception):
    """A command ended with another status than 0, by a signal, or could not be started."""

    def __init__(self, argv: Sequence[str], status: str, stderr: bytes = b"") -> None:
        self.argv = tuple(argv)
        self.status = status
        self.stderr = stderr
        text = stderr[-_SHOWN:].decode("utf-8", "replace").strip()
        super().__init__(f"{' '.join(argv)}: {status}" + (f": {text}" if text else ""))


class CommandTimedOut(CommandFailed):
    """A command was killed because it took longer than its limit."""


class Commands(Protocol):
    """Something that runs commands."""

    async def run(
        self,
        argv: Sequence[str],
        *,
        stdin: bytes = b"",
        timeout: float = 60.0,
        cwd: Path | None = None,
    ) -> bytes:
        """Return the standard output; raises CommandFailed or CommandTimedOut. Limit in seconds."""
        ...


class _Run(ProcessProtocol):
    """One running command; its Deferred fires with the standard output."""

    def __init__(self, argv: Sequence[str], stdin: bytes) -> None:
        self._argv = argv
        self._stdin = stdin
        self._out: list[bytes] = []
        self._err: list[bytes] = []
        self.timed_out = False
        self.done: Deferred[bytes] = Deferred(lambda _: self.kill())

    def connectionMade(self) -> None:
        assert self.transport is not None
        self.transport.write(self._stdin)
        self.transport.closeStdin()

    def outReceived(self, data: bytes) -> None:
        self._out.append(data)

    def errReceived(self, data: bytes) -> None:
        self._err.append(data)

    def kill(self) -> None:
        """Kill the command and everything that it started."""
        if self.transport is not None and self.transport.pid:
            try:
                os.killpg(self.transport.pid, signal.SIGKILL)
            except ProcessLookupError:
                return  # it ended by itself in the meantime

    def expire(self) -> None:
        """Kill the command because its time is over."""
        self.timed_out = True
        self.kill()

    def processEnded(self, reason: Failure) -> None:
        if self.done.called:
            return
        if self.timed_out:
            self.done.errback(CommandTimedOut(self._argv, "took too long", b"".join(self._err)))
        elif reason.check(ProcessDone):
            self.done.callback(b"".join(self._out))
        else:
            status = reason.getErrorMessage()
            self.done.errback(CommandFailed(self._argv, status, b"".join(self._err)))


@define
class Processes:
    """Runs commands on this machine."""

    _reactor: Any
    environment: Mapping[str, str] = field(
        factory=lambda: {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"}
    )

    async def run(
        self,
        argv: Sequence[str],
        *,
        stdin: bytes = b"",
        timeout: float = 60.0,
        cwd: Path | None = None,
    ) -> bytes:
        """Run `argv` in a process group of its own; cancelling the call kills the group."""
        run = _Run(argv, stdin)
        try:
            self._reactor.spawnProcess(
                run,
                "/usr/bin/setsid",
                ["setsid", *argv],
                env=dict(self.environment),
                path=None if cwd is None else str(cwd),
            )
        except OSError as error:
            raise CommandFailed(argv, f"cannot be started: {error}") from error
        limit = self._reactor.callLater(timeout, run.expire)
        try:
            return await run.done
        finally:
            if limit.active():
                limit.cancel()


@define
class RecordingProcesses:
    """Remembers the commands it was given and answers from a table: the double for tests."""

    answers: dict[str, bytes | Exception] = Factory(dict)
    commands: list[tuple[str, ...]] = Factory(list)

    async def run(
        self,
        argv: Sequence[str],
        *,
        stdin: bytes = b"",
        timeout: float = 60.0,
        cwd: Path | None = None,
    ) -> bytes:
        """Return, or raise, the answer for the command's name; by default empty output."""
        self.commands.append(tuple(argv))
        answer = self.answers.get(Path(argv[0]).name, b"")
        if isinstance(answer, Exception):
            raise answer
        return answer
