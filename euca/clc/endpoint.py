"""`/services/Eucalyptus`: the one path at which EC2 is served, over SOAP and over Query."""

from __future__ import annotations

from twisted.web.resource import Resource
from twisted.web.server import Request

from euca.clc.query import QueryResource
from euca.wire.resource import SoapResource

_XML = (b"text/xml", b"application/xml", b"application/soap+xml")


class Endpoint(Resource):
    """Gives a request to the front end that it is meant for.

    As in Eucalyptus 2.0, a SOAPAction header makes a SOAP request; so does an XML body. What is
    left is Query, but for `GET ?wsdl`.
    """

    isLeaf = True

    def __init__(self, soap: SoapResource, query: QueryResource) -> None:
        super().__init__()
        self._soap = soap
        self._query = query

    def render_GET(self, request: Request) -> int | bytes:
        """Serve the contract to ?wsdl, anything else as Query."""
        if request.uri.partition(b"?")[2].lower() in (b"wsdl", b"wsdl="):
            return self._soap.render_GET(request)
        return self._query.render_GET(request)

    def render_POST(self, request: Request) -> int | bytes:
        """Answer a SOAP message or a form."""
        media = (request.getHeader(b"Content-Type") or b"").split(b";")[0].strip().lower()
        if request.requestHeaders.hasHeader(b"SOAPAction") or media in _XML:
            return self._soap.render_POST(request)
        return self._query.render_POST(request)
