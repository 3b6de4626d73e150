"""Client tokens over HTTP (8.1): who is answered, and what the refused and the log are told."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from cds_service.app import create_app
from cds_service.ehr import key_sets
from cds_service.store.database import Store
from tests.contract.serving import JSON, Served, start, stop, wait_until_ready
from tests.contract.support import (
    NOW,
    ORDER_SELECT,
    ORDER_SIGN,
    Advisor,
    issues,
    order_select,
    settings,
    small_rulebook,
)
from tests.contract.tokens import (
    BASE,
    ISSUER,
    JWKS_URL,
    Publisher,
    bearer,
    claims,
    encoded,
    key_set,
    signer,
)

SITE = f"""
[ui]
enabled = false # the small rulebook has nothing to show

[server]
base_url = "{BASE}"
[security]
require_jwt = true
[[security.clients]]
issuer = "{ISSUER}"
jwks_url = "{JWKS_URL}"
tenants = ["north", "east"]
[limits]
max_request_bytes = 100000
"""
SECONDS = int(NOW.timestamp())
SANDBOX = "https://sandbox.cds-hooks.org"
KEY = signer()


@pytest.fixture
def publisher() -> Publisher:
    return Publisher()


@pytest.fixture
def used(tmp_path: Path) -> str:
    """The ``jti`` of a token that another worker has let pass."""
    store = Store(f"sqlite:///{tmp_path / 'feedback.db'}")
    assert store.consume_token(ISSUER, "used", NOW + timedelta(hours=1), NOW)
    store.close()
    return "used"


@pytest.fixture
def app(advisor: Advisor, publisher: Publisher, tmp_path: Path) -> Flask:
    return create_app(
        settings(tmp_path, SITE),
        rulebook=small_rulebook(),
        clock=lambda: NOW,
        fetch=publisher,
    )


def token(path: str = ORDER_SELECT, **changes: Any) -> str:
    return KEY.sign(claims(path, **({"tenant": "north"} | changes)))


def call(client: FlaskClient, token: str, path: str = ORDER_SELECT) -> TestResponse:
    return client.post(path, json=order_select(), headers=bearer(token))


# --- who is answered ------------------------------------------------------------------------------


def test_a_client_is_answered_and_known(client: FlaskClient, advisor: Advisor) -> None:
    response = call(client, token())
    assert response.status_code == 200
    assert "WWW-Authenticate" not in response.headers
    assert (advisor.request.issuer, advisor.request.tenant) == (ISSUER, "north")


def test_discovery_needs_a_token_when_calls_do(client: FlaskClient) -> None:
    """Clarification 46."""
    assert client.get("/cds-services").status_code == 401
    response = client.get("/cds-services", headers=bearer(token("/cds-services")))
    assert response.status_code == 200
    assert response.headers["Cache-Control"].startswith("private")


@pytest.mark.parametrize("audience", [ORDER_SELECT, f"{ORDER_SELECT}/explain"])
def test_explain_takes_its_own_url_or_that_of_the_service(
    client: FlaskClient, audience: str
) -> None:
    response = call(client, token(audience), f"{ORDER_SELECT}/explain")
    assert response.status_code == 200
    assert "rules" in response.get_json()


def test_the_url_is_signed_as_it_was_typed(client: FlaskClient) -> None:
    """10.2: the sandbox takes the slash at the end of a typed address along."""
    typed = ORDER_SELECT.replace("/cds-services/", "/cds-services//")
    assert call(client, token(typed), typed).status_code == 200
    assert call(client, token(), typed).status_code == 200
    assert call(client, token(typed)).status_code == 401
    response = client.get("/cds-services/", headers=bearer(token("/cds-services/")))
    assert response.status_code == 200


def test_the_audience_is_not_taken_from_the_host_header(client: FlaskClient) -> None:
    """Clarification 46: whoever calls chooses that header."""
    elsewhere = "https://elsewhere.example.org"
    signed = token(aud=f"{elsewhere}{ORDER_SELECT}")
    response = client.post(
        ORDER_SELECT, json=order_select(), headers=bearer(signed), base_url=elsewhere
    )
    assert response.status_code == 401
    response = client.post(
        ORDER_SELECT, json=order_select(), headers=bearer(token()), base_url=elsewhere
    )
    assert response.status_code == 200


@pytest.mark.parametrize("path", ["/cds-services", ORDER_SELECT, f"{ORDER_SELECT}/explain"])
def test_a_preflight_needs_no_token(client: FlaskClient, path: str) -> None:
    """SEC-10."""
    response = client.options(
        path, headers={"Origin": SANDBOX, "Access-Control-Request-Method": "POST"}
    )
    assert response.status_code == 200
    assert response.headers["Access-Control-Allow-Origin"] == SANDBOX


def test_operators_need_no_token(client: FlaskClient) -> None:
    assert client.get("/healthz").status_code == 200
    assert client.get("/readyz").status_code == 200


# --- who is not -----------------------------------------------------------------------------------


def refused() -> dict[str, dict[str, str]]:
    """The headers of a call with each thing that may be wrong: the word of the log -> headers."""
    unsigned = ".".join(
        encoded(json.dumps(part).encode())
        for part in ({"alg": "none", "typ": "JWT", "kid": KEY.kid}, claims(ORDER_SELECT))
    )
    wrong = {
        "malformed": "a.b.c",
        "algorithm": f"{unsigned}.",
        "type": KEY.sign(claims(ORDER_SELECT), typ="at+jwt"),
        "issuer-unknown": token(iss="https://stranger.example.org"),
        "jku-not-allowed": KEY.sign(claims(ORDER_SELECT), jku="https://evil.example.org/jwks"),
        "key-unknown": KEY.sign(claims(ORDER_SELECT), kid="other"),
        "signature": signer("other").sign(claims(ORDER_SELECT), kid=KEY.kid),
        "expired": token(exp=SECONDS - 60, iat=SECONDS - 300),
        "lifetime": token(exp=SECONDS + 3601),
        "not-yet": token(iat=SECONDS + 61),
        "audience": token("/cds-services"),
        "tenant": token(tenant="south"),
        "jti-missing": token(jti=None),
        "replayed": token(jti="used"),
    }
    return {
        "header-missing": {},
        "not-bearer": {"Authorization": "Basic dXNlcjpwYXNzd29yZA=="},
    } | {cause: bearer(each) for cause, each in wrong.items()}


BEFORE_THE_ISSUER = {
    "header-missing",
    "not-bearer",
    "malformed",
    "algorithm",
    "type",
    "issuer-unknown",
}


@pytest.mark.parametrize("cause", list(refused()))
def test_the_caller_is_told_nothing_and_the_log_is_told_why(
    client: FlaskClient,
    advisor: Advisor,
    used: str,
    caplog: pytest.LogCaptureFixture,
    cause: str,
) -> None:
    """SEC-04: 401 without a reason in the body."""
    with caplog.at_level("INFO", "cds_service"):
        response = client.post(ORDER_SELECT, json=order_select(), headers=refused()[cause])
    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"] == "Bearer"
    (issue,) = issues(response)
    assert (issue["code"], issue["diagnostics"]) == ("login", "CDS-401")
    assert advisor.requests == []
    (record,) = [each for each in caplog.records if each.message == "call"]
    written = record.__dict__
    assert (record.levelname, written["auth"]) == ("WARNING", cause)
    assert written.get("issuer") == (None if cause in BEFORE_THE_ISSUER else ISSUER)


def test_all_refusals_are_alike(client: FlaskClient, used: str, publisher: Publisher) -> None:
    """Clarification 46: byte for byte, whatever was wrong and wherever."""
    answers = [
        client.post(ORDER_SELECT, json=order_select(), headers=headers)
        for headers in refused().values()
    ]
    answers += [
        client.get("/cds-services"),
        client.post("/cds-services/unknown", json={}),
        client.post(ORDER_SELECT, data=b"{", content_type="text/plain"),
        client.delete(ORDER_SELECT),
        client.post(ORDER_SELECT, json={}, headers={"Expect": "100-continue"}),
    ]
    publisher.content = ConnectionError()
    answers.append(call(client, signer("new").sign(claims(ORDER_SELECT))))
    assert {each.status_code for each in answers} == {401}
    assert len({each.data for each in answers}) == 1
    assert len({tuple(sorted(each.headers)) for each in answers}) == 1


def test_no_address_of_a_token_is_asked(client: FlaskClient, publisher: Publisher) -> None:
    """SEC-01: neither for an unknown issuer nor for a ``jku`` that is not its own."""
    for cause in ("issuer-unknown", "jku-not-allowed", "algorithm", "malformed"):
        client.post(ORDER_SELECT, json=order_select(), headers=refused()[cause])
    assert publisher.asked == []


def test_authentication_comes_before_validation(client: FlaskClient) -> None:
    """Clarification 46: an unknown service or a broken body is seen only by clients."""
    unknown = "/cds-services/unknown"
    assert client.post(unknown, json={}).status_code == 401
    assert client.post(unknown, json={}, headers=bearer(token(unknown))).status_code == 404
    broken = {"data": b"{", "content_type": "application/json"}
    assert client.post(ORDER_SELECT, **broken).status_code == 401
    assert client.post(ORDER_SELECT, **broken, headers=bearer(token())).status_code == 400
    large = {"data": b" " * 100_001, "content_type": "application/json"}
    assert client.post(ORDER_SELECT, **large).status_code == 401
    assert client.post(ORDER_SELECT, **large, headers=bearer(token())).status_code == 413


@pytest.mark.parametrize(
    "path",
    ["/cds-services", "/cds-services/", "//cds-services", "/%63ds-services", "/./cds-services"],
)
def test_no_spelling_of_the_path_goes_around_it(client: FlaskClient, path: str) -> None:
    assert client.get(path).status_code in {401, 404}
    assert client.head(path).status_code in {401, 404}


def test_the_answer_can_be_read_by_a_page(client: FlaskClient) -> None:
    """8.2: without the header of CORS a browser hides even the status."""
    response = client.post(ORDER_SELECT, json={}, headers={"Origin": SANDBOX})
    assert response.status_code == 401
    assert response.headers["Access-Control-Allow-Origin"] == SANDBOX
    assert response.headers["Cache-Control"] == "no-store"


def test_nothing_of_a_token_is_repeated(
    client: FlaskClient, caplog: pytest.LogCaptureFixture
) -> None:
    """SEC-03: neither to the caller nor in the log, whether or not it passes."""
    marker = "xMARKERx"
    tokens = [
        token(jti=marker),
        token(jti=marker),
        token(iss=marker),
        token(tenant=marker),
        token(aud=marker),
        token(sub=marker, exp=marker),
        KEY.sign(claims(ORDER_SELECT), jku=f"https://{marker}", cty=marker),
        KEY.sign(claims(ORDER_SELECT), kid=marker),
        KEY.sign(claims(ORDER_SELECT), alg=marker),
        marker,
    ]
    with caplog.at_level("DEBUG"):
        answers = [call(client, each) for each in tokens]
    assert [each.status_code for each in answers] == [200] + [401] * 9
    written = str([record.__dict__ for record in caplog.records])
    for secret in (marker, *(part for each in tokens for part in each.split("."))):
        assert secret not in written
        assert all(secret not in each.text for each in answers)


# --- once -----------------------------------------------------------------------------------------


def test_the_same_token_at_once_passes_exactly_once(app: Flask, advisor: Advisor) -> None:
    """Clarification 46."""
    signed = token()
    start_together = threading.Barrier(2)
    statuses: list[int] = []

    def send() -> None:
        client = app.test_client()
        start_together.wait(20)
        statuses.append(call(client, signed).status_code)

    threads = [threading.Thread(target=send) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert sorted(statuses) == [200, 401]
    assert len(advisor.requests) == 1


def test_a_token_is_used_up_by_a_call_that_is_refused_later(client: FlaskClient) -> None:
    signed = token()
    response = client.post(
        ORDER_SELECT, data=b"{", content_type="application/json", headers=bearer(signed)
    )
    assert response.status_code == 400
    assert call(client, signed).status_code == 401


def test_a_token_for_another_service_is_not_used_up(client: FlaskClient) -> None:
    signed = token()
    assert call(client, signed, ORDER_SIGN).status_code == 401
    assert call(client, signed).status_code == 200


def test_without_the_store_nobody_passes(advisor: Advisor, tmp_path: Path) -> None:
    """It cannot be known whether the token was used before."""
    (tmp_path / "feedback.db").mkdir()
    app = create_app(
        settings(tmp_path, SITE), rulebook=small_rulebook(), clock=lambda: NOW, fetch=Publisher()
    )
    response = call(app.test_client(), token())
    assert response.status_code == 503
    assert int(response.headers["Retry-After"]) > 0
    (issue,) = issues(response)
    assert (issue["code"], issue["diagnostics"]) == ("transient", "CDS-503")
    assert advisor.requests == []


# --- keys that change, keys that cannot be had ----------------------------------------------------


def test_a_client_changes_its_key(client: FlaskClient, publisher: Publisher) -> None:
    assert call(client, token()).status_code == 200
    new = signer("new")
    publisher.content = key_set(new.jwk())
    signed = new.sign(claims(ORDER_SELECT, tenant="north"), jku=JWKS_URL)
    assert call(client, signed).status_code == 200
    assert call(client, token()).status_code == 401
    assert publisher.asked == [JWKS_URL] * 2


def test_calls_go_on_while_the_key_set_is_out_of_reach(
    client: FlaskClient, publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(key_sets, "FRESH_S", 0)
    assert call(client, token()).status_code == 200
    publisher.content = ConnectionError()
    assert call(client, token()).status_code == 200
    assert publisher.asked == [JWKS_URL] * 2


def test_without_any_key_set_nobody_passes(client: FlaskClient, publisher: Publisher) -> None:
    publisher.content = ConnectionError()
    assert call(client, token()).status_code == 401


# --- a site without tokens ------------------------------------------------------------------------


def test_where_no_token_is_asked_for_none_is_looked_at(
    advisor: Advisor, publisher: Publisher, tmp_path: Path
) -> None:
    """The public sandbox always sends one; what it says of the caller proves nothing."""
    app = create_app(
        settings(tmp_path, SITE.replace("require_jwt = true", "require_jwt = false")),
        rulebook=small_rulebook(),
        fetch=publisher,
    )
    client = app.test_client()
    for headers in ({}, bearer(token()), bearer("nonsense"), {"Authorization": "Basic x"}):
        response = client.post(ORDER_SELECT, json=order_select(), headers=headers)
        assert response.status_code == 200
    assert {(each.issuer, each.tenant) for each in advisor.requests} == {(None, None)}
    assert publisher.asked == []


# --- the server -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("served")
    (folder / "keys.json").write_bytes(key_set(KEY.jwk()))
    site = SITE.replace(f'jwks_url = "{JWKS_URL}"', 'jwks_file = "keys.json"')
    server = start(folder, settings=site.replace("= 100000", "= 10_000_000"))
    try:
        wait_until_ready(server)
        yield server
    finally:
        stop(server)


def test_keys_may_be_in_a_file(served: Served) -> None:
    now = datetime.now(NOW.tzinfo)
    signed = KEY.sign(claims(ORDER_SELECT, now, tenant="north"))
    body = json.dumps(order_select()).encode()
    status, _, _ = served.send("POST", ORDER_SELECT, body, JSON | bearer(signed))
    assert status == 200
    assert signed not in served.log


@pytest.mark.parametrize("chunked", [False, True])
def test_the_refusal_of_a_large_call_arrives(served: Served, chunked: bool) -> None:
    """Else the client would see a broken connection while it still sends."""
    part = b" " * 64_000
    body: bytes | list[bytes] = [part] * 125 if chunked else part * 125
    status, content, headers = served.send("POST", ORDER_SELECT, body, JSON)
    assert status == 401
    assert headers["WWW-Authenticate"] == "Bearer"
    assert json.loads(content)["resourceType"] == "OperationOutcome"
