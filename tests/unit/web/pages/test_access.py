"""The operator's password: asked for from elsewhere, never on the machine itself."""

from __future__ import annotations

from base64 import b64encode
from pathlib import Path

import pytest
from flask import Flask, Response
from flask.testing import FlaskClient

from cds_service.app import create_app
from cds_service.errors import SettingsError
from cds_service.web import replies
from cds_service.web.pages.access import Operator, operator_of
from tests.contract.support import settings, small_rulebook

LOCAL = "http://127.0.0.1:8000"


def asking(operator: Operator) -> FlaskClient:
    app = Flask(__name__)
    replies.register(app)

    @app.get("/insights")
    @operator.only
    def insights() -> Response:
        return Response("figures")

    return app.test_client()


def basic(password: str, name: str = "anyone") -> dict[str, str]:
    return {"Authorization": "Basic " + b64encode(f"{name}:{password}".encode()).decode()}


@pytest.mark.parametrize("host", [LOCAL, "http://localhost:8000", "http://[::1]:8000"])
def test_nobody_is_asked_on_the_machine_itself(host: str) -> None:
    client = asking(Operator("secret", loopback=True))
    assert client.get("/insights", base_url=host).text == "figures"


@pytest.mark.parametrize(
    ("base_url", "headers"),
    [
        ("http://evil.example", {}),
        ("http://127.0.0.1.evil.example:8000", {}),
        (LOCAL, {"X-Forwarded-For": "192.0.2.1"}),
        (LOCAL, {"Forwarded": "for=192.0.2.1"}),
        (LOCAL, {"Via": "1.1 proxy"}),
        (LOCAL, {"Host": "["}),
        (LOCAL, {"Host": ""}),
    ],
)
def test_a_proxy_or_a_foreign_name_means_that_others_ask(
    base_url: str, headers: dict[str, str]
) -> None:
    client = asking(Operator("secret", loopback=True))
    assert client.get("/insights", base_url=base_url, headers=headers).status_code == 401


def test_elsewhere_the_password_is_asked_for() -> None:
    client = asking(Operator("pässword", loopback=False))
    refused = client.get("/insights", base_url=LOCAL)
    assert refused.status_code == 401
    assert refused.headers["WWW-Authenticate"] == 'Basic realm="cds-service", charset="UTF-8"'
    assert "figures" not in refused.text
    answer = client.get("/insights", base_url=LOCAL, headers=basic("pässword"))
    assert answer.text == "figures"


@pytest.mark.parametrize(
    "headers",
    [
        basic(""),
        basic("secre"),
        basic("secret "),
        basic("secret", name="a:b"),
        {"Authorization": "Bearer secret"},
        {"Authorization": "Basic ???"},
        {"Authorization": "Basic"},
    ],
)
def test_a_wrong_password_is_refused(headers: dict[str, str]) -> None:
    client = asking(Operator("secret", loopback=False))
    assert client.get("/insights", headers=headers).status_code == 401


def test_without_a_password_the_page_is_closed_to_others() -> None:
    refused = asking(Operator(None, loopback=False)).get("/insights", headers=basic(""))
    assert refused.status_code == 403
    assert "ui.password_file" in refused.text


@pytest.mark.parametrize(
    ("base_url", "loopback", "expected"),
    [
        (None, True, True),
        (None, False, False),
        ("http://localhost:8000", True, True),
        ("https://cds.example.org", True, False),
    ],
)
def test_a_public_address_means_that_others_can_ask(
    tmp_path: Path, base_url: str | None, loopback: bool, expected: bool
) -> None:
    text = f'[server]\nbase_url = "{base_url}"' if base_url else ""
    assert operator_of(settings(tmp_path, text), loopback=loopback).loopback is expected


def test_the_password_is_read_from_its_file(tmp_path: Path) -> None:
    (tmp_path / "ui.password").write_text("pässword\n", encoding="utf-8")
    site = settings(tmp_path, '[ui]\npassword_file = "ui.password"')
    assert operator_of(site, loopback=False).password == "pässword"


@pytest.mark.parametrize(
    ("content", "problem"), [(None, "cannot be read"), (b" \n", "is empty"), (b"\xff", "UTF-8")]
)
def test_a_password_file_without_a_password_stops_the_start(
    tmp_path: Path, content: bytes | None, problem: str
) -> None:
    if content is not None:
        (tmp_path / "ui.password").write_bytes(content)
    site = settings(tmp_path, '[ui]\npassword_file = "ui.password"')
    with pytest.raises(SettingsError, match=rf"ui\.password_file: .*{problem}"):
        create_app(site, rulebook=small_rulebook())
