"""Finds the recorded exchanges of the original programs, where there are any.

EUCA_REFERENCE names the folder; the default is beside the checkout.
"""

import functools
import os
from pathlib import Path

from attrs import field, frozen

from euca.auth.keyring import Certificate, Identity
from euca.auth.wsse import CLUSTER, INTERNAL, Pinned, Policy
from euca.wire.contract import Contract

_BESIDE = Path(__file__).resolve().parents[3] / "shared" / "reference"
REFERENCE = Path(os.environ.get("EUCA_REFERENCE", _BESIDE))
CAPTURES = REFERENCE / "captures"
CONTRACTS = REFERENCE / "contracts"
ABSENT = (
    "" if CAPTURES.is_dir() else f"there are no recordings at {CAPTURES}; EUCA_REFERENCE names them"
)


@frozen
class Recording:
    """One recorded HTTP message."""

    path: Path
    reply: bool

    @property
    def name(self) -> str:
        """What a failing test calls it."""
        return f"{self.path.parent.name}/{self.path.name}"

    @property
    def head(self) -> bytes:
        """The request or status line and the HTTP headers."""
        return self.path.read_bytes().partition(b"\r\n\r\n")[0]

    @property
    def envelope(self) -> bytes:
        """The body of the HTTP message."""
        return self.path.read_bytes().partition(b"\r\n\r\n")[2]

    @property
    def policy(self) -> Policy:
        """The policy that it was signed by."""
        return INTERNAL if "internal" in self.path.name else CLUSTER

    @property
    def operation(self) -> str:
        """The operation, by the name of the file."""
        return self.path.name.split(".")[0].removesuffix("-2").split("-")[-1]

    @property
    def contract(self) -> str:
        """The name of the contract that it belongs to."""
        return "eucalyptus_nc" if self.path.name.startswith("nc-") else "eucalyptus_cc"


@frozen
class Keys:
    """The keys that the recordings were made with."""

    trust: Pinned = field(repr=False)
    cluster: Identity = field(repr=False)
    node: Identity = field(repr=False)


def recordings(*, reply: bool) -> list[Recording]:
    """Return the recorded requests, or the recorded replies."""
    plain = CAPTURES / ("responses" if reply else "requests")
    found = sorted(plain.glob("*.http"))
    java = sorted((CAPTURES / "java").glob("*.http"))
    found += [path for path in java if (".response." in path.name) == reply]
    return [Recording(path, reply) for path in found]


def cluster_recordings(*, reply: bool) -> list[Recording]:
    """Return the recordings between the controllers, whose bodies are authentic too."""
    return [found for found in recordings(reply=reply) if found.policy is CLUSTER]


@functools.cache
def keys() -> Keys:
    """Return the recordings' keys."""
    folder = CAPTURES / "keys"
    names = ("cloud", "cluster", "node")
    return Keys(
        trust=Pinned({name: Certificate.load(folder / f"{name}-cert.pem") for name in names}),
        cluster=Identity.load(folder / "cluster-cert.pem", folder / "cluster-pk.pem"),
        node=Identity.load(folder / "node-cert.pem", folder / "node-pk.pem"),
    )


@functools.cache
def contracts() -> dict[str, Contract]:
    """Return the contracts that recordings exist for."""
    return {name: Contract.load(name) for name in ("eucalyptus_nc", "eucalyptus_cc")}
