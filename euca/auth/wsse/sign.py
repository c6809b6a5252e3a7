"""Makes the envelope of an outgoing message, signed or not, in the form of 2.0's C components.

Every part is written directly in exclusive canonical form, so nothing is parsed, and what is
digested is what is sent: only declarations that the envelope around a part has made already are
left out on the wire. One RSA operation is the whole cost. The parts are ours and known, so there
is no attacker here and no need for a general XML signature library; xmlsec verifies.

The form, measured on the original: no XML declaration, no white space between elements, a
BinarySecurityToken and then the Signature, exclusive canonicalisation without prefix lists,
SHA-1 digests and RSA-SHA1. The payload must be in exclusive canonical form and must not use the
prefixes soapenv, wsa, wsu, wsse and ds.
"""

import base64
import hashlib
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from attrs import frozen

from euca.auth.keyring import Identity
from euca.auth.wsse.names import (
    BASE64,
    DS,
    EXCLUSIVE,
    RSA_SHA1,
    SHA1,
    SOAP_11,
    WSA,
    WSSE,
    WSU,
    X509_V3,
    Soap,
)
from euca.auth.wsse.policy import Part, Policy

_XMLNS_WSA = f' xmlns:wsa="{WSA}"'
_XMLNS_WSU = f' xmlns:wsu="{WSU}"'
_XMLNS_DS = f' xmlns:ds="{DS}"'

_REFERENCE = (
    '<ds:Reference URI="#{id}"><ds:Transforms>'
    f'<ds:Transform Algorithm="{EXCLUSIVE}"></ds:Transform></ds:Transforms>'
    f'<ds:DigestMethod Algorithm="{SHA1}"></ds:DigestMethod>'
    "<ds:DigestValue>{digest}</ds:DigestValue></ds:Reference>"
)
_SIGNED_INFO_HEAD = (
    f'<ds:CanonicalizationMethod Algorithm="{EXCLUSIVE}"></ds:CanonicalizationMethod>'
    f'<ds:SignatureMethod Algorithm="{RSA_SHA1}"></ds:SignatureMethod>'
)


@frozen
class Addressing:
    """One WS-Addressing header: its local name, and content and attributes as canonical text."""

    name: str
    content: str
    attributes: str = ""


@frozen
class _Signed:
    """A part as it stands on the wire, and the reference to it in SignedInfo."""

    wire: str
    reference: str


def unsigned_envelope(headers: Sequence[Addressing], payload: str, soap: Soap = SOAP_11) -> bytes:
    """Return an envelope around canonical header and payload texts."""
    blocks = "".join(f"<wsa:{h.name}{h.attributes}>{h.content}</wsa:{h.name}>" for h in headers)
    declared = _XMLNS_WSA if headers else ""
    body = f"<soapenv:Body>{payload}</soapenv:Body>"
    return _envelope(f"<soapenv:Header{declared}>{blocks}</soapenv:Header>", body, soap)


def fault_envelope(code: str, text: str, soap: Soap = SOAP_11) -> bytes:
    """Return the envelope of a fault: unsigned, with the empty Header that 2.0's CLC looks for.

    Both texts must be escaped already; the code is one of SOAP 1.1. SOAP 1.2 has but two of ours,
    and what stands behind them there stands below them here.
    """
    content = (
        f"<faultcode>{code}</faultcode><faultstring>{text}</faultstring><detail></detail>"
        if soap is SOAP_11
        else _code_and_reason(code, text)
    )
    body = f"<soapenv:Body><soapenv:Fault>{content}</soapenv:Fault></soapenv:Body>"
    return _envelope("<soapenv:Header></soapenv:Header>", body, soap)


def _code_and_reason(code: str, text: str) -> str:
    side, _, more = code.removeprefix("soapenv:").partition(".")
    value = "soapenv:Sender" if side == "Client" else "soapenv:Receiver"
    below = f"<soapenv:Subcode><soapenv:Value>{more}</soapenv:Value></soapenv:Subcode>"
    return (
        f"<soapenv:Code><soapenv:Value>{value}</soapenv:Value>{below if more else ''}"
        f'</soapenv:Code><soapenv:Reason><soapenv:Text xml:lang="en">{text}</soapenv:Text>'
        "</soapenv:Reason>"
    )


def signed_envelope(
    policy: Policy,
    identity: Identity,
    headers: Sequence[Addressing],
    payload: str,
    *,
    now: float,
    lifetime: float,
    new_id: Callable[[], str],
    soap: Soap = SOAP_11,
) -> bytes:
    """Return an envelope signed as the policy says; now and lifetime are seconds.

    new_id gives what makes the identifiers of this message's parts unlike those of any other.
    """
    serial = new_id()
    addressed = [
        _addressing(header, f"SigID-{serial}-{number}") if policy.addressing else _plain(header)
        for number, header in enumerate(headers)
    ]
    body_id = f"SigID-{serial}-body"
    body = _part(
        f'<soapenv:Body{{}}{_XMLNS_WSU} wsu:Id="{body_id}">{{}}</soapenv:Body>',
        _declaration(soap),
        payload,
        body_id,
    )
    stamp = _timestamp(now, lifetime, serial) if policy.timestamp is Part.REQUIRED else None
    parts = [part for part in (*addressed, stamp, body) if part is not None and part.reference]
    security = _security(
        identity,
        serial,
        stamp,
        "".join(part.reference for part in parts),
        must_understand=not policy.security_first,
    )
    blocks = "".join(part.wire for part in addressed)
    content = security + blocks if policy.security_first else blocks + security
    declared = _XMLNS_WSA if headers else ""
    header = f"<soapenv:Header{declared}>{content}</soapenv:Header>"
    return _envelope(header, body.wire, soap)


def _envelope(header: str, body: str, soap: Soap) -> bytes:
    return f"<soapenv:Envelope{_declaration(soap)}>{header}{body}</soapenv:Envelope>".encode()


def _declaration(soap: Soap) -> str:
    return f' xmlns:soapenv="{soap.namespace}"'


def _part(template: str, declared: str, content: str, identifier: str) -> _Signed:
    """Digest a part with the declaration that its surroundings made; send it without."""
    digest = base64.b64encode(_sha1(template.format(declared, content))).decode("ascii")
    return _Signed(template.format("", content), _REFERENCE.format(id=identifier, digest=digest))


def _addressing(header: Addressing, identifier: str) -> _Signed:
    template = (
        f'<wsa:{header.name}{{}}{_XMLNS_WSU} wsu:Id="{identifier}"{header.attributes}>'
        f"{{}}</wsa:{header.name}>"
    )
    return _part(template, _XMLNS_WSA, header.content, identifier)


def _plain(header: Addressing) -> _Signed:
    return _Signed(
        f"<wsa:{header.name}{header.attributes}>{header.content}</wsa:{header.name}>", ""
    )


def _timestamp(now: float, lifetime: float, serial: str) -> _Signed:
    identifier = f"Timestamp-{serial}"
    content = (
        f"<wsu:Created>{_instant(now)}</wsu:Created>"
        f"<wsu:Expires>{_instant(now + lifetime)}</wsu:Expires>"
    )
    template = f'<wsu:Timestamp{_XMLNS_WSU}{{}} wsu:Id="{identifier}">{{}}</wsu:Timestamp>'
    return _part(template, "", content, identifier)


def _instant(seconds: float) -> str:
    at = datetime.fromtimestamp(seconds, UTC)
    return f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03d}Z"


def _security(
    identity: Identity,
    serial: str,
    stamp: _Signed | None,
    references: str,
    *,
    must_understand: bool,
) -> str:
    signed_info = f"{_SIGNED_INFO_HEAD}{references}</ds:SignedInfo>"
    signature = identity.sign_pkcs1_sha1(f"<ds:SignedInfo{_XMLNS_DS}>{signed_info}".encode())
    token = base64.b64encode(identity.certificate.der).decode("ascii")
    understand = ' soapenv:mustUnderstand="1"' if must_understand else ""
    return (
        f'<wsse:Security xmlns:wsse="{WSSE}"{understand}>{stamp.wire if stamp else ""}'
        f'<wsse:BinarySecurityToken EncodingType="{BASE64}"{_XMLNS_WSU}'
        f' wsu:Id="CertID-{serial}" ValueType="{X509_V3}">{token}</wsse:BinarySecurityToken>'
        f'<ds:Signature{_XMLNS_DS} Id="Signature-{serial}"><ds:SignedInfo>{signed_info}'
        f"<ds:SignatureValue>{base64.b64encode(signature).decode('ascii')}</ds:SignatureValue>"
        "<ds:KeyInfo><wsse:SecurityTokenReference>"
        f'<wsse:Reference URI="#CertID-{serial}" ValueType="{X509_V3}"></wsse:Reference>'
        "</wsse:SecurityTokenReference></ds:KeyInfo></ds:Signature></wsse:Security>"
    )


def _sha1(text: str) -> bytes:
    return hashlib.sha1(text.encode(), usedforsecurity=False).digest()
