"""Random mutations of real messages: none is accepted whose meaning changed, none breaks us."""

import copy
import os
import random
from collections.abc import Callable
from typing import Any

from attrs import frozen
from lxml import etree
from twisted.trial.unittest import SynchronousTestCase

from euca.auth.wsse import CLUSTER, INTERNAL, USER, Policy, Security, SecurityRefused
from euca.auth.wsse.verify import Verified, verify_request
from euca.wire.contract import Contract, ContractViolation
from euca.wire.envelope import MalformedEnvelope, parse
from tests.auth.wsse.messages import NOW, PAYLOAD, TRUST, at_once, signed
from tests.contract.recordings import ABSENT, cluster_recordings, contracts, keys
from tests.contract.test_recordings import INTERNAL_SAMPLE_TIME

# A run of CI does all of them in some seconds; EUCA_MUTATIONS asks for more.
MUTATIONS = int(os.environ.get("EUCA_MUTATIONS", "10000"))
SEED = int(os.environ.get("EUCA_SEED", "20101121"))


@frozen
class Subject:
    """A message to mutate, how it is judged, and whether its Body is signed."""

    raw: bytes
    policy: Policy
    trust: Any
    strict: bool
    now: float
    contract: Contract


def judged(subject: Subject, raw: bytes) -> tuple[Any, ...]:
    """Return what an accepted message means; raises what refuses it."""
    envelope = parse(raw)
    security = Security(subject.policy, subject.trust, strict=subject.strict)
    found: Verified = at_once(verify_request(envelope.root, security, subject.now))
    signed_body = "Body" in found.signed
    meaning = canonical(found.body) if signed_body else b""
    operation = subject.contract.operation_of(str(found.body.tag))
    if operation is not None:
        subject.contract.read(operation.request, found.body)
    headers = (found.to, found.action, found.message_id) if subject.policy.addressing else ()
    return (found.signer.name, meaning, *headers)


def canonical(element: etree._Element) -> bytes:
    """Return an element in canonical form, so that other writings of the same are equal."""
    return etree.tostring(element, method="c14n", exclusive=True)


def flipped(raw: bytes, chance: random.Random) -> bytes:
    """Change, insert or drop a few bytes."""
    changed = bytearray(raw)
    for _ in range(chance.choice((1, 1, 2, 5))):
        at = chance.randrange(len(changed))
        match chance.randrange(3):
            case 0:
                changed[at] = chance.randrange(256)
            case 1:
                changed.insert(at, chance.choice(b"<>&;\"'/!?- \n\0aI1\xff"))
            case _:
                del changed[at : at + chance.choice((1, 1, 10, 100))]
    return bytes(changed)


def spliced(raw: bytes, chance: random.Random) -> bytes:
    """Copy a stretch of the message to another place."""
    start, to = chance.randrange(len(raw)), chance.randrange(len(raw))
    length = chance.choice((5, 50, 500))
    return raw[:to] + raw[start : start + length] + raw[to + chance.choice((0, length)) :]


def replanted(raw: bytes, chance: random.Random) -> bytes:
    """Move, copy, drop, wrap or change elements of the tree."""
    root = etree.fromstring(raw)
    for _ in range(chance.choice((1, 1, 2, 3))):
        elements = list(root.iter())[1:]
        if not elements:
            break
        one, other = chance.choice(elements), chance.choice(elements)
        chance.choice((_move, _copy, _drop, _wrap, _attribute, _text, _rename))(one, other, chance)
    return etree.tostring(root)


def _inside(one: etree._Element, other: etree._Element) -> bool:
    return any(other is ancestor for ancestor in (one, *one.iterancestors()))


def _move(one: etree._Element, other: etree._Element, chance: random.Random) -> None:
    if not _inside(other, one):
        other.insert(chance.randrange(len(other) + 1), one)


def _copy(one: etree._Element, other: etree._Element, chance: random.Random) -> None:
    other.insert(chance.randrange(len(other) + 1), copy.deepcopy(one))


def _drop(one: etree._Element, _other: etree._Element, _chance: random.Random) -> None:
    parent = one.getparent()
    if parent is not None:
        parent.remove(one)


def _wrap(one: etree._Element, _other: etree._Element, chance: random.Random) -> None:
    parent = one.getparent()
    if parent is not None:
        wrapper = one.makeelement(chance.choice(("{http://evil/}w", str(one.tag))))
        parent.replace(one, wrapper)
        wrapper.append(one)


def _attribute(one: etree._Element, other: etree._Element, chance: random.Random) -> None:
    if other.attrib:
        name = chance.choice(sorted(map(str, other.attrib)))
        one.set(name, other.get(name, "") + chance.choice(("", "", "x")))
    for name in list(one.attrib)[: chance.randrange(2)]:
        del one.attrib[name]


def _text(one: etree._Element, other: etree._Element, chance: random.Random) -> None:
    one.text = chance.choice((other.text, "i-66666666", "", None))


def _rename(one: etree._Element, other: etree._Element, _chance: random.Random) -> None:
    one.tag = other.tag


MUTATORS: tuple[Callable[[bytes, random.Random], bytes], ...] = (flipped, spliced, replanted)


class MutationTests(SynchronousTestCase):
    """The verifier and the contract under fire."""

    def under_fire(self, subjects: list[Subject], times: int) -> None:
        """Mutate each subject in turn, so many times in all."""
        chance = random.Random(SEED)
        meanings = [judged(subject, subject.raw) for subject in subjects]
        accepted = 0
        for number in range(times):
            at = number % len(subjects)
            raw = chance.choice(MUTATORS)(subjects[at].raw, chance)
            try:
                meaning = judged(subjects[at], raw)
            except (SecurityRefused, MalformedEnvelope, ContractViolation):
                continue
            accepted += 1
            self.assertEqual(meaning, meanings[at], f"seed {SEED}, mutation {number}: {raw!r}")
        self.assertLess(accepted, times // 2)

    def test_ours(self) -> None:
        """Messages as we sign them, under every policy in both modes."""
        contract = Contract.load("eucalyptus_nc")
        subjects = [
            Subject(signed(policy, PAYLOAD), policy, TRUST, strict, NOW, contract)
            for policy in (CLUSTER, INTERNAL, USER)
            for strict in (True, False)
        ]
        self.under_fire(subjects, MUTATIONS // 2)

    def test_recorded(self) -> None:
        """Messages as the original signed them: no signed header changes its meaning."""
        if ABSENT:
            self.skipTest(ABSENT)
        subjects = [
            Subject(
                found.envelope,
                CLUSTER,
                keys().trust,
                False,
                INTERNAL_SAMPLE_TIME,
                contracts()[found.contract],
            )
            for found in cluster_recordings(reply=False)
        ]
        self.under_fire(subjects, MUTATIONS // 2)
