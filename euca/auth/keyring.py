"""Certificates and RSA keys: reading, making, keeping, and the two old paddings that 2.0 uses.

Every component of a cloud owns one self-signed X.509 certificate with its RSA key. Peers do not
build chains: they compare the certificate, byte for byte, with the copy on their own disk. The
operations here are therefore few: PKCS#1 v1.5 signatures over SHA-1 (2.0 knows no other)
and PKCS#1 v1.5 encryption (image keys and iSCSI passwords).

Making a key takes a good part of a second: call `new_identity` and `new_key_pair` in a thread.
"""

import hashlib
import os
import re
import secrets
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path

from attrs import field, frozen
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import NameOID

_KEY_BITS = 2048
_EXPONENT = 65537


class UnusableKey(Exception):
    """A certificate or key file is missing, unreadable, not RSA, or does not fit its partner."""

    def __init__(self, source: str, why: str) -> None:
        super().__init__(f"{source}: {why}")
        self.source = source
        self.why = why


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UnusableKey(str(path), error.strerror or "unreadable") from error


@frozen
class Certificate:
    """An X.509 certificate with an RSA key; equal to another when the DER bytes are equal."""

    der: bytes = field(repr=False)

    @classmethod
    def from_der(cls, der: bytes, source: str = "certificate") -> "Certificate":
        """Take DER bytes; raises UnusableKey when they are no RSA certificate."""
        certificate = cls(der)
        try:
            usable = isinstance(certificate._parsed.public_key(), rsa.RSAPublicKey)
        except ValueError as error:
            raise UnusableKey(source, "not an X.509 certificate") from error
        if not usable:
            raise UnusableKey(source, "not an RSA certificate")
        return certificate

    @classmethod
    def from_pem(cls, pem: bytes, source: str = "certificate") -> "Certificate":
        """Take the first certificate of a PEM text; raises UnusableKey."""
        try:
            parsed = x509.load_pem_x509_certificate(pem)
        except ValueError as error:
            raise UnusableKey(source, "not a PEM certificate") from error
        return cls.from_der(parsed.public_bytes(serialization.Encoding.DER), source)

    @classmethod
    def load(cls, path: Path) -> "Certificate":
        """Read a PEM file; raises UnusableKey naming the file."""
        return cls.from_pem(_read(path), str(path))

    @cached_property
    def _parsed(self) -> x509.Certificate:
        return x509.load_der_x509_certificate(self.der)

    @cached_property
    def _public_key(self) -> rsa.RSAPublicKey:
        key = self._parsed.public_key()
        assert isinstance(key, rsa.RSAPublicKey)
        return key

    @cached_property
    def pem(self) -> bytes:
        """The certificate as PEM, lines of 64 characters."""
        return self._parsed.public_bytes(serialization.Encoding.PEM)

    @cached_property
    def public_key_pem(self) -> bytes:
        """The bare public key as PEM."""
        return self._public_key.public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )

    @cached_property
    def common_name(self) -> str:
        """The subject's common name, or the empty text."""
        names = self._parsed.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        return str(names[0].value) if names else ""

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over the DER bytes, in hexadecimal: how two people compare certificates."""
        return hashlib.sha256(self.der).hexdigest()

    @cached_property
    def issuer(self) -> str:
        """The issuer's name in the form of RFC 4514."""
        return self._parsed.issuer.rfc4514_string()

    @cached_property
    def serial_number(self) -> int:
        """The serial number that the issuer gave."""
        return self._parsed.serial_number

    @cached_property
    def modulus_and_exponent(self) -> tuple[int, int]:
        """The RSA public key's two numbers."""
        numbers = self._public_key.public_numbers()
        return numbers.n, numbers.e

    def issued_as(self, issuer: str, serial_number: int) -> bool:
        """Whether that issuer gave it that number; the name as RFC 2253 or 4514 writes it."""
        same_number = self.serial_number == serial_number
        return same_number and _name_parts(self.issuer) == _name_parts(issuer)

    def verify_pkcs1_sha1(self, signature: bytes, data: bytes) -> bool:
        """Whether the signature (RSA PKCS#1 v1.5, SHA-1) over the data is this certificate's."""
        return self._verify(signature, data, hashes.SHA1())  # noqa: S303

    def verify_pkcs1_sha256(self, signature: bytes, data: bytes) -> bool:
        """Whether the signature (RSA PKCS#1 v1.5, SHA-256) over the data is this certificate's."""
        return self._verify(signature, data, hashes.SHA256())

    def _verify(self, signature: bytes, data: bytes, digest: hashes.HashAlgorithm) -> bool:
        try:
            self._public_key.verify(signature, data, padding.PKCS1v15(), digest)
        except InvalidSignature:
            return False
        return True

    def encrypt_pkcs1(self, data: bytes) -> bytes:
        """Encrypt for the holder of the key, RSA PKCS#1 v1.5 as 2.0's image keys are."""
        return self._public_key.encrypt(data, padding.PKCS1v15())


@frozen
class Identity:
    """A certificate together with its private key: what a component signs with."""

    certificate: Certificate
    _key: rsa.RSAPrivateKey = field(repr=False, eq=False)

    @classmethod
    def from_pem(cls, certificate: bytes, key: bytes, source: str = "key") -> "Identity":
        """Take a certificate and an unencrypted key as PEM; raises UnusableKey."""
        held = Certificate.from_pem(certificate, source)
        try:
            private = serialization.load_pem_private_key(key, password=None)
        except (ValueError, TypeError) as error:
            raise UnusableKey(source, "not an unencrypted PEM key") from error
        if not isinstance(private, rsa.RSAPrivateKey):
            raise UnusableKey(source, "not an RSA key")
        numbers = private.public_key().public_numbers()
        if (numbers.n, numbers.e) != held.modulus_and_exponent:
            raise UnusableKey(source, "the key does not belong to the certificate")
        return cls(held, private)

    @classmethod
    def load(cls, certificate_path: Path, key_path: Path) -> "Identity":
        """Read two PEM files; raises UnusableKey naming the file."""
        return cls.from_pem(_read(certificate_path), _read(key_path), str(key_path))

    def save(self, certificate_path: Path, key_path: Path) -> None:
        """Write two PEM files, each whole or not at all; the key with mode 0600."""
        _replace(key_path, self.key_pem, 0o600)
        _replace(certificate_path, self.certificate.pem, 0o644)

    @property
    def key_pem(self) -> bytes:
        """The private key as PEM in the traditional form, which old peers read too."""
        return _private_pem(self._key)

    def sign_pkcs1_sha1(self, data: bytes) -> bytes:
        """Sign with RSA PKCS#1 v1.5 over SHA-1, the only signature that 2.0 peers accept."""
        return self._key.sign(data, padding.PKCS1v15(), hashes.SHA1())  # noqa: S303

    def sign_pkcs1_sha256(self, data: bytes) -> bytes:
        """Sign with RSA PKCS#1 v1.5 over SHA-256."""
        return self._key.sign(data, padding.PKCS1v15(), hashes.SHA256())

    def decrypt_pkcs1(self, data: bytes) -> bytes:
        """Undo `Certificate.encrypt_pkcs1`; raises ValueError when it was not for this key."""
        return self._key.decrypt(data, padding.PKCS1v15())


@frozen
class KeyPair:
    """A new key pair for logging in to instances: the private half is given away once."""

    private_pem: str = field(repr=False)
    public_line: str
    fingerprint: str


def new_identity(common_name: str, now: datetime, years: int = 10) -> Identity:
    """Make a key and a self-signed certificate, named as 2.0 names its components.

    It is valid from a day before now, so that a peer whose clock is behind does not refuse it.
    """
    key = rsa.generate_private_key(_EXPONENT, _KEY_BITS)
    name = x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, "US"),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Cloud"),
            x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, "Eucalyptus"),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
        ]
    )
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=365 * years))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    return Identity(Certificate(certificate.public_bytes(serialization.Encoding.DER)), key)


def new_key_pair(comment: str) -> KeyPair:
    """Make a 2048-bit key pair; the fingerprint is SHA-1 over the PKCS#8 DER private key."""
    key = rsa.generate_private_key(_EXPONENT, _KEY_BITS)
    public = key.public_key().public_bytes(
        serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
    )
    der = key.private_bytes(
        serialization.Encoding.DER,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    digest = hashlib.sha1(der, usedforsecurity=False).hexdigest()
    return KeyPair(
        private_pem=_private_pem(key).decode("ascii"),
        public_line=f"{public.decode('ascii')} {comment}",
        fingerprint=":".join(digest[i : i + 2] for i in range(0, len(digest), 2)),
    )


def _name_parts(name: str) -> frozenset[str]:
    """Return the parts of a name; programs differ in their order, spaces and case of keys."""
    pairs = (part.partition("=") for part in re.split(r"(?<!\\),\s*", name.strip()))
    return frozenset(f"{key.strip().upper()}={value.strip()}" for key, _, value in pairs)


def _private_pem(key: rsa.RSAPrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )


def _replace(path: Path, content: bytes, mode: int) -> None:
    """Write beside the path and rename, so that no reader ever sees half a file."""
    draft = path.with_name(f"{path.name}.{secrets.token_hex(4)}.new")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        draft.replace(path)
    except OSError:
        draft.unlink(missing_ok=True)
        raise
