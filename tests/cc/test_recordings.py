"""What the original cloud controller sent to its cluster is understood here."""

from __future__ import annotations

from typing import cast

from treq.client import HTTPClient
from treq.testing import StubTreq
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.http_headers import Headers

from euca.auth.wsse import CLUSTER, Security
from euca.cc.api import ClusterApi
from euca.wire.envelope import parse
from euca.wire.resource import SoapResource
from tests.cc.cluster import Cluster, contract
from tests.contract.recordings import ABSENT, Recording, cluster_recordings, keys


class RecordingTests(SynchronousTestCase):
    """Recorded requests to clusters, for what is built."""

    if ABSENT:
        skip = ABSENT

    def answered(self, found: Recording, raw: bytes, cluster: Cluster) -> tuple[int, bytes]:
        """Post a message to the service; returns status and reply."""
        security = Security(CLUSTER, keys().trust, keys().cluster, strict=False)
        service = contract("eucalyptus_cc")
        resource = SoapResource(service, cluster.parts.api, security, Clock())
        http = cast(HTTPClient, StubTreq(resource))
        action = f"EucalyptusCC#{found.operation}"
        posted = http.post(
            "http://127.0.0.1:8774/axis2/services/EucalyptusCC",
            data=raw,
            headers=Headers({"SOAPAction": [action], "Content-Type": ["text/xml;charset=UTF-8"]}),
        )
        response = self.successResultOf(posted)
        return response.code, self.successResultOf(response.content())

    def built(self) -> list[Recording]:
        """Return the recordings of what is built."""
        found = [each for each in cluster_recordings(reply=False) if each.contract.endswith("cc")]
        return [each for each in found if each.operation not in ClusterApi.unbuilt]

    def test_accepted(self) -> None:
        """Each is answered with its reply, which echoes the correlation id."""
        cluster = Cluster(self)
        cluster.start()
        cluster.pass_time(1)
        operations = set()
        for found in self.built():
            status, reply = self.answered(found, found.envelope, cluster)
            self.assertEqual(status, 200, found.name)
            payload = parse(reply).payload
            self.assertTrue(str(payload.tag).endswith(f"}}{found.operation}Response"), found.name)
            sent = parse(found.envelope).payload.findtext("{*}correlationId")
            self.assertEqual(payload.findtext("{*}correlationId"), sent, found.name)
            operations.add(found.operation)
        self.assertGreaterEqual(len(operations), 11)

    def test_changed_is_refused(self) -> None:
        """With a byte of a signed header changed each is refused, and nothing happens."""
        cluster = Cluster(self)
        cluster.start()
        for found in self.built():
            at = found.envelope.index(b"EucalyptusCC#")
            raw = found.envelope[:at] + b"X" + found.envelope[at + 1 :]
            status, reply = self.answered(found, raw, cluster)
            self.assertEqual((status, b"Fault" in reply), (500, True), found.name)
        self.assertEqual(cluster.records(), [])
