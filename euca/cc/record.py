"""How instances stand in the database: what is asked for by column, the rest as JSON; pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, assert_never

from attrs import asdict

from euca.cc.instance import (
    Description,
    DeviceMapping,
    Ending,
    Gone,
    Instance,
    Phase,
    Placed,
    Reported,
    Source,
    Started,
    State,
    Volume,
)
from euca.model.machine import NetworkConfig, VmType

# How many texts are kept as read: a text always means the same, and all are read every few seconds.
_REMEMBERED = 4096


def columns(instance: Instance) -> dict[str, Any]:
    """Return the values of an instance's row."""
    return {
        "identifier": instance.identifier,
        "node": instance.node,
        **_phase_columns(instance.phase),
        "placed_at": instance.placed_at,
        "seen_at": instance.seen_at,
        "correlation": instance.correlation,
        "network": json.dumps(asdict(instance.network)),
        "description": json.dumps(asdict(instance.description)),
        "ending": None if instance.ending is None else json.dumps(asdict(instance.ending)),
    }


def instance_of(row: Mapping[Any, Any]) -> Instance:
    """Return the instance that a row holds."""
    return Instance(
        identifier=row["identifier"],
        node=row["node"],
        phase=_phase_of(row),
        network=_network_of(row["network"]),
        description=_description_of(row["description"]),
        placed_at=row["placed_at"],
        seen_at=row["seen_at"],
        correlation=row["correlation"],
        ending=None if row["ending"] is None else Ending(**json.loads(row["ending"])),
    )


def _phase_columns(phase: Phase) -> dict[str, Any]:
    name, state, attempts, at = type(phase).__name__.lower(), "", 0, 0.0
    match phase:
        case Placed(attempts, at):
            pass
        case Started(at):
            pass
        case Reported(told):
            state = told.value
        case Gone():
            pass
        case _:
            assert_never(phase)
    return {"phase": name, "state": state, "attempts": attempts, "tried_at": at}


def _phase_of(row: Mapping[Any, Any]) -> Phase:
    match row["phase"]:
        case "placed":
            return Placed(row["attempts"], row["tried_at"])
        case "started":
            return Started(row["tried_at"])
        case "reported":
            return Reported(State(row["state"]))
        case "gone":
            return Gone()
        case other:
            raise ValueError(f"{row['identifier']} is recorded in a phase {other!r}")


@lru_cache(maxsize=_REMEMBERED)
def _network_of(text: str) -> NetworkConfig:
    return NetworkConfig(**json.loads(text))


@lru_cache(maxsize=_REMEMBERED)
def _description_of(text: str) -> Description:
    values = json.loads(text)
    made = {
        "image": Source(**values["image"]),
        "kernel": Source(**values["kernel"]),
        "ramdisk": Source(**values["ramdisk"]),
        "vm": VmType(**values["vm"]),
        "groups": tuple(values["groups"]),
        "mappings": tuple(DeviceMapping(**each) for each in values["mappings"]),
        "volumes": tuple(Volume(**each) for each in values["volumes"]),
    }
    return Description(**{**values, **made})
