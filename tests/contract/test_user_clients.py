"""A stock zeep client, made from the ?wsdl that we serve, signs with a user's certificate."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import xmlsec
import zeep
from lxml import etree
from treq.client import HTTPClient
from treq.testing import StubTreq
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase
from zeep.wsse import utils
from zeep.wsse.signature import BinarySignature

from euca.auth.wsse import USER, Pinned, Security
from euca.auth.wsse.names import WSU
from euca.wire.contract import Contract
from euca.wire.resource import SoapResource
from euca.wire.service import Call, operation
from tests.auth.wsse.messages import ALICE, NOW
from tests.wire.apis import clock_at

EC2 = Contract.load("ec2-2009-11-30")


class Api:
    """A cloud with two zones."""

    unbuilt = tuple(EC2.operations.keys() - {"DescribeAvailabilityZones"})

    @operation("DescribeAvailabilityZones")
    async def zones(self, call: Call) -> dict[str, Any]:
        """List the zones, and who asks."""
        assert call.signer is not None
        zone = {"zoneState": "UP", "regionName": "", "messageSet": {"item": []}}
        names = ("cluster1", call.signer.name)
        items = [{"zoneName": name, **zone} for name in names]
        return {"requestId": "r-1", "availabilityZoneInfo": {"item": items}}


class Transport(zeep.Transport):
    """Carries zeep's messages to a resource in memory."""

    def __init__(self, resource: SoapResource) -> None:
        super().__init__()
        self._http = cast(HTTPClient, StubTreq(resource))

    def load(self, url: str) -> bytes:
        """Fetch the contract."""
        return self._ask("GET", url)[1]

    def post(self, address: str, message: bytes, headers: Any) -> Any:
        """Refuse: zeep posts elements."""
        raise AssertionError

    def post_xml(self, address: str, envelope: etree._Element, headers: Any) -> Any:
        """Post a signed envelope, with the declaration that zeep gives it."""
        raw = etree.tostring(envelope, xml_declaration=True, encoding="utf-8")
        status, content = self._ask("POST", address, data=raw, headers=headers)

        class Response:
            status_code = status
            headers = {"Content-Type": "text/xml"}  # noqa: RUF012
            encoding = "utf-8"

        Response.content = content  # type: ignore[attr-defined]
        return Response

    def _ask(self, method: str, url: str, **more: Any) -> tuple[int, bytes]:
        got: list[Any] = []

        async def ask() -> None:
            response = await self._http.request(method, url, **more)
            got.extend([response.code, await response.content()])

        Deferred.fromCoroutine(ask()).addErrback(lambda failure: failure.raiseException())
        return got[0], got[1]


class UserSignature(BinarySignature):
    """zeep's own signature over Body and Timestamp; the cloud's replies are not signed."""

    timestamped = True

    def apply(self, envelope: etree._Element, headers: Any) -> Any:
        """Put a Timestamp in and sign."""
        if self.timestamped:
            security = utils.get_security_header(envelope)
            stamp = etree.SubElement(security, f"{{{WSU}}}Timestamp")
            for name, at in (("Created", NOW), ("Expires", NOW + 60)):
                text = datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
                etree.SubElement(stamp, f"{{{WSU}}}{name}").text = text
        return super().apply(envelope, headers)

    def verify(self, envelope: etree._Element) -> Any:
        """Believe the reply."""
        return envelope


class UntimedSignature(UserSignature):
    """The same over the Body alone."""

    timestamped = False


class ZeepTests(SynchronousTestCase):
    """zeep as a user of the cloud."""

    def zones(self, kind: type[UserSignature], *, strict: bool = True, **more: Any) -> list[str]:
        """Return the names that a signed call brings."""
        folder = Path(self.mktemp())
        folder.mkdir()
        ALICE.save(folder / "cert.pem", folder / "pk.pem")
        trust = Pinned({"alice": ALICE.certificate})
        resource = SoapResource(EC2, Api(), Security(USER, trust, strict=strict), clock_at())
        signature = kind(str(folder / "pk.pem"), str(folder / "cert.pem"), **more)
        url = "http://cloud:8773/services/Eucalyptus"
        client = zeep.Client(f"{url}?wsdl", wsse=signature, transport=Transport(resource))
        service = client.create_service(f"{{{EC2.namespace}}}AmazonEC2Binding", url)
        reply = service.DescribeAvailabilityZones(availabilityZoneSet={"item": []})
        return [zone.zoneName for zone in reply.availabilityZoneInfo.item]

    def test_signed(self) -> None:
        """A call signed over Timestamp and Body is answered, and the caller known."""
        self.assertEqual(self.zones(UserSignature), ["cluster1", "alice"])

    def test_sha256(self) -> None:
        """SHA-256 is taken as well as SHA-1."""
        names = self.zones(
            UserSignature,
            signature_method=xmlsec.constants.TransformRsaSha256,
            digest_method=xmlsec.constants.TransformSha256,
        )
        self.assertEqual(names, ["cluster1", "alice"])

    def test_body_alone(self) -> None:
        """A signature over the Body alone is for compatible mode."""
        self.assertEqual(self.zones(UntimedSignature, strict=False), ["cluster1", "alice"])
        with self.assertRaisesRegex(zeep.exceptions.Fault, "no Timestamp: sign a wsu:Timestamp"):
            self.zones(UntimedSignature)
