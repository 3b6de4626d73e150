"""The service under test, asked over HTTP as an EHR would."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from cds_service.app import create_app
from cds_service.settings import Settings
from tests.temporary import temporary_settings
from tests.vignettes.fhir_json import Json


@dataclass(frozen=True, slots=True)
class ServiceClient:
    """A test client with what discovery said."""

    http: FlaskClient
    templates: Mapping[str, Mapping[str, str]]
    """Service id -> prefetch key -> template."""

    def call(self, service: str, request: Json) -> TestResponse:
        """Post a hook call."""
        return self._post(f"/cds-services/{service}", request)

    def feedback(self, service: str, entries: list[Json]) -> TestResponse:
        """Post feedback."""
        return self._post(f"/cds-services/{service}/feedback", {"feedback": entries})

    def _post(self, path: str, body: Json) -> TestResponse:
        return self.http.post(
            path,
            data=json.dumps(body, ensure_ascii=False, default=float).encode("utf-8"),
            content_type="application/json",
        )


@cache
def service_client() -> ServiceClient:
    """One application for all cases of a run."""
    return client_of(temporary_settings())


def client_of(settings: Settings) -> ServiceClient:
    """An application with these settings, asked what it offers."""
    http = create_app(settings).test_client()
    response = http.get("/cds-services")
    assert response.status_code == 200, f"discovery answers {response.status_code}"
    services = response.get_json()["services"]
    return ServiceClient(http, {one["id"]: one.get("prefetch", {}) for one in services})


@cache
def takes_feedback() -> bool:
    """Whether the feedback endpoint is there."""
    client = service_client()
    return client.feedback(next(iter(client.templates)), []).status_code != 404
