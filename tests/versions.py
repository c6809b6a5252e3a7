"""Runs the tests of wire and auth under other Pythons than the one that the cloud runs on.

The cloud runs on Python 3.11. Its wire and its signatures are held to 3.12 and 3.13 too, which
need nothing of what wire and auth do without, libvirt first of all. Each Python that is found has
an environment of its own, made again when `setup.cfg` changes.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
from configparser import ConfigParser
from pathlib import Path

ROOT = Path(__file__).parents[1]
VERSIONS = ("3.12", "3.13")
NAMES = ("tests.wire", "tests.auth", "tests.contract")
LEFT_OUT = ("libvirt-python",)
ADDED = ("hypothesis",)
TIMEOUT = 1800  # seconds for the tests of one version
_ASK = "import ensurepip, sys, venv; print('%d.%d' % sys.version_info[:2], sys.executable)"
_CLOSING = re.compile(r"(\d+) passed, (\d+) failed, (\d+) skipped")

Counts = tuple[int, int, int]


def count_versions() -> Counts:
    """Return how many tests passed, failed and were skipped under the other Pythons."""
    each = [count_version(version) for version in VERSIONS]
    passed, failed, skipped = (sum(column) for column in zip(*each, strict=True))
    return passed, failed, skipped


def count_version(version: str) -> Counts:
    """Run the tests under one version; without its Python, one test is skipped."""
    print(f"== Python {version}: {' '.join(NAMES)}", flush=True)
    interpreter = found(version)
    if interpreter is None:
        print(f"skipped: there is no python{version} with venv on the PATH", flush=True)
        return 0, 0, 1
    try:
        python = environment(version, interpreter)
        done = _run([str(python), "-m", "tests", *NAMES])
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        print(f"failed: {error}\n{error.output or ''}", flush=True)
        return 0, 1, 0
    print(done.stdout, end="", flush=True)
    closing = _CLOSING.findall(done.stdout)
    if not closing:
        return 0, 1, 0
    passed, failed, skipped = map(int, closing[-1])
    return passed, failed or int(done.returncode != 0), skipped


def found(version: str) -> str | None:
    """Return the path of a version's interpreter that can make environments, if there is one.

    What is named so on the PATH may be a shim that stands for another version or for none; the
    interpreter behind it says itself what and where it is. pyenv's shims obey PYENV_VERSION.
    """
    for folder in os.get_exec_path():
        named = shutil.which(f"python{version}", path=folder)
        if named is None:
            continue
        asked = subprocess.run(
            [named, "-c", _ASK],
            env=os.environ | {"PYENV_VERSION": version},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        answered, _, executable = asked.stdout.strip().partition(" ")
        if asked.returncode == 0 and answered == version:
            return executable
    return None


def environment(version: str, interpreter: str) -> Path:
    """Return the Python of a version's environment, which is made when `setup.cfg` is new.

    Raises CalledProcessError when the libraries cannot be installed.
    """
    folder = ROOT / f".venv-{version}"
    stamp = folder / "installed"
    python = folder / "bin/python"
    wanted = hashlib.sha256((ROOT / "setup.cfg").read_bytes()).hexdigest()
    if not stamp.exists() or stamp.read_text() != wanted:
        print(f"Installing the libraries into {folder.name}", flush=True)
        for command in (
            [interpreter, "-m", "venv", "--clear", str(folder)],
            [str(python), "-m", "pip", "install", "--quiet", *requirements()],
        ):
            _run(command).check_returncode()
        stamp.write_text(wanted)
    return python


def requirements() -> list[str]:
    """Return the pinned libraries that the tests of wire and auth need."""
    configuration = ConfigParser()
    configuration.read(ROOT / "setup.cfg")
    needed = configuration["options"]["install_requires"].split("\n")
    extra = configuration["options.extras_require"]["test"].split("\n")
    return [
        line
        for lines, wanted in ((needed, False), (extra, True))
        for line in filter(None, lines)
        if (line.partition("==")[0] in (ADDED if wanted else LEFT_OUT)) is wanted
    ]


def _run(command: list[str]) -> subprocess.CompletedProcess[str]:
    # What PYTHONPATH names is for the Python that runs now.
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return subprocess.run(
        command,
        cwd=ROOT,
        env=clean,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )


if __name__ == "__main__":
    sys.exit(1 if count_versions()[1] else 0)
