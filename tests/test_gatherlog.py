"""The log and key service."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import cast

from treq.client import HTTPClient
from treq.testing import StubTreq
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.resource import IResource, Resource

from euca.gatherlog import Hosts, Peers, resource
from euca.threads import Immediate
from euca.wire.client import RemoteFault, SoapClient
from euca.wire.contract import Contract
from euca.wire.wiring import Wire

NODE = "http://node1:8775/axis2/services/EucalyptusNC"


class GatherLogTests(SynchronousTestCase):
    """GetKeys, and GetLogs, which is not there yet."""

    def host(self, peers: Peers | None = None, **files: bytes) -> IResource:
        """Return the service of a host that has these certificates."""
        keys = Path(self.mktemp())
        keys.mkdir()
        for name, content in files.items():
            (keys / f"{name}-cert.pem").write_bytes(content)
        nobody = Hosts(tuple, cast(HTTPClient, StubTreq(Resource())), Clock())
        return resource(keys, Immediate(), peers or nobody, Wire(), Clock())

    def ask(
        self, service: IResource, operation: str = "GetKeys", **fields: str
    ) -> Deferred[dict[str, object]]:
        """Ask a service."""
        http = cast(HTTPClient, StubTreq(service))
        client = SoapClient(
            Contract.load("eucalyptus_gl"), "http://cc:8774/gl", http, None, Clock()
        )
        return Deferred.fromCoroutine(client.call(operation, **fields))

    def test_own_keys(self) -> None:
        """The certificates are told in base64, to anybody, with what the request had."""
        service = self.host(cluster=b"CLUSTER", node=b"NODE")
        reply = self.successResultOf(self.ask(service, serviceTag="self", userId="ann"))
        certificates = [base64.b64decode(str(reply[name])) for name in ("CCcert", "NCcert")]
        self.assertEqual(certificates, [b"CLUSTER", b"NODE"])
        self.assertEqual((reply["serviceTag"], reply["userId"]), ("self", "ann"))

    def test_absent_keys(self) -> None:
        """A certificate that is absent or empty has no element."""
        reply = self.successResultOf(self.ask(self.host(cluster=b""), serviceTag="self"))
        self.assertEqual((reply["CCcert"], reply["NCcert"], reply["return"]), (None, None, True))

    def test_a_nodes_keys(self) -> None:
        """A node's own service is asked for its keys, by the URL of its node controller."""
        paths = Resource()
        parent: Resource = paths
        for name in (b"axis2", b"services"):
            child = Resource()
            parent.putChild(name, child)
            parent = child
        parent.putChild(b"EucalyptusGL", self.host(node=b"NODE"))
        peers = Hosts(lambda: (NODE,), cast(HTTPClient, StubTreq(paths)), Clock())
        reply = self.successResultOf(self.ask(self.host(peers), serviceTag=NODE))
        self.assertEqual(base64.b64decode(str(reply["NCcert"])), b"NODE")
        self.assertEqual(reply["serviceTag"], NODE)

    def test_failing_node(self) -> None:
        """A node that does not answer has no keys; the reply is a success, as in 2.0."""
        peers = Hosts(lambda: (NODE,), cast(HTTPClient, StubTreq(Resource())), Clock())
        reply = self.successResultOf(self.ask(self.host(peers), serviceTag=NODE))
        self.assertEqual((reply["return"], reply["NCcert"]), (True, None))

    def test_strangers_are_not_asked(self) -> None:
        """No host is asked that is no node of the cluster, and none without a list."""
        http = cast(HTTPClient, StubTreq(self.host(node=b"NODE")))
        for peers in (None, Hosts(lambda: (), http, Clock())):
            for fields in ({"serviceTag": NODE}, {"serviceTag": ""}, {}):
                reply = self.successResultOf(self.ask(self.host(peers), **fields))
                self.assertEqual((reply["return"], reply["statusMessage"]), (False, "ERROR"))

    def test_logs(self) -> None:
        """Logs are not told, and the fault says so."""
        failure = self.failureResultOf(self.ask(self.host(), "GetLogs", serviceTag="self"))
        failure.trap(RemoteFault)
        self.assertIn("not available", failure.getErrorMessage())
