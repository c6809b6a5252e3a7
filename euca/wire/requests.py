"""Writes requests with zeep, compiled from the contract's file; zeep itself never does I/O."""

import functools
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import zeep
from lxml import etree
from zeep.exceptions import Error as ZeepError

from euca.wire.contract import PLAIN_NAMESPACES, Contract, ContractViolation
from euca.wire.lexical import UnwritableValue, any_text, date_time, plain_text


class AuthoredFile(zeep.Transport):
    """A zeep transport that gives out one contract's file and refuses everything else."""

    def __init__(self, path: Path, raw: bytes) -> None:
        # The base class would make an HTTP session; zeep asks only for these attributes.
        self.cache = None
        self.operation_timeout = None
        self.session = None
        self._path = str(path)
        self._raw = raw

    def __del__(self) -> None:
        """Close nothing: there is no session."""

    def load(self, url: str | Path) -> bytes:
        """Return the file; raises RuntimeError for any other."""
        if str(url) != self._path:
            raise RuntimeError(f"a contract may not fetch {url}")
        return self._raw

    def post(self, address: str, message: bytes, headers: Mapping[str, str]) -> None:
        """Refuse: messages travel through Twisted."""
        raise RuntimeError("zeep may not send")

    def get(self, address: str, params: Mapping[str, str], headers: Mapping[str, str]) -> None:
        """Refuse: messages travel through Twisted."""
        raise RuntimeError("zeep may not fetch")


@functools.lru_cache(maxsize=16)
def _compiled(path: Path, raw: bytes) -> zeep.Client:
    """Compile a contract's file; a controller has a client for every node, and one contract."""
    return zeep.Client(str(path), transport=AuthoredFile(path, raw))


class RequestWriter:
    """Turns the fields of a call into the canonical text of its request."""

    def __init__(self, contract: Contract) -> None:
        self._contract = contract
        self._plain = contract.namespace in PLAIN_NAMESPACES
        self._client = _compiled(contract.path, contract.raw)

    def write(self, operation: str, fields: Mapping[str, Any]) -> str:
        """Return the request's element; raises ContractViolation for what does not fit."""
        name = self._contract.operations[operation].request.element
        element = self._client.get_element(name)
        holder = etree.Element("holder")
        try:
            prepared = {key: self._prepared(value) for key, value in fields.items()}
            element.render(holder, element(**prepared))
        except UnwritableValue as error:
            raise ContractViolation(f"{operation}: {error}") from error
        except (ZeepError, TypeError, ValueError) as error:
            raise ContractViolation(f"{operation}: {error}") from error
        (request,) = holder
        self._contract.check(request)
        canonical: bytes = etree.tostring(request, method="c14n", exclusive=True)
        return canonical.decode("utf-8")

    def _prepared(self, value: Any) -> Any:
        """Check texts and write times, which zeep would do with another precision and zone."""
        match value:
            case str():
                (plain_text if self._plain else any_text)(value)
                return value
            case datetime():
                return date_time(value)
            case Mapping():
                return {key.lstrip("@"): self._prepared(inner) for key, inner in value.items()}
            case list() | tuple():
                return [self._prepared(inner) for inner in value]
            case _:
                return value
