"""What the loop does next: a pure function of what is recorded and what was found.

The limits and retries are those of Eucalyptus 2.0's node controller. While the hypervisor cannot
be asked, what its guests do is not known, and nothing is concluded from it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import assert_never

from attrs import frozen

from euca.hypervisor.interfaces import GuestState
from euca.model.machine import NO_ADDRESS
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

PERIOD = 5.0
"""Seconds between two rounds."""
STAGING_SECONDS = 7200.0
BOOTING_SECONDS = 60.0
TEARDOWN_SECONDS = 180.0
START_ATTEMPTS = 5
MISSING_SECONDS = 5 * PERIOD
"""A guest not found for so long is gone: the sixth round in a row without it."""

ALIVE = frozenset((GuestState.UNKNOWN, GuestState.RUNNING, GuestState.BLOCKED, GuestState.PAUSED))


@frozen
class View:
    """What a round knows; `guests` is None when the hypervisor did not answer.

    Guests are known by UUID, addresses by hardware address in lower case.
    """

    now: float
    instances: Sequence[Instance]
    guests: Mapping[str, GuestState] | None
    addresses: Mapping[str, str]


@frozen
class Prepare:
    """Fetch the images and make the disk."""

    instance: str


@frozen
class Start:
    """Have the hypervisor start the guest."""

    instance: str


@frozen
class Move:
    """Record that the instance went from one phase to another by itself."""

    instance: str
    before: Phase
    after: Phase


@frozen
class NoteAddress:
    """Record the address that the guest was found to have."""

    instance: str
    address: str


@frozen
class Stop:
    """End the guest of an instance that shall not run."""

    instance: str


@frozen
class CleanUp:
    """Remove the files of an instance that has no guest any more."""

    instance: str


@frozen
class Forget:
    """Forget an instance whose end was reported for long enough."""

    instance: str


Step = Prepare | Start | Move | NoteAddress | Stop | CleanUp | Forget


def steps(view: View) -> list[Step]:
    """Return the next step of each instance that has one."""
    found = (next_step(instance, view) for instance in view.instances)
    return [step for step in found if step is not None]


def next_step(instance: Instance, view: View) -> Step | None:
    """Return what to do next about an instance."""
    name, phase = instance.identifier, instance.phase
    match phase:
        case Staging() | Prepared():
            return _staging(instance, phase, view)
        case Booting():
            return _booting(instance, phase, view)
        case Running():
            return _running(instance, phase, view)
        case Canceled() | Shutoff():
            if view.guests is None:
                return None
            return Stop(name) if instance.uuid in view.guests else CleanUp(name)
        case Teardown():
            return Forget(name) if view.now - phase.since > TEARDOWN_SECONDS else None
        case _:
            assert_never(phase)


def _staging(instance: Instance, phase: Staging | Prepared, view: View) -> Step | None:
    name = instance.identifier
    if view.guests is not None and instance.uuid in view.guests:
        # The process died after the guest was started and before that was recorded.
        return Move(name, phase, Booting(view.now))
    if view.now - instance.wish.launched >= STAGING_SECONDS:
        return Move(name, phase, Canceled("it could not be prepared and started in time"))
    if isinstance(phase, Staging):
        return Prepare(name)
    if phase.attempts >= START_ATTEMPTS:
        return Move(name, phase, Canceled("the hypervisor refused to start it"))
    return None if view.guests is None else Start(name)


def _booting(instance: Instance, phase: Booting, view: View) -> Step | None:
    if view.guests is None:
        return None
    guest = view.guests.get(instance.uuid)
    if guest is not None:
        return Move(instance.identifier, phase, Running(guest))
    if view.now - phase.since >= BOOTING_SECONDS:
        return Move(instance.identifier, phase, Shutoff("its guest did not appear"))
    return None


def _running(instance: Instance, phase: Running, view: View) -> Step | None:
    after = _observed(instance, phase, view)
    if after != phase:
        return Move(instance.identifier, phase, after)
    network = instance.network
    found = view.addresses.get(network.mac.lower())
    if found is not None and NO_ADDRESS in (network.private_ip, network.public_ip):
        return NoteAddress(instance.identifier, found)
    return None


def _observed(instance: Instance, phase: Running, view: View) -> Phase:
    """Return the phase after this look at the hypervisor."""
    if view.guests is None:
        # The time during which it could not be asked does not count.
        return Running(phase.guest)
    guest = view.guests.get(instance.uuid)
    if guest is None:
        since = view.now if phase.missing_since is None else phase.missing_since
        if view.now - since >= MISSING_SECONDS:
            return Shutoff("its guest ended")
        return Running(phase.guest, since)
    if guest not in ALIVE:
        return Shutoff(f"its guest is {guest.name.lower()}")
    return Running(guest)
