"""Proves who signed an envelope, and returns the one element that may be acted on.

The lxml tree must have been parsed on the thread that calls: xmlsec works on the very same tree
without Python's lock. So what leaves for another thread leaves as bytes and is parsed there anew
(`Elsewhere`): a long list costs less so than making the reactor wait, and of a stranger's message
nothing stays behind. Only the element returned may be dispatched; the envelope around it is of no
further interest.
"""

import functools
import uuid
from collections.abc import Callable
from datetime import UTC, datetime

import xmlsec
from attrs import field, frozen
from lxml import etree

from euca.auth.keyring import Certificate
from euca.auth.wsse.claim import Claim, Issued, examine
from euca.auth.wsse.names import WSU, WSU_ID
from euca.auth.wsse.policy import IssuerTrust, Policy, Security, SecurityRefused, Signer, Trust
from euca.model.identifiers import uuid7_time
from euca.threads import Offload

_REQUEST_HEADERS = frozenset({"To", "Action", "MessageID"})
_REPLY_HEADERS = frozenset({"Action", "MessageID", "RelatesTo"})
_URN = "urn:uuid:"


@frozen
class Verified:
    """A message whose signature holds."""

    signer: Signer
    body: etree._Element
    """The one element inside the Body."""
    message_id: str
    """Text of wsa:MessageID, empty when there is none."""
    to: str
    """Text of wsa:To, empty when there is none."""
    action: str
    """Text of wsa:Action, empty when there is none."""
    signed: tuple[str, ...]
    """Local names of the parts that the signature covers."""


@frozen
class Elsewhere:
    """Other threads for judging a message, given as its bytes; `parse` makes a tree of them."""

    raw: bytes = field(repr=False)
    parse: Callable[[bytes], etree._Element]
    threads: Offload


async def prove_request(elsewhere: Elsewhere, security: Security) -> Signer:
    """Return who signed a request, judged from its bytes without a tree of it in this thread.

    Raises SecurityRefused, and what `parse` raises. Whether it comes in time, and for the first
    time, is left to `verify_request`.
    """
    return await _proven_elsewhere(elsewhere, security, _REQUEST_HEADERS)


async def prove_reply(elsewhere: Elsewhere, security: Security) -> Signer:
    """Return who signed a reply, in the way of `prove_request`."""
    return await _proven_elsewhere(elsewhere, security, _REPLY_HEADERS)


async def verify_request(
    root: etree._Element, security: Security, now: float, proven: Signer | None = None
) -> Verified:
    """Judge a request at `now`, seconds since 1970; raises SecurityRefused.

    `proven` is what `prove_request` found of the very same bytes, if it was asked.
    """
    rules = security.rules
    claim = examine(root, rules, _REQUEST_HEADERS)
    signer = proven or await _proven(claim, security)
    _in_time(claim, rules, security, signer, now)
    return _verified(claim, signer)


async def verify_reply(
    root: etree._Element,
    security: Security,
    now: float,
    message_id: str,
    proven: Signer | None = None,
) -> Verified:
    """Judge the reply to our message `message_id`; raises SecurityRefused.

    What relates to a random identifier of ours needs no other proof of freshness. `proven` is
    what `prove_reply` found of the very same bytes, if it was asked.
    """
    rules = security.rules
    claim = examine(root, rules, _REPLY_HEADERS)
    if rules.addressing and claim.headers["RelatesTo"] != message_id:
        raise SecurityRefused("the reply is to another message")
    signer = proven or await _proven(claim, security)
    if claim.timestamp is not None:
        _timely(claim, claim.timestamp, security, now)
    return _verified(claim, signer)


def _verified(claim: Claim, signer: Signer) -> Verified:
    if len(claim.body) != 1:
        raise SecurityRefused("the Body must hold exactly one element")
    return Verified(
        signer=signer,
        body=claim.body[0],
        message_id=claim.headers.get("MessageID", ""),
        to=claim.headers.get("To", ""),
        action=claim.headers.get("Action", ""),
        signed=claim.signed,
    )


async def _proven(claim: Claim, security: Security) -> Signer:
    signer = await _trusted(claim.certificate, security.trust)
    _hold(claim, signer.certificate)
    return signer


async def _proven_elsewhere(
    elsewhere: Elsewhere, security: Security, required: frozenset[str]
) -> Signer:
    run, rules = elsewhere.threads.run, security.rules
    certificate = await run(_thd_certificate, elsewhere, rules, required)
    signer = await _trusted(certificate, security.trust)
    await run(_thd_hold, elsewhere, rules, required, signer.certificate)
    return signer


async def _trusted(certificate: bytes | Issued, trust: Trust) -> Signer:
    signer = await _signer(certificate, trust)
    if signer is None:
        raise SecurityRefused("the certificate is not one that is trusted here")
    return signer


async def _signer(certificate: bytes | Issued, trust: Trust) -> Signer | None:
    """Return whom the trust finds, if the certificate found is the one that was meant."""
    if not isinstance(certificate, Issued):
        signer = await trust.find(certificate)
        return signer if signer and signer.certificate.der == certificate else None
    if not isinstance(trust, IssuerTrust):
        return None
    meant = (certificate.issuer, certificate.serial_number)
    signer = await trust.find_issued(*meant)
    return signer if signer and signer.certificate.issued_as(*meant) else None


def _thd_certificate(
    elsewhere: Elsewhere, rules: Policy, required: frozenset[str]
) -> bytes | Issued:
    """Return the certificate that a message names, if its shape is the one."""
    return examine(elsewhere.parse(elsewhere.raw), rules, required).certificate


def _thd_hold(
    elsewhere: Elsewhere, rules: Policy, required: frozenset[str], certificate: Certificate
) -> None:
    """Do what `_hold` does from the bytes; the same bytes make the same claim."""
    _hold(examine(elsewhere.parse(elsewhere.raw), rules, required), certificate)


def _hold(claim: Claim, certificate: Certificate) -> None:
    """Have xmlsec check digests and signature; raises SecurityRefused."""
    context = xmlsec.SignatureContext()
    for element, attribute in claim.references:
        if attribute == WSU_ID:
            context.register_id(element, "Id", WSU)
        else:
            context.register_id(element, "Id")
    context.key = _key(certificate)
    try:
        context.verify(claim.signature)
    except xmlsec.Error as error:
        raise SecurityRefused("the signature does not hold") from error


@functools.lru_cache(maxsize=256)
def _key(certificate: Certificate) -> xmlsec.Key:
    # Of the bare public key xmlsec makes its copy for each message hundreds of times faster than
    # of a certificate.
    return xmlsec.Key.from_memory(certificate.public_key_pem, xmlsec.constants.KeyDataFormatPem)


def _in_time(claim: Claim, rules: Policy, security: Security, signer: Signer, now: float) -> None:
    """Refuse what is old, of the future, or was accepted before."""
    if claim.timestamp is not None:
        _timely(claim, claim.timestamp, security, now)
    if not rules.addressing:
        return
    identifier = claim.headers["MessageID"]
    made = _made(identifier)
    if rules.fresh_identifier:
        if made is None:
            raise SecurityRefused("the MessageID is no urn:uuid: of version 7")
        if abs(now - made) > security.window:
            raise SecurityRefused(
                f"the MessageID was made {_apart(now - made)} by our clock; "
                f"{security.window:.0f} seconds are allowed"
            )
    until = max(made or now, now) + security.window
    if not security.replays.first_time(f"{signer.name} {identifier}", now, until):
        raise SecurityRefused("the message was accepted before")


def _timely(claim: Claim, instants: tuple[str, str], security: Security, now: float) -> None:
    created, expires = (_seconds(text) for text in instants)
    if created - now > security.window:
        raise SecurityRefused(f"the Timestamp was created {_apart(now - created)} by our clock")
    if expires <= now:
        raise SecurityRefused(f"the Timestamp expired {_apart(now - expires)} by our clock")
    if now - created > security.window + security.lifetime:
        raise SecurityRefused(f"the Timestamp was created {_apart(now - created)} by our clock")
    until = created + security.window + security.lifetime
    if not security.replays.first_time(claim.signature_value.hex(), now, until):
        raise SecurityRefused("the message was accepted before")


def _apart(seconds: float) -> str:
    return f"{abs(seconds):.0f} seconds {'ago' if seconds >= 0 else 'in the future'}"


def _made(identifier: str) -> float | None:
    if not identifier.startswith(_URN):
        return None
    try:
        return uuid7_time(uuid.UUID(identifier[len(_URN) :]))
    except ValueError:
        return None


def _seconds(text: str) -> float:
    try:
        at = datetime.fromisoformat(text.strip())
    except ValueError as error:
        raise SecurityRefused("the Timestamp holds no times") from error
    return (at.replace(tzinfo=UTC) if at.tzinfo is None else at).timestamp()
