"""The facts that stop an operation; each one's message is the sentence shown to the user."""

from __future__ import annotations


class CloudError(Exception):
    """An operation was refused for a reason that its caller may know."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class InvalidParameter(CloudError):
    """A value given is not one that the operation takes."""


class MissingParameter(CloudError):
    """A value that the operation needs was not given."""


class UnknownParameter(CloudError):
    """A parameter was given that the operation does not have."""


class InvalidAction(CloudError):
    """There is no operation of that name."""


class Unsupported(CloudError):
    """The operation, or a part of it asked for, is not available in this cloud."""


class NotAuthenticated(CloudError):
    """Who sent the request could not be established."""


class SignatureMismatch(NotAuthenticated):
    """The signature of a request is not one that the secret of its access key makes."""


class RequestExpired(NotAuthenticated):
    """The time of a signed request is too far from now."""


class NotPermitted(CloudError):
    """The caller is known, and may not do this."""


class UnknownInstance(CloudError):
    """There is no such instance, or the caller may not see it."""


class UnknownReservation(CloudError):
    """There is no such reservation."""


class UnknownImage(CloudError):
    """There is no such image, or the caller may not use it."""


class InvalidImage(CloudError):
    """The image's manifest is missing, damaged, or not signed by its owner."""


class UnknownKeyPair(CloudError):
    """The caller has no key pair of that name."""


class KeyPairExists(CloudError):
    """The caller has a key pair of that name already."""


class UnknownVmType(CloudError):
    """There is no instance type of that name."""


class UnknownGroup(CloudError):
    """The caller has no security group of that name."""


class UnknownZone(CloudError):
    """There is no availability zone of that name."""


class UnknownVolume(CloudError):
    """There is no such volume."""


class VolumeExists(CloudError):
    """There is a volume of that identifier already."""


class VolumeLimitExceeded(CloudError):
    """The volume is larger than one may be, or than what is left for all together."""


class NoCapacity(CloudError):
    """There is not enough room left for what was asked."""


class IncorrectState(CloudError):
    """The thing named is not in a state in which this can be done."""


class InstanceNotRunning(IncorrectState):
    """The instance is not running."""


class Unavailable(CloudError):
    """A component that the operation needs does not answer."""
