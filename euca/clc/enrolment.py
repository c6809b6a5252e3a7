"""Registers images: finds out what a manifest in Walrus describes, and whether to believe it.

Eucalyptus 2.0 looked at the signature of the manifest and ignored what it saw; here an image
counts as its owner's only when one of his certificates signed the manifest, and as usable only
when the cloud can decrypt its key.
"""

from __future__ import annotations

from collections.abc import Sequence

from attrs import evolve, frozen

from euca.auth.bundle import BadBundle, Manifest
from euca.auth.keyring import Certificate, Identity
from euca.clc.image import Image, Kind, Location, kind_of, normal_identifier, platform_of
from euca.clc.interfaces import ImageStore, ObjectUnavailable
from euca.clc.registry import thd_walrus
from euca.clc.requests import Caller, RegisterImage
from euca.clc.tables import thd_add_image, thd_image
from euca.model.errors import InvalidImage, MissingParameter, NotPermitted, Unavailable
from euca.model.identifiers import RandomBytes, new_identifier
from euca.store.accounts import thd_account, thd_certificates
from euca.store.engine import Database
from euca.store.sql import Connection
from euca.threads import Offload

_UNUSABLE = "Image registration failed because the manifest referenced is invalid or unavailable."


@frozen
class Enrolment:
    """Where images are registered; `identity` is the cloud's, that bundles are encrypted for."""

    database: Database
    store: ImageStore
    threads: Offload
    identity: Identity
    random_bytes: RandomBytes

    async def register(self, caller: Caller, request: RegisterImage, now: float) -> Image:
        """Check and record an image.

        Raises MissingParameter, InvalidParameter, NotPermitted, InvalidImage, Unavailable.
        """
        if not request.location:
            raise MissingParameter("The request must contain the parameter ImageLocation")
        location = Location.parse(request.location)
        manifest = await self._manifest(caller, location)
        image = described(caller, request, location, manifest)

        def thd_record(tx: Connection) -> Image:
            _thd_check_part(tx, image.kernel_id, Kind.KERNEL)
            _thd_check_part(tx, image.ramdisk_id, Kind.RAMDISK)
            named = evolve(image, identifier=self._thd_new_identifier(tx, image.kind))
            thd_add_image(tx, named, now)
            return named

        return await self.database.transact(thd_record)

    def _thd_new_identifier(self, tx: Connection, kind: Kind) -> str:
        while True:
            identifier = new_identifier(kind.prefix, self.random_bytes)
            if thd_image(tx, identifier) is None:
                return identifier

    async def _manifest(self, caller: Caller, location: Location) -> Manifest:
        """Fetch the manifest of an image that the caller may register, and check it."""
        walrus = await self.database.transact(thd_walrus)
        if walrus is None:
            raise Unavailable("Walrus has not been configured.")
        try:
            owner = await self.store.bucket_owner(walrus.walrus_url, location.bucket)
            if not caller.owns(owner):
                raise NotPermitted(
                    "Image registration failed: you must own the bucket containing the image."
                )
            raw = await self.store.manifest(walrus.walrus_url, location)
        except ObjectUnavailable as error:
            raise InvalidImage(f"{_UNUSABLE} ({error})") from error
        certificates = await self.database.transact(
            lambda tx: _thd_signers(tx, (caller.name, owner))
        )
        try:
            return await self.threads.run(_checked, raw, certificates, self.identity)
        except BadBundle as error:
            raise InvalidImage(f"{_UNUSABLE} ({error})") from error


def _thd_signers(tx: Connection, names: Sequence[str]) -> list[bytes]:
    """Return the certificates of the enabled accounts among `names`."""
    enabled = [name for name in dict.fromkeys(names) if _thd_enabled(tx, name)]
    return [der for name in enabled for der in thd_certificates(tx, name)]


def _thd_enabled(tx: Connection, name: str) -> bool:
    account = thd_account(tx, name)
    return account is not None and account.enabled


def _checked(raw: bytes, certificates: Sequence[bytes], identity: Identity) -> Manifest:
    """Return the manifest, if it is signed by one of the certificates and meant for this cloud."""
    manifest = Manifest.parse(raw)
    if not manifest.signed_by(Certificate.from_der(der) for der in certificates):
        raise BadBundle("it is not signed with a certificate of its owner")
    manifest.keys(identity)
    return manifest


def described(
    caller: Caller, request: RegisterImage, location: Location, manifest: Manifest
) -> Image:
    """Return the image, without identifier, that a manifest and a request describe together.

    What the request says goes before what the manifest says. Kernels and ramdisks may be
    registered by administrators alone; raises NotPermitted.
    """
    kind = kind_of(location, manifest.kernel_id, manifest.ramdisk_id)
    if kind is not Kind.MACHINE and not caller.administrator:
        raise NotPermitted(f"Only administrators can register {kind.value} images.")
    machine = kind is Kind.MACHINE
    return Image(
        identifier="",
        location=str(location),
        kind=kind,
        owner=caller.name,
        architecture=request.architecture or manifest.architecture or "i386",
        platform=platform_of(location),
        public=True,
        size=manifest.size,
        kernel_id=_part(request.kernel_id, manifest.kernel_id) if machine else None,
        ramdisk_id=_part(request.ramdisk_id, manifest.ramdisk_id) if machine else None,
        signature=manifest.signature.hex(),
        name=request.name or None,
        description=request.description or None,
    )


def _part(asked: str | None, said: str) -> str | None:
    text = asked or said
    return normal_identifier(text) if text else None


def _thd_check_part(tx: Connection, identifier: str | None, kind: Kind) -> None:
    """Check that a part named by the image is there; raises InvalidImage."""
    if identifier is None:
        return
    part = thd_image(tx, identifier)
    if part is None or part.kind is not kind:
        raise InvalidImage(f"Referenced {kind.value} id is invalid: {identifier}")
