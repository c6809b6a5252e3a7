"""Explains a captured message: what it asks, who signed what, and what a receiver would refuse.

The certificate that a message carries is taken at its word here, unless certificates to trust are
given: the question is what the message says, not whether to act on it. Its time is taken to be
the present, so that old captures can be judged.
"""

import time
import uuid
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from attrs import field, frozen

from euca.auth.keyring import Certificate, UnusableKey
from euca.auth.wsse import (
    CLUSTER,
    INTERNAL,
    USER,
    Pinned,
    Policy,
    Security,
    SecurityRefused,
    Signer,
    Trust,
    Verified,
    verify_reply,
    verify_request,
)
from euca.auth.wsse.names import SOAP_11, WSU
from euca.model.identifiers import uuid7_time
from euca.wire.contract import (
    CLUSTER_NAMESPACE,
    INTERNAL_NAMESPACE,
    WSDL_DIRECTORY,
    Contract,
    ContractViolation,
    Message,
)
from euca.wire.envelope import Envelope, MalformedEnvelope, parse

_POLICIES = {CLUSTER_NAMESPACE: CLUSTER, INTERNAL_NAMESPACE: INTERNAL}


class Carried:
    """Trusts whatever certificate a message carries: to look at messages, never to act on them."""

    async def find(self, der: bytes) -> Signer | None:
        """Return the signer that the certificate names itself."""
        try:
            certificate = Certificate.from_der(der)
        except UnusableKey:
            return None
        return Signer(certificate.common_name, certificate)


@frozen
class Explanation:
    """What was found out about one message, a line each."""

    lines: tuple[str, ...]
    accepted: bool = field(default=False)
    """Whether a receiver in strict mode would take it."""


def contracts(directory: Path = WSDL_DIRECTORY) -> list[Contract]:
    """Return every contract of the directory."""
    return [Contract.load(path.stem, directory) for path in sorted(directory.glob("*.wsdl"))]


def explain(raw: bytes, known: Iterable[Contract], trust: Trust | None = None) -> Explanation:
    """Explain a message, with or without the HTTP head before it."""
    head, envelope_bytes = _split(raw)
    lines = [f"http       {line}" for line in head]
    try:
        envelope = parse(envelope_bytes)
    except MalformedEnvelope as error:
        return Explanation((*lines, f"refused    {error}"))
    if envelope.payload.tag == envelope.soap.fault:
        return Explanation((*lines, f"fault      {_fault(envelope)}"))
    addressing = envelope.addressing()
    lines += [
        f"{name.lower():10s} {addressing[name]}"
        for name in ("To", "Action", "MessageID", "RelatesTo")
        if addressing.get(name)
    ]
    fits, about = _about(envelope, known)
    lines += about
    taken, security = _security_lines(envelope_bytes, envelope, trust or Carried())
    return Explanation((*lines, *security), fits and taken)


def _fault(envelope: Envelope) -> str:
    fault, names = envelope.payload, {"s": envelope.soap.namespace}
    if envelope.soap is SOAP_11:
        return f"{fault.findtext('faultcode')}: {fault.findtext('faultstring')}"
    codes = [value.text or "" for value in fault.findall("s:Code//s:Value", names)]
    return f"{'.'.join(codes)}: {fault.findtext('s:Reason/s:Text', None, names)}"


def _split(raw: bytes) -> tuple[list[str], bytes]:
    """Return the lines of the HTTP head, if there is one, and the envelope."""
    if raw.lstrip()[:1] == b"<":
        return [], raw.strip()
    head, _, rest = raw.partition(b"\r\n\r\n")
    return head.decode("latin-1").split("\r\n"), rest.strip()


def _about(envelope: Envelope, known: Iterable[Contract]) -> tuple[bool, list[str]]:
    """Return whether a contract takes the payload, and which operation it is."""
    tag = str(envelope.payload.tag)
    for contract in known:
        for operation in contract.operations.values():
            for side, message in (("request", operation.request), ("reply", operation.reply)):
                if message.element == tag:
                    fits, verdict = _fit(contract, message, envelope)
                    return fits, [
                        f"operation  {operation.name}, the {side}, of {contract.name}",
                        f"contract   {verdict}",
                    ]
    return False, [f"operation  unknown: {tag}"]


def _fit(contract: Contract, message: Message, envelope: Envelope) -> tuple[bool, str]:
    try:
        contract.read(message, envelope.payload)
    except ContractViolation as error:
        return False, f"refused: {error}"
    return True, "fits"


def _security_lines(raw: bytes, envelope: Envelope, trust: Trust) -> tuple[bool, list[str]]:
    policy = _policy(envelope)
    lines = [f"policy     {policy.name}"]
    signer: Verified | None = None
    taken = False
    for mode, strict in (("strict", True), ("compatible", False)):
        found, why = _verdict(raw, policy, strict, trust)
        lines.append(f"{mode:10s} {why}")
        taken = taken or (strict and found is not None)
        signer = found or signer
    if signer is not None:
        lines.insert(1, f"signer     {signer.signer.name}, {_print(signer.signer.certificate)}")
        lines.insert(2, f"signed     {', '.join(signer.signed)}")
    return taken, lines


def _policy(envelope: Envelope) -> Policy:
    namespace = str(envelope.payload.tag)[1:].partition("}")[0]
    return _POLICIES.get(namespace, USER)


def _verdict(
    raw: bytes,
    policy: Policy,
    strict: bool,
    trust: Trust,
) -> tuple[Verified | None, str]:
    """Judge anew from the bytes, as a receiver does."""
    envelope = parse(raw)
    security = Security(policy, trust, strict=strict)
    now = _made(envelope)
    related = envelope.addressing().get("RelatesTo", "")
    try:
        if related:
            found = _now(verify_reply(envelope.root, security, now, related))
        else:
            found = _now(verify_request(envelope.root, security, now))
    except SecurityRefused as error:
        return None, f"refused: {error}"
    return found, "accepted"


def _made(envelope: Envelope) -> float:
    """Return when the message was made, by what it says, else the present."""
    created = envelope.root.findtext(f".//{{{WSU}}}Created")
    try:
        if created:
            at = datetime.fromisoformat(created.strip())
            return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()
        made = uuid7_time(
            uuid.UUID(envelope.addressing().get("MessageID", "").removeprefix("urn:uuid:"))
        )
    except ValueError:
        made = None
    return time.time() if made is None else made


def _now(coroutine: Any) -> Verified:
    """Run a coroutine that never waits: the trusts used here answer at once."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        found: Verified = end.value
        return found
    coroutine.close()
    raise RuntimeError("a trust that waits cannot be used to explain a message")


def _print(certificate: Certificate) -> str:
    return f"certificate {certificate.fingerprint}"


def main(arguments: Sequence[str]) -> tuple[int, str]:
    """Return exit status and text for `show FILE [CERTIFICATE...]`."""
    if len(arguments) < 2 or arguments[0] != "show":
        return 2, "usage: python -m euca.wire show FILE [TRUSTED-CERTIFICATE.pem ...]"
    trust: Trust | None = None
    try:
        raw = Path(arguments[1]).read_bytes()
        if arguments[2:]:
            trust = _pinned(arguments[2:])
    except (OSError, UnusableKey) as error:
        return 2, str(error)
    found = explain(raw, contracts(), trust)
    return (0 if found.accepted else 1), "\n".join(found.lines)


def _pinned(paths: Sequence[str]) -> Trust:
    return Pinned({Path(path).stem: Certificate.load(Path(path)) for path in paths})
