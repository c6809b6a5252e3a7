"""Tests of certificates and keys."""

from datetime import UTC, datetime
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from euca.auth.keyring import Certificate, Identity, UnusableKey, new_identity, new_key_pair

NOW = datetime(2026, 11, 21, tzinfo=UTC)
ALICE = new_identity("alice", NOW)
BOB = new_identity("bob", NOW)


class IdentityTests(SynchronousTestCase):
    """An identity signs, decrypts, and survives the disk."""

    def test_signature_is_checked_by_the_certificate(self) -> None:
        """A signature verifies over the signed bytes and over no others."""
        signature = ALICE.sign_pkcs1_sha1(b"data")
        self.assertTrue(ALICE.certificate.verify_pkcs1_sha1(signature, b"data"))
        self.assertFalse(ALICE.certificate.verify_pkcs1_sha1(signature, b"date"))

    def test_the_digests_do_not_stand_in_for_each_other(self) -> None:
        """A SHA-256 signature is not taken for a SHA-1 one."""
        signature = ALICE.sign_pkcs1_sha256(b"data")
        self.assertTrue(ALICE.certificate.verify_pkcs1_sha256(signature, b"data"))
        self.assertFalse(ALICE.certificate.verify_pkcs1_sha1(signature, b"data"))

    def test_another_certificate_does_not_verify(self) -> None:
        """A signature of one identity is refused by the certificate of another."""
        signature = ALICE.sign_pkcs1_sha1(b"data")
        self.assertFalse(BOB.certificate.verify_pkcs1_sha1(signature, b"data"))

    def test_encryption_is_undone_by_the_key(self) -> None:
        """What is encrypted for a certificate is read by its identity."""
        self.assertEqual(ALICE.decrypt_pkcs1(ALICE.certificate.encrypt_pkcs1(b"key")), b"key")

    def test_saved_identity_is_loaded_again(self) -> None:
        """The two files hold the same certificate and key, the key for its owner's eyes only."""
        folder = Path(self.mktemp())
        folder.mkdir()
        ALICE.save(folder / "cert.pem", folder / "pk.pem")
        loaded = Identity.load(folder / "cert.pem", folder / "pk.pem")
        self.assertEqual(loaded.certificate, ALICE.certificate)
        self.assertEqual(loaded.key_pem, ALICE.key_pem)
        self.assertEqual((folder / "pk.pem").stat().st_mode & 0o777, 0o600)
        self.assertEqual(sorted(p.name for p in folder.iterdir()), ["cert.pem", "pk.pem"])

    def test_foreign_key_is_refused(self) -> None:
        """A key that does not belong to the certificate is refused when it is loaded."""
        with self.assertRaises(UnusableKey):
            Identity.from_pem(ALICE.certificate.pem, BOB.key_pem)

    def test_missing_file_is_named(self) -> None:
        """The error names the file that is missing."""
        with self.assertRaises(UnusableKey) as caught:
            Certificate.load(Path("nowhere/cert.pem"))
        self.assertIn("nowhere/cert.pem", str(caught.exception))

    def test_rubbish_is_refused(self) -> None:
        """Bytes that are no certificate are refused, as DER and as PEM."""
        with self.assertRaises(UnusableKey):
            Certificate.from_der(b"rubbish")
        with self.assertRaises(UnusableKey):
            Certificate.from_pem(b"rubbish")

    def test_no_secret_in_the_representation(self) -> None:
        """Printing an identity shows nothing of its key."""
        self.assertNotIn("PRIVATE", repr(ALICE))
        self.assertNotIn("RSAPrivateKey", repr(ALICE))


class KeyPairTests(SynchronousTestCase):
    """A key pair for instances has the three faces that EC2 clients know."""

    def test_faces(self) -> None:
        """The public line is OpenSSH's, the private half traditional PEM, 20 bytes of print."""
        pair = new_key_pair("admin@eucalyptus")
        self.assertTrue(pair.public_line.startswith("ssh-rsa AAAA"))
        self.assertTrue(pair.public_line.endswith(" admin@eucalyptus"))
        self.assertTrue(pair.private_pem.startswith("-----BEGIN RSA PRIVATE KEY-----"))
        self.assertRegex(pair.fingerprint, r"^([0-9a-f]{2}:){19}[0-9a-f]{2}$")
        self.assertNotIn("PRIVATE", repr(pair))
