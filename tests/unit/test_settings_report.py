"""``cds-service config check``: what is in force, what is hidden, what is risky."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from pathlib import Path

import pytest

from cds_service.settings import CONFIG_VARIABLE, Settings, load_settings
from cds_service.settings.report import effective, risks
from tests.contract.support import settings

EVERYTHING = """
[server]
base_url = "https://cds.example.org"
timezone = "Europe/Berlin"
[[security.clients]]
issuer = "https://ehr.example.org"
jwks_url = "https://ehr.example.org/jwks.json"
tenants = ["north", "south"]
[[security.clients]]
issuer = "https://other.example.org"
jwks_file = "keys.json"
[cors]
origins = []
[fhir]
allowed_servers = ["https://ehr.example.org/fhir"]
timeout_s = 1.5
[feedback]
database_url = "sqlite:///feedback.db"
silence = false
[ui]
enabled = false
password_file = "ui \\" password"
[rules]
disabled = ["baclofen-seizure-disorder", "baclofen-child"]
minimum_indicator = { "spasticity-order-sign" = "critical" }
[rules.parameters.baclofen-abrupt-withdrawal]
taper_step_mg = 5
"quoted key" = [1, 2.5, true, "a"]
[rules.parameters.tizanidine-child]
deeper = { x = 1 }
"""


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(CONFIG_VARIABLE, raising=False)


@pytest.mark.parametrize("text", ["", EVERYTHING])
def test_what_is_printed_is_a_settings_file_that_means_the_same(tmp_path: Path, text: str) -> None:
    before = settings(tmp_path, text)
    file = tmp_path / "printed.toml"
    file.write_text(effective(before), encoding="utf-8")
    after = load_settings(file)
    assert replace(after, file=None) == replace(before, file=None)


def test_a_key_without_a_value_is_told(tmp_path: Path) -> None:
    text = effective(settings(tmp_path))
    assert "# base_url is not set" in text
    assert tomllib.loads(text)["cors"]["origins"][0] == "https://sandbox.cds-hooks.org"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        (
            "postgresql+psycopg://cds:s3cret@db.example.org:5432/cds?sslmode=require",
            "postgresql+psycopg://cds:********@db.example.org:5432/cds?sslmode=require",
        ),
        ("postgresql+psycopg://cds@db/cds", "postgresql+psycopg://cds@db/cds"),
        ("postgresql+psycopg:///cds", "postgresql+psycopg:///cds"),
    ],
)
def test_passwords_are_hidden(tmp_path: Path, url: str, shown: str) -> None:
    text = effective(settings(tmp_path, f'[feedback]\ndatabase_url = "{url}"'))
    assert tomllib.loads(text)["feedback"]["database_url"] == shown
    assert "s3cret" not in text


# --- risks ----------------------------------------------------------------------------------------

SOUND = """
server.base_url = "https://cds.example.org"
cors.origins = ["https://ehr.example.org"]
"""


def told(chosen: Settings) -> list[str]:
    """The keys that are warned of."""
    return [risk.partition(": ")[0] for risk in risks(chosen)]


def authenticated(chosen: Settings) -> Settings:
    return replace(chosen, security=replace(chosen.security, require_jwt=True))


def test_a_trial_on_loopback_is_not_warned_of(tmp_path: Path) -> None:
    assert told(settings(tmp_path)) == []
    for base_url in ("http://127.0.0.1:8000", "http://localhost", "http://[::1]:8000"):
        assert told(settings(tmp_path, f'server.base_url = "{base_url}"')) == []


def test_a_sound_site_is_not_warned_of(tmp_path: Path) -> None:
    assert told(authenticated(settings(tmp_path, SOUND))) == []
    assert told(settings(tmp_path, SOUND)) == ["security.require_jwt"]


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ('server.base_url = "http://cds.example.org"\ncors.origins = []', "server.base_url"),
        ('server.base_url = "https://cds.example.org"', "cors.origins"),
        ('cors.origins = ["*"]', "cors.origins"),
        ('fhir.allowed_servers = ["http://ehr.example.org/fhir"]', "fhir.allowed_servers"),
        (
            '[[security.clients]]\nissuer = "https://sandbox.cds-hooks.org"\njwks_file = "a"',
            "security.clients",
        ),
    ],
)
def test_each_risk_is_told_with_its_key(tmp_path: Path, text: str, key: str) -> None:
    """SEC-07, GEN-02."""
    assert told(authenticated(settings(tmp_path, text))) == [key]


def test_servers_of_this_machine_need_no_tls(tmp_path: Path) -> None:
    text = 'fhir.allowed_servers = ["http://127.0.0.1:8080/fhir", "http://localhost/fhir"]'
    assert told(settings(tmp_path, text)) == []


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("feedback.key", "feedback.secret_file"),
        ("feedback.db", "feedback.database_url"),
        ("ui.password", "ui.password_file"),
    ],
)
def test_files_for_the_owner_alone(tmp_path: Path, name: str, key: str) -> None:
    chosen = settings(tmp_path, 'ui.password_file = "ui.password"')
    (tmp_path / name).touch(mode=0o600)
    assert told(chosen) == []
    (tmp_path / name).chmod(0o640)
    assert told(chosen) == [key]


def test_a_settings_file_with_a_password_is_for_the_owner_alone(tmp_path: Path) -> None:
    text = '[feedback]\ndatabase_url = "postgresql+psycopg://cds:s3cret@db/cds"'
    chosen = settings(tmp_path, text)
    (tmp_path / "settings.toml").chmod(0o644)
    assert told(chosen) == ["feedback.database_url"]
    (tmp_path / "settings.toml").chmod(0o600)
    assert told(chosen) == []
