"""Runs every check and every test: `python -m tests [--fast] [NAME ...]`.

With names (`tests.nc`, `tests.nc.test_plan`) only those tests run. Without, the linters, the type
checker, the import rules and, where the recordings of the original are, the comparison with its
contracts run first, each counted as one test; then the quick tests, then those of whole clouds,
then those of wire and auth under other Pythons; --fast leaves out these two. The last line is
`N passed, N failed, N skipped`.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from twisted.trial.reporter import TreeReporter
from twisted.trial.runner import TestLoader, TrialRunner

from tests.versions import Counts, count_versions

ROOT = Path(__file__).parents[1]
SLOW = "tests.system"
FAST = "--fast"
BIN = Path(sys.executable).parent
CHECKS = (
    ("ruff", "check", "euca", "tests", "twisted", "benchmarks"),
    ("ruff", "format", "--check", "euca", "tests", "twisted", "benchmarks"),
    ("mypy",),
    ("lint-imports", "--no-cache"),
    ("shellcheck", "cloud", ".ci/run"),
)

CONTRACTS = ("eucalyptus_nc", "eucalyptus_cc", "eucalyptus_gl")


def contract_checks() -> list[tuple[str, ...]]:
    """Return the comparisons of our WSDL files with the original's contracts, where they are."""
    reference = Path(os.environ.get("EUCA_REFERENCE", ROOT.parent / "shared/reference"))
    tool = reference.parent / "tools/wsdl_contract.py"
    if not tool.exists():
        print(f"== no contracts are compared: there is no {tool} (see EUCA_REFERENCE)")
        return []
    theirs = {name: str(reference / f"contracts/{name}.json") for name in CONTRACTS}
    return [("python", str(tool), "diff", theirs[name], f"wsdl/{name}.wsdl") for name in CONTRACTS]


def run_checks() -> tuple[int, int]:
    """Run the linters; returns how many found nothing, and how many something."""
    passed = failed = 0
    for name, *arguments in (*CHECKS, *contract_checks()):
        existing = [word for word in arguments if word != "benchmarks" or (ROOT / word).exists()]
        print(f"== {name} {' '.join(existing)}", flush=True)
        well = not subprocess.run([str(BIN / name), *existing], cwd=ROOT, check=False).returncode
        passed, failed = passed + well, failed + (not well)
    return passed, failed


def all_names() -> list[str]:
    """Return the names of all packages and modules of tests, the slow ones last."""
    here = ROOT / "tests"
    names = (
        f"tests.{path.stem}"
        for path in here.iterdir()
        if path.name.startswith("test_") or (path / "__init__.py").exists()
    )
    return sorted(names, key=lambda name: (name == SLOW, name))


def run_tests(names: list[str]) -> Any:
    """Run the named tests with trial, and return its result."""
    runner = TrialRunner(TreeReporter, workingDirectory=str(ROOT / "_trial_temp"))
    return runner.run(TestLoader().loadByNames(names, recurse=True))


def count(result: Any) -> tuple[int, int, int]:
    """Return how many tests passed, failed and were skipped in a result of trial's."""
    failed = len(result.failures) + len(result.errors) + len(result.unexpectedSuccesses)
    passed = result.successes + len(result.expectedFailures)
    return passed, failed, len(result.skips)


def main(arguments: list[str]) -> int:
    """Run what was asked for; returns the exit status."""
    os.chdir(ROOT)
    sys.path.insert(0, str(ROOT))
    counts: list[Counts] = []
    names = [name for name in arguments if name != FAST]
    if not names:
        counts.append((*run_checks(), 0))
        names = [name for name in all_names() if name != SLOW or FAST not in arguments]
    counts.append(count(run_tests(names)))
    if not arguments:
        counts.append(count_versions())
    passed, failed, skipped = (sum(column) for column in zip(*counts, strict=True))
    sys.stdout.flush()
    print(f"{passed} passed, {failed} failed, {skipped} skipped", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
