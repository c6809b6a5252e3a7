"""Joins a SOAP client to a service in memory: no port, no reactor, every byte as on the wire."""

from typing import cast

from treq.client import HTTPClient
from treq.testing import StubTreq
from twisted.internet.interfaces import IReactorTime

from euca.auth.wsse import Security
from euca.wire.client import SoapClient
from euca.wire.contract import Contract
from euca.wire.resource import SoapResource

ADDRESS = "http://service.example:8775/axis2/services/Joined"


def joined(
    contract: Contract,
    api: object,
    client_security: Security | None,
    server_security: Security | None,
    clock: IReactorTime,
) -> SoapClient:
    """Return a client whose calls reach `api` through the whole of the wire.

    An api method that answers at once lets the call finish at once. Where one waits, let the
    bytes flow with `client.http.flush()` after it went on.
    """
    resource = SoapResource(contract, api, server_security, clock)
    http = cast(HTTPClient, StubTreq(resource))  # it has the same methods
    return SoapClient(contract, ADDRESS, http, client_security, clock)
