"""The operations on key pairs."""

from __future__ import annotations

from attrs import field, frozen

from euca.auth.keyring import new_key_pair
from euca.clc import requests as r
from euca.clc.requests import Caller
from euca.clc.tables import (
    KeyPairRecord,
    thd_add_key_pair,
    thd_key_pair,
    thd_key_pairs,
    thd_remove_key_pair,
)
from euca.model.errors import InvalidParameter, KeyPairExists, UnknownKeyPair
from euca.store.engine import Database
from euca.store.sql import Connection
from euca.threads import Offload

MAX_NAME = 255


@frozen
class NewKeyPair:
    """A key pair just made, with the private half that is given away once."""

    record: KeyPairRecord
    private_pem: str = field(repr=False)


@frozen
class KeyPairs:
    """The key pairs of users; new ones are made in a thread."""

    database: Database
    threads: Offload

    async def create_key_pair(self, caller: Caller, request: r.CreateKeyPair) -> NewKeyPair:
        """Make a key pair, whose private half is kept nowhere; raises KeyPairExists."""
        name = request.name
        if len(name) > MAX_NAME or not name.isprintable():
            raise InvalidParameter(f"A key pair's name has at most {MAX_NAME} printable characters")
        exists = KeyPairExists(f"Creation failed.  Keypair already exists: {name}")
        if await self.database.transact(lambda tx: thd_key_pair(tx, caller.name, name)):
            raise exists
        made = await self.threads.run(new_key_pair, f"{caller.name}@eucalyptus")
        record = KeyPairRecord(caller.name, name, made.public_line, made.fingerprint)

        def thd_record(tx: Connection) -> None:
            # Another request may have made one of that name meanwhile.
            if thd_key_pair(tx, caller.name, name) is not None:
                raise exists
            thd_add_key_pair(tx, record)

        await self.database.transact(thd_record)
        return NewKeyPair(record, made.private_pem)

    async def describe_key_pairs(
        self, caller: Caller, request: r.DescribeKeyPairs
    ) -> list[KeyPairRecord]:
        """List the caller's own key pairs; raises UnknownKeyPair for a name that is none."""
        pairs = await self.database.transact(lambda tx: thd_key_pairs(tx, caller.name))
        known = {pair.name for pair in pairs}
        for name in request.names:
            if name not in known:
                raise UnknownKeyPair(f"The key pair '{name}' does not exist")
        return [pair for pair in pairs if not request.names or pair.name in request.names]

    async def delete_key_pair(self, caller: Caller, request: r.DeleteKeyPair) -> bool:
        """Forget the caller's key pair of that name; there need not be one."""
        await self.database.transact(lambda tx: thd_remove_key_pair(tx, caller.name, request.name))
        return True
