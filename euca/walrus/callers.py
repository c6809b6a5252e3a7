"""Establishes who sent a request: a user, a component of the cloud, or nobody known.

A node or the cloud controller signs with EucaRSA and acts as the administrator, or as the user
whose access key it names. Its certificate must be one that lies among the keys of this host:
those of the registered clusters' nodes (`keys/<cluster>/node-cert.pem`, `keys/node-cert.pem`) or
the cloud's own. A user signs with an access key. Anyone else is anonymous.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from attrs import frozen
from twisted.logger import Logger

from euca.auth.keyring import Certificate, UnusableKey
from euca.auth.rest import (
    RestRequest,
    SignatureRefused,
    check_euca,
    check_hmac,
    euca_claim,
    hmac_claim,
)
from euca.store import accounts
from euca.store.engine import Database
from euca.threads import Offload
from euca.walrus.errors import WalrusError
from euca.walrus.settings import PREFIX

PEERS = ("cloud-cert.pem", "node-cert.pem", "*/node-cert.pem")


@frozen
class Caller:
    """Who sent a request; `name` is None for the anonymous, `operation` what a component wants."""

    name: str | None = None
    administrator: bool = False
    component: bool = False
    operation: str | None = None


ANONYMOUS = Caller()


def thd_peers(keys: Path) -> list[Certificate]:
    """Return the certificates of the components whose requests this host takes."""
    found = []
    for pattern in PEERS:
        for path in sorted(keys.glob(pattern)):
            try:
                found.append(Certificate.load(path))
            except UnusableKey as error:
                Callers.log.warn("{error}", error=error)
    return found


class Callers:
    """Checks the signatures of requests against the accounts and the keys of this host."""

    log = Logger()

    def __init__(
        self, database: Database, keys: Path, threads: Offload, now: Callable[[], float]
    ) -> None:
        self._database = database
        self._keys = keys
        self._threads = threads
        self._now = now

    async def identify(self, request: RestRequest) -> Caller:
        """Return who sent the request; raises WalrusError, and logs why, when it does not hold."""
        try:
            return await self._identify(request)
        except SignatureRefused as refused:
            self.log.warn(
                "Refused {method} {path}: {why} Canonical string: {canonical}",
                method=request.method,
                path=request.path,
                why=refused.message,
                canonical=refused.canonical or "none",
            )
            raise WalrusError(refused.code, refused.message) from refused

    async def _identify(self, request: RestRequest) -> Caller:
        euca = euca_claim(request)
        if euca is not None:
            peers = await self._threads.run(thd_peers, self._keys)
            check_euca(request, euca, peers, self._now())
            if euca.effective_key is None:
                return Caller("admin", True, True, euca.operation)
            account, _ = await self._account(euca.effective_key)
            return Caller(account.name, account.administrator, True, euca.operation)
        claim = hmac_claim(request)
        if claim is None:
            return ANONYMOUS
        account, key = await self._account(claim.access_key)
        check_hmac(request, claim, key.secret, self._now(), PREFIX)
        return Caller(account.name, account.administrator)

    async def _account(self, identifier: str) -> tuple[accounts.Account, accounts.AccessKey]:
        found = await self._database.transact(
            lambda tx: accounts.thd_account_by_access_key(tx, identifier)
        )
        if found is None:
            raise SignatureRefused(
                "InvalidAccessKeyId", f"There is no access key {identifier!r} of an active user."
            )
        return found
