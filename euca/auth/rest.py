r"""Signs and checks REST requests to Walrus: S3's HMAC version 1, and EucaRSA between components.

An S3 client puts `Authorization: AWS <access key id>:<signature>` on a request, or the query
parameters `AWSAccessKeyId`, `Expires` and `Signature` in a URL that it gives away. The signature
is the HMAC-SHA1, by the secret, of a *canonical string*: verb, Content-MD5, Content-Type, date,
the `x-amz-` headers and the resource. Clients of Eucalyptus take the full path for the resource
(`/services/Walrus/bucket/key`), clients of Amazon the path after the service's prefix; both are
accepted, and nothing else is.

A node or the cloud controller has no secret. It signs `VERB\nDate\ntarget\n` with its RSA key
and sends its certificate along (EucaRSA, of Eucalyptus 2.0). The signature proves nothing until
that certificate is found among the certificates of the installation, so `check_euca` demands them.

All functions take the time as an argument, in seconds since 1970.
"""

from __future__ import annotations

import base64
import binascii
import calendar
import hashlib
import hmac
import re
import time
from collections.abc import Mapping, Sequence
from email.utils import formatdate, parsedate_tz
from operator import itemgetter
from urllib.parse import unquote_plus

from attrs import field, frozen

from euca.auth.keyring import Certificate, Identity, UnusableKey

DATE_WINDOW = 900.0  # seconds that the date of a request may differ from ours
ZONELESS_WINDOW = 7200.0  # the nodes of 2.0 send local time, and repeat one date in every retry

# The zones that the parser knows; it takes any other word, or none, for universal time.
_ZONE = re.compile(r"\b(GMT|UTC?|[ECMP][SD]T)\b|[+-]\d{4}\b")

SIGNED_PARAMETERS = frozenset(
    "acl cors delete lifecycle location logging notification partNumber policy requestPayment"
    " response-cache-control response-content-disposition response-content-encoding"
    " response-content-language response-content-type response-expires restore tagging torrent"
    " uploadId uploads versionId versioning versions website".split()
)
UNSIGNED_IN_2_0 = frozenset({"versionId", "versioning", "versions"})
"""Parameters that clients of 2.0 leave out of the canonical string."""


class SignatureRefused(Exception):
    """A request's signature does not hold: S3's error code, the reason, the canonical string."""

    def __init__(self, code: str, message: str, canonical: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.canonical = canonical


@frozen
class RestRequest:
    """What a signature covers of an HTTP request; `target` is as on the request line."""

    method: str
    target: str
    headers: tuple[tuple[str, str], ...] = field(repr=False)

    @classmethod
    def of(cls, method: str, target: str, headers: Mapping[str, str]) -> RestRequest:
        """Return the request with each header once."""
        return cls(method, target, tuple(headers.items()))

    @property
    def path(self) -> str:
        """The target without its query, still percent-encoded."""
        return self.target.partition("?")[0]

    @property
    def parameters(self) -> tuple[tuple[str, str | None], ...]:
        """The query's parameters in their order, decoded; None for one without `=`."""
        found = []
        for part in self.target.partition("?")[2].split("&"):
            name, equals, value = part.partition("=")
            if part:
                found.append((unquote_plus(name), unquote_plus(value) if equals else None))
        return tuple(found)

    def parameter(self, name: str) -> str | None:
        """Return the value of the first parameter of that name, "" if it has none."""
        return next((value or "" for key, value in self.parameters if key == name), None)

    def header(self, name: str) -> str | None:
        """Return the values of a header, joined by commas; names have no case."""
        values = [value.strip() for key, value in self.headers if key.lower() == name.lower()]
        return ",".join(values) if values else None


# S3's HMAC, version 1


@frozen
class HmacClaim:
    """Who a request says it is from, and the signature that shall prove it."""

    access_key: str
    signature: str
    date: str
    expires: int | None = None


def hmac_claim(request: RestRequest) -> HmacClaim | None:
    """Return the claim of a signed request, None for one without; raises SignatureRefused."""
    authorization = request.header("Authorization")
    if authorization is None:
        return _query_claim(request)
    scheme, _, rest = authorization.partition(" ")
    access_key, colon, signature = rest.strip().partition(":")
    if scheme.upper() != "AWS" or not colon:
        raise SignatureRefused(
            "NotImplemented",
            f"The authorization scheme {scheme!r} is not available;"
            " sign as `AWS <access key id>:<signature>` (signature version 2 of S3).",
        )
    date = "" if request.header("x-amz-date") else request.header("Date") or ""
    return HmacClaim(access_key, signature, date)


def _query_claim(request: RestRequest) -> HmacClaim | None:
    access_key = request.parameter("AWSAccessKeyId")
    if access_key is None:
        return None
    expires, signature = request.parameter("Expires"), request.parameter("Signature")
    if expires is None or signature is None or not re.fullmatch(r"[0-9]{1,12}", expires):
        raise SignatureRefused(
            "AccessDenied", "A signed query needs AWSAccessKeyId, Signature and a whole Expires."
        )
    return HmacClaim(access_key, signature.replace(" ", "+"), expires, int(expires))


def check_hmac(
    request: RestRequest, claim: HmacClaim, secret: str, now: float, prefix: str = ""
) -> None:
    """Check the claim with the secret of its access key; raises SignatureRefused.

    `prefix` is the path of the service (`/services/Walrus`), which a client may have left out.
    """
    strings = canonical_strings(request, claim, prefix)
    given = claim.signature.rstrip("=").encode("utf-8", "replace")
    # Every candidate is compared, in constant time, whether an earlier one matched or not.
    matches = [
        hmac.compare_digest(_hmac(secret, string).rstrip("=").encode(), given) for string in strings
    ]
    if not any(matches):
        raise SignatureRefused(
            "SignatureDoesNotMatch",
            "The signature that we calculated does not match the one sent."
            " Check the secret access key and the signing method.",
            " or ".join(repr(string) for string in strings),
        )
    _check_hmac_date(request, claim, now, strings[0])


def _check_hmac_date(request: RestRequest, claim: HmacClaim, now: float, canonical: str) -> None:
    if claim.expires is not None:
        if now > claim.expires:
            raise SignatureRefused("AccessDenied", "Request has expired.", canonical)
        return
    text = request.header("x-amz-date") or claim.date
    moments = _moments(text)
    if not moments:
        raise SignatureRefused(
            "AccessDenied", "A signed request needs a valid Date or x-amz-date header.", canonical
        )
    if abs(moments[0] - now) > DATE_WINDOW:
        raise SignatureRefused(
            "RequestTimeTooSkewed",
            f"The date {text!r} of the request is more than 15 minutes from ours.",
            canonical,
        )


def canonical_strings(request: RestRequest, claim: HmacClaim, prefix: str = "") -> tuple[str, ...]:
    """Return the strings of which one must have been signed, the likeliest first."""
    head = "\n".join(
        (
            request.method,
            request.header("Content-MD5") or "",
            request.header("Content-Type") or "",
            claim.date,
        )
    )
    start = f"{head}\n{_amazon_headers(request)}"
    paths, queries = _signed_paths(request.path, prefix), _signed_queries(request)
    return tuple(dict.fromkeys(start + path + query for path in paths for query in queries))


def _amazon_headers(request: RestRequest) -> str:
    names = sorted({key.lower() for key, _ in request.headers if key[:6].lower() == "x-amz-"})
    return "".join(f"{name}:{request.header(name)}\n" for name in names)


def _signed_paths(path: str, prefix: str) -> list[str]:
    paths = [path]
    if prefix and path.lower().startswith(prefix.lower()):
        stripped = path[len(prefix) :] or "/"
        paths.append(stripped)
        if stripped.count("/") == 1 and stripped != "/":
            paths.append(stripped + "/")  # as botocore writes a bucket
    return paths


def _signed_queries(request: RestRequest) -> list[str]:
    signed = [pair for pair in request.parameters if pair[0] in SIGNED_PARAMETERS]
    signed.sort(key=itemgetter(0))
    old = [(name, value) for name, value in signed if name not in UNSIGNED_IN_2_0]
    return [_query_text(signed), _query_text(old)]


def _query_text(parameters: Sequence[tuple[str, str | None]]) -> str:
    words = [name if value is None else f"{name}={value}" for name, value in parameters]
    return "?" + "&".join(words) if words else ""


def _hmac(secret: str, string: str) -> str:
    digest = hmac.new(secret.encode(), string.encode("utf-8", "surrogateescape"), hashlib.sha1)
    return base64.b64encode(digest.digest()).decode()


def sign_hmac(
    access_key: str,
    secret: str,
    method: str,
    target: str,
    *,
    headers: Mapping[str, str],
    now: float,
) -> dict[str, str]:
    """Return `headers` with the Date and Authorization that sign them, over the full path."""
    signed = {**headers, "Date": formatdate(now, usegmt=True)}
    request = RestRequest.of(method, target, signed)
    claim = HmacClaim(access_key, "", signed["Date"])
    signature = _hmac(secret, canonical_strings(request, claim)[0])
    return {**signed, "Authorization": f"AWS {access_key}:{signature}"}


# EucaRSA


@frozen
class EucaClaim:
    """An EucaRSA signature, the certificate sent with it, and what the sender wants."""

    signature: bytes
    certificate: Certificate | None
    operation: str | None
    effective_key: str | None


def euca_claim(request: RestRequest) -> EucaClaim | None:
    """Return the claim of an EucaRSA request, None for any other; raises SignatureRefused."""
    signature = request.header("EucaSignature")
    if signature is None:
        return None
    encoded = request.header("EucaCert")
    try:
        certificate = None if encoded is None else Certificate.from_pem(_base64(encoded))
        return EucaClaim(
            _base64(signature),
            certificate,
            request.header("EucaOperation"),
            request.header("EucaEffectiveUserId"),
        )
    except (ValueError, UnusableKey) as error:
        raise SignatureRefused(
            "AccessDenied", "EucaSignature or EucaCert is not what base64 text should hold."
        ) from error


def check_euca(
    request: RestRequest, claim: EucaClaim, trusted: Sequence[Certificate], now: float
) -> Certificate:
    """Return the trusted certificate that signed the request; raises SignatureRefused.

    A certificate sent along must equal a trusted one byte for byte; without one, any trusted
    certificate may have signed.
    """
    date = request.header("Date") or ""
    canonical = euca_string(request.method, date, request.target)
    given = claim.certificate
    candidates = [
        certificate for certificate in trusted if given is None or certificate.der == given.der
    ]
    if not candidates:
        raise SignatureRefused(
            "AccessDenied", "The certificate in EucaCert is not one of this cloud.", repr(canonical)
        )
    signed = canonical.encode("utf-8", "surrogateescape")
    for certificate in candidates:
        if certificate.verify_pkcs1_sha1(claim.signature, signed):
            _check_euca_date(date, now, canonical)
            return certificate
    raise SignatureRefused(
        "SignatureDoesNotMatch",
        "EucaSignature is not a signature of this request by that certificate.",
        repr(canonical),
    )


def _check_euca_date(date: str, now: float, canonical: str) -> None:
    moments = _moments(date)
    window = DATE_WINDOW if len(moments) == 1 else ZONELESS_WINDOW
    if not any(abs(moment - now) <= window for moment in moments):
        raise SignatureRefused(
            "RequestTimeTooSkewed",
            f"The date {date!r} of the request is not a date near ours.",
            repr(canonical),
        )


def euca_string(method: str, date: str, target: str) -> str:
    """Return the string that EucaRSA signs; `target` keeps its query."""
    return f"{method}\n{date}\n{target}\n"


def sign_euca(
    identity: Identity, method: str, target: str, now: float, operation: str | None = None
) -> dict[str, str]:
    """Return the headers that sign a request with the key of a component.

    The date has a zone, so each attempt must be signed anew.
    """
    date = formatdate(now, usegmt=True)
    signature = identity.sign_pkcs1_sha1(euca_string(method, date, target).encode())
    pem = identity.certificate.pem
    headers = {
        "Authorization": "Euca",
        "Date": date,
        "EucaCert": base64.b64encode(pem).decode(),
        "EucaSignature": base64.b64encode(signature).decode(),
    }
    return headers if operation is None else {**headers, "EucaOperation": operation}


def _base64(text: str) -> bytes:
    """Decode base64 that may have lost its line breaks to spaces; raises ValueError."""
    try:
        return base64.b64decode(re.sub(r"\s", "", text), validate=True)
    except binascii.Error as error:
        raise ValueError(str(error)) from error


def _moments(date: str) -> tuple[float, ...]:
    """Return what a date may mean: one moment with a zone, two (local, UTC) without, or none.

    RFC 1123, RFC 850, asctime and Java's form are read.
    """
    try:
        parsed = parsedate_tz(date)
        if parsed is None:
            return ()
        as_utc = float(calendar.timegm((*parsed[:6], 0, 0, 0)))
        if _ZONE.search(date):
            return (as_utc - (parsed[9] or 0),)
        return (time.mktime((*parsed[:6], 0, 0, -1)), as_utc)
    except (ValueError, OverflowError, IndexError, TypeError):
        return ()
