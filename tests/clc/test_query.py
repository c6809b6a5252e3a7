"""Tests of EC2's Query interface: parameters in, XML out."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode
from xml.etree import ElementTree

from treq.testing import StubTreq
from twisted.trial.unittest import SynchronousTestCase

from euca.auth.query import sign
from euca.clc.ec2 import OPERATIONS
from tests.clc.cloud import House, ec2

HOST = "cloud.example:8773"
PATH = "/services/Eucalyptus"


class Case(SynchronousTestCase):
    """A cloud behind its endpoint."""

    def setUp(self) -> None:
        self.house = House().start()
        self.addCleanup(self.house.stop)
        self.http = StubTreq(self.house.door)

    def ask(self, action: str, method: str = "GET", secret: str = "secret-ann", **more: str) -> Any:
        """Return status and root of the reply to a signed request."""
        version = more.pop("Version", "2009-11-30")
        asked = {"Action": action, "Version": version, **more}
        now = self.house.clock.seconds()
        return self.send(method, sign(asked, "AKann", secret, HOST, PATH, method, now))

    def send(self, method: str, parameters: dict[str, str], **headers: str) -> Any:
        """Return status and root of the reply to a request."""
        text, url = urlencode(parameters), f"http://{HOST}{PATH}"
        if method == "GET":
            response = self.successResultOf(self.http.get(f"{url}?{text}", headers=headers))
        else:
            response = self.successResultOf(
                self.http.post(url, data=text.encode(), headers=headers)
            )
        return response.code, ElementTree.fromstring(self.successResultOf(response.content()))

    def code(self, reply: Any) -> tuple[int, str, str]:
        """Return status, code and message of an error, whose form is checked."""
        status, root = reply
        self.assertEqual(
            ["Response", "Errors", "RequestID"], [root.tag, *(child.tag for child in root)]
        )
        return status, root.findtext("Errors/Error/Code"), root.findtext("Errors/Error/Message")


class ReplyTests(Case):
    """Replies."""

    def test_version_is_echoed(self) -> None:
        """The reply is in the namespace of the version asked for, whichever it is."""
        for version in ("2009-11-30", "2010-08-31", "2016-11-15", "2006-06-26"):
            status, root = self.ask("DescribeAvailabilityZones", Version=version)
            name = f"{{http://ec2.amazonaws.com/doc/{version}/}}DescribeAvailabilityZonesResponse"
            self.assertEqual((200, name), (status, root.tag))

    def test_form(self) -> None:
        """A form is as good as a URL."""
        status, _ = self.ask("DescribeInstances", "POST")
        self.assertEqual(200, status)

    def test_unrelated_authorization(self) -> None:
        """An Authorization header beside a signed query is passed over."""
        now = self.house.clock.seconds()
        asked = {"Action": "DescribeRegions", "Version": "2009-11-30"}
        signed = sign(asked, "AKann", "secret-ann", HOST, PATH, "GET", now)
        status, _ = self.send("GET", signed, Authorization="AWS AKann:bogus")
        self.assertEqual(200, status)

    def test_lists(self) -> None:
        """A list is given by numbers, in their order, or as one parameter alone."""
        for more in ({"ZoneName.1": "cluster1"}, {"ZoneName": "cluster1"}):
            status, root = self.ask("DescribeAvailabilityZones", **more)
            self.assertEqual((200, 1), (status, len(root.findall("{*}availabilityZoneInfo/*"))))

    def test_every_operation_is_of_the_contract(self) -> None:
        """The table binds operations of the contract alone."""
        self.assertLessEqual(OPERATIONS.keys(), ec2().operations.keys())


class ErrorTests(Case):
    """Errors have EC2's form, code and status."""

    def test_codes(self) -> None:
        """Each thing wrong with a request is told."""
        for reply, expected in (
            (self.ask("DescribeInstances", secret="x"), (403, "SignatureDoesNotMatch")),
            (self.ask("Frobnicate"), (400, "InvalidAction")),
            (self.ask("DescribeVolumes"), (400, "UnsupportedOperation")),
            (self.ask("DescribeInstances", Frob="1"), (400, "UnknownParameter")),
            (self.ask("RunInstances"), (400, "MissingParameter")),
            (
                self.ask("RunInstances", ImageId="emi-00000001", MinCount="many"),
                (400, "InvalidParameterValue"),
            ),
            (
                self.ask("DescribeInstances", **{"Filter.1.Name": "x", "Filter.1.Value.1": "y"}),
                (400, "UnsupportedOperation"),
            ),
            (self.ask("DescribeInstances", Version="eucalyptus"), (400, "InvalidParameterValue")),
            (
                self.ask("DescribeInstances", **{"InstanceId.1": "i-0BAD0BAD"}),
                (400, "InvalidInstanceID.NotFound"),
            ),
            (self.send("GET", {"Action": "DescribeInstances"}), (401, "AuthFailure")),
        ):
            with self.subTest(expected):
                self.assertEqual(expected, self.code(reply)[:2])

    def test_text_is_escaped(self) -> None:
        """What a request said is shown as text."""
        _, _, message = self.code(self.ask("A<b>&c"))
        self.assertEqual("The action A<b>&c is not valid for this web service.", message)

    def test_no_room(self) -> None:
        """Without room the message is that of Eucalyptus 2.0."""
        reply = self.ask("RunInstances", ImageId="emi-00000001", MinCount="9", MaxCount="9")
        self.assertEqual(
            (
                500,
                "InsufficientInstanceCapacity",
                "Not enough resources (4 in default < 9): vm instances.",
            ),
            self.code(reply),
        )

    def test_disabled_account(self) -> None:
        """An access key of a disabled account is refused."""
        from euca.store.accounts import ACCOUNTS
        from euca.store.sql import update

        self.house.database.thd_transact(
            lambda tx: tx.execute(update(ACCOUNTS).values(enabled=False))
        )
        self.assertEqual((401, "AuthFailure"), self.code(self.ask("DescribeInstances"))[:2])
