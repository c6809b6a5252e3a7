"""Tests for euca.auth.query."""

from __future__ import annotations

import base64
import hashlib
import hmac
from urllib.parse import quote, quote_plus, urlencode

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from euca.auth.query import (
    SignedQuery,
    access_key_of,
    check,
    parse_parameters,
    sign,
)
from euca.model.errors import (
    MissingParameter,
    NotAuthenticated,
    RequestExpired,
    SignatureMismatch,
)

NOW = 1289325785.0  # 2010-11-09T18:03:05Z
SECRET = "secret"
ASKED = {
    "Action": "DescribeAvailabilityZones",
    "AWSAccessKeyId": "AK",
    "SignatureMethod": "HmacSHA256",
    "SignatureVersion": "2",
    "Timestamp": "2010-11-09T18:03:05",
    "Version": "2009-11-30",
}


def signed(  # noqa: PLR0917
    parameters: dict[str, str],
    host: str = "10.0.0.1:8773",
    path: str = "/services/Eucalyptus/",
    encode=lambda text: quote(text, safe="-_.~"),
    digest=hashlib.sha256,
    sent_host: str | None = None,
    method: str = "GET",
) -> SignedQuery:
    """Sign as a client would, by the words of Amazon's description, and return what arrives."""
    text = "&".join(f"{encode(k)}={encode(v)}" for k, v in sorted(parameters.items()))
    string = "\n".join((method, host, path, text))
    signature = hmac.new(SECRET.encode(), string.encode(), digest).digest()
    arrived = {**parameters, "Signature": base64.b64encode(signature).decode()}
    return SignedQuery(method, sent_host or host, path, tuple(arrived.items()))


class AcceptTests(SynchronousTestCase):
    """What clients really send is accepted."""

    def test_forms(self) -> None:
        """Each client's way of signing is accepted."""
        asked = {**ASKED, "Name": "a b~c*d+e/ü"}
        form = lambda text: quote_plus(text, safe="-_.*").replace("~", "%7E")  # noqa: E731
        for query in (
            signed(asked),
            signed(asked, method="POST"),
            signed(asked, encode=form),
            signed(asked, host="10.0.0.1", sent_host="10.0.0.1:8773"),
            signed(asked, host="10.0.0.1:8773", sent_host="10.0.0.1"),
            signed(asked, host="cloud.example", sent_host="Cloud.example"),
            signed(asked, path="/services/Eucalyptus"),
            signed({**asked, "SignatureMethod": "HmacSHA1"}, digest=hashlib.sha1),
            signed({**asked, "Timestamp": "2010-11-09T18:03:05Z"}),
            signed({**asked, "Timestamp": "2010-11-09T18:03:05.123Z"}),
            signed({**asked, "Timestamp": "2010-11-09T18:17:00"}),
        ):
            with self.subTest(query):
                check(query, SECRET, NOW)

    def test_expires(self) -> None:
        """A request with Expires is good until then."""
        asked = {key: value for key, value in ASKED.items() if key != "Timestamp"}
        check(signed({**asked, "Expires": "2010-11-09T19:00:00Z"}), SECRET, NOW)

    def test_damaged_base64(self) -> None:
        """A signature that lost its padding, or whose + became a space, is accepted."""
        for number in range(40):
            query = signed({**ASKED, "N": str(number)})
            (*others, (name, signature)) = query.parameters
            worn = signature.rstrip("=").replace("+", " ")
            check(
                SignedQuery(query.method, query.host, query.path, (*others, (name, worn))),
                SECRET,
                NOW,
            )

    def test_same_request_twice(self) -> None:
        """Clients repeat themselves within a second; the repetition is accepted."""
        query = signed(ASKED)
        check(query, SECRET, NOW)
        check(query, SECRET, NOW)


class RefuseTests(SynchronousTestCase):
    """What does not prove who sent it is refused."""

    def test_any_change(self) -> None:
        """A change of the method, host, path, a parameter or the secret is noticed."""
        query = signed(ASKED)
        (first, *others) = query.parameters
        changed = ((first[0], first[1] + "x"), *others)
        for other, secret in (
            (SignedQuery("POST", query.host, query.path, query.parameters), SECRET),
            (SignedQuery("GET", "10.0.0.2:8773", query.path, query.parameters), SECRET),
            (SignedQuery("GET", query.host, "/services/Walrus/", query.parameters), SECRET),
            (SignedQuery("GET", query.host, query.path, changed), SECRET),
            (SignedQuery("GET", query.host, query.path, (*query.parameters, ("a", "b"))), SECRET),
            (query, "other"),
        ):
            with self.subTest(other):
                self.assertRaises(SignatureMismatch, check, other, secret, NOW)

    def test_time(self) -> None:
        """A request that is too old, from the future or of no time is refused."""
        asked = {key: value for key, value in ASKED.items() if key != "Timestamp"}
        for times in (
            {"Timestamp": "2010-11-09T17:48:00"},
            {"Timestamp": "2010-11-09T18:19:00"},
            {"Timestamp": "2010-13-40T18:03:05"},
            {"Timestamp": "today"},
            {"Expires": "2010-11-09T18:03:00Z"},
            {"Expires": "2031-11-09T18:03:00Z"},
        ):
            with self.subTest(times):
                query = signed({**asked, **times})
                self.assertRaises(RequestExpired, check, query, SECRET, NOW)

    def test_no_time(self) -> None:
        """A request that says no time is refused."""
        asked = {key: value for key, value in ASKED.items() if key != "Timestamp"}
        self.assertRaises(MissingParameter, check, signed(asked), SECRET, NOW)

    def test_unsigned(self) -> None:
        """A request without signature, or with an unknown kind of one, names no access key."""
        for parameters, kind in (
            ({}, NotAuthenticated),
            ({"AWSAccessKeyId": "AK"}, MissingParameter),
            ({"Signature": "x"}, MissingParameter),
            ({"AWSAccessKeyId": "AK", "Signature": "x"}, NotAuthenticated),
            ({"AWSAccessKeyId": "AK", "Signature": "x", "SignatureVersion": "9"}, NotAuthenticated),
            ({**ASKED, "Signature": "x", "SignatureMethod": "HmacMD5"}, NotAuthenticated),
        ):
            with self.subTest(parameters):
                query = SignedQuery("GET", "h", "/", tuple(parameters.items()))
                self.assertRaises(kind, access_key_of, query)


class SignTests(SynchronousTestCase):
    """Our own requests."""

    @given(st.dictionaries(st.text(min_size=1), st.text()))
    def test_accepted(self, parameters: dict[str, str]) -> None:
        """Whatever is asked, a request that we signed is accepted after its way over the wire."""
        made = sign(parameters, "AK", SECRET, "10.0.0.1:8773", "/services/Eucalyptus/", "GET", NOW)
        arrived = parse_parameters(urlencode(made, errors="replace"))
        query = SignedQuery("GET", "10.0.0.1:8773", "/services/Eucalyptus/", arrived)
        check(query, SECRET, NOW)

    def test_secret_is_not_shown(self) -> None:
        """The representation of a request shows none of its parameters."""
        self.assertNotIn("AK", repr(signed(ASKED)))
