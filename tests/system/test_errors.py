"""Tests of requests that the cloud refuses: each says what was wrong, and leaves nothing."""

from __future__ import annotations

import urllib.error
import urllib.request
from typing import Any

from botocore.exceptions import ClientError
from lxml import etree

from tests.system.cloud import SystemTests


class ErrorsTests(SystemTests):
    """Every refusal is the one that the protocol prescribes."""

    def setUp(self) -> None:
        super().setUp()
        self.before = self.left()

    def left(self) -> set[Any]:
        """Return everything that a request might leave behind."""
        instances = {one["InstanceId"] for one in self.cloud.instances()}
        return instances | set(self.cloud.root.glob("nodes/*/instances/*/i-*"))

    def refused(self, ec2: Any, **changes: Any) -> dict[str, Any]:
        """Return the error of a request to run instances."""
        wanted = {"ImageId": self.cloud.image(), "MinCount": 1, "MaxCount": 1, **changes}
        caught = self.assertRaises(ClientError, ec2.run_instances, **wanted)
        self.assertEqual(self.left(), self.before)
        return dict(caught.response["Error"])

    def test_wrong_signature(self) -> None:
        """A signature by another secret is refused, and the secret not told."""
        error = self.refused(self.cloud.ec2("not the secret"))
        self.assertEqual(error["Code"], "SignatureDoesNotMatch")
        self.assertNotIn(self.cloud.variables["EC2_SECRET_KEY"], str(error))

    def test_unknown_image(self) -> None:
        """An unknown image is named."""
        error = self.refused(self.cloud.ec2(), ImageId="emi-00000000")
        self.assertEqual(error["Code"], "InvalidAMIID.NotFound")
        self.assertIn("emi-00000000", error["Message"])

    def test_no_capacity(self) -> None:
        """More instances than there is room for are refused, all of them."""
        error = self.refused(self.cloud.ec2(), MinCount=500, MaxCount=500)
        self.assertEqual(error["Code"], "InsufficientInstanceCapacity")

    def test_malformed(self) -> None:
        """A body that is no XML gets a SOAP fault that says so."""
        status, body = self.post("<soapenv:Envelope")
        self.assertEqual(status, 500)
        fault = etree.fromstring(body).find(".//faultstring")
        assert fault is not None
        self.assertTrue(fault.text)

    def test_unsigned(self) -> None:
        """An unsigned SOAP request gets a fault, and nothing is done."""
        soap = "http://schemas.xmlsoap.org/soap/envelope/"
        body = (
            f"<s:Envelope xmlns:s='{soap}'><s:Header/><s:Body><RunInstances/></s:Body></s:Envelope>"
        )
        status, answer = self.post(body)
        self.assertEqual((status, self.left()), (500, self.before))
        self.assertIn(b"faultstring", answer)

    def post(self, body: str) -> tuple[int, bytes]:
        """Post a SOAP message; returns status and body of the answer."""
        headers = {"Content-Type": "text/xml", "SOAPAction": "RunInstances"}
        request = urllib.request.Request(
            self.cloud.variables["EC2_URL"], body.encode(), headers, method="POST"
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return int(answer.status), bytes(answer.read())
        except urllib.error.HTTPError as error:
            return error.code, error.read()
