"""Tests of requests as zeep writes them."""

from datetime import UTC, datetime
from typing import Any

from lxml import etree
from twisted.trial.unittest import SynchronousTestCase

from euca.wire.contract import Contract, ContractViolation
from euca.wire.requests import AuthoredFile, RequestWriter
from tests.wire.apis import NC

EC2 = Contract.load("ec2-2009-11-30")
RUN: dict[str, Any] = {
    "imageId": "emi-1",
    "imageURL": "http://walrus/b/i.manifest.xml?a=1&b=2",
    "reservationId": "r-1",
    "instanceId": "i-1",
    "instanceType": {"name": "m1.small", "memory": 128, "cores": 1, "disk": 2, "deviceMapping": []},
    "keyName": "",
    "netParams": {
        "privateMacAddress": "d0:0d:00:00:00:01",
        "privateIp": "10.0.0.2",
        "publicIp": "0.0.0.0",
        "vlan": 10,
        "networkIndex": 2,
    },
    "groupNames": ["default", "web"],
    "userData": None,
}


class RequestTests(SynchronousTestCase):
    """zeep writes what the contract's own reader understands."""

    writer = RequestWriter(NC)

    def test_values_arrive(self) -> None:
        """The fields of a call arrive as they were given."""
        text = self.writer.write("ncRunInstance", RUN)
        values = NC.read(NC.operations["ncRunInstance"].request, etree.fromstring(text))
        for name, value in RUN.items():
            self.assertEqual(values[name], value, name)

    def test_canonical(self) -> None:
        """The text is in exclusive canonical form and plain."""
        text = self.writer.write("ncRunInstance", RUN)
        again = etree.tostring(etree.fromstring(text), method="c14n", exclusive=True)
        self.assertEqual(text, again.decode())
        self.assertNotIn("&#", text)

    def test_what_does_not_fit(self) -> None:
        """Missing, unknown and unwritable fields are refused before anything is sent."""
        without = {key: value for key, value in RUN.items() if key != "imageId"}
        for fields in (
            without,
            {**RUN, "colour": "red"},
            {**RUN, "netParams": {"vlan": 10}},
            {**RUN, "keyName": "ssh-rsa Zürich"},
            {**RUN, "keyName": "a\rb"},
            {**RUN, "groupNames": ["ok", "\x00"]},
        ):
            with self.assertRaises(ContractViolation):
                self.writer.write("ncRunInstance", fields)

    def test_times(self) -> None:
        """Times are written as everywhere: UTC, milliseconds, Z."""
        at = datetime(2026, 11, 21, 11, 0, 0, 123456, tzinfo=UTC)
        text = RequestWriter(EC2).write("DescribeSpotPriceHistory", {"startTime": at})
        self.assertIn(">2026-11-21T11:00:00.123Z<", text)

    def test_attributes_and_lists(self) -> None:
        """A user's request with attributes and nested lists reads as given."""
        fields = {
            "imageId": "emi-1",
            "minCount": 1,
            "maxCount": 1,
            "instanceType": "m1.small",
            "groupSet": {"item": [{"groupId": "default"}]},
            "userData": {"data": "eA==", "@version": "1.0", "@encoding": "base64"},
        }
        text = RequestWriter(EC2).write("RunInstances", fields)
        values = EC2.read(EC2.operations["RunInstances"].request, etree.fromstring(text))
        self.assertEqual(values["userData"], fields["userData"])
        self.assertEqual(values["groupSet"], fields["groupSet"])

    def test_no_network(self) -> None:
        """Zeep may neither fetch nor send anything."""
        files = AuthoredFile(NC.path, NC.raw)
        for attempt in (
            lambda: files.load("http://evil/x.xsd"),
            lambda: files.load("/etc/passwd"),
            lambda: files.get("http://evil/", {}, {}),
            lambda: files.post("http://evil/", b"", {}),
        ):
            with self.assertRaises(RuntimeError):
                attempt()
