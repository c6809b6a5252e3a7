"""Keeps an instance on disk as JSON, in its own directory, so that it outlives this process."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from attrs import asdict, frozen
from twisted.logger import Logger

from euca.model.errors import InvalidParameter
from euca.model.machine import NetworkConfig, VmType
from euca.nc.files import (
    CHECKPOINT,
    instance_directory,
    thd_instance_directories,
    thd_make,
    thd_remove,
    thd_replace,
)
from euca.nc.instance import (
    Booting,
    Canceled,
    DeviceMapping,
    Instance,
    Phase,
    Prepared,
    Running,
    Shutoff,
    Source,
    Staging,
    Teardown,
    Wish,
)

log = Logger()

VERSION = 1
_PHASES: dict[str, Any] = {
    phase.__name__: phase
    for phase in (Staging, Prepared, Booting, Running, Canceled, Shutoff, Teardown)
}


class UnreadableCheckpoint(Exception):
    """A checkpoint is not one of ours."""


@frozen
class Loaded:
    """What was found on disk: our instances, and directories that cannot be understood."""

    instances: tuple[Instance, ...]
    foreign: tuple[Path, ...]


def encode(instance: Instance) -> bytes:
    """Return the checkpoint of an instance."""
    state = {
        "version": VERSION,
        "wish": asdict(instance.wish),
        "uuid": instance.uuid,
        "network": asdict(instance.network),
        "phase": {"name": type(instance.phase).__name__, **_lasting(instance.phase)},
    }
    return json.dumps(state, indent=1).encode() + b"\n"


def _lasting(phase: Phase) -> dict[str, Any]:
    # How a running guest is has to be seen anew after a restart.
    return {} if isinstance(phase, Running) else asdict(phase)


def decode(content: bytes) -> Instance:
    """Return the instance of a checkpoint; raises UnreadableCheckpoint."""
    try:
        state = json.loads(content)
        if state["version"] != VERSION:
            raise UnreadableCheckpoint(f"its version is {state['version']!r}")
        phase = dict(state["phase"])
        return Instance(
            wish=_wish(dict(state["wish"])),
            uuid=str(state["uuid"]),
            network=NetworkConfig(**state["network"]),
            phase=_PHASES[phase.pop("name")](**phase),
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UnreadableCheckpoint(f"it is not one of ours: {error!r}") from error


def _wish(state: dict[str, Any]) -> Wish:
    for name in ("image", "kernel", "ramdisk"):
        state[name] = None if state[name] is None else Source(**state[name])
    state["vm"] = VmType(**state["vm"])
    state["mappings"] = tuple(DeviceMapping(**mapping) for mapping in state["mappings"])
    state["groups"] = tuple(state["groups"])
    return Wish(**state)


def thd_save(root: Path, instance: Instance) -> None:
    """Write an instance's checkpoint, durably."""
    wish = instance.wish
    directory = instance_directory(root, wish.owner, wish.instance)
    thd_make(directory)
    thd_replace(directory / CHECKPOINT, encode(instance))


def thd_load(root: Path) -> Loaded:
    """Read every checkpoint, and remove the directories of instances that have none.

    A directory whose checkpoint cannot be read is left as it is: its guest may be running.
    """
    instances, foreign = [], []
    for directory in thd_instance_directories(root):
        try:
            content = (directory / CHECKPOINT).read_bytes()
        except FileNotFoundError:
            log.info("Removing what is left of {path}", path=str(directory))
            thd_remove(directory)
            continue
        try:
            instances.append(_belonging(directory, decode(content)))
        except (UnreadableCheckpoint, InvalidParameter) as error:
            log.warn("{path} is left alone: {error}", path=str(directory), error=error)
            foreign.append(directory)
    return Loaded(tuple(instances), tuple(foreign))


def _belonging(directory: Path, instance: Instance) -> Instance:
    if (instance.wish.owner, instance.identifier) != (directory.parent.name, directory.name):
        raise UnreadableCheckpoint(f"it is of {instance.wish.owner}'s {instance.identifier}")
    return instance
