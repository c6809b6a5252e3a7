"""What must be signed, and by whom: the security policies of 2.0 as data.

Three kinds of message are signed. *Cluster* messages (CLC to CC to NC and back) sign the
WS-Addressing headers and carry no Timestamp; 2.0 left the Body out, we sign it too and demand it.
*Internal* messages (CLC to Walrus and SC and back) sign a Timestamp and the Body. *User* messages
(SOAP clients to the CLC) sign the same with the certificate of a user, and are answered unsigned.

Every policy has a relaxed form for what original peers send.
"""

import enum
from collections.abc import Mapping
from typing import Protocol, runtime_checkable

from attrs import evolve, field, frozen

from euca.auth.keyring import Certificate, Identity
from euca.auth.wsse.names import RSA_SHA1, RSA_SHA256, SHA1, SHA256
from euca.auth.wsse.replay import MemoryReplays, Replays


class Part(enum.Enum):
    """Whether a part of the message must, may or must not be there and signed."""

    REQUIRED = "required"
    OPTIONAL = "optional"
    FORBIDDEN = "forbidden"


@frozen
class Policy:
    """Which parts of a message are signed, and with which algorithms."""

    name: str
    addressing: bool
    """Whether every WS-Addressing header must be signed."""
    body: Part
    timestamp: Part
    fresh_identifier: bool
    """Whether the signed MessageID must be a version 7 UUID inside the window, accepted once."""
    signatures: frozenset[str]
    digests: frozenset[str]
    prefix_lists: bool = False
    """Whether InclusiveNamespaces may stand in a transform; original peers never send it."""
    issuer_serial: bool = False
    """Whether the key may be named by issuer and serial number instead of a token."""
    replies_signed: bool = True
    replies_addressed: bool = False
    """Whether replies carry WS-Addressing headers."""
    security_first: bool = False
    """Whether wsse:Security stands before the addressing headers in what we send."""


CLUSTER = Policy(
    name="cluster",
    addressing=True,
    body=Part.REQUIRED,
    timestamp=Part.FORBIDDEN,
    fresh_identifier=True,
    signatures=frozenset({RSA_SHA1}),
    digests=frozenset({SHA1}),
    replies_addressed=True,
)
INTERNAL = Policy(
    name="internal",
    addressing=False,
    body=Part.REQUIRED,
    timestamp=Part.REQUIRED,
    fresh_identifier=False,
    signatures=frozenset({RSA_SHA1}),
    digests=frozenset({SHA1}),
    security_first=True,
)
USER = Policy(
    name="user",
    addressing=False,
    body=Part.REQUIRED,
    timestamp=Part.REQUIRED,
    fresh_identifier=False,
    signatures=frozenset({RSA_SHA1, RSA_SHA256}),
    digests=frozenset({SHA1, SHA256}),
    prefix_lists=True,
    issuer_serial=True,
    replies_signed=False,
    security_first=True,
)

_RELAXED: Mapping[str, Policy] = {
    CLUSTER.name: evolve(CLUSTER, body=Part.OPTIONAL, fresh_identifier=False),
    INTERNAL.name: INTERNAL,
    USER.name: evolve(USER, timestamp=Part.OPTIONAL),
}


class SecurityRefused(Exception):
    """A message is not what its policy demands, or not signed by whom it should be."""


@frozen
class Signer:
    """Somebody whose certificate is known here."""

    name: str
    certificate: Certificate


class Trust(Protocol):
    """Who may sign: finds the signer of a certificate."""

    async def find(self, der: bytes) -> Signer | None:
        """Return who owns exactly this certificate, None when it is a stranger's."""
        ...


@runtime_checkable
class IssuerTrust(Trust, Protocol):
    """A trust that also knows certificates by who issued them under which number."""

    async def find_issued(self, issuer: str, serial_number: int) -> Signer | None:
        """Return who owns the certificate of that issuer with that number."""
        ...


class Pinned:
    """Trusts a fixed few certificates, each compared byte for byte, as 2.0's components do."""

    def __init__(self, certificates: Mapping[str, Certificate]) -> None:
        self._signers = {
            certificate.der: Signer(name, certificate) for name, certificate in certificates.items()
        }

    async def find(self, der: bytes) -> Signer | None:
        """Return the signer pinned to this certificate."""
        return self._signers.get(der)

    async def find_issued(self, issuer: str, serial_number: int) -> Signer | None:
        """Return the signer pinned to the certificate of that issuer and number."""
        for signer in self._signers.values():
            if signer.certificate.issued_as(issuer, serial_number):
                return signer
        return None


@frozen
class Security:
    """How one service or client signs what it sends and judges what it receives.

    window and lifetime are seconds: how far the clocks may differ, and how long a Timestamp of
    ours is valid.
    """

    policy: Policy
    trust: Trust
    identity: Identity | None = None
    strict: bool = True
    replays: Replays = field(factory=MemoryReplays)
    window: float = 300.0
    lifetime: float = 300.0

    @property
    def rules(self) -> Policy:
        """The policy that requests are held against: the strict one, or its relaxed form."""
        return self.policy if self.strict else _RELAXED[self.policy.name]
