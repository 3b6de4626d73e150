"""What the operator's probes ask: is the process alive, is it ready."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus

from flask import Blueprint, Response

from cds_service.web.replies import json_reply


def blueprint(rulebook_version: str, is_store_reachable: Callable[[], bool]) -> Blueprint:
    """``/healthz`` calls no other system, ``/readyz`` asks the store."""
    routes = Blueprint("operations", __name__)

    @routes.get("/healthz")
    def alive() -> Response:
        return json_reply({"status": "ok"})

    @routes.get("/readyz")
    def ready() -> Response:
        # An application exists only with a checked rulebook: a broken one stops the start.
        if not is_store_reachable():
            state = {"status": "feedback store unavailable", "rulebook": rulebook_version}
            return json_reply(state, HTTPStatus.SERVICE_UNAVAILABLE)
        return json_reply({"status": "ok", "rulebook": rulebook_version})

    return routes
