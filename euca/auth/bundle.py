"""Bundles: a machine image packed, encrypted and cut for the way to the cloud, with its manifest.

Bundling packs the image into a compressed tar archive, encrypts that with AES-128-CBC under a new
key, and cuts the result into parts. The manifest, an XML file, names the parts and their SHA-1,
and holds the key twice: encrypted for the cloud, and for the user. Each of them, and the vector,
is the hex form of an RSA ciphertext whose plaintext is again hex: of the 16 bytes. The user signs
the text of the elements `machine_configuration` and `image`, exactly as they stand in the file.

The format is that of the EC2 and Eucalyptus 2.0 tools, manifest version 2007-10-10. Everything
here works on streams of pieces, so that an image of any size passes through little memory.
Functions block; run them in a thread.
"""

from __future__ import annotations

import hashlib
import io
import re
import secrets
import tarfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO
from xml.sax.saxutils import escape

from attrs import field, frozen
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7
from lxml import etree

from euca.auth.keyring import Certificate, Identity

PIECE = 1 << 16  # bytes read, decrypted or written at a time
PART_SIZE = 10 << 20
MAX_MANIFEST = 8 << 20  # bytes; the manifest of a terabyte in parts of 10 MiB has this order
VERSION = "2007-10-10"
BUNDLER = ("euca", "0.1.0", "1")
_BLOCK_BITS = 128

Progress = Callable[[int, int], None]
"""Told the bytes of the image that are bundled, and how many there are."""


class BadBundle(Exception):
    """A manifest or a bundle is not what its format or its own digests say; the message tells."""


@frozen
class Part:
    """One piece of a bundle: the name of its object, and the hex SHA-1 of its bytes if given."""

    filename: str
    digest: str | None


@frozen
class Secret:
    """The key and the initial vector of a bundle, 16 bytes each."""

    key: bytes = field(repr=False)
    vector: bytes = field(repr=False)

    @classmethod
    def new(cls) -> Secret:
        """Return a fresh one."""
        return cls(secrets.token_bytes(16), secrets.token_bytes(16))


# The manifest


@frozen
class Manifest:
    """What the manifest of a bundle says; `size` is that of the raw image, in bytes."""

    raw: bytes = field(repr=False)
    name: str
    architecture: str
    kernel_id: str
    ramdisk_id: str
    size: int
    parts: tuple[Part, ...] = field(repr=False)
    signature: bytes = field(repr=False)
    _encrypted: tuple[str, str] = field(repr=False)

    @classmethod
    def parse(cls, raw: bytes) -> Manifest:
        """Read a manifest; raises BadBundle for what is not one.

        Whatever could make the elements that are read differ from the text that is signed (a
        second such element, a comment, an entity, CDATA) is refused.
        """
        root = _root(raw)
        for name in ("machine_configuration", "image"):
            _signed_text(raw, name)
        image = root.find("image")
        if image is None or root.find("machine_configuration") is None:
            raise BadBundle("the manifest lacks its image or its machine_configuration")
        size = _text(image, "size")
        if not re.fullmatch(r"[0-9]{1,18}", size) or int(size) == 0:
            raise BadBundle(f"the manifest's image size {size[:40]!r} is no positive number")
        return cls(
            raw,
            _text(image, "name"),
            _text(root, "machine_configuration/architecture"),
            _text(root, "machine_configuration/kernel_id"),
            _text(root, "machine_configuration/ramdisk_id"),
            int(size),
            _parts(image),
            _unhex(_text(root, "signature"), "signature"),
            (_text(image, "ec2_encrypted_key"), _text(image, "ec2_encrypted_iv")),
        )

    @property
    def signed(self) -> bytes:
        """The bytes that the signature covers."""
        return _signed_text(self.raw, "machine_configuration") + _signed_text(self.raw, "image")

    def signed_by(self, certificates: Iterable[Certificate]) -> bool:
        """Tell whether one of the certificates made the signature."""
        data = self.signed
        return any(
            certificate.verify_pkcs1_sha1(self.signature, data) for certificate in certificates
        )

    def keys(self, identity: Identity) -> Secret:
        """Return the bundle's secret, decrypted with the cloud's key; raises BadBundle."""
        try:
            key, vector = (
                bytes.fromhex(identity.decrypt_pkcs1(bytes.fromhex(text)).decode("ascii"))
                for text in self._encrypted
            )
        except ValueError as error:
            raise BadBundle("the image key is not encrypted for this cloud") from error
        if len(key) != 16 or len(vector) != 16:
            raise BadBundle("the image key is not one of AES-128")
        return Secret(key, vector)


def _root(raw: bytes) -> etree._Element:
    if len(raw) > MAX_MANIFEST:
        raise BadBundle(f"a manifest has at most {MAX_MANIFEST} bytes")
    if b"<!" in raw or raw.count(b"<?") > raw.startswith(b"<?xml"):
        raise BadBundle("a manifest has no comments, document types or instructions")
    parser = etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=False)
    try:
        root = etree.fromstring(raw, parser)
    except etree.XMLSyntaxError as error:
        raise BadBundle(f"the manifest is not well-formed XML: {error.msg}") from error
    if root.tag != "manifest":
        raise BadBundle("the manifest's root is not called manifest")
    return root


def _signed_text(raw: bytes, name: str) -> bytes:
    start, end = f"<{name}>".encode(), f"</{name}>".encode()
    if raw.count(start) != 1 or raw.count(end) != 1:
        raise BadBundle(f"a manifest has one {name}, without attributes")
    return raw[raw.index(start) : raw.index(end) + len(end)]


def _text(parent: etree._Element, path: str) -> str:
    return (parent.findtext(path) or "").strip()


def _unhex(text: str, name: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError as error:
        raise BadBundle(f"the manifest's {name} is not hex") from error


def _parts(image: etree._Element) -> tuple[Part, ...]:
    parts = []
    for element in image.iterfind("parts/part"):
        digest = element.find("digest")
        sha1 = digest is not None and digest.get("algorithm", "SHA1").upper() == "SHA1"
        parts.append(Part(_text(element, "filename"), _text(element, "digest") if sha1 else None))
    if not parts or not all(part.filename for part in parts):
        raise BadBundle("the manifest names no parts, or one without a name")
    return tuple(parts)


# From parts to the image


def image_pieces(parts: Sequence[tuple[Path, str | None]], secret: Secret) -> Iterator[bytes]:
    """Yield the raw image of a bundle; raises BadBundle when a part or the whole is damaged.

    Each part is a file and the SHA-1 that it must have. What the archive holds is joined, as the
    original did; normally it is one file.
    """
    return _untar(_gunzip(decrypted(_read_parts(parts), secret)))


def _read_parts(parts: Sequence[tuple[Path, str | None]]) -> Iterator[bytes]:
    for number, (path, expected) in enumerate(parts):
        digest = hashlib.sha1(usedforsecurity=False)
        with path.open("rb") as stream:
            while piece := stream.read(PIECE):
                digest.update(piece)
                yield piece
        if expected is not None and digest.hexdigest() != expected.lower():
            raise BadBundle(f"part {number} of the bundle does not have the manifest's digest")


def decrypted(pieces: Iterable[bytes], secret: Secret) -> Iterator[bytes]:
    """Yield the plaintext of AES-128-CBC with PKCS#7 padding; raises BadBundle."""
    decryptor = Cipher(algorithms.AES(secret.key), modes.CBC(secret.vector)).decryptor()
    padding = PKCS7(_BLOCK_BITS).unpadder()
    for piece in pieces:
        yield padding.update(decryptor.update(piece))
    try:
        yield padding.update(decryptor.finalize()) + padding.finalize()
    except ValueError as error:
        raise BadBundle("the bundle does not decrypt with the manifest's key") from error


def _gunzip(pieces: Iterable[bytes]) -> Iterator[bytes]:
    inflater = zlib.decompressobj(wbits=31)
    try:
        for piece in pieces:
            data = piece
            while data:
                if inflater.eof:
                    inflater = zlib.decompressobj(wbits=31)  # a further member
                yield inflater.decompress(data, PIECE)
                data = inflater.unconsumed_tail or inflater.unused_data
    except zlib.error as error:
        raise BadBundle("the bundle is not compressed as it should be") from error
    if not inflater.eof:
        raise BadBundle("the compressed bundle ends early")


def _untar(pieces: Iterator[bytes]) -> Iterator[bytes]:
    reader = _PieceReader(pieces)
    try:
        with tarfile.open(fileobj=reader, mode="r|", bufsize=PIECE) as archive:
            for member in archive:
                content = archive.extractfile(member) if member.isreg() else None
                while content is not None and (piece := content.read(PIECE)):
                    yield piece
    except tarfile.TarError as error:
        raise BadBundle("the bundle does not hold a tar archive") from error
    for _ in pieces:
        continue  # the rest is read for the digests and the ends of the inner layers


class _PieceReader(io.RawIOBase):
    """A file to read from, made of an iterator of pieces."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._held = b""

    def read(self, size: int = -1) -> bytes:
        """Return up to `size` bytes, less only at the end."""
        while size < 0 or len(self._held) < size:
            piece = next(self._pieces, None)
            if piece is None:
                break
            self._held += piece
        cut = len(self._held) if size < 0 else size
        result, self._held = self._held[:cut], self._held[cut:]
        return result


def write_image(pieces: Iterable[bytes], stream: BinaryIO, size: int) -> None:
    """Write an image of `size` bytes, leaving holes for zeros; raises BadBundle for another size.

    A bundle that unfolds to more than it says is stopped there.
    """
    written = 0
    for piece in pieces:
        written += len(piece)
        if written > size:
            raise BadBundle(f"the bundle holds more than the {size} bytes of the manifest")
        if piece.count(0) == len(piece):
            stream.seek(len(piece), io.SEEK_CUR)
        else:
            stream.write(piece)
    if written != size:
        raise BadBundle(f"the bundle holds {written} bytes, the manifest says {size}")
    stream.truncate(size)


# From an image to its bundle


def bundle(  # noqa: PLR0917 (a bundle has as many sides)
    image_path: Path,
    directory: Path,
    prefix: str,
    user_identity: Identity,
    cloud_certificate: Certificate,
    account_number: str,
    architecture: str,
    *,
    kernel: str | None = None,
    ramdisk: str | None = None,
    part_size: int = PART_SIZE,
    progress: Progress = lambda _done, _size: None,
) -> Path:
    """Bundle the image into `directory`, and return the path of the manifest.

    The manifest is `<prefix>.manifest.xml`, the parts `<prefix>.part.<number>`. `kernel` and
    `ramdisk` are the identifiers that the image goes with, or `true` for an image that is one.
    """
    secret = Secret.new()
    writer = _PartWriter(directory, prefix, part_size, secret)
    size = image_path.stat().st_size
    with image_path.open("rb") as stream:
        reader = _DigestReader(stream, lambda done: progress(done, size))
        with tarfile.open(fileobj=writer, mode="w|gz", bufsize=PIECE) as archive:
            member = tarfile.TarInfo(image_path.name)
            member.size = size
            archive.addfile(member, reader)
    writer.finish()
    configuration = _configuration_text(architecture, kernel, ramdisk)
    image = (
        f"<image><name>{escape(image_path.name)}</name><user>{escape(account_number)}</user>"
        f"<type>{_kind(kernel, ramdisk)}</type>"
        f'<digest algorithm="SHA1">{reader.digest.hexdigest()}</digest>'
        f"<size>{size}</size><bundled_size>{writer.written}</bundled_size>"
        f"{_secret_text(secret, cloud_certificate, user_identity.certificate)}"
        f"{_parts_text(writer.parts)}</image>"
    )
    path = directory / f"{prefix}.manifest.xml"
    path.write_bytes(render(configuration, image, user_identity))
    return path


def render(configuration: str, image: str, signer: Identity) -> bytes:
    """Return a manifest of two finished elements, signed."""
    name, version, release = BUNDLER
    signature = signer.sign_pkcs1_sha1((configuration + image).encode()).hex()
    return (
        f'<?xml version="1.0"?><manifest><version>{VERSION}</version><bundler><name>{name}</name>'
        f"<version>{version}</version><release>{release}</release></bundler>"
        f"{configuration}{image}<signature>{signature}</signature></manifest>"
    ).encode()


def _kind(kernel: str | None, ramdisk: str | None) -> str:
    return "kernel" if kernel == "true" else "ramdisk" if ramdisk == "true" else "machine"


def _configuration_text(architecture: str, kernel: str | None, ramdisk: str | None) -> str:
    text = f"<architecture>{escape(architecture)}</architecture>"
    for name, value in (("kernel_id", kernel), ("ramdisk_id", ramdisk)):
        if value is not None:
            text += f"<{name}>{escape(value)}</{name}>"
    return f"<machine_configuration>{text}</machine_configuration>"


def _secret_text(secret: Secret, cloud: Certificate, user: Certificate) -> str:
    text = ""
    for what, value in (("key", secret.key), ("iv", secret.vector)):
        for name, certificate in (("ec2", cloud), ("user", user)):
            ciphertext = certificate.encrypt_pkcs1(value.hex().encode()).hex()
            tag = f"{name}_encrypted_{what}"
            text += f'<{tag} algorithm="AES-128-CBC">{ciphertext}</{tag}>'
    return text


def _parts_text(parts: Sequence[Part]) -> str:
    text = "".join(
        f'<part index="{index}"><filename>{escape(part.filename)}</filename>'
        f'<digest algorithm="SHA1">{part.digest}</digest></part>'
        for index, part in enumerate(parts)
    )
    return f'<parts count="{len(parts)}">{text}</parts>'


class _DigestReader(io.RawIOBase):
    """Reads a file, keeping its SHA-1 and telling how far it is."""

    def __init__(self, stream: BinaryIO, told: Callable[[int], None]) -> None:
        self._stream = stream
        self._told = told
        self._done = 0
        self.digest = hashlib.sha1(usedforsecurity=False)

    def read(self, size: int = -1) -> bytes:
        """Read from the file."""
        piece = self._stream.read(size)
        self.digest.update(piece)
        self._done += len(piece)
        self._told(self._done)
        return piece


class _PartWriter(io.RawIOBase):
    """A file to write to, whose content goes encrypted into parts of a size."""

    def __init__(self, directory: Path, prefix: str, part_size: int, secret: Secret) -> None:
        self._directory = directory
        self._prefix = prefix
        self._part_size = part_size
        self._encryptor = Cipher(algorithms.AES(secret.key), modes.CBC(secret.vector)).encryptor()
        self._padding = PKCS7(_BLOCK_BITS).padder()
        self._held = bytearray()
        self.parts: list[Part] = []
        self.written = 0

    def write(self, data: bytes) -> int:  # type: ignore[override]
        """Take more of the archive."""
        self._held += self._encryptor.update(self._padding.update(bytes(data)))
        while len(self._held) >= self._part_size:
            self._cut(self._part_size)
        return len(data)

    def finish(self) -> None:
        """Write the padding and the last part."""
        self._held += self._encryptor.update(self._padding.finalize()) + self._encryptor.finalize()
        while self._held:
            self._cut(self._part_size)

    def _cut(self, size: int) -> None:
        content = bytes(self._held[:size])
        del self._held[:size]
        name = f"{self._prefix}.part.{len(self.parts)}"
        (self._directory / name).write_bytes(content)
        digest = hashlib.sha1(content, usedforsecurity=False).hexdigest()
        self.parts.append(Part(name, digest))
        self.written += len(content)
