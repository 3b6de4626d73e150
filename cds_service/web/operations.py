"""What the operator's probes ask: is the process alive, is it ready."""

from __future__ import annotations

from flask import Blueprint, Response

from cds_service.web.replies import json_reply


def blueprint(rulebook_version: str) -> Blueprint:
    """``/healthz`` and ``/readyz``; neither calls another system."""
    routes = Blueprint("operations", __name__)

    @routes.get("/healthz")
    def alive() -> Response:
        return json_reply({"status": "ok"})

    @routes.get("/readyz")
    def ready() -> Response:
        # An application exists only with a checked rulebook: a broken one stops the start.
        return json_reply({"status": "ok", "rulebook": rulebook_version})

    return routes
