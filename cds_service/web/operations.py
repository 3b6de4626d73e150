"""What the operator's probes ask: is the process alive, is it ready, what has it counted."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from http import HTTPStatus

from flask import Blueprint, Response

from cds_service.web.metrics import CONTENT_TYPE, Metrics
from cds_service.web.replies import json_reply

_NO_CHECKS: Mapping[str, Callable[[], bool]] = {}


def blueprint(
    rulebook_version: str,
    metrics: Metrics,
    checks: Mapping[str, Callable[[], bool]] = _NO_CHECKS,
) -> Blueprint:
    """``/healthz``, ``/readyz`` and ``/metrics``; none of them calls an EHR.

    ``checks`` say what must be reachable for the service to be of use, such as ``store``.
    """
    routes = Blueprint("operations", __name__)

    @routes.get("/healthz")
    def alive() -> Response:
        return json_reply({"status": "ok"})

    @routes.get("/readyz")
    def ready() -> Response:
        # An application exists only with a checked rulebook: a broken one stops the start.
        content: dict[str, object] = {"status": "ok", "rulebook": rulebook_version}
        failed = [name for name, check in checks.items() if not check()]
        if not failed:
            return json_reply(content)
        content |= {"status": "unavailable", "failed": failed}
        return json_reply(content, HTTPStatus.SERVICE_UNAVAILABLE)

    @routes.get("/metrics")
    def count() -> Response:
        return Response(metrics.text(), content_type=CONTENT_TYPE)

    return routes
