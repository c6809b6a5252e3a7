"""Tests for euca.auth.rest."""

from __future__ import annotations

import base64
import time
from datetime import UTC, datetime
from email.utils import formatdate

from twisted.trial.unittest import SynchronousTestCase

from euca.auth.keyring import Identity, new_identity
from euca.auth.rest import (
    RestRequest,
    SignatureRefused,
    canonical_strings,
    check_euca,
    check_hmac,
    euca_claim,
    euca_string,
    hmac_claim,
    sign_euca,
    sign_hmac,
)

PREFIX = "/services/Walrus"
NOW = 1_290_000_000.0
NODE = new_identity("node", datetime.fromtimestamp(NOW, UTC))
STRANGER = new_identity("stranger", datetime.fromtimestamp(NOW, UTC))


def amazon_example(target: str = "/photos/puppy.jpg") -> RestRequest:
    """Return the GET request of Amazon's own description of this signature."""
    return RestRequest(
        "GET",
        target,
        (
            ("Host", "awsexamplebucket1.us-west-1.s3.amazonaws.com"),
            ("Date", "Tue, 27 Mar 2007 19:36:42 +0000"),
            ("Authorization", "AWS AKIAIOSFODNN7EXAMPLE:qgk2+6Sv9/oM7G3qLEjTH1a1l1g="),
        ),
    )


class HmacTests(SynchronousTestCase):
    """Behaviour of the signature that S3 clients make."""

    def signed(self, target: str, **headers: str) -> RestRequest:
        """Return a request signed over its full path."""
        return RestRequest.of(
            "GET",
            target,
            sign_hmac("AKI", "secret", "GET", target, headers=headers, now=NOW),
        )

    def check(self, request: RestRequest, secret: str = "secret", now: float = NOW) -> None:
        """Check the request as Walrus does."""
        claim = hmac_claim(request)
        assert claim is not None
        check_hmac(request, claim, secret, now, PREFIX)

    def refusal(self, request: RestRequest, now: float = NOW) -> SignatureRefused:
        """Return why the request is refused."""
        return self.assertRaises(SignatureRefused, self.check, request, now=now)

    def test_full_path(self) -> None:
        """A signature over the full path holds."""
        self.check(self.signed("/services/Walrus/b/k"))

    def test_stripped_path(self) -> None:
        """A signature over the path after the prefix holds, whatever the case of the prefix."""
        inner = self.signed("/b/k")
        self.check(RestRequest(inner.method, "/services/walrus/b/k", inner.headers))

    def test_stripped_bucket_with_slash(self) -> None:
        """A client may sign a bucket with a slash that it does not send."""
        inner = self.signed("/b/")
        self.check(RestRequest(inner.method, "/services/Walrus/b", inner.headers))

    def test_other_key(self) -> None:
        """A signature for one key does not open another; the refusal has the canonical string."""
        inner = self.signed("/services/Walrus/b/k")
        refusal = self.refusal(RestRequest("GET", "/services/Walrus/b/other", inner.headers))
        self.assertEqual(refusal.code, "SignatureDoesNotMatch")
        self.assertIn("/services/Walrus/b/other", refusal.canonical)
        self.assertNotIn("secret", refusal.canonical)

    def test_subresource(self) -> None:
        """The subresource is signed: a request for the object does not become one for its ACL."""
        inner = self.signed("/services/Walrus/b/k")
        self.refusal(RestRequest("GET", "/services/Walrus/b/k?acl", inner.headers))

    def test_prefix_that_ends_like_a_subresource(self) -> None:
        """A value that ends in a subresource's name is not one."""
        claim = hmac_claim(amazon_example("/b?prefix=my/acl"))
        assert claim is not None
        (string,) = canonical_strings(amazon_example("/b?prefix=my/acl"), claim)
        self.assertTrue(string.endswith("\n/b"))

    def test_repeated_header(self) -> None:
        """The values of a repeated header are signed joined by commas."""
        request = RestRequest("GET", "/b", (("X-Amz-Meta-A", "1"), ("x-amz-meta-a", " 2")))
        self.assertEqual(request.header("x-amz-meta-a"), "1,2")

    def test_date_window(self) -> None:
        """A date more than 15 minutes away is refused, before and after."""
        request = self.signed("/b")
        for now in (NOW - 901, NOW + 901):
            self.assertEqual(self.refusal(request, now).code, "RequestTimeTooSkewed")
        self.check(request, now=NOW + 899)

    def test_no_date(self) -> None:
        """A signed request without a date is refused."""
        claim = hmac_claim(RestRequest("GET", "/b", (("Authorization", "AWS AKI:x"),)))
        assert claim is not None
        self.assertEqual(claim.date, "")

    def test_amz_date_takes_the_place_of_date(self) -> None:
        """With x-amz-date, the date line of the canonical string is empty."""
        headers = (("Date", "x"), ("x-amz-date", "y"), ("Authorization", "AWS AKI:x"))
        claim = hmac_claim(RestRequest("GET", "/b", headers))
        assert claim is not None
        self.assertEqual(claim.date, "")

    def test_other_scheme(self) -> None:
        """A scheme that is not built is told apart from a wrong signature."""
        request = RestRequest("GET", "/b", (("Authorization", "AWS4-HMAC-SHA256 Credential=x"),))
        refusal = self.assertRaises(SignatureRefused, hmac_claim, request)
        self.assertEqual(refusal.code, "NotImplemented")

    def test_anonymous(self) -> None:
        """A request without any signature claims nothing."""
        self.assertIsNone(hmac_claim(RestRequest("GET", "/b?prefix=x", ())))

    def test_query_expired(self) -> None:
        """A signed query is refused after it expired, and before only for its signature."""
        target = f"/b/k?AWSAccessKeyId=AKI&Expires={int(NOW)}&Signature=x"
        request = RestRequest("GET", target, ())
        self.assertEqual(self.refusal(request).code, "SignatureDoesNotMatch")

    def test_amazon_example(self) -> None:
        """The canonical string is that of Amazon's description."""
        claim = hmac_claim(amazon_example())
        assert claim is not None
        self.assertEqual(
            canonical_strings(amazon_example(), claim),
            ("GET\n\n\nTue, 27 Mar 2007 19:36:42 +0000\n/photos/puppy.jpg",),
        )


class EucaTests(SynchronousTestCase):
    """Behaviour of the signature that nodes and the cloud controller make."""

    target = "/services/Walrus/b/m.manifest.xml?IsCompressed=true"

    def request(self, signer: Identity = NODE, **changed: str) -> RestRequest:
        """Return a signed request with some headers changed."""
        headers = sign_euca(signer, "GET", self.target, NOW, "GetDecryptedImage")
        return RestRequest.of("GET", self.target, {**headers, **changed})

    def check(self, request: RestRequest, now: float = NOW) -> str:
        """Check against the node's certificate, and return the operation wanted."""
        claim = euca_claim(request)
        assert claim is not None
        check_euca(request, claim, [NODE.certificate], now)
        return claim.operation or ""

    def dated(self, date: str) -> RestRequest:
        """Return a request that the node signed with a date of another form."""
        signature = NODE.sign_pkcs1_sha1(euca_string("GET", date, self.target).encode())
        return self.request(Date=date, EucaSignature=base64.b64encode(signature).decode())

    def test_signed(self) -> None:
        """What a node signed passes, with its operation."""
        self.assertEqual(self.check(self.request()), "GetDecryptedImage")

    def test_stranger(self) -> None:
        """A certificate that is not the installation's opens nothing, however well it signs."""
        refusal = self.assertRaises(SignatureRefused, self.check, self.request(STRANGER))
        self.assertEqual(refusal.code, "AccessDenied")

    def test_foreign_signature(self) -> None:
        """The node's certificate with a stranger's signature is refused."""
        forged = self.request(STRANGER).header("EucaSignature")
        assert forged is not None
        refusal = self.assertRaises(
            SignatureRefused, self.check, self.request(EucaSignature=forged)
        )
        self.assertEqual(refusal.code, "SignatureDoesNotMatch")

    def test_without_certificate(self) -> None:
        """Without EucaCert, the trusted certificates are tried."""
        headers = tuple(pair for pair in self.request().headers if pair[0] != "EucaCert")
        self.check(RestRequest("GET", self.target, headers))

    def test_date_forms(self) -> None:
        """Dates of the C nodes (local or universal time) and of Java are read."""
        for date in (
            time.asctime(time.localtime(NOW)),
            time.asctime(time.gmtime(NOW)),
            time.strftime("%a %b %d %H:%M:%S GMT %Y", time.gmtime(NOW)),
            formatdate(NOW, usegmt=True),
        ):
            self.check(self.dated(date))

    def test_retries_of_a_node(self) -> None:
        """A date without zone serves two hours, for a node that repeats it in its retries."""
        request = self.dated(time.asctime(time.gmtime(NOW)))
        self.check(request, now=NOW + 7100)
        self.assertRaises(SignatureRefused, self.check, request, now=NOW + 20 * 3600)

    def test_zoned_date(self) -> None:
        """A date with a zone serves 15 minutes."""
        self.assertRaises(SignatureRefused, self.check, self.request(), now=NOW + 1000)

    def test_damaged_base64(self) -> None:
        """A certificate or signature that cannot be read is refused."""
        for name in ("EucaCert", "EucaSignature"):
            damaged = self.request(**{name: "!"})
            self.assertRaises(SignatureRefused, euca_claim, damaged)
