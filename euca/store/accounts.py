"""The accounts of the cloud, with the access keys and certificates that speak for them.

The cloud controller, Walrus and the administrator's commands share these tables, as the
components of Eucalyptus 2.0 shared their account database. Functions named `thd_` run in the
thread of the database.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection

from attrs import field, frozen

from euca.store.sql import (
    Boolean,
    Column,
    Connection,
    ForeignKey,
    LargeBinary,
    MetaData,
    String,
    Table,
    and_,
    insert,
    select,
)

_METADATA = MetaData()

ACCOUNTS = Table(
    "accounts",
    _METADATA,
    Column("name", String(64), primary_key=True),
    Column("number", String(12), nullable=False, unique=True),
    Column("administrator", Boolean, nullable=False),
    Column("enabled", Boolean, nullable=False),
)
ACCESS_KEYS = Table(
    "access_keys",
    _METADATA,
    Column("identifier", String(64), primary_key=True),
    Column("secret", String(128), nullable=False),
    Column("account", String(64), ForeignKey("accounts.name"), nullable=False),
)
CERTIFICATES = Table(
    "certificates",
    _METADATA,
    Column("fingerprint", String(64), primary_key=True),
    Column("der", LargeBinary, nullable=False),
    Column("account", String(64), ForeignKey("accounts.name"), nullable=False),
    Column("revoked", Boolean, nullable=False),
)

_ACCOUNT = (
    ACCOUNTS.c.name,
    ACCOUNTS.c.number,
    ACCOUNTS.c.administrator,
    ACCOUNTS.c.enabled,
)


@frozen
class Account:
    """Someone who may use the cloud; `number` is 12 decimal digits."""

    name: str
    number: str
    administrator: bool = False
    enabled: bool = True


@frozen
class AccessKey:
    """What signs an account's Query and REST requests."""

    identifier: str
    secret: str = field(repr=False)
    account: str


def thd_add_account(tx: Connection, account: Account) -> None:
    """Add an account; raises IntegrityError when the name or the number is taken."""
    tx.execute(
        insert(ACCOUNTS).values(
            name=account.name,
            number=account.number,
            administrator=account.administrator,
            enabled=account.enabled,
        )
    )


def thd_account(tx: Connection, name: str) -> Account | None:
    """Return the account of that name, whether enabled or not."""
    row = tx.execute(select(*_ACCOUNT).where(ACCOUNTS.c.name == name)).first()
    return None if row is None else Account(*row)


def thd_accounts_numbered(tx: Connection, numbers: Collection[str]) -> list[Account]:
    """Return the accounts that have one of these numbers."""
    query = select(*_ACCOUNT).where(ACCOUNTS.c.number.in_(numbers))
    return [Account(*row) for row in tx.execute(query)]


def thd_add_access_key(tx: Connection, key: AccessKey) -> None:
    """Add an access key; raises IntegrityError when its identifier is taken."""
    tx.execute(
        insert(ACCESS_KEYS).values(
            identifier=key.identifier, secret=key.secret, account=key.account
        )
    )


def thd_access_keys(tx: Connection, name: str) -> list[AccessKey]:
    """Return the access keys of an account, in the order of their identifiers."""
    keys = ACCESS_KEYS.c
    query = select(keys.identifier, keys.secret, keys.account)
    rows = tx.execute(query.where(keys.account == name).order_by(keys.identifier))
    return [AccessKey(*row) for row in rows]


def thd_account_by_access_key(tx: Connection, identifier: str) -> tuple[Account, AccessKey] | None:
    """Return the enabled account that an access key speaks for, and the key."""
    keys = ACCESS_KEYS.c
    query = select(*_ACCOUNT, keys.identifier, keys.secret, keys.account).join_from(
        ACCESS_KEYS, ACCOUNTS
    )
    row = tx.execute(query.where(and_(keys.identifier == identifier, ACCOUNTS.c.enabled))).first()
    return None if row is None else (Account(*row[:4]), AccessKey(*row[4:]))


def thd_add_certificate(tx: Connection, name: str, der: bytes) -> None:
    """Let a certificate, in DER form, speak for an account."""
    tx.execute(
        insert(CERTIFICATES).values(
            fingerprint=_fingerprint(der), der=der, account=name, revoked=False
        )
    )


def thd_certificates(tx: Connection, name: str) -> list[bytes]:
    """Return the certificates of an account that are not revoked, in DER form."""
    certificates = CERTIFICATES.c
    query = select(certificates.der).where(
        and_(certificates.account == name, certificates.revoked.is_(False))
    )
    return [row[0] for row in tx.execute(query)]


def thd_all_certificates(tx: Connection) -> list[bytes]:
    """Return the unrevoked certificates of all enabled accounts, in DER form."""
    certificates = CERTIFICATES.c
    query = select(certificates.der).join_from(CERTIFICATES, ACCOUNTS)
    rows = tx.execute(query.where(and_(certificates.revoked.is_(False), ACCOUNTS.c.enabled)))
    return [row[0] for row in rows]


def thd_account_by_certificate(tx: Connection, der: bytes) -> Account | None:
    """Return the enabled account that an unrevoked certificate speaks for."""
    certificates = CERTIFICATES.c
    query = select(*_ACCOUNT).join_from(CERTIFICATES, ACCOUNTS)
    row = tx.execute(
        query.where(
            and_(
                certificates.fingerprint == _fingerprint(der),
                certificates.der == der,
                certificates.revoked.is_(False),
                ACCOUNTS.c.enabled,
            )
        )
    ).first()
    return None if row is None else Account(*row)


def _fingerprint(der: bytes) -> str:
    return hashlib.sha256(der).hexdigest()
