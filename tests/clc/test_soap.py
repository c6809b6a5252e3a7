"""Tests of EC2's SOAP front end: who signed, named in either way."""

from __future__ import annotations

from typing import Any

from treq.testing import StubTreq
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from euca.auth.keyring import Certificate
from euca.auth.wsse import USER, Signer
from euca.clc.soap import UserCertificates
from euca.store.accounts import ACCOUNTS, CERTIFICATES
from euca.store.sql import update
from tests.auth.wsse.messages import signed
from tests.auth.wsse.test_issuer_serial import renamed
from tests.clc.cloud import NOW, House, identity

URL = "http://cloud.example:8773/services/Eucalyptus"
PAYLOAD = (
    '<e:DescribeKeyPairs xmlns:e="http://ec2.amazonaws.com/doc/2009-11-30/">'
    "<e:keySet></e:keySet></e:DescribeKeyPairs>"
)


class SoapTests(SynchronousTestCase):
    """Users over SOAP."""

    def setUp(self) -> None:
        self.house = House().start()
        self.addCleanup(self.house.stop)
        self.http = StubTreq(self.house.door)
        self.ann = identity("ann")

    def post(self, raw: bytes) -> tuple[int, bytes]:
        """Return status and content of the reply to a message."""
        headers = {"SOAPAction": "", "Content-Type": "text/xml"}
        response = self.successResultOf(self.http.post(URL, data=raw, headers=headers))
        return response.code, self.successResultOf(response.content())

    def message(self) -> bytes:
        """Return a message that Ann signed."""
        return signed(USER, PAYLOAD, now=NOW, identity=self.ann)

    def named(self, certificate: Certificate) -> bytes:
        """Return a message of Ann's that names a certificate by issuer and serial number."""
        return renamed(self.message(), certificate)

    def test_carried(self) -> None:
        """A message that carries its certificate is answered for the account that has it."""
        status, content = self.post(self.message())
        self.assertEqual(status, 200)
        self.assertIn(b"mykey", content)

    def test_named(self) -> None:
        """So is one that names it by issuer and serial number."""
        status, content = self.post(self.named(self.ann.certificate))
        self.assertEqual(status, 200, content)
        self.assertIn(b"mykey", content)

    def test_named_stranger(self) -> None:
        """A certificate that is nobody's, or somebody else's, is refused when named."""
        for other, why in (("bob", b"not one that is trusted"), ("admin", b"does not hold")):
            status, content = self.post(self.named(identity(other).certificate))
            self.assertEqual(status, 500)
            self.assertIn(why, content)

    def found(self) -> Signer | None:
        """Return whom the name of Ann's certificate finds."""
        certificate = self.ann.certificate
        trust = UserCertificates(self.house.database)
        finding: Any = trust.find_issued(certificate.issuer, certificate.serial_number)
        result: Signer | None = self.successResultOf(Deferred.fromCoroutine(finding))
        return result

    def test_found(self) -> None:
        """An enabled account is found by the name of a certificate that is not revoked."""
        self.assertEqual(self.found(), Signer("ann", self.ann.certificate))
        work = self.house.database.thd_transact
        ann = CERTIFICATES.c.account == "ann"
        work(lambda tx: tx.execute(update(CERTIFICATES).where(ann).values(revoked=True)))
        self.assertIsNone(self.found())
        work(lambda tx: tx.execute(update(CERTIFICATES).where(ann).values(revoked=False)))
        self.assertIsNotNone(self.found())
        account = ACCOUNTS.c.name == "ann"
        work(lambda tx: tx.execute(update(ACCOUNTS).where(account).values(enabled=False)))
        self.assertIsNone(self.found())
