"""WS-Security with X.509 tokens, as Eucalyptus 2.0 speaks it.

A sender writes parts in canonical form, digests them and signs the digests (`sign`). A receiver
first demands the one shape that the policy knows (`claim`), then finds the signer among those it
trusts, has xmlsec check the signature, and judges the time (`verify`). It acts on the one element
that `Verified` holds, and on nothing else of the message.
"""

from euca.auth.wsse.policy import (
    CLUSTER,
    INTERNAL,
    USER,
    IssuerTrust,
    Part,
    Pinned,
    Policy,
    Security,
    SecurityRefused,
    Signer,
    Trust,
)
from euca.auth.wsse.replay import FileReplays, MemoryReplays, Replays
from euca.auth.wsse.sign import Addressing, fault_envelope, signed_envelope, unsigned_envelope
from euca.auth.wsse.verify import Verified, verify_reply, verify_request

__all__ = [
    "CLUSTER",
    "INTERNAL",
    "USER",
    "Addressing",
    "FileReplays",
    "IssuerTrust",
    "MemoryReplays",
    "Part",
    "Pinned",
    "Policy",
    "Replays",
    "Security",
    "SecurityRefused",
    "Signer",
    "Trust",
    "Verified",
    "fault_envelope",
    "signed_envelope",
    "unsigned_envelope",
    "verify_reply",
    "verify_request",
]
