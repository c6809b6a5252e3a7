"""What callers ask of the cloud controller, and who they are: frozen values, free of any wire."""

from __future__ import annotations

from attrs import field, frozen

from euca.store.accounts import Account


@frozen
class Caller:
    """Who asks: the account whose signature was checked, and the id of the request."""

    account: Account
    request_id: str

    @property
    def name(self) -> str:
        """The account's name."""
        return self.account.name

    @property
    def administrator(self) -> bool:
        """Whether the caller may see and touch everyone's things."""
        return self.account.administrator

    @property
    def scope(self) -> str | None:
        """The owner whose things the caller sees: None for everyone's."""
        return None if self.administrator else self.name

    def owns(self, owner: str) -> bool:
        """Tell whether the caller may touch what belongs to `owner`."""
        return self.administrator or owner == self.name


@frozen
class DescribeAvailabilityZones:
    """List zones, by name if any are given."""

    names: tuple[str, ...] = ()


@frozen
class DescribeRegions:
    """List regions, by name if any are given."""

    names: tuple[str, ...] = ()


@frozen
class RegisterImage:
    """Make the bundle at `location` an image."""

    location: str | None = None
    name: str | None = None
    description: str | None = None
    architecture: str | None = None
    kernel_id: str | None = None
    ramdisk_id: str | None = None


@frozen
class DescribeImages:
    """List images by identifier, owner and who may run them."""

    identifiers: tuple[str, ...] = ()
    owners: tuple[str, ...] = ()
    executable_by: tuple[str, ...] = ()


@frozen
class DeregisterImage:
    """Forget an image."""

    identifier: str


@frozen
class CreateKeyPair:
    """Make a key pair of that name."""

    name: str


@frozen
class DescribeKeyPairs:
    """List key pairs, by name if any are given."""

    names: tuple[str, ...] = ()


@frozen
class DeleteKeyPair:
    """Forget the key pair of that name."""

    name: str


@frozen
class RunInstances:
    """Start at least `least` and at most `most` instances of an image.

    `user_data` is base64.
    """

    image_id: str
    least: int = 1
    most: int = 1
    key_name: str | None = None
    groups: tuple[str, ...] = ()
    user_data: str | None = field(default=None, repr=False)
    vm_type: str | None = None
    zone: str | None = None
    kernel_id: str | None = None
    ramdisk_id: str | None = None
    client_token: str | None = None


@frozen
class DescribeInstances:
    """List instances, by identifier if any are given."""

    identifiers: tuple[str, ...] = ()


@frozen
class TerminateInstances:
    """End instances."""

    identifiers: tuple[str, ...]


@frozen
class GetConsoleOutput:
    """Read what an instance wrote to its console."""

    identifier: str
