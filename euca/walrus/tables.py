"""The metadata of Walrus: what buckets and objects there are, and in which file each one lies.

Keys are kept as their UTF-8 bytes, whose order is the order of S3's listings in any database.
Functions named `thd_` run in the thread of the database, inside one transaction.
"""

from __future__ import annotations

import json

from attrs import field, frozen

from euca.store.sql import (
    BigInteger,
    Column,
    ColumnElement,
    Connection,
    ForeignKey,
    LargeBinary,
    MetaData,
    Row,
    String,
    Table,
    Text,
    and_,
    delete,
    insert,
    select,
)
from euca.walrus.errors import WalrusError, no_such_bucket, no_such_key

_METADATA = MetaData()
PAGE = 1000

BUCKETS = Table(
    "walrus_buckets",
    _METADATA,
    Column("name", String(255), primary_key=True),
    Column("owner", String(64), nullable=False),
    Column("acl", String(40), nullable=False),
    Column("location", String(255), nullable=False),
    Column("created", BigInteger, nullable=False),
)
OBJECTS = Table(
    "walrus_objects",
    _METADATA,
    Column("bucket", String(255), ForeignKey("walrus_buckets.name"), primary_key=True),
    Column("key", LargeBinary, primary_key=True),
    Column("file", String(64), nullable=False, unique=True),
    Column("owner", String(64), nullable=False),
    Column("acl", String(40), nullable=False),
    Column("etag", String(64), nullable=False),
    Column("modified", BigInteger, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("headers", Text, nullable=False),
)


@frozen
class Bucket:
    """A bucket; `created` is in seconds since 1970."""

    name: str
    owner: str
    acl: str
    location: str
    created: int


@frozen
class StoredObject:
    """An object: `file` is the random name of its data, `headers` what is sent along with it."""

    bucket: str
    key: str
    file: str
    owner: str
    acl: str
    etag: str
    modified: int
    size: int
    headers: tuple[tuple[str, str], ...] = field(default=())


def thd_add_bucket(tx: Connection, bucket: Bucket) -> None:
    """Add a bucket; raises WalrusError when the name is taken."""
    taken = thd_find_bucket(tx, bucket.name)
    if taken is None:
        tx.execute(
            insert(BUCKETS).values(
                name=bucket.name,
                owner=bucket.owner,
                acl=bucket.acl,
                location=bucket.location,
                created=bucket.created,
            )
        )
    elif taken.owner == bucket.owner:
        raise WalrusError("BucketAlreadyOwnedByYou", f"You have a bucket {bucket.name!r} already.")
    else:
        raise WalrusError("BucketAlreadyExists", f"The bucket {bucket.name!r} is another user's.")


def thd_find_bucket(tx: Connection, name: str) -> Bucket | None:
    """Return the bucket of that name, or None."""
    row = tx.execute(select(BUCKETS).where(BUCKETS.c.name == name)).first()
    return None if row is None else Bucket(*row)


def thd_bucket(tx: Connection, name: str) -> Bucket:
    """Return the bucket of that name; raises WalrusError."""
    found = thd_find_bucket(tx, name)
    if found is None:
        raise no_such_bucket(name)
    return found


def thd_buckets_of(tx: Connection, owner: str) -> list[Bucket]:
    """Return the buckets of an account, by name."""
    query = select(BUCKETS).where(BUCKETS.c.owner == owner).order_by(BUCKETS.c.name)
    return [Bucket(*row) for row in tx.execute(query)]


def thd_remove_bucket(tx: Connection, name: str) -> None:
    """Remove an empty bucket; raises WalrusError for one that has objects."""
    if tx.execute(select(OBJECTS.c.file).where(OBJECTS.c.bucket == name).limit(1)).first():
        raise WalrusError("BucketNotEmpty", f"The bucket {name!r} still has objects.")
    tx.execute(delete(BUCKETS).where(BUCKETS.c.name == name))


def thd_find_object(tx: Connection, bucket: str, key: str) -> StoredObject | None:
    """Return the object of that key, or None."""
    row = tx.execute(select(OBJECTS).where(_is(bucket, key))).first()
    return None if row is None else _stored(row)


def thd_object(tx: Connection, bucket: str, key: str) -> StoredObject:
    """Return the object of that key; raises WalrusError."""
    thd_bucket(tx, bucket)
    found = thd_find_object(tx, bucket, key)
    if found is None:
        raise no_such_key(key)
    return found


def thd_put_object(tx: Connection, stored: StoredObject) -> StoredObject | None:
    """Put an object in the place of that key, and return what was there; raises WalrusError."""
    thd_bucket(tx, stored.bucket)
    replaced = thd_remove_object(tx, stored.bucket, stored.key)
    tx.execute(
        insert(OBJECTS).values(
            bucket=stored.bucket,
            key=stored.key.encode(),
            file=stored.file,
            owner=stored.owner,
            acl=stored.acl,
            etag=stored.etag,
            modified=stored.modified,
            size=stored.size,
            headers=json.dumps(stored.headers),
        )
    )
    return replaced


def thd_remove_object(tx: Connection, bucket: str, key: str) -> StoredObject | None:
    """Remove the object of that key, and return it, or None if there was none."""
    found = thd_find_object(tx, bucket, key)
    if found is not None:
        tx.execute(delete(OBJECTS).where(_is(bucket, key)))
    return found


def thd_files(tx: Connection) -> set[tuple[str, str]]:
    """Return the bucket and the file of every object."""
    return {(bucket, file) for bucket, file in tx.execute(select(OBJECTS.c.bucket, OBJECTS.c.file))}


def thd_has_file(tx: Connection, file: str) -> bool:
    """Tell whether an object lies in that file."""
    return tx.execute(select(OBJECTS.c.file).where(OBJECTS.c.file == file)).first() is not None


def thd_objects_from(
    tx: Connection, bucket: str, start: bytes, end: bytes | None
) -> list[StoredObject]:
    """Return a page of the bucket's objects in the order of their keys, from `start` to `end`."""
    condition = and_(OBJECTS.c.bucket == bucket, OBJECTS.c.key >= start)
    if end is not None:
        condition = and_(condition, OBJECTS.c.key < end)
    query = select(OBJECTS).where(condition).order_by(OBJECTS.c.key).limit(PAGE)
    return [_stored(row) for row in tx.execute(query)]


def _is(bucket: str, key: str) -> ColumnElement[bool]:
    return and_(OBJECTS.c.bucket == bucket, OBJECTS.c.key == key.encode())


def _stored(row: Row[tuple[object, ...]]) -> StoredObject:
    values = row._asdict()
    headers = tuple((name, value) for name, value in json.loads(values["headers"]))
    return StoredObject(**{**values, "key": values["key"].decode(), "headers": headers})
