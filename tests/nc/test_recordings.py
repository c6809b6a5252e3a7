"""What an original cluster controller's library asked a node is answered as the original did."""

from __future__ import annotations

from typing import Any, cast

from lxml import etree
from treq.client import HTTPClient
from treq.testing import StubTreq
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from euca.auth.wsse import CLUSTER, Security
from euca.wire.envelope import parse
from euca.wire.resource import SoapResource
from tests.contract.recordings import ABSENT, CAPTURES, Recording, contracts, keys
from tests.nc.world import World, url

PLACE = "http://127.0.0.1:8775/axis2/services/EucalyptusNC"
CHANGING = ("launchTime",)
FIGURES = ("memory", "disk", "number")


def recorded(name: str) -> tuple[Recording, Recording]:
    """Return an exchange."""
    file = f"nc-from-NCclient-{name}.http"
    return (
        Recording(CAPTURES / "requests" / file, reply=False),
        Recording(CAPTURES / "responses" / file, reply=True),
    )


def leaves(element: Any) -> list[tuple[str, str]]:
    """Return the fields of a message in order; what differs each time has no text."""
    found = []
    for node in element.iter():
        name = etree.QName(node).localname
        if len(node) == 0:
            found.append((name, "" if name in CHANGING else node.text or ""))
    return found


class RecordedTests(SynchronousTestCase):
    """One exchange after another, against one node."""

    if ABSENT:
        skip = ABSENT

    def setUp(self) -> None:
        self.world = World.of(self, max_cores=64)
        for name in ("img", "k", "r"):
            place = f"http://localhost:8773/services/Walrus/{name}.manifest.xml"
            self.world.images.images[place] = self.world.images.images[url("emi-11111111")]
        self.world.start()
        security = Security(CLUSTER, keys().trust, keys().node, strict=False)
        api = self.world.controller.api()
        self.http = cast(
            HTTPClient,
            StubTreq(SoapResource(contracts()["eucalyptus_nc"], api, security, self.world.clock)),
        )

    def exchange(self, name: str) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
        """Send a recorded request; return our reply's fields and the recorded one's."""
        request, reply = recorded(name)
        headers = {"SOAPAction": request.operation, "Content-Type": "text/xml"}
        posted = self.http.post(PLACE, data=request.envelope, headers=headers)
        answer = self.successResultOf(Deferred.fromCoroutine(_content(posted)))
        return leaves(parse(answer).payload), leaves(parse(reply.envelope).payload)

    def test_run(self) -> None:
        """An instance is taken, and told back field by field as the original did."""
        ours, theirs = self.exchange("ncRunInstance")
        self.assertEqual(ours, theirs)

    def test_describe(self) -> None:
        """A running instance is described as the original did."""
        self.exchange("ncRunInstance")
        self.world.pass_time(2)
        ours, theirs = self.exchange("ncDescribeInstances")
        self.assertEqual(ours, theirs)

    def test_resources(self) -> None:
        """The node's resources have the original's fields, in its order."""
        ours, theirs = self.exchange("ncDescribeResource")
        for fields in (ours, theirs):
            fields[:] = [(name, "" if name.startswith(FIGURES) else text) for name, text in fields]
        self.assertEqual(ours, theirs)

    def test_terminate(self) -> None:
        """An instance that is told to end is told back; the recorded states are no model."""
        self.exchange("ncRunInstance")
        ours, theirs = self.exchange("ncTerminateInstance")
        self.assertEqual([name for name, _ in ours], [name for name, _ in theirs])

    def test_terminate_unknown(self) -> None:
        """An unknown instance is refused; beside that the reply has what the contract demands."""
        ours, theirs = self.exchange("ncTerminateInstance-2")
        self.assertEqual(ours, [*theirs, ("instanceId", "i-99999999")])

    def test_unbuilt(self) -> None:
        """What is not built yet is a fault, not the success that the original answered."""
        ours, _ = self.exchange("ncAttachVolume")
        self.assertIn("ncAttachVolume is not available", dict(ours)["faultstring"])


async def _content(posted: Any) -> bytes:
    response = await posted
    content: bytes = await response.content()
    return content
