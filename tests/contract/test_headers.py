"""CORS and the headers of every answer."""

from __future__ import annotations

from pathlib import Path

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from cds_service.app import create_app
from cds_service.consultation import Consultation
from tests.contract.support import (
    ORDER_SELECT,
    Advisor,
    order_select,
    settings,
    small_rulebook,
)

SANDBOX = "https://sandbox.cds-hooks.org"
PATHS = ["/cds-services", *(ORDER_SELECT + each for each in ("", "/explain", "/feedback"))]


def preflight(client: FlaskClient, path: str, origin: str = SANDBOX) -> TestResponse:
    return client.options(
        path,
        headers={
            "Origin": origin,
            "Access-Control-Request-Method": "GET" if path == "/cds-services" else "POST",
            "Access-Control-Request-Headers": "authorization,content-type",
        },
    )


def answers(client: FlaskClient, advisor: Advisor, origin: str) -> list[TestResponse]:
    """One answer of each status."""
    headers = {"Origin": origin}

    def fail(request: object) -> Consultation:
        raise ValueError

    found = [
        client.get("/cds-services", headers=headers),
        client.post(ORDER_SELECT, json=order_select(), headers=headers),
        client.post(ORDER_SELECT, json={}, headers=headers),
        client.post("/cds-services/unknown", json={}, headers=headers),
        client.get(ORDER_SELECT, headers=headers),
        client.post(ORDER_SELECT, data="x", content_type="text/plain", headers=headers),
        client.post(
            ORDER_SELECT, data=b" " * 100_001, content_type="application/json", headers=headers
        ),
    ]
    advisor.answer = fail
    found.append(client.post(ORDER_SELECT, json=order_select(), headers=headers))
    assert [each.status_code for each in found] == [200, 200, 400, 404, 405, 415, 413, 500]
    return found


@pytest.mark.parametrize("path", PATHS)
def test_preflight(client: FlaskClient, path: str) -> None:
    """8.2, SEC-10: answered without authentication, with methods, headers and a lifetime."""
    response = preflight(client, path)
    assert response.status_code == 200
    assert response.headers["Access-Control-Allow-Origin"] == SANDBOX
    assert response.headers["Access-Control-Allow-Methods"] == "GET, OPTIONS, POST"
    assert response.headers["Access-Control-Allow-Headers"] == "authorization, content-type"
    assert response.headers["Access-Control-Max-Age"] == "600"
    assert "Access-Control-Allow-Credentials" not in response.headers


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [
        (SANDBOX, True),
        ("http://localhost", True),
        ("http://localhost:8080", True),
        ("http://127.0.0.1:3000", True),
        ("http://sandbox.cds-hooks.org", False),
        ("https://sandbox.cds-hooks.org.example.com", False),
        ("https://localhost:8080", False),
        ("http://localhost:8080.example.com", False),
        ("http://localhost.example.com", False),
        ("http://127.0.0.1:80x", False),
        ("null", False),
        ("https://example.com", False),
    ],
)
def test_which_origins(client: FlaskClient, origin: str, allowed: bool) -> None:
    """8.2: by default the sandbox and every port of this machine, nothing that looks like them."""
    response = client.get("/cds-services", headers={"Origin": origin})
    assert response.headers.get("Access-Control-Allow-Origin") == (origin if allowed else None)
    assert "Origin" in response.headers["Vary"]


def test_on_every_answer(client: FlaskClient, advisor: Advisor) -> None:
    """8.2: also on errors, or the browser hides status and body; Vary because it is echoed."""
    for response in answers(client, advisor, SANDBOX):
        assert response.headers.getlist("Access-Control-Allow-Origin") == [SANDBOX]
        assert response.headers["Vary"] == "Origin"
        assert "Access-Control-Allow-Credentials" not in response.headers


def test_no_origin_no_header(client: FlaskClient) -> None:
    """8.2: a server-side client gets no CORS header, but caches learn that it varies."""
    response = client.post(ORDER_SELECT, json=order_select())
    assert "Access-Control-Allow-Origin" not in response.headers
    assert response.headers["Vary"] == "Origin"


def test_origins_of_the_site(advisor: Advisor, tmp_path: Path) -> None:
    """Contract section 5: the site's list replaces the default."""
    chosen = settings(tmp_path, '[cors]\norigins = ["https://ehr.example.org"]')
    client = create_app(chosen, rulebook=small_rulebook()).test_client()
    response = preflight(client, ORDER_SELECT, "https://ehr.example.org")
    assert response.headers["Access-Control-Allow-Origin"] == "https://ehr.example.org"
    assert "Access-Control-Allow-Origin" not in preflight(client, ORDER_SELECT, SANDBOX).headers
    everyone = settings(tmp_path, '[cors]\norigins = ["*"]')
    client = create_app(everyone, rulebook=small_rulebook()).test_client()
    response = preflight(client, ORDER_SELECT, "https://anything.example.org")
    assert response.headers["Access-Control-Allow-Origin"] == "*"
    assert "Access-Control-Allow-Credentials" not in response.headers


def test_nothing_is_kept_and_nothing_is_guessed(client: FlaskClient, advisor: Advisor) -> None:
    """Clarification 52, PERF-02: no-store on every answer but discovery; nosniff on all."""
    discovery, *others = answers(client, advisor, SANDBOX)
    assert discovery.headers["Cache-Control"] == "private, max-age=60"
    for response in (*others, client.get("/healthz"), client.get("/nowhere")):
        assert response.headers["Cache-Control"] == "no-store"
    for response in (discovery, *others):
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert response.content_type == "application/json"


def test_health(client: FlaskClient) -> None:
    """Contract section 1: the process lives; the rulebook is loaded."""
    assert client.get("/healthz").get_json() == {"status": "ok"}
    assert client.get("/readyz").get_json() == {"status": "ok", "rulebook": "test-1"}
    assert (
        "Access-Control-Allow-Origin"
        not in client.get("/healthz", headers={"Origin": SANDBOX}).headers
    )
