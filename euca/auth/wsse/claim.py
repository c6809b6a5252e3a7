"""Reads what a signed envelope claims, demanding one fixed shape, before any mathematics.

A verifier that asks "is some signature in here valid?" can be fooled by moving signed elements
about. This one asks for fixed positions: one Security header with one token and one Signature in
it; every reference to the Body, to a WS-Addressing header or to the Timestamp *where they are
used*; identifiers unique in the whole document, whatever attribute carries them; only the pinned
algorithms; no transform but exclusive canonicalisation.
"""

import base64
import binascii
from collections.abc import Mapping

from attrs import field, frozen
from lxml import etree

from euca.auth.wsse.names import (
    BASE64,
    BY_ENVELOPE,
    DS,
    EXCLUSIVE,
    SECURITY,
    WSA,
    WSSE,
    WSU,
    WSU_ID,
    X509_V3,
    Soap,
)
from euca.auth.wsse.policy import Part, Policy, SecurityRefused

_IDENTIFYING = frozenset({"id", "assertionid"})  # whatever their namespace, in any case
_ENDS = ("id", "Id", "iD", "ID")
_NAMESPACES = {"ds": DS, "wsse": WSSE}
_COUNTS = (
    ("Signature", etree.XPath("count(//ds:Signature)", namespaces=_NAMESPACES)),
    ("Security header", etree.XPath("count(//wsse:Security)", namespaces=_NAMESPACES)),
)
_ADDRESSING_ONCE = frozenset(
    f"{{{WSA}}}{name}"
    for name in ("To", "Action", "MessageID", "From", "ReplyTo", "FaultTo", "RelatesTo")
)
_TOKEN = f"{{{WSSE}}}BinarySecurityToken"
_TIMESTAMP = f"{{{WSU}}}Timestamp"
_SIGNATURE = f"{{{DS}}}Signature"
_REFERENCE = f"{{{DS}}}Reference"
_SIGNATURE_PARTS = [f"{{{DS}}}{name}" for name in ("SignedInfo", "SignatureValue", "KeyInfo")]
_REFERENCE_PARTS = [f"{{{DS}}}{name}" for name in ("Transforms", "DigestMethod", "DigestValue")]
_TRANSFORM = f"{{{DS}}}Transform"
_CANONICALIZATION = f"{{{DS}}}CanonicalizationMethod"
_METHOD = f"{{{DS}}}SignatureMethod"
_DIGEST = f"{{{DS}}}DigestMethod"
_ONLY_EXCLUSIVE = frozenset({EXCLUSIVE})
_LONGEST_SERIAL = 50  # digits; RFC 5280 allows 20 bytes
_PREFIX_LIST = f"{{{EXCLUSIVE}}}InclusiveNamespaces"


@frozen
class Issued:
    """A certificate named by who issued it, and under which number."""

    issuer: str
    serial_number: int


@frozen
class Claim:
    """An envelope of the right shape: what it says is signed, and by which certificate."""

    certificate: bytes | Issued = field(repr=False)
    """The certificate's DER bytes, or its name where the policy takes that."""
    signature: etree._Element
    signature_value: bytes = field(repr=False)
    references: tuple[tuple[etree._Element, str], ...]
    """The elements said to be signed, each with the name of its identifying attribute."""
    body: etree._Element
    headers: Mapping[str, str]
    """The texts of the WS-Addressing headers by local name."""
    timestamp: tuple[str, str] | None
    """Created and Expires as they are written."""

    @property
    def signed(self) -> tuple[str, ...]:
        """The local names of the elements said to be signed."""
        return tuple(_name(element) for element, _ in self.references)


@frozen
class _Used:
    """The elements that a receiver acts on, each found where it must stand."""

    body: etree._Element
    addressing: Mapping[str, etree._Element]
    token: etree._Element | None
    timestamp: etree._Element | None


def examine(root: etree._Element, policy: Policy, required: frozenset[str]) -> Claim:
    """Return what an envelope claims; raises SecurityRefused when its shape is not the one.

    `required` are the local names of the WS-Addressing headers that must be there, where the
    policy wants them signed.
    """
    soap, header, body = _envelope(root)
    _unique_identifiers(root)
    for what, count in _COUNTS:
        if count(root) != 1:
            raise SecurityRefused(f"there must be exactly one {what}")
    parts = _security_parts(header, soap)
    used = _Used(body, _addressing_blocks(header), parts.get(_TOKEN), parts.get(_TIMESTAMP))
    signed_info, value, key_info = _children_exactly(parts[_SIGNATURE], _SIGNATURE_PARTS)
    references = _references(signed_info, policy, _candidates(used))
    _coverage(policy, required, [element for element, _ in references], used)
    return Claim(
        certificate=_certificate(key_info, used.token, policy),
        signature=parts[_SIGNATURE],
        signature_value=_base64(value, "SignatureValue"),
        references=tuple(references),
        body=body,
        headers=_texts(used.addressing),
        timestamp=None if used.timestamp is None else _instants(used.timestamp),
    )


def _envelope(root: etree._Element) -> tuple[Soap, etree._Element, etree._Element]:
    soap = BY_ENVELOPE.get(str(root.tag))
    if soap is None or [child.tag for child in root] != [soap.header, soap.body]:
        raise SecurityRefused("an Envelope of exactly a Header and a Body is needed")
    return soap, root[0], root[1]


def _unique_identifiers(root: etree._Element) -> None:
    seen: set[str | None] = set()
    for element in root.iter():
        for name in element.keys():
            if name.endswith(_ENDS) and name.rpartition("}")[2].lower() in _IDENTIFYING:
                identifier = element.get(name)
                if identifier in seen:
                    raise SecurityRefused("an identifier is used twice")
                seen.add(identifier)


def _security_parts(header: etree._Element, soap: Soap) -> dict[str, etree._Element]:
    """Return the children of the Security header by name: each known, and there once."""
    security = header.find(SECURITY)
    if security is None:
        raise SecurityRefused("the Security header is not in the Header")
    if not {soap.must_understand}.issuperset(security.keys()):
        raise SecurityRefused("the Security header is addressed to somebody else")
    parts: dict[str, etree._Element] = {}
    for child in security:
        tag = str(child.tag)
        if tag not in (_TOKEN, _SIGNATURE, _TIMESTAMP) or tag in parts:
            raise SecurityRefused(f"{_name(child)} is surplus in the Security header")
        parts[tag] = child
    if _SIGNATURE not in parts:
        raise SecurityRefused("the Security header has no Signature")
    return parts


def _addressing_blocks(header: etree._Element) -> dict[str, etree._Element]:
    """Return the WS-Addressing headers by name; refuses what must be understood and is not."""
    blocks: dict[str, etree._Element] = {}
    for child in header:
        tag = str(child.tag)
        if tag.startswith(f"{{{WSA}}}"):
            if tag not in _ADDRESSING_ONCE or tag in blocks:
                raise SecurityRefused(f"the header {_name(child)} is surplus")
            blocks[tag] = child
    return blocks


def _candidates(used: _Used) -> dict[str, tuple[etree._Element, str]]:
    """Return by identifier the elements that may be signed: those standing where they are used."""
    elements = [used.body, *used.addressing.values()]
    elements += [one for one in (used.token, used.timestamp) if one is not None]
    found: dict[str, tuple[etree._Element, str]] = {}
    for element in elements:
        for attribute in (WSU_ID, "Id"):
            identifier = element.get(attribute)
            if identifier is not None:
                found[identifier] = (element, attribute)
                break
    return found


def _references(
    signed_info: etree._Element,
    policy: Policy,
    candidates: Mapping[str, tuple[etree._Element, str]],
) -> list[tuple[etree._Element, str]]:
    children = list(signed_info)
    if len(children) < 3:
        raise SecurityRefused("SignedInfo is incomplete")
    _algorithm(children[0], _CANONICALIZATION, _ONLY_EXCLUSIVE, policy)
    _algorithm(children[1], _METHOD, policy.signatures, None)
    found: list[tuple[etree._Element, str]] = []
    for reference in children[2:]:
        target = _reference(reference, policy, candidates)
        if any(target[0] is element for element, _ in found):
            raise SecurityRefused("a part is signed twice")
        found.append(target)
    return found


def _reference(
    reference: etree._Element,
    policy: Policy,
    candidates: Mapping[str, tuple[etree._Element, str]],
) -> tuple[etree._Element, str]:
    if reference.tag != _REFERENCE or not {"URI", "Id"}.issuperset(reference.keys()):
        raise SecurityRefused("SignedInfo holds something other than plain references")
    transforms, method, _value = _children_exactly(reference, _REFERENCE_PARTS)
    (transform,) = _children_exactly(transforms, [_TRANSFORM])
    _algorithm(transform, _TRANSFORM, _ONLY_EXCLUSIVE, policy)
    _algorithm(method, _DIGEST, policy.digests, None)
    uri = reference.get("URI", "")
    target = candidates.get(uri[1:]) if uri.startswith("#") else None
    if target is None:
        raise SecurityRefused("a reference leads to no part of the message that is used")
    return target


def _algorithm(
    element: etree._Element, tag: str, allowed: frozenset[str], prefixes: Policy | None
) -> None:
    """Demand one of the allowed algorithms, without parameters."""
    if element.tag != tag or element.keys() != ["Algorithm"]:
        raise SecurityRefused(f"{_local(tag)} is not where it should be")
    if element.get("Algorithm") not in allowed:
        raise SecurityRefused(f"the {_local(tag)} {element.get('Algorithm')} is not taken")
    if len(element) == 0:
        return
    lists_allowed = prefixes is not None and prefixes.prefix_lists
    if any(child.tag != _PREFIX_LIST or len(child) or not lists_allowed for child in element):
        raise SecurityRefused(f"{_local(tag)} has parameters")


def _coverage(
    policy: Policy,
    required: frozenset[str],
    signed: list[etree._Element],
    used: _Used,
) -> None:
    """Demand that the signature covers what the policy wants covered."""

    def covered(element: etree._Element) -> bool:
        return any(element is one for one in signed)

    if policy.addressing:
        for name in required:
            if f"{{{WSA}}}{name}" not in used.addressing:
                raise SecurityRefused(f"the header wsa:{name} is missing")
        for element in used.addressing.values():
            if not covered(element):
                raise SecurityRefused(f"the header {_name(element)} is not signed")
    if policy.body is Part.REQUIRED and not covered(used.body):
        raise SecurityRefused("the Body is not signed")
    _stamped(policy, used.timestamp is not None)
    if used.timestamp is not None and not covered(used.timestamp):
        raise SecurityRefused("the Timestamp is not signed")


def _stamped(policy: Policy, there: bool) -> None:
    if policy.timestamp is Part.REQUIRED and not there:
        raise SecurityRefused(
            "there is no Timestamp: sign a wsu:Timestamp with the Body "
            "(users need none where WS_SECURITY_MODE is compatible)"
        )
    if policy.timestamp is Part.FORBIDDEN and there:
        raise SecurityRefused("a Timestamp is not taken here")


def _certificate(
    key_info: etree._Element, token: etree._Element | None, policy: Policy
) -> bytes | Issued:
    """Return the certificate that the key reference leads to: in this message, or by name."""
    (holder,) = _children_exactly(key_info, [f"{{{WSSE}}}SecurityTokenReference"])
    if token is not None:
        return _token(holder, token)
    if not policy.issuer_serial:
        raise SecurityRefused("the Security header has no BinarySecurityToken")
    (data,) = _children_exactly(holder, [f"{{{DS}}}X509Data"])
    (issued,) = _children_exactly(data, [f"{{{DS}}}X509IssuerSerial"])
    names = [f"{{{DS}}}X509IssuerName", f"{{{DS}}}X509SerialNumber"]
    name, number = _children_exactly(issued, names)
    digits = _text(number).strip()
    if not (digits.isascii() and digits.isdigit() and len(digits) <= _LONGEST_SERIAL):
        raise SecurityRefused("the serial number is no number")
    return Issued(_text(name), int(digits))


def _token(holder: etree._Element, token: etree._Element) -> bytes:
    (reference,) = _children_exactly(holder, [f"{{{WSSE}}}Reference"])
    identifier = token.get(WSU_ID) or token.get("Id")
    if identifier is None or reference.get("URI") != f"#{identifier}":
        raise SecurityRefused("the key reference does not lead to the token")
    if reference.get("ValueType", X509_V3) != X509_V3 or token.get("ValueType") != X509_V3:
        raise SecurityRefused("the token is no X.509 certificate")
    if token.get("EncodingType", BASE64) != BASE64:
        raise SecurityRefused("the token is not base64")
    return _base64(token, "BinarySecurityToken")


def _base64(element: etree._Element, what: str) -> bytes:
    text = _text(element)
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise SecurityRefused(f"{what} is not base64") from error


def _instants(stamp: etree._Element) -> tuple[str, str]:
    created, expires = _children_exactly(stamp, [f"{{{WSU}}}Created", f"{{{WSU}}}Expires"])
    return _text(created), _text(expires)


def _texts(addressing: Mapping[str, etree._Element]) -> dict[str, str]:
    return {
        _name(element): _text(element)
        for tag, element in addressing.items()
        if tag in _PLAIN_ADDRESSING
    }


_PLAIN_ADDRESSING = frozenset(
    f"{{{WSA}}}{name}" for name in ("To", "Action", "MessageID", "RelatesTo")
)


def _text(element: etree._Element) -> str:
    if len(element):
        raise SecurityRefused(f"{_name(element)} holds more than text")
    return element.text or ""


def _children_exactly(element: etree._Element, tags: list[str]) -> list[etree._Element]:
    children = list(element)
    if [child.tag for child in children] != tags:
        raise SecurityRefused(f"{_name(element)} does not hold what it should")
    return children


def _name(element: etree._Element) -> str:
    return _local(str(element.tag))


def _local(tag: str) -> str:
    # Not by QName, which raises for a name that the parser let pass and it does not.
    return tag.rpartition("}")[2]
