"""The page of GET /axis2/services/: which services a host has."""

from collections.abc import Sequence

from twisted.web.resource import Resource
from twisted.web.server import Request


class ServicesPage(Resource):
    """Lists the services of a host in the words that 2.0's administration tools look for."""

    isLeaf = True

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__()
        self._names = tuple(names)

    def render_GET(self, request: Request) -> bytes:
        """Return one heading a service."""
        request.setHeader(b"Content-Type", b"text/html; charset=UTF-8")
        listed = "".join(
            f"<h3>{name}</h3><p>Service Description: {name}</p><p>{name} Deployed</p>\n"
            for name in self._names
        )
        return (
            f"<html><head><title>Services</title></head><body>\n{listed}</body></html>\n".encode()
        )
