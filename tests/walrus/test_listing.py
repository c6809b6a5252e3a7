"""Tests for euca.walrus.listing."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from euca.store.engine import Database
from euca.store.sql import Connection, delete
from euca.walrus.listing import Listing, Query, thd_list
from euca.walrus.tables import OBJECTS, Bucket, StoredObject, thd_add_bucket, thd_put_object

KEYS = st.text(alphabet="ab/\u00fc\U0001f600", min_size=1, max_size=6)


def expected(keys: set[str], query: Query) -> list[str]:
    """Return what S3 lists without a limit: keys and rolled-up prefixes in the order of bytes."""
    entries = set()
    for key in keys:
        if not key.startswith(query.prefix):
            continue
        rest = key[len(query.prefix) :]
        head, found, _ = rest.partition(query.delimiter) if query.delimiter else (rest, "", "")
        entries.add(query.prefix + head + found if found else key)
    marker = query.marker.encode()
    return sorted((e for e in entries if e.encode() > marker), key=str.encode)


class ListingTests(SynchronousTestCase):
    """Behaviour of listings."""

    def setUp(self) -> None:
        """Open a database with one bucket and its neighbour."""
        self.database = Database.in_memory(("accounts", "walrus"))
        self.addCleanup(self.database.stopService)
        for name in ("bucket", "neighbour"):
            bucket = Bucket(name, "ada", "private", "US", 0)
            self.database.thd_transact(lambda tx, bucket=bucket: thd_add_bucket(tx, bucket))

    def put(self, *keys: str, bucket: str = "bucket") -> None:
        """Put objects."""

        def work(tx: Connection) -> None:
            for key in keys:
                file = f"{bucket} {key}".encode().hex()[:64] + str(hash(key))
                stored = StoredObject(bucket, key, file[-64:], "ada", "private", "", 0, 0)
                thd_put_object(tx, stored)

        self.database.thd_transact(work)

    def list(self, **query: object) -> Listing:
        """Return a listing of the bucket."""
        wanted = Query(**query)  # type: ignore[arg-type]
        return self.database.thd_transact(lambda tx: thd_list(tx, "bucket", wanted))

    def entries(self, listing: Listing) -> list[str]:
        """Return keys and prefixes together."""
        keys = [stored.key for stored in listing.contents]
        return sorted([*keys, *listing.prefixes], key=str.encode)

    def test_rolled_up(self) -> None:
        """Keys with the delimiter after the prefix are rolled up, the prefix included."""
        self.put("photos/a", "photos/2010/x", "photos/2010/y", "photos/2011/", "other")
        listing = self.list(prefix="photos/", delimiter="/")
        self.assertEqual([stored.key for stored in listing.contents], ["photos/a"])
        self.assertEqual(listing.prefixes, ("photos/2010/", "photos/2011/"))

    def test_delimiter_is_no_pattern(self) -> None:
        """A delimiter is taken as it stands."""
        self.put("a.b", "axb")
        self.assertEqual(self.list(delimiter=".").prefixes, ("a.",))

    def test_order_of_bytes(self) -> None:
        """Keys are in the order of their UTF-8 bytes, not of their case."""
        self.put("b", "A", "a", "\u00fc", "\U0001f600", "\uffff")
        keys = [stored.key for stored in self.list().contents]
        self.assertEqual(keys, ["A", "a", "b", "\u00fc", "\uffff", "\U0001f600"])

    def test_other_buckets(self) -> None:
        """Another bucket's keys are not listed."""
        self.put("a", bucket="neighbour")
        self.assertEqual(self.list(), Listing())

    def test_many(self) -> None:
        """More keys than a page of the database has are all found."""
        self.put(*(f"{number:05}" for number in range(1001)), *(f"x/{n}" for n in range(1500)), "z")
        listing = self.list(delimiter="/", marker="00999")
        self.assertEqual(self.entries(listing), ["01000", "x/", "z"])
        self.assertTrue(self.list().truncated)

    @settings(max_examples=60, deadline=None)
    @given(
        st.sets(KEYS, max_size=12),
        st.text(alphabet="ab/", max_size=2),
        st.sampled_from(["", "/", "b", "ab"]),
        st.integers(1, 4),
    )
    def test_pages(self, keys: set[str], prefix: str, delimiter: str, size: int) -> None:
        """Pages, each continued at the marker of the one before, give the whole listing once."""
        self.database.thd_transact(lambda tx: tx.execute(delete(OBJECTS)))
        self.put(*keys)
        seen: list[str] = []
        marker = ""
        while True:
            page = self.list(prefix=prefix, delimiter=delimiter, marker=marker, max_keys=size)
            seen += self.entries(page)
            if page.next_marker is None:
                break
            self.assertEqual(len(self.entries(page)), size)
            marker = page.next_marker
        self.assertEqual(seen, expected(keys, Query(prefix=prefix, delimiter=delimiter)))
