"""Tests of whom the verifier believes, and when."""

from lxml import etree
from twisted.trial.unittest import SynchronousTestCase

from euca.auth.wsse import (
    CLUSTER,
    INTERNAL,
    USER,
    Addressing,
    Security,
    SecurityRefused,
    signed_envelope,
    verify_reply,
)
from euca.auth.wsse.names import WSA
from tests.auth.wsse.messages import (
    ALICE,
    MALLORY,
    NOW,
    TRUST,
    at_once,
    message_id,
    security,
    signed,
    verified,
)


class Case(SynchronousTestCase):
    """Adds an assertion about refusal."""

    def refused(self, why: str, raw: bytes, held: Security | None = None, now: float = NOW) -> None:
        """Assert that a request is refused, and for which reason."""
        with self.assertRaises(SecurityRefused) as caught:
            verified(raw, held, now)
        self.assertIn(why, str(caught.exception))


class AcceptedTests(Case):
    """A message as it should be is accepted."""

    def test_element_and_signer_are_returned(self) -> None:
        """The verifier returns the one element in the Body, and whose signature it is."""
        found = verified(signed())
        self.assertEqual(etree.QName(found.body).localname, "ncTerminateInstance")
        self.assertEqual(found.signer.name, "alice")
        self.assertEqual(found.action, "EucalyptusNC#ncTerminateInstance")

    def test_every_policy(self) -> None:
        """Each policy accepts what is signed by it."""
        for policy in (CLUSTER, INTERNAL, USER):
            self.assertEqual(verified(signed(policy), security(policy)).signer.name, "alice")

    def test_policies_do_not_stand_in_for_each_other(self) -> None:
        """A message of one policy is refused by the other."""
        self.refused("To is not signed", signed(INTERNAL), security(CLUSTER))
        self.refused("no Timestamp", signed(CLUSTER), security(INTERNAL))

    def test_stranger(self) -> None:
        """A good signature by an unknown certificate carried along is refused."""
        self.refused("not one that is trusted", signed(identity=MALLORY))


class FreshnessTests(Case):
    """Cluster messages are fresh by their MessageID, the others by their Timestamp."""

    def test_accepted_once(self) -> None:
        """The same cluster message is accepted once only."""
        held, raw = security(), signed()
        verified(raw, held)
        self.refused("accepted before", raw, held)
        self.refused("accepted before", raw, held, NOW + 299)

    def test_timestamped_accepted_once(self) -> None:
        """The same timestamped message is accepted once only."""
        for policy in (INTERNAL, USER):
            held, raw = security(policy), signed(policy)
            verified(raw, held)
            self.refused("accepted before", raw, held)

    def test_old_message(self) -> None:
        """A message older than the window is refused, saying by how much the clocks differ."""
        self.refused("made 301 seconds ago", signed(now=NOW - 301))

    def test_message_of_the_future(self) -> None:
        """A message from beyond the window is refused."""
        self.refused("301 seconds in the future", signed(now=NOW + 301))

    def test_window_is_configurable(self) -> None:
        """A narrower window refuses what the usual one accepts."""
        verified(signed(now=NOW - 100))
        self.refused("100 seconds ago", signed(now=NOW - 100), security(window=60.0))

    def test_random_identifier(self) -> None:
        """A MessageID without a time in it is refused, except in compatible mode."""
        raw = signed(identifier="urn:uuid:A82F922F24ED46C0B1B79F124ED3BFC7")
        self.refused("version 7", raw)
        self.assertEqual(verified(raw, security(strict=False)).signer.name, "alice")

    def test_rubbish_identifier(self) -> None:
        """A MessageID that is no UUID is refused."""
        self.refused("version 7", signed(identifier="hello"))
        self.refused("version 7", signed(identifier="urn:uuid:xyz"))

    def test_expired_timestamp(self) -> None:
        """A Timestamp whose Expires has passed is refused, saying since when."""
        self.refused("expired 1 seconds ago", signed(INTERNAL, now=NOW - 301), security(INTERNAL))

    def test_future_timestamp(self) -> None:
        """A Timestamp created beyond the window is refused."""
        self.refused("301 seconds in the future", signed(USER, now=NOW + 301), security(USER))

    def test_overlong_timestamp(self) -> None:
        """A Timestamp that expires long after our own would is refused once ours had expired."""
        raw = signed(INTERNAL, now=NOW)
        held = security(INTERNAL)
        later = Security(held.policy, held.trust, lifetime=30.0, window=10.0)
        self.refused("created 100 seconds ago", raw, later, NOW + 100)

    def test_compatible_user_without_timestamp(self) -> None:
        """In compatible mode a user may sign the Body alone; one that does is accepted."""
        raw = signed(CLUSTER)
        self.refused("no Timestamp", raw, security(USER))
        self.assertEqual(verified(raw, security(USER, strict=False)).signer.name, "alice")


class ReplyTests(SynchronousTestCase):
    """A reply is believed when it is signed and is the reply to our message."""

    def _reply(self, relates_to: str) -> etree._Element:
        return etree.fromstring(
            signed_envelope(
                CLUSTER,
                ALICE,
                (
                    Addressing("Action", "a"),
                    Addressing("From", "<wsa:Address>http://node/</wsa:Address>"),
                    Addressing("MessageID", message_id()),
                    Addressing("RelatesTo", relates_to, ' wsa:RelationshipType="http://r/"'),
                ),
                '<n:x xmlns:n="http://eucalyptus.ucsb.edu/"></n:x>',
                now=NOW,
                lifetime=300,
                new_id=lambda: "reply",
            )
        )

    def test_reply_to_ours(self) -> None:
        """A signed reply that relates to our message is accepted."""
        reply = verify_reply(self._reply("urn:uuid:1"), Security(CLUSTER, TRUST), NOW, "urn:uuid:1")
        self.assertEqual(at_once(reply).signer.name, "alice")

    def test_reply_to_another(self) -> None:
        """A signed reply to another message is refused."""
        with self.assertRaisesRegex(SecurityRefused, "to another message"):
            at_once(
                verify_reply(self._reply("urn:uuid:2"), Security(CLUSTER, TRUST), NOW, "urn:uuid:1")
            )

    def test_request_is_no_reply(self) -> None:
        """A request sent back is no reply: it relates to nothing."""
        with self.assertRaisesRegex(SecurityRefused, "RelatesTo is missing"):
            at_once(
                verify_reply(
                    etree.fromstring(signed()), Security(CLUSTER, TRUST), NOW, "urn:uuid:1"
                )
            )

    def test_reply_is_no_request(self) -> None:
        """A reply sent as a request is refused: it is addressed to nobody."""
        reply = etree.tostring(self._reply("urn:uuid:1"))
        self.assertIn(WSA.encode(), reply)
        with self.assertRaisesRegex(SecurityRefused, "To is missing"):
            verified(reply)
