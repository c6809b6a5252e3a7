"""Tests of the trace that people debug the wire with, and of what explains it."""

from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from euca.auth.wsse import INTERNAL, Pinned, fault_envelope
from euca.testing.wire import ADDRESS, joined
from euca.wire.client import SoapClient
from euca.wire.explain import contracts, explain, main
from euca.wire.trace import FileTrace, RecordingTrace, redacted
from tests.auth.wsse.messages import ALICE, MALLORY, edited, signed
from tests.wire.apis import NC, NodeApi, clock_at, pair

KNOWN = contracts()


class TraceTests(SynchronousTestCase):
    """Every message is taken note of, without its secrets."""

    def test_client(self) -> None:
        """A client's request and the reply are noted, each with what became of it."""
        trace = RecordingTrace()
        security, service = pair()
        http = joined(NC, NodeApi(), security, service, clock_at()).http
        client = SoapClient(NC, ADDRESS, http, security, clock_at(), trace=trace)
        Deferred.fromCoroutine(client.call("ncDescribeResource", userId="u"))
        sent, got = trace.notes
        self.assertEqual((sent.direction, sent.verdict), ("out", f"to {ADDRESS}"))
        self.assertEqual((got.direction, got.verdict), ("in", "HTTP 200, used"))
        failing: Any = Deferred.fromCoroutine(client.call("ncTerminateInstance", instanceId="i-9"))
        self.failureResultOf(failing)
        self.assertIn("there is no instance i-9", trace.notes[-1].verdict)

    def test_file(self) -> None:
        """Each message is a file for its owner's eyes, which can be explained."""
        folder = Path(self.mktemp())
        trace = FileTrace(folder, clock_at())
        trace.note("in", "EucalyptusNC", signed(), "answered\nwell")
        (path,) = folder.iterdir()
        self.assertEqual(path.stat().st_mode & 0o777, 0o600)
        self.assertIn(b"Verdict: answered well\r\n\r\n<soapenv:Envelope", path.read_bytes())
        status, text = main(["show", str(path)])
        self.assertEqual(status, 0, text)
        self.assertIn("operation  ncTerminateInstance, the request, of EucalyptusNC", text)

    def test_secrets(self) -> None:
        """Private keys, passwords and users' data are replaced by their length."""
        raw = (
            b"<a><n:keyMaterial>SECRET</n:keyMaterial><userData x='y'>ME TOO</userData><b>c</b></a>"
        )
        self.assertEqual(
            redacted(raw),
            b"<a><n:keyMaterial>[6 bytes]</n:keyMaterial>"
            b"<userData x='y'>[6 bytes]</userData><b>c</b></a>",
        )


class ExplainTests(SynchronousTestCase):
    """A captured message is explained."""

    def lines(self, raw: bytes, **more: Any) -> str:
        """Return the explanation as text."""
        return "\n".join(explain(raw, KNOWN, **more).lines)

    def test_accepted(self) -> None:
        """A message in order is said to be, with signer and signed parts."""
        found = explain(signed(), KNOWN)
        self.assertTrue(found.accepted)
        text = "\n".join(found.lines)
        self.assertIn(f"signer     alice, certificate {ALICE.certificate.fingerprint}", text)
        self.assertIn("signed     To, Action, MessageID, Body", text)
        self.assertIn("strict     accepted", text)

    def test_forged(self) -> None:
        """A forged message is said to be refused, and why."""
        forged = edited(signed(), lambda root: root[1].set("x", "y"))
        self.assertIn("strict     refused: the signature does not hold", self.lines(forged))

    def test_other_policy(self) -> None:
        """A message is held against the policy of its contract."""
        payload = '<e:DeleteStorageVolumeType xmlns:e="http://msgs.eucalyptus.com"/>'
        text = self.lines(signed(INTERNAL, payload.replace("/>", "></e:DeleteStorageVolumeType>")))
        self.assertIn("policy     internal", text)
        self.assertIn("contract   refused", text)

    def test_trusted(self) -> None:
        """Where certificates are given only they are trusted."""
        trust = Pinned({"mallory": MALLORY.certificate})
        self.assertIn("not one that is trusted", self.lines(signed(), trust=trust))

    def test_others(self) -> None:
        """Faults, unknown operations and what is no SOAP are named."""
        self.assertIn("fault      a: b", self.lines(fault_envelope("a", "b")))
        self.assertIn(
            "operation  unknown: {http://x/}y",
            self.lines(signed(payload='<y xmlns="http://x/"></y>')),
        )
        self.assertIn("refused    ", self.lines(b"HTTP/1.1 404 Not Found\r\n\r\nNot Found"))

    def test_usage(self) -> None:
        """Without arguments the usage is told, for a missing file the file."""
        self.assertEqual(main([])[0], 2)
        status, text = main(["show", "/nowhere"])
        self.assertEqual(status, 2)
        self.assertIn("/nowhere", text)
