"""Asks every component how it is."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence

from attrs import frozen

LIMIT = 5.0  # seconds for one answer
PAUSE = 0.3  # seconds between two questions


@frozen
class Component:
    """A component and where it answers."""

    name: str
    address: str
    port: int

    @property
    def url(self) -> str:
        """The URL of its health."""
        return f"http://{self.address}:{self.port}/health"

    def __str__(self) -> str:
        return f"{self.name} on {self.address}:{self.port}"


@frozen
class Health:
    """What a component said; `detail` is empty when it said nothing."""

    component: Component
    status: str
    detail: Mapping[str, object]

    @property
    def answers(self) -> bool:
        """Whether the component answered at all."""
        return bool(self.detail)


def ask(component: Component) -> Health:
    """Return the health of a component, `down` when it does not answer."""
    try:
        with urllib.request.urlopen(component.url, timeout=LIMIT) as answer:
            said = json.load(answer)
    except urllib.error.HTTPError as error:
        said = json.loads(error.read() or b"{}")
    except (OSError, ValueError) as error:
        return Health(component, f"down ({error})", {})
    return Health(component, str(said.get("status")), said.get("components", said))


def lacking(health: Health) -> str:
    """Return what a component lacks for its work, nothing when it is ready."""
    if not health.answers:
        return health.status
    cc = _mapping(health.detail.get("cc"))
    down = [name for name, node in _mapping(cc.get("nodes")).items() if _state(node) != "UP"]
    if down:
        return f"node {', '.join(down)} is not up"
    for name, cluster in _mapping(_mapping(health.detail.get("clc")).get("clusters")).items():
        known = _mapping(cluster)
        if not known.get("reachable"):
            return f"{name} is not reachable: {known.get('error') or 'not asked yet'}"
        if not any(_mapping(room).get("maximum") for room in _mapping(known["capacity"]).values()):
            return f"{name} has no room for instances"
    return "" if health.status == "ok" else f"it is {health.status}"


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, Mapping) else {}


def _state(node: object) -> object:
    return _mapping(node).get("state")


def wait(
    components: Sequence[Component], seconds: float, progress: Callable[[str], None]
) -> list[str]:
    """Wait until all components are ready; returns what those lack that are not in time."""
    limit = time.monotonic() + seconds
    found = {component: "not asked" for component in components}
    while True:
        for component in list(found):
            found[component] = lacking(ask(component))
            if not found[component]:
                del found[component]
                progress(f"{component} is ready")
        if not found or time.monotonic() > limit:
            return [f"{component}: {why}" for component, why in found.items()]
        time.sleep(PAUSE)


def lines(health: Health) -> list[str]:
    """Return what an administrator should see of a component: a line each, details indented."""
    where = f"{health.component.address}:{health.component.port}"
    if not health.answers:
        return [f"{health.component.name:8} {where:20} {health.status}"]
    found: list[str] = []
    for name, state in health.detail.items():
        detail = dict(state) if isinstance(state, Mapping) else {"status": state}
        detail.pop("component", None)
        found.append(f"{name:8} {where:20} {detail.pop('status', '')}")
        found += _indented(detail)
    return found


def _indented(detail: Mapping[str, object], depth: int = 1) -> list[str]:
    """Return nested details as lines; what holds nothing nested goes on one line."""
    found: list[str] = []
    for name, value in detail.items():
        start = f"{'    ' * depth}{name}: "
        if not isinstance(value, Mapping):
            found.append(start + _word(value))
        elif any(isinstance(inner, Mapping) for inner in value.values()):
            found += [start.rstrip(), *_indented(value, depth + 1)]
        else:
            words = (f"{key} {_word(inner)}" for key, inner in value.items())
            found.append(start + (", ".join(words) or "none"))
    return found


def _word(value: object) -> str:
    words = {None: "-", True: "yes", False: "no"}
    if value is None or isinstance(value, bool):
        return words[value]
    if isinstance(value, list):
        return ", ".join(_word(one) for one in value) or "none"
    return str(value)
