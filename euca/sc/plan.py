"""Decides what is to be done for each volume; a function of values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import assert_never

from attrs import frozen

from euca.sc.volume import GB, Status, Volume


@frozen
class Create:
    """Make the file of a volume that is wished for."""

    subject: str
    size: int


@frozen
class Fail:
    """Record that a volume has lost its data."""

    subject: str


@frozen
class Remove:
    """Remove a volume that failed and was reported, with whatever there is of it."""

    subject: str


Step = Create | Fail | Remove


def plan(volumes: Sequence[Volume], files: Mapping[str, int]) -> list[Step]:
    """Return the steps that bring files and records together.

    A file without a record is left alone: it may be data that a lost database knew.
    """
    steps = (_step(volume, files.get(volume.identifier)) for volume in volumes)
    return [step for step in steps if step is not None]


def _step(volume: Volume, size: int | None) -> Step | None:
    match volume.status:
        case Status.CREATING:
            return Create(volume.identifier, volume.size)
        case Status.AVAILABLE:
            return None if size == volume.size * GB else Fail(volume.identifier)
        case Status.FAILED:
            return None
        case Status.REPORTED:
            return Remove(volume.identifier)
        case _:
            assert_never(volume.status)
