"""Proves who signed an envelope, and returns the one element that may be acted on.

xmlsec works on lxml's tree without Python's lock, so a tree must be judged in the thread that
parsed it: here, or in another that is given as `place`. Only the element returned may be
dispatched; the envelope around it is of no further interest.
"""

import functools
import uuid
from datetime import UTC, datetime

import xmlsec
from attrs import frozen
from lxml import etree

from euca.auth.keyring import Certificate
from euca.auth.wsse.claim import Claim, Issued, examine
from euca.auth.wsse.names import WSU, WSU_ID
from euca.auth.wsse.policy import IssuerTrust, Policy, Security, SecurityRefused, Signer, Trust
from euca.model.identifiers import uuid7_time
from euca.threads import Immediate, Offload

_REQUEST_HEADERS = frozenset({"To", "Action", "MessageID"})
_REPLY_HEADERS = frozenset({"Action", "MessageID", "RelatesTo"})
_URN = "urn:uuid:"
_HERE = Immediate()


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


async def verify_request(
    root: etree._Element, security: Security, now: float, place: Offload = _HERE
) -> Verified:
    """Judge a request at `now`, seconds since 1970; raises SecurityRefused.

    `place` runs functions in the thread that parsed it.
    """
    rules = security.rules
    claim, signer = await _proven(root, security, _REQUEST_HEADERS, place)
    _in_time(claim, rules, security, signer, now)
    return _verified(claim, signer)


async def verify_reply(
    root: etree._Element,
    security: Security,
    now: float,
    message_id: str,
    place: Offload = _HERE,
) -> Verified:
    """Judge the reply to our message `message_id`, like a request.

    What relates to a random identifier of ours needs no other proof of freshness.
    """
    claim, signer = await _proven(root, security, _REPLY_HEADERS, place)
    if security.rules.addressing and claim.headers["RelatesTo"] != message_id:
        raise SecurityRefused("the reply is to another message")
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


async def _proven(
    root: etree._Element, security: Security, required: frozenset[str], place: Offload
) -> tuple[Claim, Signer]:
    claim = await place.run(examine, root, security.rules, required)
    signer = await _trusted(claim.certificate, security.trust)
    await place.run(_hold, claim, signer.certificate)
    return claim, signer


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
