"""Makes what an installation consists of before anything runs: keys, accounts, registrations.

Every step looks first whether its work is done, so that all may be repeated at any time; files are
written under a temporary name and renamed.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from attrs import field, frozen

from euca.auth.keyring import Certificate, Identity, new_identity
from euca.clc import registry
from euca.config import Configuration, Layout
from euca.store import accounts
from euca.store.accounts import AccessKey, Account
from euca.store.engine import Database
from euca.store.sql import Connection
from euca.threads import Immediate

ADMINISTRATOR = "admin"
SCHEMAS = ("accounts", "clc")
CLUSTER_FILES = ("cluster-cert.pem", "cluster-pk.pem", "node-cert.pem", "node-pk.pem")
NODE_FILES = ("cloud-cert.pem", "cluster-cert.pem", "node-cert.pem", "node-pk.pem")

Progress = Callable[[str], None]


@frozen
class Credentials:
    """What an account's owner needs to use the cloud."""

    account: Account
    access_key: AccessKey
    certificate: Path
    key: Path = field(repr=False)


def open_database(configuration: Configuration) -> Database:
    """Return the started database of the cloud; the caller stops it."""
    database = Database(configuration.database_url, SCHEMAS, Immediate())
    database.startService()
    return database


# Keys


def make_cloud_keys(layout: Layout, progress: Progress) -> None:
    """Make the cloud's certificate and key, unless they are there."""
    _make_identity(layout.keys / "cloud", "eucalyptus", progress)


def make_cluster_keys(layout: Layout, cluster: str, progress: Progress) -> None:
    """Make the certificates and keys of a cluster and of its nodes, unless they are there."""
    directory = layout.keys / cluster
    _make_identity(directory / "cluster", f"cc-{cluster}", progress)
    _make_identity(directory / "node", f"nc-{cluster}", progress)


def _make_identity(stem: Path, common_name: str, progress: Progress) -> None:
    certificate, key = Path(f"{stem}-cert.pem"), Path(f"{stem}-pk.pem")
    if certificate.exists() and key.exists():
        return
    progress(f"making the keys of {common_name}")
    stem.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    new_identity(common_name, datetime.now(UTC)).save(certificate, key)


def give_cluster_keys(layout: Layout, cluster: str, target: Layout) -> None:
    """Copy to a cluster controller's host the keys that it needs."""
    _copy(layout.keys, target.keys, ["cloud-cert.pem"])
    _copy(layout.keys / cluster, target.keys, CLUSTER_FILES)


def give_node_keys(layout: Layout, cluster: str, target: Layout) -> None:
    """Copy to a node the keys that it needs."""
    _copy(layout.keys, target.keys, ["cloud-cert.pem"])
    _copy(layout.keys / cluster, target.keys, [name for name in NODE_FILES if "cloud" not in name])


def _copy(source: Path, target: Path, names: Sequence[str]) -> None:
    target.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name in names:
        content = (source / name).read_bytes()
        if not (target / name).exists() or (target / name).read_bytes() != content:
            write_private(target / name, content)


def write_private(path: Path, content: bytes) -> None:
    """Write a file that its owner alone may read, whole or not at all."""
    temporary = path.with_name(path.name + ".new")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    temporary.replace(path)


# Accounts


def credentials_directory(configuration: Configuration, name: str) -> Path:
    """Return the directory that holds an account's certificate and key."""
    return configuration.root / "credentials" / name


def make_account(
    configuration: Configuration, database: Database, name: str, administrator: bool
) -> Credentials:
    """Return the credentials of an account, made with it if there is none."""
    credentials = find_account(configuration, database, name)
    if credentials is None:
        database.thd_transact(lambda tx: _thd_make_account(tx, name, administrator))
    _make_certificate(configuration, database, name)
    credentials = find_account(configuration, database, name)
    assert credentials is not None
    return credentials


def find_account(configuration: Configuration, database: Database, name: str) -> Credentials | None:
    """Return the credentials of an account, None when there is no such account."""

    def work(tx: Connection) -> tuple[Account | None, list[AccessKey]]:
        return accounts.thd_account(tx, name), accounts.thd_access_keys(tx, name)

    account, keys = database.thd_transact(work)
    if account is None or not keys:
        return None
    directory = credentials_directory(configuration, name)
    return Credentials(
        account, keys[0], directory / f"euca2-{name}-cert.pem", directory / f"euca2-{name}-pk.pem"
    )


def _thd_make_account(tx: Connection, name: str, administrator: bool) -> None:
    number = f"{secrets.randbelow(10**12):012d}"
    accounts.thd_add_account(tx, Account(name, number, administrator=administrator))
    key = AccessKey(secrets.token_hex(10).upper(), secrets.token_urlsafe(30), name)
    accounts.thd_add_access_key(tx, key)


def _make_certificate(configuration: Configuration, database: Database, name: str) -> None:
    """Issue the account's certificate, unless its file is there and the cloud knows it."""
    credentials = find_account(configuration, database, name)
    assert credentials is not None
    if not (credentials.certificate.exists() and credentials.key.exists()):
        credentials.certificate.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        new_identity(name, datetime.now(UTC)).save(credentials.certificate, credentials.key)
    der = Certificate.load(credentials.certificate).der
    if der not in database.thd_transact(lambda tx: accounts.thd_certificates(tx, name)):
        database.thd_transact(lambda tx: accounts.thd_add_certificate(tx, name, der))


def identity(credentials: Credentials) -> Identity:
    """Return the certificate and key of an account."""
    return Identity.load(credentials.certificate, credentials.key)


# Registrations


def register(
    database: Database, cluster: str, cluster_host: str, cloud_host: str, ports: tuple[int, int]
) -> None:
    """Register one cluster with its storage controller, and Walrus; `ports` are CC's and CLC's."""

    def work(tx: Connection) -> None:
        registry.thd_add_cluster(tx, cluster, cluster_host, ports[0])
        registry.thd_add_walrus(tx, "walrus", cloud_host, ports[1])
        registry.thd_add_storage_controller(tx, cluster, cloud_host, ports[1])

    database.thd_transact(work)
