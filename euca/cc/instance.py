"""An instance as its cluster knows it, and its life there.

    Placed ---> Started ---> Reported(Pending | Extant | Teardown) ---> forgotten
       |           |            |
       +-----------+------------+--- once it is to end: ---> Gone ---> forgotten

`Placed` has a node chosen, which may not know of it; `Started` was accepted by the node;
`Reported` was seen in a poll. An instance that is to end is `Gone` when the node was asked and
does not know it. Times are seconds since 1970.
"""

from __future__ import annotations

from enum import Enum
from typing import assert_never

from attrs import evolve, field, frozen

from euca.model.machine import NO_ADDRESS, NetworkConfig, VmType

SETTLED = 120.0
"""Seconds after which a call to start an instance cannot reach its node any more."""


class State(Enum):
    """The states of an instance on the wire."""

    PENDING = "Pending"
    EXTANT = "Extant"
    TEARDOWN = "Teardown"


@frozen
class Placed:
    """A node is chosen; `attempts` calls were made to start it there, the last at `tried_at`."""

    attempts: int = 0
    tried_at: float = 0.0


@frozen
class Started:
    """The node has accepted it at that time."""

    at: float


@frozen
class Reported:
    """The node has it, in that state."""

    state: State


@frozen
class Gone:
    """It was to end, and the node does not have it."""


Phase = Placed | Started | Reported | Gone


@frozen
class Ending:
    """Somebody wants it to end; the node was told so `attempts` times, the last at `tried_at`."""

    user: str
    correlation: str
    attempts: int = 0
    tried_at: float = 0.0


@frozen
class Source:
    """An image, a kernel or a ramdisk: its identifier and its URL, which nodes never report."""

    identifier: str = ""
    url: str = ""


@frozen
class DeviceMapping:
    """A partition of the instance's disk; carried along, not acted on."""

    device: str
    virtual: str
    size: int
    format: str


@frozen
class Volume:
    """A volume that the node says is attached."""

    identifier: str
    remote: str
    local: str
    state: str


@frozen
class Description:
    """What an instance is: as it was asked for, then as its node tells it.

    `key` is the whole text of the public key, `user_data` what the wire carries, which may hold
    what is nobody else's business.
    """

    reservation: str
    owner: str
    image: Source
    kernel: Source
    ramdisk: Source
    vm: VmType
    launched: float
    key: str = ""
    user_data: str = field(default="", repr=False)
    launch_index: str = ""
    platform: str = ""
    bundle_state: str = ""
    groups: tuple[str, ...] = ()
    mappings: tuple[DeviceMapping, ...] = ()
    volumes: tuple[Volume, ...] = ()


@frozen
class Instance:
    """An instance in the records; `node` is its node's tag, `seen_at` when it was last there."""

    identifier: str
    node: str
    phase: Phase
    network: NetworkConfig
    description: Description
    placed_at: float
    seen_at: float
    correlation: str = ""
    ending: Ending | None = None

    @property
    def state(self) -> State:
        """Its state on the wire; one that ends before its node told of it is in Teardown."""
        match self.phase:
            case Reported(state):
                return state
            case Gone():
                return State.TEARDOWN
            case Placed() | Started():
                return State.PENDING if self.ending is None else State.TEARDOWN
            case _:
                assert_never(self.phase)

    @property
    def reserves(self) -> bool:
        """Whether it may need room on its node that the node's figures do not show yet."""
        return isinstance(self.phase, Placed | Started)

    @property
    def ended(self) -> bool:
        """Whether nothing is left of it but the record."""
        return self.phase in (Gone(), Reported(State.TEARDOWN))


@frozen
class Report:
    """An instance as a node tells it."""

    identifier: str
    state: State
    network: NetworkConfig
    description: Description


# What happens to an instance


def tried(instance: Instance, now: float) -> Instance:
    """Return a placed instance that its node is now told to start."""
    assert isinstance(instance.phase, Placed), instance.phase
    return evolve(instance, phase=Placed(instance.phase.attempts + 1, now))


def accepted(instance: Instance, now: float) -> Instance:
    """Return the instance after its node has taken it; a poll may have been faster."""
    if isinstance(instance.phase, Placed):
        return evolve(instance, phase=Started(now), seen_at=now)
    return instance


def to_end(instance: Instance, user: str, correlation: str, now: float) -> Instance:
    """Return the instance as one that is to end; its node is told at once, even if once more."""
    ending = Ending(user, correlation)
    if instance.phase == Placed():  # no node was ever told of it
        return evolve(instance, ending=ending, phase=Gone(), seen_at=now)
    if isinstance(instance.phase, Placed):
        return evolve(instance, ending=ending, seen_at=now)
    return evolve(instance, ending=ending)


def told(instance: Instance, now: float) -> Instance:
    """Return an instance whose node is now told to end it."""
    assert instance.ending is not None
    again = instance.ending.attempts + 1
    return evolve(instance, ending=evolve(instance.ending, attempts=again, tried_at=now))


def merged(known: Instance, report: Report, now: float) -> Instance:
    """Return a known instance as its node tells it, with the addresses that are known already."""
    before, description = known.description, report.description
    network = evolve(
        report.network,
        private_ip=_known(report.network.private_ip, known.network.private_ip),
        public_ip=_known(report.network.public_ip, known.network.public_ip),
    )
    description = evolve(
        description,
        image=evolve(description.image, url=before.image.url),
        kernel=evolve(description.kernel, url=before.kernel.url),
        ramdisk=evolve(description.ramdisk, url=before.ramdisk.url),
    )
    return evolve(
        known,
        phase=Reported(report.state),
        network=network,
        description=description,
        seen_at=now,
    )


def _known(address: str, before: str) -> str:
    return before if address in ("", NO_ADDRESS) else address


def adopted(report: Report, node: str, now: float) -> Instance:
    """Return the instance that a node tells of and that was not in the records."""
    return Instance(
        identifier=report.identifier,
        node=node,
        phase=Reported(report.state),
        network=report.network,
        description=report.description,
        placed_at=now,
        seen_at=now,
    )


def unreported(instance: Instance, began: float) -> Instance:
    """Return an instance that its node did not name in a poll that began at that time."""
    if instance.ending is None:
        return instance
    match instance.phase:
        case Placed(tried_at=tried_at):
            gone = began >= tried_at + SETTLED
        case Started(at):
            gone = began > at
        case Reported():
            gone = True
        case Gone():
            gone = False
        case _:
            assert_never(instance.phase)
    return evolve(instance, phase=Gone()) if gone else instance


def found(instance: Instance, address: str) -> Instance:
    """Return the instance seen on the network under an address; what is known already stays."""
    network = evolve(
        instance.network,
        private_ip=_known(instance.network.private_ip, address),
        public_ip=_known(instance.network.public_ip, address),
    )
    return evolve(instance, network=network)


def lacks_address(instance: Instance) -> bool:
    """Tell whether a running instance has an address that is not known."""
    addresses = (instance.network.private_ip, instance.network.public_ip)
    return instance.phase == Reported(State.EXTANT) and NO_ADDRESS in addresses
