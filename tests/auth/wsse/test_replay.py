"""Tests of the memory of accepted messages, in memory and in a file."""

from collections.abc import Callable
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from euca.auth.wsse import FileReplays, MemoryReplays, Replays


def replays_tests(make: Callable[[SynchronousTestCase], Replays]) -> type[SynchronousTestCase]:
    """Return the tests that every memory passes; `make` makes an empty one."""

    class ReplaysTests(SynchronousTestCase):
        """What every memory of accepted messages does."""

        def test_once(self) -> None:
            """An identifier is new once, until its time has passed."""
            memory = make(self)
            self.assertTrue(memory.first_time("a", 100.0, 200.0))
            self.assertFalse(memory.first_time("a", 100.0, 200.0))
            self.assertFalse(memory.first_time("a", 199.0, 299.0))
            self.assertTrue(memory.first_time("b", 199.0, 299.0))
            self.assertTrue(memory.first_time("a", 201.0, 301.0))

        def test_many(self) -> None:
            """Thousands are remembered, and those whose time has passed are forgotten."""
            memory = make(self)
            for number in range(5000):
                self.assertTrue(memory.first_time(str(number), number, number + 100.0))
            self.assertFalse(memory.first_time("4950", 4999.0, 5099.0))
            self.assertTrue(memory.first_time("100", 4999.0, 5099.0))

        def test_any_text(self) -> None:
            """An identifier may be any text."""
            memory = make(self)
            for text in ("", "a b\nc", "\xe9\ud800", "x" * 100_000):
                self.assertTrue(memory.first_time(text, 0.0, 1.0))
                self.assertFalse(memory.first_time(text, 0.0, 1.0))

    return ReplaysTests


class MemoryReplaysTests(replays_tests(lambda test: MemoryReplays())):  # type: ignore[misc]
    """The memory that a restart empties."""


def _in_a_file(test: SynchronousTestCase) -> Replays:
    memory = FileReplays(Path(test.mktemp()), 0.0)
    test.addCleanup(memory.close)
    return memory


class FileReplaysContractTests(replays_tests(_in_a_file)):  # type: ignore[misc]
    """The memory in a file does what every memory does."""


class FileReplaysTests(SynchronousTestCase):
    """The memory that a restart does not empty."""

    def setUp(self) -> None:
        """Choose a file."""
        self.path = Path(self.mktemp())

    def opened(self, now: float = 0.0) -> FileReplays:
        """Open the file, as a process does that starts."""
        memory = FileReplays(self.path, now)
        self.addCleanup(memory.close)
        return memory

    def test_restart(self) -> None:
        """What was accepted is known after a restart, also when nobody closed the file."""
        self.opened().first_time("a", 100.0, 200.0)
        again = self.opened(150.0)
        self.assertFalse(again.first_time("a", 150.0, 250.0))
        self.assertTrue(again.first_time("b", 150.0, 250.0))

    def test_expired(self) -> None:
        """What has expired is not kept over a restart."""
        self.opened().first_time("a", 100.0, 200.0)
        self.assertTrue(self.opened(201.0).first_time("a", 201.0, 301.0))
        self.assertEqual(self.path.read_text().count("\n"), 1)

    def test_torn_line(self) -> None:
        """A line that was half written, or is rubbish, is passed over."""
        self.opened().first_time("a", 100.0, 200.0)
        with self.path.open("ab") as stream:
            stream.write(b"rubbish\n200.000 0123456789abc")
        again = self.opened(150.0)
        self.assertFalse(again.first_time("a", 150.0, 250.0))
        self.assertTrue(again.first_time("c", 150.0, 250.0))
        self.assertFalse(self.opened(150.0).first_time("c", 150.0, 250.0))

    def held(self) -> int:
        """Return how many lines there are in all files."""
        files = self.path.parent.glob(f"{self.path.name}*")
        return sum(file.read_text().count("\n") for file in files)

    def test_size(self) -> None:
        """What is kept does not grow without end."""
        memory = self.opened()
        for number in range(5000):
            memory.first_time(str(number), number, number + 10.0)
            if number % 100 == 0:
                self.assertLessEqual(self.held(), 2001)

    def test_restart_between_files(self) -> None:
        """A restart forgets nothing of an earlier file either, until it has expired."""
        memory = self.opened()
        for number in range(2500):
            memory.first_time(str(number), number, number + 400.0)
        again = self.opened(2500.0)
        for number in range(2101, 2500):
            self.assertFalse(again.first_time(str(number), 2500.0, 2900.0), number)
        self.assertTrue(again.first_time("2000", 2500.0, 2900.0))
        self.assertEqual(self.held(), 401)

    def test_privacy(self) -> None:
        """The file is its owner's, and holds no identifier."""
        self.opened().first_time("urn:uuid:secret", 1.0, 2.0)
        self.assertEqual(self.path.stat().st_mode & 0o777, 0o600)
        self.assertNotIn("secret", self.path.read_text())
