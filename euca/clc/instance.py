"""An instance as the cloud controller knows it: what was asked for, and how far it has come."""

from __future__ import annotations

from enum import Enum, unique

from attrs import field, frozen

from euca.model.machine import NO_ADDRESS, VmType


@unique
class State(Enum):
    """What a client sees of an instance's life, in its order."""

    PENDING = "pending"
    RUNNING = "running"
    SHUTTING_DOWN = "shutting-down"
    TERMINATED = "terminated"

    @property
    def code(self) -> int:
        """The number that EC2 gives to the state."""
        return _CODES[self]


_CODES = {
    State.PENDING: 0,
    State.RUNNING: 16,
    State.SHUTTING_DOWN: 32,
    State.TERMINATED: 48,
}


@unique
class Start(Enum):
    """How far the request to start an instance has come.

    `ASKED` is written before the cluster is called and stays when the answer is lost: only a
    report of the cluster tells then whether the instance was started there.
    """

    NEW = "new"
    ASKED = "asked"
    ACCEPTED = "accepted"
    REFUSED = "refused"
    ABSENT = "absent"


@frozen
class Reason:
    """Why an instance is in its state; `word` and `message` are those of Eucalyptus 2.0."""

    word: str
    message: str
    code: str
    detail: str = ""

    def __str__(self) -> str:
        """Return the text that DescribeInstances shows, in the form of Eucalyptus 2.0."""
        return f"{self.word}: {self.message} -- [{self.detail}]"


NORMAL = Reason("NORMAL", "", "")
USER_TERMINATED = Reason(
    "USER_TERMINATED", "User initiated terminate.", "Client.UserInitiatedShutdown"
)
STOPPED = Reason(
    "STOPPED",
    "The instance ended by itself, or on its node.",
    "Client.InstanceInitiatedShutdown",
)
FAILED = Reason("FAILED", "The instance failed to start on the NC.", "Server.InternalError")
REFUSED = Reason(
    "FAILED", "The cluster refused to start the instance.", "Server.InsufficientInstanceCapacity"
)
UNREACHED = Reason("FAILED", "The cluster could not be reached.", "Server.InternalError")


def expired(seconds: float) -> Reason:
    """Return the reason of an instance that its cluster has not reported for so long."""
    message = f"Instance expired after not being reported for {seconds * 1000:.0f} ms."
    return Reason("EXPIRED", message, "Server.InternalError")


@frozen
class Boot:
    """What an instance boots from; the URLs are those its node fetches the images from."""

    image_id: str
    image_url: str
    platform: str = "linux"
    kernel_id: str | None = None
    kernel_url: str | None = None
    ramdisk_id: str | None = None
    ramdisk_url: str | None = None


@frozen
class Instance:
    """An instance: the wish of its owner, and what is known of its fulfilment.

    Times are seconds since 1970. `alive` tells whether the cluster's last report had it pending
    or running; `told` whether the cluster has heard that it is to end. The last call to the cluster
    about it was at `called_at`; there is no other before `rests_until`.
    """

    identifier: str
    reservation: str
    owner: str
    launch_index: int
    cluster: str
    vm_type: VmType
    boot: Boot
    launched: float
    since: float
    key_name: str = ""
    key_text: str = ""
    user_data: str = field(default="", repr=False)
    correlation: str = ""
    private_ip: str = NO_ADDRESS
    public_ip: str = NO_ADDRESS
    state: State = State.PENDING
    reason: Reason = NORMAL
    start: Start = Start.NEW
    told: bool = False
    alive: bool = False
    missing_since: float | None = None
    called_at: float = 0.0
    rests_until: float = 0.0


@frozen
class Reservation:
    """The instances that one request asked for."""

    identifier: str
    owner: str
    groups: tuple[str, ...]
    instances: tuple[Instance, ...]


@unique
class Reported(Enum):
    """The state of an instance in a cluster's report, in the words of the wire."""

    PENDING = "Pending"
    EXTANT = "Extant"
    TEARDOWN = "Teardown"


@frozen
class Report:
    """What a cluster says of one instance."""

    identifier: str
    state: Reported
    private_ip: str = NO_ADDRESS
    public_ip: str = NO_ADDRESS


@frozen
class Capacity:
    """How many instances of a type a cluster can hold in all, and how many more now."""

    vm_type: str
    maximum: int
    available: int
