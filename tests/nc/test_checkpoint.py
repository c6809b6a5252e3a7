"""Tests of `euca.nc.checkpoint`, `euca.nc.files` and `euca.nc.ledger`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from euca.model.errors import InvalidParameter
from euca.nc.checkpoint import UnreadableCheckpoint, decode, encode, thd_load, thd_save
from euca.nc.files import CHECKPOINT, instance_directory, thd_remove, thd_tail, thd_used
from euca.nc.instance import (
    Booting,
    Canceled,
    Instance,
    Phase,
    Prepared,
    Running,
    Shutoff,
    Staging,
    Teardown,
)
from euca.nc.ledger import InstanceExists, Ledger
from euca.nc.wire import network_of, wish_of
from euca.threads import Immediate
from tests.nc.world import INSTANCE, run_fields

TIMES = st.floats(min_value=0, max_value=4e9)
PHASES = st.one_of(
    st.just(Staging()),
    st.builds(Prepared, st.integers(0, 5)),
    st.builds(Booting, TIMES),
    st.just(Running()),
    st.builds(Canceled, st.text()),
    st.builds(Shutoff, st.text()),
    st.builds(Teardown, TIMES, st.text()),
)


def instance(phase: Phase | None = None, **changes: Any) -> Instance:
    """Return an instance."""
    fields = run_fields(**changes)
    return Instance(wish_of(fields, 1e9), "uuid-1", network_of(fields), phase or Staging())


class CheckpointTests(SynchronousTestCase):
    """An instance on disk."""

    @given(phase=PHASES, text=st.text(), launched=TIMES)
    def test_round_trip(self, phase: Phase, text: str, launched: float) -> None:
        """What is read is what was written, whatever its phase and its texts."""
        before = instance(phase, userData=text, kernelId=None, groupNames=[text])
        before = evolve(before, wish=evolve(before.wish, launched=launched))
        self.assertEqual(decode(encode(before)), before)

    def test_not_ours(self) -> None:
        """What is not a checkpoint of ours is refused, whatever it is."""
        ours = encode(instance())
        for content in (b"", b"\x00\xff", b"{}", b"[]", b"null", ours.replace(b"1,", b"2,", 1)):
            with self.assertRaises(UnreadableCheckpoint):
                decode(content)

    def test_orphan(self) -> None:
        """A directory without a checkpoint is what a killed process left, and is removed."""
        root = Path(self.mktemp())
        orphan = root / "admin" / INSTANCE
        orphan.mkdir(parents=True)
        (orphan / "instance-checkpoint.new").write_bytes(b"{")
        self.assertEqual(thd_load(root).instances, ())
        self.assertEqual(list(root.iterdir()), [])

    def test_other_files(self) -> None:
        """What is not an instance's by its name is never touched."""
        root = Path(self.mktemp())
        for name in ("admin/notes/todo", "admin/i-1/x", "eucalyptus/cache/emi-1/root", "file"):
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"x")
        thd_load(root)
        self.assertEqual(len([path for path in root.rglob("*") if path.is_file()]), 4)


class FilesTests(SynchronousTestCase):
    """Names and directories."""

    def test_names(self) -> None:
        """A name that would lead elsewhere is no name of a directory."""
        for owner in ("", ".", "..", "a/b", "/etc", "a\0b", "-x", "x" * 200, "a\n"):
            with self.assertRaises(InvalidParameter):
                instance_directory(Path("/i"), owner, INSTANCE)

    def test_remove(self) -> None:
        """An instance's directory goes with everything in it, its user's when it is the last."""
        root = Path(self.mktemp())
        for number in (1, 2):
            thd_save(root, instance(identifier=f"i-0000000{number}"))
        (root / "admin/i-00000001/disk").write_bytes(b"x")
        thd_remove(root / "admin/i-00000001")
        self.assertEqual([path.name for path in root.glob("*/*")], ["i-00000002"])
        thd_remove(root / "admin/i-00000002")
        self.assertEqual(list(root.iterdir()), [])

    def test_tail(self) -> None:
        """The end of a file is read, all of a short one, nothing of one that is not there."""
        path = Path(self.mktemp())
        self.assertEqual(thd_tail(path, 3), b"")
        path.write_bytes(b"12345")
        self.assertEqual((thd_tail(path, 3), thd_tail(path, 9)), (b"345", b"12345"))

    def test_used(self) -> None:
        """A hole takes no room."""
        root = Path(self.mktemp())
        root.mkdir()
        with (root / "sparse").open("wb") as stream:
            stream.truncate(1 << 30)
        self.assertLess(thd_used(root), 1 << 20)


class Waiting:
    """Threads whose work ends when the test says so."""

    def __init__(self) -> None:
        self.waiting: list[Deferred[None]] = []

    async def run(self, function: Any, /, *args: Any, **kwargs: Any) -> Any:
        self.waiting.append(Deferred())
        await self.waiting[-1]
        return function(*args, **kwargs)


class LedgerTests(SynchronousTestCase):
    """What is known, and what is on disk."""

    def setUp(self) -> None:
        self.root = Path(self.mktemp())
        self.ledger = Ledger(self.root, Immediate())

    def did(self, coroutine: Any) -> Any:
        return self.successResultOf(Deferred.fromCoroutine(coroutine))

    def test_reserved_at_once(self) -> None:
        """The room of an instance is taken before its checkpoint is written."""
        threads = Waiting()
        ledger = Ledger(self.root, threads)
        accepting = Deferred.fromCoroutine(ledger.accept(instance()))
        self.assertEqual((ledger.instances(), len(ledger.burdens())), ((), 1))
        self.failureResultOf(Deferred.fromCoroutine(ledger.accept(instance())), InstanceExists)
        threads.waiting[0].callback(None)
        self.successResultOf(accepting)
        self.assertEqual((len(ledger.instances()), len(ledger.burdens())), (1, 1))

    def test_not_written(self) -> None:
        """An instance whose checkpoint cannot be written is not here."""
        threads = Waiting()
        ledger = Ledger(self.root, threads)
        accepting = Deferred.fromCoroutine(ledger.accept(instance()))
        threads.waiting[0].errback(OSError("disk full"))
        self.failureResultOf(accepting, OSError)
        self.assertEqual((ledger.instances(), ledger.burdens()), ((), ()))

    def test_decided_on_another_phase(self) -> None:
        """A change decided on a phase that has passed is not made."""
        self.did(self.ledger.accept(instance()))
        self.did(self.ledger.terminate(INSTANCE, "told"))
        self.assertFalse(self.did(self.ledger.move(INSTANCE, Staging(), Prepared())))
        found = self.ledger.find(INSTANCE)
        assert found is not None
        self.assertEqual(found.phase, Canceled("told"))

    def test_writes_in_turn(self) -> None:
        """A write that nobody waits for any more ends before the next one begins."""
        threads = Waiting()
        self.did(self.ledger.accept(instance()))
        ledger = Ledger(self.root, threads)
        loading = Deferred.fromCoroutine(ledger.load())
        threads.waiting.pop().callback(None)
        self.successResultOf(loading)
        moving = Deferred.fromCoroutine(ledger.move(INSTANCE, Staging(), Prepared()))
        moving.addErrback(lambda _: None).cancel()
        ending = Deferred.fromCoroutine(ledger.terminate(INSTANCE, "told"))
        self.assertEqual(len(threads.waiting), 1)
        threads.waiting[0].callback(None)
        threads.waiting[1].callback(None)
        self.successResultOf(ending)
        saved = decode((self.root / "admin" / INSTANCE / CHECKPOINT).read_bytes())
        self.assertEqual(saved.phase, Canceled("told"))

    def test_foreign(self) -> None:
        """A new instance never takes a directory that is not understood."""
        theirs = self.root / "admin" / INSTANCE
        theirs.mkdir(parents=True)
        (theirs / CHECKPOINT).write_bytes(b"theirs")
        self.did(self.ledger.load())
        self.failureResultOf(Deferred.fromCoroutine(self.ledger.accept(instance())), InstanceExists)
        self.assertEqual((theirs / CHECKPOINT).read_bytes(), b"theirs")

    def test_keeps_files(self) -> None:
        """Where an administrator wants it, the files of an ended instance stay."""
        ledger = Ledger(self.root, Immediate(), keep_files=True)
        self.did(ledger.accept(instance()))
        self.did(ledger.tear_down(INSTANCE, 5.0, "over"))
        again = Ledger(self.root, Immediate(), keep_files=True)
        self.did(again.load())
        found = again.find(INSTANCE)
        assert found is not None
        self.assertEqual(found.phase, Teardown(5.0, "over"))
