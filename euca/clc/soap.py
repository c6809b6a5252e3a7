"""The SOAP front end of EC2: users sign Timestamp and Body with a certificate of theirs."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from attrs import frozen

from euca.auth.keyring import Certificate
from euca.auth.wsse import Signer
from euca.clc.binding import from_soap
from euca.clc.ec2 import OPERATIONS, Operation
from euca.clc.front import Front
from euca.model.errors import NotAuthenticated
from euca.store.accounts import thd_account_by_certificate, thd_all_certificates
from euca.store.engine import Database
from euca.store.sql import Connection
from euca.wire.contract import Contract
from euca.wire.service import Call
from euca.wire.service import operation as bound_to

Method = Callable[["SoapOperations", Call], Awaitable[Mapping[str, Any]]]


@frozen
class UserCertificates:
    """Trusts the certificates of the cloud's enabled accounts that are not revoked."""

    database: Database

    async def find(self, der: bytes) -> Signer | None:
        """Return the account whose certificate this is, None for a stranger's."""
        account = await self.database.transact(lambda tx: thd_account_by_certificate(tx, der))
        return None if account is None else Signer(account.name, Certificate.from_der(der))

    async def find_issued(self, issuer: str, serial_number: int) -> Signer | None:
        """Return the account whose certificate has that number of that issuer.

        None for a stranger's, and for one that is not the only one.
        """

        def thd_find(tx: Connection) -> Signer | None:
            known = (_certificate(der) for der in thd_all_certificates(tx))
            meant = [each for each in known if each.issued_as(issuer, serial_number)]
            if len(meant) != 1:
                return None
            account = thd_account_by_certificate(tx, meant[0].der)
            return None if account is None else Signer(account.name, meant[0])

        return await self.database.transact(thd_find)


@functools.lru_cache(maxsize=4096)
def _certificate(der: bytes) -> Certificate:
    """Return a certificate, read once: looking for an issuer reads those of all users."""
    return Certificate.from_der(der)


class SoapOperations:
    """The operations of EC2's contract; `soap_operations` adds a method for each of the table."""

    unbuilt: tuple[str, ...] = ()

    def __init__(self, front: Front, database: Database) -> None:
        self._front = front
        self._database = database

    async def perform(self, operation: Operation, call: Call) -> Mapping[str, Any]:
        """Carry out an operation for the account that signed the call."""
        if call.signer is None:
            raise NotAuthenticated("The request is not signed.")
        der = call.signer.certificate.der
        account = await self._database.transact(lambda tx: thd_account_by_certificate(tx, der))
        if account is None:
            raise NotAuthenticated("The certificate speaks for no account.")
        request = from_soap(operation, call.body)
        return await self._front.perform(operation, account, request, self._front.new_request_id())


def _method(operation: Operation) -> Method:
    @bound_to(operation.name)
    async def perform(self: SoapOperations, call: Call) -> Mapping[str, Any]:
        return await self.perform(operation, call)

    return perform


def soap_operations(contract: Contract, front: Front, database: Database) -> SoapOperations:
    """Return what SOAP calls: a method for each operation of the table, a fault for the rest."""
    names: dict[str, Any] = {op.name: _method(op) for op in OPERATIONS.values()}
    names["unbuilt"] = tuple(sorted(contract.operations.keys() - OPERATIONS.keys()))
    made: type[SoapOperations] = type("Ec2Operations", (SoapOperations,), names)
    return made(front, database)
