"""Signed messages for the tests, their keys, and a way to run a coroutine that never waits."""

import itertools
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from typing import Any, TypeVar

from lxml import etree

from euca.auth.keyring import new_identity
from euca.auth.wsse import (
    CLUSTER,
    Addressing,
    Pinned,
    Policy,
    Security,
    Verified,
    signed_envelope,
    verify_request,
)
from euca.auth.wsse.names import SOAP_11, Soap
from euca.model.identifiers import uuid7

T = TypeVar("T")

NOW = 1_795_232_900.0
ALICE = new_identity("alice", datetime.fromtimestamp(NOW, UTC))
MALLORY = new_identity("mallory", datetime.fromtimestamp(NOW, UTC))
TRUST = Pinned({"alice": ALICE.certificate})
ACTION = "EucalyptusNC#ncTerminateInstance"
PAYLOAD = (
    '<n:ncTerminateInstance xmlns:n="http://eucalyptus.ucsb.edu/">'
    "<n:instanceId>i-11111111</n:instanceId></n:ncTerminateInstance>"
)

_serial = itertools.count(1)


def message_id(now: float = NOW) -> str:
    """Return a fresh MessageID made at `now`."""
    return f"urn:uuid:{uuid7(now, lambda n: next(_serial).to_bytes(n, 'big'))}"


def signed(
    policy: Policy = CLUSTER,
    payload: str = PAYLOAD,
    *,
    now: float = NOW,
    identifier: str | None = None,
    identity: Any = ALICE,
    soap: Soap = SOAP_11,
) -> bytes:
    """Return a signed request."""
    headers = (
        Addressing("To", "http://node:8775/axis2/services/EucalyptusNC"),
        Addressing("Action", ACTION),
        Addressing("MessageID", message_id(now) if identifier is None else identifier),
    )
    return signed_envelope(
        policy,
        identity,
        headers,
        payload,
        now=now,
        lifetime=300.0,
        new_id=lambda: f"part-{next(_serial)}",
        soap=soap,
    )


def security(policy: Policy = CLUSTER, *, strict: bool = True, **more: Any) -> Security:
    """Return what a receiver that trusts Alice uses."""
    return Security(policy, TRUST, strict=strict, **more)


def verified(raw: bytes, held: Security | None = None, now: float = NOW) -> Verified:
    """Verify a request, at once."""
    return at_once(verify_request(etree.fromstring(raw), held or security(), now))


def at_once(coroutine: Coroutine[Any, Any, T]) -> T:
    """Return the result of a coroutine that never waits."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        result: T = end.value
        return result
    raise AssertionError("the coroutine waits")


def edited(raw: bytes, edit: Callable[[etree._Element], Any]) -> bytes:
    """Return a message after an edit of its tree."""
    root = etree.fromstring(raw)
    edit(root)
    return etree.tostring(root)
