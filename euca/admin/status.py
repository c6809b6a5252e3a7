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


def wait(
    components: Sequence[Component], seconds: float, progress: Callable[[str], None]
) -> list[Component]:
    """Wait until all components answer; returns those that did not in time."""
    limit = time.monotonic() + seconds
    missing = list(components)
    while missing and time.monotonic() < limit:
        for component in list(missing):
            if ask(component).answers:
                missing.remove(component)
                progress(f"{component.name} answers on {component.address}:{component.port}")
        if missing:
            time.sleep(PAUSE)
    return missing
