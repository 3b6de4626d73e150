"""CDS Hooks over HTTP: discovery, the call, and the explanation of a call."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from flask import Blueprint, Response, g, request

from cds_service.cds import HookRequest, Service
from cds_service.consultation import Consultation
from cds_service.web import envelope
from cds_service.web.answering import Desk, Note
from cds_service.web.body import read_body
from cds_service.web.edge import HOOKS_PATH
from cds_service.web.replies import json_reply, not_found

_DISCOVERY_SECONDS = 60
_SPECIFICATION = "2.0.1"
"""The version of CDS Hooks that the answers are valid for; later drafts ask for it, earlier
clients pass over it."""


def discovery(services: Mapping[str, Service]) -> dict[str, Any]:
    """The discovery document: known members only, none of them empty."""
    return {"services": [_entry(service) for service in services.values()]}


def _entry(service: Service) -> dict[str, Any]:
    members: dict[str, Any] = {
        "hook": service.hook,
        "title": service.title,
        "description": service.description,
        "id": service.id,
        "prefetch": dict(service.prefetch),
        "usageRequirements": service.usage_requirements,
        "version": _SPECIFICATION,
    }
    return {name: value for name, value in members.items() if value}


def blueprint(services: Mapping[str, Service], desk: Desk, max_bytes: int) -> Blueprint:
    """The paths that the standard defines, and ``explain`` beside them."""
    routes = Blueprint("calls", __name__)

    @routes.get(HOOKS_PATH)
    def discover() -> Response:
        g.action = "discovery"
        response = json_reply(discovery(services))
        # Who may see it depends on the token, so no shared cache may keep it.
        response.headers["Cache-Control"] = f"private, max-age={_DISCOVERY_SECONDS}"
        response.add_etag()
        response.make_conditional(request)
        return response

    @routes.post(f"{HOOKS_PATH}/<service_id>")
    def call(service_id: str) -> Response:
        g.action = "call"
        given = g.consultation = decided(service_id, desk.answer)
        return json_reply(given.response)

    @routes.post(f"{HOOKS_PATH}/<service_id>/explain")
    def explain(service_id: str) -> Response:
        g.action = "explain"
        return json_reply(decided(service_id, desk.explain).explanation)

    def decided(
        service_id: str, decide: Callable[[HookRequest, Note], Consultation]
    ) -> Consultation:
        service = services.get(service_id)
        if service is None:
            raise not_found()
        g.service, g.hook = service.id, service.hook
        try:
            accepted = envelope.read(envelope.parse(read_body(request, max_bytes)), service)
            notes = g.notes = list(accepted.notes)
            if envelope.is_uuid(accepted.request.hook_instance):
                g.hook_instance = accepted.request.hook_instance
            asked = accepted.request
            if client := g.get("client"):
                asked = replace(asked, issuer=client.issuer, tenant=client.tenant)
            given = decide(asked, notes.append)
        except RecursionError:
            raise envelope.nested_too_deeply() from None
        g.cards = len(given.response["cards"])
        return given

    return routes
