"""Tests of keys named by issuer and serial number, as some users' clients name them."""

import base64
from typing import Any

from lxml import etree
from twisted.trial.unittest import SynchronousTestCase

from euca.auth.keyring import Certificate
from euca.auth.wsse import CLUSTER, USER, Pinned, Policy, Security, SecurityRefused, Signer
from euca.auth.wsse.names import DS, WSSE
from tests.auth.wsse.messages import ALICE, MALLORY, edited, security, signed, verified

_NAMES = {"ds": DS, "wsse": WSSE}


def named(
    certificate: Certificate, policy: Policy = USER, name: str = "", number: Any = None
) -> bytes:
    """Return a message of Alice's whose key is named by a certificate's issuer and number."""
    return renamed(signed(policy), certificate, name, number)


def renamed(raw: bytes, certificate: Certificate, name: str = "", number: Any = None) -> bytes:
    """Return a message with its key named instead of carried."""

    def edit(root: etree._Element) -> None:
        token = root.find(".//wsse:BinarySecurityToken", _NAMES)
        holder = root.find(".//wsse:SecurityTokenReference", _NAMES)
        assert token is not None
        assert holder is not None
        parent = token.getparent()
        assert parent is not None
        parent.remove(token)
        holder[:] = []
        data = etree.SubElement(holder, f"{{{DS}}}X509Data")
        issued = etree.SubElement(data, f"{{{DS}}}X509IssuerSerial")
        etree.SubElement(issued, f"{{{DS}}}X509IssuerName").text = name or certificate.issuer
        written = str(certificate.serial_number if number is None else number)
        etree.SubElement(issued, f"{{{DS}}}X509SerialNumber").text = written

    return edited(raw, edit)


class OnlyTokens:
    """A trust that knows certificates by their bytes alone."""

    async def find(self, der: bytes) -> Signer | None:
        """Find Alice."""
        return Signer("alice", ALICE.certificate)


class Credulous(OnlyTokens):
    """A trust that finds Alice whoever is asked for."""

    async def find_issued(self, issuer: str, serial_number: int) -> Signer | None:
        """Find Alice."""
        return Signer("alice", ALICE.certificate)


class IssuerSerialTests(SynchronousTestCase):
    """A user's key may be named instead of carried."""

    def refused(self, raw: bytes, held: Security, why: str) -> None:
        """Assert that a message is refused."""
        with self.assertRaisesRegex(SecurityRefused, why):
            verified(raw, held)

    def test_named(self) -> None:
        """A message whose key is named is accepted from users."""
        self.assertEqual(verified(named(ALICE.certificate), security(USER)).signer.name, "alice")

    def test_other_writings(self) -> None:
        """Other orders and spaces of the issuer's name are the same name."""
        parts = ALICE.certificate.issuer.split(",")
        for name in (", ".join(parts), ",".join(reversed(parts)), " , ".join(parts).lower()):
            raw = named(ALICE.certificate, name=name)
            if name.islower():
                self.refused(raw, security(USER), "not one that is trusted")
            else:
                self.assertEqual(verified(raw, security(USER)).signer.name, "alice")

    def test_stranger(self) -> None:
        """The name of a stranger's certificate, or another number, is refused."""
        self.refused(named(MALLORY.certificate), security(USER), "not one that is trusted")
        self.refused(named(ALICE.certificate, number=7), security(USER), "not one that is trusted")

    def test_name_of_another(self) -> None:
        """The name of somebody else who is trusted does not fit the signature."""
        trust = Pinned({"alice": ALICE.certificate, "mallory": MALLORY.certificate})
        self.refused(named(MALLORY.certificate), Security(USER, trust), "does not hold")

    def test_rubbish(self) -> None:
        """What is no number is refused, however long it is."""
        for number in ("", "x", "-1", "9" * 5000, "\u0661"):
            self.refused(named(ALICE.certificate, number=number), security(USER), "no number")

    def test_only_users(self) -> None:
        """Between controllers a key is carried."""
        raw = named(ALICE.certificate, CLUSTER)
        self.refused(raw, security(CLUSTER), "no BinarySecurityToken")
        self.refused(raw, security(CLUSTER, strict=False), "no BinarySecurityToken")

    def test_trust_that_knows_no_names(self) -> None:
        """A trust that knows no issuers finds nobody by them."""
        self.refused(
            named(ALICE.certificate), Security(USER, OnlyTokens()), "not one that is trusted"
        )

    def test_trust_that_finds_another(self) -> None:
        """Whom the trust finds must be the one that was meant."""
        held = Security(USER, Credulous())
        self.refused(named(MALLORY.certificate), held, "not one that is trusted")
        self.assertEqual(verified(named(ALICE.certificate), held).signer.name, "alice")
        stranger = edited(signed(USER), _swap)
        self.refused(stranger, Security(USER, Credulous()), "not one that is trusted")


def _swap(root: etree._Element) -> None:
    token = root.find(".//wsse:BinarySecurityToken", _NAMES)
    assert token is not None
    token.text = base64.b64encode(MALLORY.certificate.der).decode()
