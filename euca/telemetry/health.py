"""Answers `GET /health`: what a component says of itself, as JSON."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

from twisted.web.resource import Resource
from twisted.web.server import Request

Probe = Callable[[], Mapping[str, object]]


class HealthResource(Resource):
    """The health of one component: `{"component": ..., "status": "ok", ...}`."""

    isLeaf = True

    def __init__(self, probe: Probe) -> None:
        super().__init__()
        self._probe = probe

    def render_GET(self, request: Request) -> bytes:
        """Answer 200 when the component's status is `ok`, else 503."""
        state = self._probe()
        request.setHeader("Content-Type", "application/json")
        if state.get("status") != "ok":
            request.setResponseCode(503)
        return json.dumps(state, indent=1, default=str).encode() + b"\n"
