"""The registrations of the cloud's components, as values."""

from __future__ import annotations

from attrs import frozen

from euca.clc.instance import Capacity


@frozen
class RegisteredCluster:
    """A cluster, when it was last asked for its state and when it last answered.

    `error` says why the last question had no answer. Times are seconds since 1970.
    """

    name: str
    host: str
    port: int
    asked_at: float | None = None
    answered_at: float | None = None
    error: str | None = None
    capacities: tuple[Capacity, ...] = ()

    @property
    def reachable(self) -> bool:
        """Whether the last question had an answer."""
        return self.answered_at is not None and self.error is None


@frozen
class RegisteredService:
    """Where a Walrus, or the storage controller of the cluster `name`, is reached."""

    name: str
    host: str
    port: int

    @property
    def walrus_url(self) -> str:
        """The URL of the S3 interface there; locations of objects follow it."""
        return f"http://{self.host}:{self.port}/services/Walrus"
