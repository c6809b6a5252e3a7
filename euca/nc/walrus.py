"""Fetches images from Walrus, signed by the node (EucaRSA of Eucalyptus 2.0).

Two requests go to one URL, that of the manifest. A plain signed GET returns the manifest itself,
called the digest, which tells one version of an image from another. The same GET with
`EucaOperation: GetDecryptedImage` returns the raw image: Walrus decrypts it for the node.

Only status 200 is an answer, and only the bytes that the manifest promises are an image. A
connection that breaks, an answer that ends early and a server that asks for patience (408, 503)
are tried again after a pause that doubles; each attempt is signed anew and begins from nothing.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from attrs import frozen
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.defer import TimeoutError as TimedOut
from twisted.internet.task import deferLater
from twisted.logger import Logger
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgent, IResponse

from euca.auth.bundle import MAX_MANIFEST, BadBundle, Manifest
from euca.auth.keyring import Identity
from euca.auth.rest import sign_euca
from euca.nc.download import BodyCut, BodyTooLong, to_file, to_memory
from euca.nc.interfaces import Digest, ImageUnusable
from euca.threads import Offload

ATTEMPTS = 10
FIRST_PAUSE = 4.0
ANSWER_SECONDS = 600.0  # Walrus may have to unfold the whole image before its first byte
PATIENCE = frozenset((408, 503))

T = TypeVar("T")


class _TryAgain(Exception):
    """An attempt failed in a way that may pass."""


@frozen
class Walrus:
    """Walrus, as a node sees it."""

    log = Logger()

    agent: IAgent
    identity: Identity
    clock: Any
    threads: Offload

    async def digest(self, url: str) -> Digest:
        """Fetch the manifest at `url`; raises ImageUnusable."""
        raw = await self._repeated(url, None, self._manifest)
        try:
            return Digest(raw, Manifest.parse(raw).size)
        except BadBundle as error:
            raise ImageUnusable(f"{url} is no manifest: {error}") from error

    async def fetch(self, url: str, size: int, path: Path) -> None:
        """Write the decrypted image of the manifest at `url` to `path`; raises ImageUnusable."""

        async def write(answer: IResponse) -> None:
            await to_file(answer, path, size, self.threads, self.clock)

        try:
            await self._repeated(url, "GetDecryptedImage", write)
        except BaseException:
            path.unlink(missing_ok=True)
            raise

    async def _manifest(self, answer: IResponse) -> bytes:
        return await to_memory(answer, MAX_MANIFEST, self.clock)

    async def _repeated(
        self, url: str, operation: str | None, use: Callable[[IResponse], Awaitable[T]]
    ) -> T:
        target = _target(url)
        pause = FIRST_PAUSE
        for left in range(ATTEMPTS - 1, -1, -1):
            try:
                return await self._attempt(url, target, operation, use)
            except _TryAgain as error:
                if not left:
                    raise ImageUnusable(f"{url}: {error}, {ATTEMPTS} times") from error
                self.log.warn("{url}: {error}", url=url, error=error)
            await deferLater(self.clock, pause)
            pause *= 2
        raise AssertionError("the last attempt returns or raises")

    async def _attempt(
        self,
        url: str,
        target: str,
        operation: str | None,
        use: Callable[[IResponse], Awaitable[T]],
    ) -> T:
        signed = sign_euca(self.identity, "GET", target, self.clock.seconds(), operation)
        headers = Headers({name: [value] for name, value in signed.items()})
        try:
            asked = self.agent.request(b"GET", url.encode("ascii"), headers)
            answer = await _plainly_cancelled(asked).addTimeout(ANSWER_SECONDS, self.clock)
            if answer.code != 200:
                await self._refused(url, answer)
            return await use(answer)
        except (ImageUnusable, _TryAgain, CancelledError, OSError):
            raise
        except BodyTooLong as error:
            raise ImageUnusable(f"{url}: {error}") from error
        except (BodyCut, TimedOut) as error:
            raise _TryAgain(str(error) or "no answer in time") from error
        except Exception as error:
            # Whatever else the transport raises (refused, reset, cut off, not HTTP) may pass.
            raise _TryAgain(f"{type(error).__name__}: {error}") from error

    async def _refused(self, url: str, answer: IResponse) -> None:
        reason = f"status {answer.code}"
        text = await to_memory(answer, 2000, self.clock, cut=True)
        if answer.code in PATIENCE:
            raise _TryAgain(reason)
        raise ImageUnusable(f"{url}: {reason}: {text.decode('utf-8', 'replace')}")


def _plainly_cancelled(asked: Deferred[IResponse]) -> Deferred[IResponse]:
    """Return the same answer, with a failure of its own when it is cancelled.

    The agent's failure then looks like that of a broken connection, which would be tried again.
    """
    given_up = False

    def give_up(_waiter: Deferred[IResponse]) -> None:
        nonlocal given_up
        given_up = True
        asked.cancel()

    def pass_on(outcome: Any) -> None:
        if not given_up:
            waiter.callback(outcome)

    waiter: Deferred[IResponse] = Deferred(give_up)
    asked.addBoth(pass_on)
    return waiter


def _target(url: str) -> str:
    """Return what the request line will say; raises ImageUnusable for a URL that is not HTTP."""
    parts = urlsplit(url)
    if parts.scheme != "http" or not parts.netloc or not url.isascii() or not url.isprintable():
        raise ImageUnusable(f"{url[:200]!r} is no http:// URL")
    return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
