"""Tests of `euca.nc.cache`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from euca.model.errors import InvalidParameter
from euca.nc.cache import MEGABYTE, ImageCache
from euca.nc.instance import Source
from euca.nc.interfaces import Digest, ImageUnusable
from euca.nc.memory import MemoryImages
from euca.threads import Immediate


class Slow:
    """An image source whose fetches end when the test says so."""

    def __init__(self, images: MemoryImages) -> None:
        self._images = images
        self.waiting: list[Deferred[None]] = []

    async def digest(self, url: str) -> Digest:
        return await self._images.digest(url)

    async def fetch(self, url: str, size: int, path: Path) -> None:
        self.waiting.append(Deferred())
        await self.waiting[-1]
        await self._images.fetch(url, size, path)


class CacheTests(SynchronousTestCase):
    """Images kept for the next instance."""

    def setUp(self) -> None:
        self.root = Path(self.mktemp())
        self.images = MemoryImages()
        self.clock = Clock()
        for letter in "abcd":
            self.images.images[f"http://w/{letter}"] = (letter.encode(), letter.encode() * MEGABYTE)
        self.cache = self.opened(2)

    def opened(self, limit: int, source: Any = None) -> ImageCache:
        images = source or self.images
        cache = ImageCache(self.root, limit, images, Immediate(), self.clock)
        self.successResultOf(Deferred.fromCoroutine(cache.load()))
        return cache

    async def use(self, letter: str, cache: ImageCache | None = None) -> bytes:
        source = Source(f"emi-{letter}", f"http://w/{letter}")
        opened = (cache or self.cache).image(source, "root", 9 * MEGABYTE, self.root / "spare")
        async with opened as image:
            return image.path.read_bytes()[:2]

    def used(self, letter: str, cache: ImageCache | None = None) -> bytes:
        self.clock.advance(1)
        return self.successResultOf(Deferred.fromCoroutine(self.use(letter, cache)))

    def kept(self) -> list[str]:
        return sorted(path.name for path in (self.root / "eucalyptus/cache").iterdir())

    def test_fetched_once(self) -> None:
        """An image that is kept is not fetched again."""
        self.assertEqual([self.used("a"), self.used("a")], [b"aa", b"aa"])
        self.assertEqual(len(self.images.fetched), 1)

    def test_changed(self) -> None:
        """An image whose manifest changed is fetched anew."""
        self.used("a")
        self.images.images["http://w/a"] = (b"new", b"new")
        self.assertEqual(self.used("a"), b"ne")

    def test_least_recently_used(self) -> None:
        """The image that was not used for longest makes room, not the one fetched first."""
        for letter in "abac":
            self.used(letter)
        self.assertEqual(self.kept(), ["emi-a", "emi-c"])

    def test_after_restart(self) -> None:
        """A new process uses what is kept, and knows what was used last."""
        for letter in "aba":
            self.used(letter)
        cache = self.opened(2)
        self.used("c", cache)
        self.used("a", cache)
        self.assertEqual(self.kept(), ["emi-a", "emi-c"])
        self.assertEqual(len(self.images.fetched), 3)

    def test_too_large(self) -> None:
        """An image larger than the whole cache is fetched for its instance and not kept."""
        cache = self.opened(0)
        self.assertEqual(self.used("a", cache), b"aa")
        self.assertEqual(self.kept(), [])
        self.assertFalse((self.root / "spare").exists())

    def test_incomplete(self) -> None:
        """What a killed process left half done is removed at the start."""
        cache = self.root / "eucalyptus/cache"
        for name in (".emi-a.new/root", "emi-b/root", "emi-c/root", "emi-c/root-digest"):
            (cache / name).parent.mkdir(exist_ok=True)
            (cache / name).write_bytes(b"x")
        (cache / "stray").write_bytes(b"x")
        self.opened(2)
        self.assertEqual(self.kept(), ["emi-c"])

    def test_limit(self) -> None:
        """An image larger than the instance's room is refused before it is fetched."""
        source = Source("emi-a", "http://w/a")

        async def use() -> None:
            async with self.cache.image(source, "root", 10, self.root / "spare"):
                self.fail("it was given")

        self.failureResultOf(Deferred.fromCoroutine(use()), ImageUnusable)
        self.assertEqual(self.images.fetched, [])

    def test_path(self) -> None:
        """An identifier that would leave the cache is refused."""
        source = Source("../../etc", "http://w/a")

        async def use() -> None:
            async with self.cache.image(source, "root", MEGABYTE, self.root / "spare"):
                self.fail("it was given")

        self.failureResultOf(Deferred.fromCoroutine(use()), InvalidParameter)

    def test_one_download(self) -> None:
        """However many wait for an image, it is fetched once."""
        source = Slow(self.images)
        cache = self.opened(2, source)
        waiting = [Deferred.fromCoroutine(self.use("a", cache)) for _ in range(3)]
        self.assertEqual(len(source.waiting), 1)
        source.waiting[0].callback(None)
        self.assertEqual([self.successResultOf(one) for one in waiting], [b"aa"] * 3)

    def test_failed_download(self) -> None:
        """A download that fails fails for all who wait, and leaves nothing."""
        source = Slow(self.images)
        cache = self.opened(2, source)
        waiting = [Deferred.fromCoroutine(self.use("a", cache)) for _ in range(2)]
        source.waiting[0].errback(ImageUnusable("status 500"))
        for one in waiting:
            self.failureResultOf(one, ImageUnusable)
        self.assertEqual(self.kept(), [])

    def test_one_gives_up(self) -> None:
        """Who gives up does not spoil it for the others."""
        source = Slow(self.images)
        cache = self.opened(2, source)
        first, second = (Deferred.fromCoroutine(self.use("a", cache)) for _ in range(2))
        first.addErrback(lambda _: None).cancel()
        source.waiting[0].callback(None)
        self.assertEqual(self.successResultOf(second), b"aa")

    def test_all_give_up(self) -> None:
        """A download for which nobody waits is given up, and leaves nothing."""
        cache = self.opened(2, Slow(self.images))
        waiting = [Deferred.fromCoroutine(self.use("a", cache)) for _ in range(2)]
        for one in waiting:
            one.addErrback(lambda _: None).cancel()
        self.assertEqual(self.kept(), [])
        self.clock.advance(1)

    def test_used_image_stays(self) -> None:
        """An image that is being copied is not dropped; the other is not kept then."""
        cache = self.opened(1)

        async def nested() -> bytes:
            source = Source("emi-a", "http://w/a")
            async with cache.image(source, "root", 9 * MEGABYTE, self.root / "x") as image:
                await self.use("b", cache)
                return image.path.read_bytes()[:2]

        self.assertEqual(self.successResultOf(Deferred.fromCoroutine(nested())), b"aa")
        self.assertEqual(self.kept(), ["emi-a"])
