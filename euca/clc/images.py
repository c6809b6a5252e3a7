"""The operations on images."""

from __future__ import annotations

from collections.abc import Sequence

from attrs import frozen
from twisted.internet.interfaces import IReactorTime

from euca.clc import requests as r
from euca.clc.enrolment import Enrolment
from euca.clc.image import Image, normal_identifier
from euca.clc.requests import Caller
from euca.clc.tables import thd_image, thd_images, thd_remove_image
from euca.model.errors import NotPermitted, UnknownImage
from euca.store.accounts import thd_accounts_numbered
from euca.store.engine import Database
from euca.store.sql import Connection


@frozen
class Images:
    """The cloud's images, as its users know them."""

    database: Database
    enrolment: Enrolment
    clock: IReactorTime

    async def register_image(self, caller: Caller, request: r.RegisterImage) -> Image:
        """Register the bundle at a location; see `enrolment`."""
        return await self.enrolment.register(caller, request, self.clock.seconds())

    async def describe_images(self, caller: Caller, request: r.DescribeImages) -> list[Image]:
        """List the images that the caller may run; raises UnknownImage for unknown identifiers."""

        def thd_read(tx: Connection) -> list[Image]:
            images = thd_images(tx, caller.scope)
            wanted = [normal_identifier(name) for name in request.identifiers]
            known = {image.identifier for image in images}
            for name, asked in zip(wanted, request.identifiers, strict=True):
                if name not in known:
                    raise UnknownImage(f"The image id '[{asked}]' does not exist")
            owners = _thd_names(tx, caller, request.owners)
            runners = _thd_names(tx, caller, request.executable_by)
            return [
                image
                for image in images
                if (not wanted or image.identifier in wanted)
                and (not owners or image.owner in owners)
                and (not runners or _runnable_by(image, runners, caller))
            ]

        return await self.database.transact(thd_read)

    async def deregister_image(self, caller: Caller, request: r.DeregisterImage) -> bool:
        """Forget an image of the caller's; raises UnknownImage and NotPermitted."""
        identifier = normal_identifier(request.identifier)

        def thd_remove(tx: Connection) -> None:
            image = thd_image(tx, identifier)
            if image is None or not (image.public or caller.owns(image.owner)):
                raise UnknownImage(f"The image id '[{request.identifier}]' does not exist")
            if not caller.owns(image.owner):
                raise NotPermitted("Only the owner of an image or the administrator can do this.")
            thd_remove_image(tx, identifier)

        await self.database.transact(thd_remove)
        return True


def _thd_names(tx: Connection, caller: Caller, names: Sequence[str]) -> set[str]:
    """Return the account names that a filter means: `self`, names, and account numbers."""
    found = {caller.name if name == "self" else name for name in names}
    numbers = {name for name in found if name.isdecimal()}
    return found | {account.name for account in thd_accounts_numbered(tx, numbers)}


def _runnable_by(image: Image, runners: set[str], caller: Caller) -> bool:
    """Tell whether an image that the caller may see is one that one of these may run."""
    return image.public or image.owner in runners or (caller.name in runners)
