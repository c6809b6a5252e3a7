"""The correlation id of the request being worked on, joining the logs of all components."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_correlation: ContextVar[str] = ContextVar("correlation", default="-")


def current() -> str:
    """Return the correlation id of the current request, `-` outside any."""
    return _correlation.get()


@contextmanager
def correlated(identifier: str) -> Iterator[None]:
    """Work under the correlation id `identifier` inside the `with` block."""
    before = _correlation.get()
    _correlation.set(identifier or "-")
    try:
        yield
    finally:
        # Not reset by token: a coroutine may leave the block in another context than it entered.
        _correlation.set(before)
