"""An instance on its node: what was asked for, and the phase that it is in.

The phases are those of Eucalyptus 2.0's node controller. It reports only three words for them:
`Pending` until the guest runs, `Extant` from then on, and `Teardown` when the instance holds
nothing any more. An instance that ends before its guest ran goes from `Pending` to `Teardown`.
"""

from __future__ import annotations

from typing import assert_never

from attrs import field, frozen

from euca.hypervisor.interfaces import GuestState
from euca.model.machine import NetworkConfig, VmType

ADMINISTRATOR = "eucalyptus"
"""The user by whose name the components of a cloud speak; it sees every instance."""


@frozen
class DeviceMapping:
    """A partition as the user's image describes it; carried along, not acted on."""

    device: str
    virtual: str
    size: int
    format: str


@frozen
class Source:
    """An image: its identifier, and the URL of its manifest at Walrus."""

    identifier: str
    url: str


@frozen
class Wish:
    """What the cluster controller asked for; it never changes.

    `launched` is in seconds since 1970, `correlation` names the request in the logs.
    """

    instance: str
    reservation: str
    owner: str
    image: Source
    kernel: Source | None
    ramdisk: Source | None
    vm: VmType
    mappings: tuple[DeviceMapping, ...]
    key: str = field(repr=False)
    user_data: str = field(repr=False)
    launch_index: str
    platform: str
    groups: tuple[str, ...]
    launched: float
    correlation: str


@frozen
class Staging:
    """Its files are being prepared."""


@frozen
class Prepared:
    """Its files are complete; the hypervisor refused to start it so many times."""

    attempts: int = 0


@frozen
class Booting:
    """The hypervisor was told to start its guest, and has not listed it yet."""

    since: float


@frozen
class Running:
    """Its guest runs, or was not found since some time."""

    guest: GuestState = GuestState.RUNNING
    missing_since: float | None = None


@frozen
class Canceled:
    """It ends before its guest was seen."""

    reason: str


@frozen
class Shutoff:
    """It ends after its guest was seen."""

    reason: str


@frozen
class Teardown:
    """It has ended, and holds nothing; kept for a while so that its end is seen."""

    since: float
    reason: str


Phase = Staging | Prepared | Booting | Running | Canceled | Shutoff | Teardown


@frozen
class Instance:
    """An instance: the wish, its guest's UUID, its network, and its phase."""

    wish: Wish
    uuid: str
    network: NetworkConfig
    phase: Phase

    @property
    def identifier(self) -> str:
        """The identifier that every component knows it by."""
        return self.wish.instance


PENDING, EXTANT, TEARDOWN = ("Pending", 12), ("Extant", 13), ("Teardown", 14)


def reported(phase: Phase) -> tuple[str, int]:
    """Return the word and the code of a phase, as other components know them."""
    match phase:
        case Staging() | Prepared() | Booting() | Canceled():
            return PENDING
        case Running() | Shutoff():
            return EXTANT
        case Teardown():
            return TEARDOWN
        case _:
            assert_never(phase)


def terminated(phase: Phase, reason: str) -> Phase:
    """Return the phase in which an instance is when it was told to end."""
    match phase:
        case Staging() | Prepared():
            return Canceled(reason)
        case Booting() | Running():
            return Shutoff(reason)
        case Canceled() | Shutoff() | Teardown():
            return phase
        case _:
            assert_never(phase)
