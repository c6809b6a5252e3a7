"""Who may do what: the canned access control lists of S3."""

from __future__ import annotations

from enum import Enum

from euca.walrus.callers import Caller
from euca.walrus.errors import WalrusError

ALL_USERS = "http://acs.amazonaws.com/groups/global/AllUsers"
AUTHENTICATED_USERS = "http://acs.amazonaws.com/groups/global/AuthenticatedUsers"
DEFAULT = "private"


class Permission(Enum):
    """What a grant allows."""

    READ = "READ"
    WRITE = "WRITE"
    READ_ACP = "READ_ACP"
    FULL_CONTROL = "FULL_CONTROL"


GRANTS: dict[str, tuple[tuple[str, Permission], ...]] = {
    "private": (),
    "public-read": ((ALL_USERS, Permission.READ),),
    "public-read-write": ((ALL_USERS, Permission.READ), (ALL_USERS, Permission.WRITE)),
    "authenticated-read": ((AUTHENTICATED_USERS, Permission.READ),),
    "aws-exec-read": (),  # images are read with the rights of the cloud
    "ec2-bundle-read": (),
    "bucket-owner-read": (),
    "bucket-owner-full-control": (),
}
"""What each canned list grants to groups, beside the owner's full control."""

_TO_BUCKET_OWNER = {
    "bucket-owner-read": {Permission.READ},
    "bucket-owner-full-control": set(Permission),
}


def canned(word: str | None) -> str:
    """Return the canned list that a request names, `private` by default; raises WalrusError."""
    if word is None:
        return DEFAULT
    if word not in GRANTS:
        raise WalrusError("InvalidArgument", f"There is no canned ACL {word!r}.")
    return word


def may(
    caller: Caller, permission: Permission, *, owner: str, acl: str, bucket_owner: str = ""
) -> bool:
    """Tell whether the caller has a permission on what `owner` has under the list `acl`."""
    if caller.administrator or (caller.name is not None and caller.name == owner):
        return True
    if caller.name is not None and caller.name == bucket_owner:
        if permission in _TO_BUCKET_OWNER.get(acl, set()):
            return True
    groups = {ALL_USERS} if caller.name is None else {ALL_USERS, AUTHENTICATED_USERS}
    return any(group in groups and granted is permission for group, granted in GRANTS[acl])
