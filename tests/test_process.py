"""Tests of `euca.process`: one factory for the real thing and for its double."""

from __future__ import annotations

from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.process import ProcessReader
from twisted.internet.task import deferLater
from twisted.trial.unittest import TestCase

from euca.process import (
    CommandFailed,
    Commands,
    CommandTimedOut,
    Processes,
    RecordingProcesses,
)


class CommandsTests:
    """What every runner of commands does."""

    def commands(self) -> Commands:
        raise AssertionError("the test case gives the commands")

    async def test_output(self: Any) -> None:
        """The standard output is returned."""
        output = await self.commands().run(["echo", "a b"])
        self.assertEqual(output, b"a b\n")

    async def test_failure(self: Any) -> None:
        """A command that fails raises CommandFailed with its arguments."""
        with self.assertRaises(CommandFailed) as caught:
            await self.commands().run(["false"])
        self.assertEqual(caught.exception.argv, ("false",))


class RecordingProcessesTests(CommandsTests, TestCase):
    """The double."""

    def commands(self) -> RecordingProcesses:
        return RecordingProcesses({"echo": b"a b\n", "false": CommandFailed(["false"], "1")})


class ProcessesTests(CommandsTests, TestCase):
    """Real processes."""

    def commands(self) -> Processes:
        return Processes(reactor)

    async def test_input(self) -> None:
        """What is given as standard input arrives there."""
        self.assertEqual(await self.commands().run(["cat"], stdin=b"x" * 200_000), b"x" * 200_000)

    async def test_standard_error_is_told(self) -> None:
        """The message of a failure carries the command's standard error."""
        with self.assertRaisesRegex(CommandFailed, "no-such-file"):
            await self.commands().run(["cat", "/no-such-file"])

    async def test_unknown_command(self) -> None:
        """A command that does not exist is a failure, not a hang."""
        with self.assertRaises(CommandFailed):
            await self.commands().run(["no-such-command-of-ours"])

    async def test_time_limit(self) -> None:
        """A command that takes longer than its limit is killed, with what it started."""
        with self.assertRaises(CommandTimedOut):
            await self.commands().run(["sh", "-c", "sleep 60 & wait"], timeout=0.2)

    async def test_cancel(self) -> None:
        """Cancelling the call kills the command."""
        call = Deferred.fromCoroutine(self.commands().run(["sleep", "60"]))
        await deferLater(reactor, 0.1, lambda: None)
        call.cancel()
        with self.assertRaises((CancelledError, CommandFailed)):
            await call
        # A killed process is gone a moment later: then the reactor reads from it no more.
        while any(isinstance(reader, ProcessReader) for reader in reactor.getReaders()):
            await deferLater(reactor, 0.01, lambda: None)
