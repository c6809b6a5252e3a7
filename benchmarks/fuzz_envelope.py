"""Fuzzes what reads a stranger's bytes: the envelope's parser and the verifier.

    pip install atheris
    python -m benchmarks.fuzz_envelope [SECONDS]

atheris (libFuzzer for Python) is no dependency of the project. It starts from the recorded
messages, where there are any, and from messages of ours, and mutates bytes and trees. Everything
but the refusals that the parser and the verifier document is a finding, and so is a message that
takes five seconds. The fuzzer runs in a process of its own; its memory is looked at from outside,
at the end of a tenth of the time, when it has settled, and at the end of all of it.

libxml2 keeps every name of an element, attribute or namespace that a thread ever read, about 65
bytes each. A service that refused a message therefore judges the next ones in threads that end
with them, and so does this: each input, and each mutation of a tree, has a thread of its own.
"""

import random
import re
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FunctionType
from typing import Any

from lxml import etree

from euca.auth.wsse import (
    CLUSTER,
    INTERNAL,
    USER,
    Pinned,
    Policy,
    Security,
    SecurityRefused,
    claim,
    verify,
)
from euca.auth.wsse.names import SOAP_11, SOAP_12
from euca.wire import envelope
from tests.auth.wsse.messages import ALICE, NOW, at_once, signed
from tests.auth.wsse.test_issuer_serial import named
from tests.contract.recordings import ABSENT, keys, recordings
from tests.contract.test_mutations import flipped, replanted, spliced

_SECONDS = 600
_SLOWEST = 5  # seconds for one message
_MEMORY = 1024  # MB, where libFuzzer gives up
_LONGEST = 1 << 16
_POLICIES = (CLUSTER, INTERNAL, USER)
_REQUIRED = frozenset({"To", "Action", "MessageID"})


def corpus() -> list[bytes]:
    """Return the messages to begin with."""
    own = [signed(policy, soap=soap) for policy in _POLICIES for soap in (SOAP_11, SOAP_12)]
    own.append(named(ALICE.certificate))
    if ABSENT:
        _say(ABSENT)
        return own
    return own + [found.envelope for reply in (False, True) for found in recordings(reply=reply)]


def trusted() -> Pinned:
    """Return a trust in whoever signed the corpus, so that the mathematics is reached too."""
    known = {"alice": ALICE.certificate}
    if not ABSENT:
        known |= {"cluster": keys().cluster.certificate, "node": keys().node.certificate}
    return Pinned(known)


def in_a_short_life(function: Callable[..., Any], *arguments: Any) -> Any:
    """Return what a function returns, or raise what it raises, in a thread that ends with it."""
    with ThreadPoolExecutor(1) as life:
        return life.submit(function, *arguments).result()


class Target:
    """What takes each input; it raises what nobody documented."""

    def __init__(self) -> None:
        self._trust = trusted()

    def take(self, raw: bytes) -> None:
        """Parse and judge a message under every policy, strictly and compatibly."""
        in_a_short_life(self._take, raw)

    def _take(self, raw: bytes) -> None:
        try:
            root = envelope.parse(raw).root
        except envelope.MalformedEnvelope:
            return
        for policy in _POLICIES:
            for strict in (True, False):
                self._judge(root, policy, strict)

    def _judge(self, root: etree._Element, policy: Policy, strict: bool) -> None:
        security = Security(policy, self._trust, strict=strict)
        try:
            claimed = claim.examine(root, security.rules, _REQUIRED)
        except SecurityRefused:
            return
        related = claimed.headers.get("RelatesTo", "")
        for judging in (
            verify.verify_request(root, security, NOW),
            verify.verify_reply(root, security, NOW, related),
        ):
            try:
                at_once(judging)
            except SecurityRefused:
                continue


def mutated(raw: bytes, longest: int, seed: int) -> bytes:
    """Mutate bytes as libFuzzer does, or a message as the tests do."""
    import atheris  # noqa: PLC0415  # the fuzzing process has it, the one that looks on need not

    chance = random.Random(seed)
    mutate = chance.choice((None, flipped, spliced, replanted))
    if mutate is not None and raw:
        try:
            made: bytes = in_a_short_life(mutate, raw, chance)
            return made[:longest]
        except (etree.XMLSyntaxError, ValueError):
            pass  # it has no tree, or a tree that cannot be written
    found: bytes = atheris.Mutate(raw, longest)
    return found


def fuzz(arguments: list[str]) -> None:
    """Fuzz in this process, until libFuzzer ends it."""
    import atheris  # noqa: PLC0415

    for module in (envelope, claim, verify):
        for found in vars(module).values():
            if isinstance(found, FunctionType) and found.__module__ == module.__name__:
                atheris.instrument_func(found)
    atheris.Setup([sys.argv[0], *arguments], Target().take, custom_mutator=mutated)
    atheris.Fuzz()


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def resident(process: int) -> int:
    """Return the resident memory of a process in KiB; 0 when it is gone."""
    try:
        status = Path(f"/proc/{process}/status").read_text()
    except OSError:
        return 0
    found = re.search(r"VmRSS:\s+(\d+)", status)
    return int(found[1]) if found else 0


def watch(seconds: int) -> int:
    """Run the fuzzer for so long, and print how its memory went; returns its exit status."""
    with TemporaryDirectory() as folder:
        seeds = Path(folder) / "corpus"
        seeds.mkdir()
        for number, raw in enumerate(corpus()):
            (seeds / f"{number:03d}").write_bytes(raw)
        options = (
            f"-max_total_time={seconds}",
            f"-timeout={_SLOWEST}",
            f"-rss_limit_mb={_MEMORY}",
            f"-max_len={_LONGEST}",
            "-print_final_stats=1",
            f"-artifact_prefix={Path.cwd()}/",
            str(seeds),
        )
        command = [sys.executable, "-m", "benchmarks.fuzz_envelope", "--here", *options]
        started = time.monotonic()
        running = subprocess.Popen(command)
        settled = last = 0
        while running.poll() is None:
            time.sleep(1)
            last = resident(running.pid) or last
            if not settled and time.monotonic() - started > seconds / 10:
                settled = last
    spent = time.monotonic() - started
    _say(f"{spent:.0f} seconds, exit status {running.returncode}")
    _say(f"resident: {settled} KiB after a tenth of the time, {last} KiB at the end")
    return running.returncode


if __name__ == "__main__":
    if sys.argv[1:2] == ["--here"]:
        fuzz(sys.argv[2:])
    else:
        sys.exit(watch(int(sys.argv[1]) if sys.argv[1:] else _SECONDS))
