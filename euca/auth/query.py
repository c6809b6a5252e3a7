"""Signs and checks the requests of EC2's Query interface, signature version 2.

A request is a list of parameters, in the URL or in a form. Its `Signature` is the HMAC, under
the secret of the access key, of four lines: the HTTP method, the host, the path, and the other
parameters sorted and encoded. Clients disagree on the details, so every form that one is known
to use is computed: the Host header as sent, without its port and with the default one; the path
as sent; parameters encoded by RFC 3986 or as a form (`+` for a space). A signature is good when
it is one of these. Requests are good for a quarter of an hour around their Timestamp, or until
their Expires. The same request may come twice: clients repeat themselves within one second.
"""

from __future__ import annotations

import base64
import calendar
import hashlib
import hmac
import re
import time
from collections.abc import Callable, Mapping, Sequence
from urllib.parse import quote, quote_plus, unquote_plus

from attrs import field, frozen

from euca.model.errors import (
    MissingParameter,
    NotAuthenticated,
    RequestExpired,
    SignatureMismatch,
)

WINDOW = 900.0  # seconds around a Timestamp
MAX_EXPIRES = 86400.0  # seconds that an Expires may lie ahead
DEFAULT_PORT = 8773

_HASHES = {"hmacsha1": hashlib.sha1, "hmacsha256": hashlib.sha256}
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d")
_MOMENT_FORMAT = "%Y-%m-%dT%H:%M:%S"

SIGNATURE_PARAMETERS = frozenset(
    {
        "AWSAccessKeyId",
        "Expires",
        "Signature",
        "SignatureMethod",
        "SignatureVersion",
        "Timestamp",
    }
)
"""The parameters that say who signed how, and nothing of what is asked."""


@frozen
class SignedQuery:
    """A Query request as it came: `host` is the Host header, `path` without the query string."""

    method: str
    host: str
    path: str
    parameters: tuple[tuple[str, str], ...] = field(repr=False)

    def get(self, name: str) -> str:
        """Return a parameter's value, the empty text when it is absent."""
        return next((value for key, value in self.parameters if key == name), "")


def parse_parameters(text: str) -> tuple[tuple[str, str], ...]:
    """Return the parameters of a query string or a form, decoded, in their order."""
    pairs = []
    for part in text.split("&"):
        name, _, value = part.partition("=")
        if name:
            pairs.append((unquote_plus(name), unquote_plus(value)))
    return tuple(pairs)


def access_key_of(query: SignedQuery) -> str:
    """Return the access key that a request names.

    Raises NotAuthenticated when it is not signed, or with a version other than 2, and
    MissingParameter when it is signed in part.
    """
    if not query.get("AWSAccessKeyId") and not query.get("Signature"):
        raise NotAuthenticated("The request is not signed; sign it with signature version 2.")
    for name in ("AWSAccessKeyId", "Signature"):
        if not query.get(name):
            raise MissingParameter(f"Missing required parameter: {name}")
    version = query.get("SignatureVersion")
    if version != "2":
        raise NotAuthenticated(f"Signature version {version!r} is not available; use version 2.")
    if query.get("SignatureMethod").lower() not in ("", *_HASHES):
        raise NotAuthenticated("SignatureMethod must be HmacSHA256 or HmacSHA1.")
    return query.get("AWSAccessKeyId")


def check(query: SignedQuery, secret: str, now: float) -> None:
    """Check a request with the secret of its access key; `now` is in seconds since 1970.

    Raises SignatureMismatch, RequestExpired, and what `access_key_of` raises.
    """
    access_key_of(query)
    # A `+` that was not escaped has become a space; padding may be missing.
    given = query.get("Signature").replace(" ", "+").rstrip("=").encode("utf-8", "replace")
    method = query.get("SignatureMethod").lower() or "hmacsha1"
    # Every candidate is compared, in constant time, whether an earlier one matched or not.
    matches = [
        hmac.compare_digest(_hmac(secret, text, method).rstrip("=").encode(), given)
        for text in strings_to_sign(query)
    ]
    if not any(matches):
        raise SignatureMismatch(
            "The request signature we calculated does not match the signature you provided."
            " Check your secret access key and signing method."
        )
    _check_time(query, now)


def strings_to_sign(query: SignedQuery) -> tuple[str, ...]:
    """Return the strings of which one must have been signed, the likeliest first."""
    pairs = [pair for pair in query.parameters if pair[0] != "Signature"]
    texts = (_canonical(pairs, _rfc3986), _canonical(pairs, _form))
    return tuple(
        dict.fromkeys(
            "\n".join((query.method, host, query.path, text))
            for host in _hosts(query.host)
            for text in texts
        )
    )


def _hosts(host: str) -> list[str]:
    bare = host.rpartition(":")[0] if re.search(r":\d+$", host) else host
    forms = [host, bare, f"{bare}:{DEFAULT_PORT}" if bare == host else host]
    return list(dict.fromkeys(forms + [form.lower() for form in forms]))


def _rfc3986(text: str) -> str:
    return quote(text, safe="-_.~")


def _form(text: str) -> str:
    # Python never escapes the tilde; the forms of other languages do.
    return quote_plus(text, safe="-_.*").replace("~", "%7E")


def _canonical(pairs: Sequence[tuple[str, str]], encode: Callable[[str], str]) -> str:
    in_order = sorted(pairs, key=lambda pair: (pair[0].encode(), pair[1].encode()))
    return "&".join(f"{encode(name)}={encode(value)}" for name, value in in_order)


def _hmac(secret: str, text: str, method: str) -> str:
    digest = hmac.new(secret.encode(), text.encode("utf-8", "replace"), _HASHES[method])
    return base64.b64encode(digest.digest()).decode("ascii")


def _check_time(query: SignedQuery, now: float) -> None:
    stamp, expires = query.get("Timestamp"), query.get("Expires")
    if not stamp and not expires:
        raise MissingParameter("One of the parameters Timestamp or Expires must be specified")
    if stamp:
        made = _moment(stamp)
        earliest, latest = made - WINDOW, made + WINDOW
    else:
        latest = _moment(expires)
        earliest = latest - MAX_EXPIRES
    if not earliest <= now <= latest:
        here = time.strftime(_MOMENT_FORMAT, time.gmtime(now))
        raise RequestExpired(
            "Message has expired (times in UTC):"
            f" Timestamp={stamp} Expires={expires} Now={here}; the clocks may differ by"
            f" {WINDOW:.0f} seconds."
        )


def _moment(text: str) -> float:
    """Return the seconds since 1970 of a time in UTC; what follows its seconds is ignored."""
    for candidate in (text, unquote_plus(text)):
        match = _MOMENT.match(candidate)
        if match:
            try:
                return float(calendar.timegm(time.strptime(match[0], _MOMENT_FORMAT)))
            except ValueError:
                break
    raise RequestExpired(f"{text!r} is not a time of the form yyyy-MM-ddTHH:mm:ss.")


def sign(  # noqa: PLR0917 (what a signature covers)
    parameters: Mapping[str, str],
    access_key: str,
    secret: str,
    host: str,
    path: str,
    method: str,
    now: float,
) -> dict[str, str]:
    """Return `parameters` with those that sign them, HmacSHA256; `host` is the Host header."""
    signed = {
        **parameters,
        "AWSAccessKeyId": access_key,
        "SignatureMethod": "HmacSHA256",
        "SignatureVersion": "2",
        "Timestamp": time.strftime(_MOMENT_FORMAT + "Z", time.gmtime(now)),
    }
    query = SignedQuery(method, host, path, tuple(signed.items()))
    return {**signed, "Signature": _hmac(secret, strings_to_sign(query)[0], "hmacsha256")}
