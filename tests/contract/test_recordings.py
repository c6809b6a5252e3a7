"""What the original programs sent is accepted, understood, and written again the same."""

import re
from datetime import datetime
from typing import Any, cast

from lxml import etree
from treq.client import HTTPClient
from treq.testing import StubTreq
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.http_headers import Headers

from euca.auth.wsse import CLUSTER, Security, SecurityRefused, verify_reply, verify_request
from euca.auth.wsse.names import SOAP, WSA
from euca.wire.contract import Contract
from euca.wire.envelope import MalformedEnvelope, parse
from euca.wire.resource import SoapResource
from euca.wire.service import Call, operation
from tests.auth.wsse import oracle
from tests.auth.wsse.messages import at_once
from tests.contract.recordings import (
    ABSENT,
    Recording,
    cluster_recordings,
    contracts,
    keys,
    recordings,
)

INTERNAL_SAMPLE_TIME = datetime.fromisoformat("2026-11-21T03:48:21Z").timestamp()


def accept(found: Recording, raw: bytes | None = None) -> Any:
    """Judge a recording, or what was made of it, as a peer in compatible mode does."""
    envelope = parse(found.envelope if raw is None else raw)
    security = Security(found.policy, keys().trust, strict=False)
    if found.reply:
        relates = envelope.addressing().get("RelatesTo", "")
        return at_once(verify_reply(envelope.root, security, INTERNAL_SAMPLE_TIME, relates))
    return at_once(verify_request(envelope.root, security, INTERNAL_SAMPLE_TIME))


class SignatureTests(SynchronousTestCase):
    """The signatures of the original programs."""

    if ABSENT:
        skip = ABSENT

    def test_requests_verify(self) -> None:
        """Every recorded request is accepted in compatible mode, from the peer that sent it."""
        for found in recordings(reply=False):
            signer = "cluster" if found.path.name.startswith("nc-") else "cloud"
            self.assertEqual(accept(found).signer.name, signer, found.name)

    def test_replies_verify(self) -> None:
        """Every recorded reply is accepted, from the peer that was asked."""
        for found in recordings(reply=True):
            signer = "node" if found.path.name.startswith("nc-") else "cluster"
            self.assertEqual(accept(found).signer.name, signer, found.name)

    def test_oracle_agrees(self) -> None:
        """The oracle finds the same parts signed, and the signatures holding."""
        for reply in (False, True):
            for found in recordings(reply=reply):
                opinion = oracle.judge(found.envelope)
                self.assertTrue(opinion.holds, found.name)
                self.assertEqual(set(opinion.signed), set(accept(found).signed), found.name)

    def test_strict_mode_refuses_unsigned_bodies(self) -> None:
        """In strict mode the original's requests are refused for their unsigned Body."""
        for found in cluster_recordings(reply=False):
            security = Security(CLUSTER, keys().trust)
            with self.assertRaisesRegex(SecurityRefused, "Body is not signed"):
                at_once(verify_request(etree.fromstring(found.envelope), security, 0.0))

    def test_changed_bytes_are_refused(self) -> None:
        """With any byte of a signed part changed a message is refused, and so says the oracle."""
        for reply in (False, True):
            for found in recordings(reply=reply):
                for raw in _with_changed_texts(found):
                    with self.assertRaises((SecurityRefused, MalformedEnvelope), msg=found.name):
                        accept(found, raw)
                    self.assertFalse(oracle.judge(raw).holds, found.name)


def _with_changed_texts(found: Recording) -> list[bytes]:
    """Return the message once for every signed text, with a byte in its middle changed."""
    changed = []
    names = ("To", "Action", "MessageID", "RelatesTo", "Address")
    for name in names if found.policy is CLUSTER else ("Created", "Expires", "userId"):
        for match in re.finditer(rf"<((?:\w+:)?{name})\b[^>]*>([^<]+)<".encode(), found.envelope):
            at = (match.start(2) + match.end(2)) // 2
            changed.append(_changed_at(found.envelope, at))
    return changed


def _changed_at(raw: bytes, at: int) -> bytes:
    return raw[:at] + (b"x" if raw[at : at + 1] != b"x" else b"y") + raw[at + 1 :]


class BodyTests(SynchronousTestCase):
    """The bodies of the original programs."""

    if ABSENT:
        skip = ABSENT

    def test_decoded_and_encoded_again(self) -> None:
        """Every recorded body reads, and what is written of its values is canonically equal."""
        held = contracts()
        for reply in (False, True):
            for found in cluster_recordings(reply=reply):
                contract = held[found.contract]
                described = contract.operations[found.operation]
                message = described.reply if reply else described.request
                payload = parse(found.envelope).payload
                before = canonical(payload)
                values = contract.read(message, payload)
                after = canonical(etree.fromstring(contract.write(message, values)))
                self.assertEqual(after, before, found.name)

    def test_form_of_ours_is_the_original_s(self) -> None:
        """A reply of ours has the same headers in the same order as the recorded one."""
        for found in cluster_recordings(reply=False):
            reply = recorded_reply(found)
            if reply is None:
                continue
            status, raw = exchange(found, contracts()[found.contract], reply)
            self.assertEqual(status, 200, raw)
            ours, theirs = parse(raw), parse(reply.envelope)
            self.assertEqual(outline(ours.root), outline(theirs.root), found.name)
            self.assertEqual(canonical(ours.payload), canonical(theirs.payload), found.name)
            self.assertTrue(oracle.judge(raw).holds)
            self.assertEqual(
                ours.addressing().get("RelatesTo", ""), theirs.addressing().get("RelatesTo", "")
            )
            self.assertEqual(
                ours.addressing().get("Action", ""), theirs.addressing().get("Action", "")
            )
            self.assertEqual(address(ours.root), address(theirs.root))


def recorded_reply(found: Recording) -> Recording | None:
    """Return the recorded reply to a recorded request."""
    for reply in cluster_recordings(reply=True):
        if reply.path.name.replace(".response", "") == found.path.name:
            return reply
    return None


def exchange(found: Recording, contract: Contract, reply: Recording) -> tuple[int, bytes]:
    """Send a recorded request to a service of ours that answers what the original answered."""
    message = contract.operations[found.operation].reply
    values = contract.read(message, parse(reply.envelope).payload)

    class Api:
        unbuilt = tuple(contract.operations.keys() - {found.operation})

        @operation(found.operation)
        async def answer(self, call: Call) -> dict[str, Any]:
            return values

    own = keys().node if found.contract == "eucalyptus_nc" else keys().cluster
    clock = Clock()
    clock.advance(INTERNAL_SAMPLE_TIME)
    resource = SoapResource(
        contract, Api(), Security(CLUSTER, keys().trust, own, strict=False), clock
    )
    headers = Headers()
    for line in found.head.split(b"\r\n")[1:]:
        name, value = line.split(b": ", 1)
        if name != b"Content-Length":
            headers.addRawHeader(name, value)
    got: list[Any] = []
    http = cast(HTTPClient, StubTreq(resource))

    async def post() -> None:
        response = await http.post("http://x/", data=found.envelope, headers=headers)
        got.extend([response.code, await response.content()])

    Deferred.fromCoroutine(post()).addErrback(lambda failure: failure.raiseException())
    return got[0], got[1]


def canonical(element: etree._Element) -> bytes:
    """Return canonical bytes that do not depend on prefixes."""
    copy = etree.fromstring(etree.tostring(element, with_tail=False))

    def plain(node: etree._Element) -> etree._Element:
        made = etree.Element(node.tag, dict(node.attrib), {None: "http://eucalyptus.ucsb.edu/"})
        made.text = node.text
        made.extend(plain(child) for child in node)
        return made

    return etree.tostring(plain(copy), method="c14n", exclusive=True)


def outline(root: etree._Element) -> list[str]:
    """Return the names of the headers and of what stands in Security, in their order."""
    header = root.find(f"{{{SOAP}}}Header")
    assert header is not None
    return [str(child.tag) for child in (*header, *header[-1])]


def address(root: etree._Element) -> str | None:
    """Return the address in wsa:From."""
    return root.findtext(f".//{{{WSA}}}From/{{{WSA}}}Address")
