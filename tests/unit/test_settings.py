"""One TOML file: every key typed, every problem named with key and file."""

from __future__ import annotations

from datetime import UTC
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from cds_service.cds import Indicator
from cds_service.errors import SettingsError
from cds_service.settings import CONFIG_VARIABLE, Client, Settings, load_settings

EVERYTHING = """
[server]
base_url = "https://cds.example.org/"
timezone = "Europe/Berlin"

[security]
require_jwt = false
[[security.clients]]
issuer = "https://ehr.example.org"
jwks_url = "https://ehr.example.org/.well-known/jwks.json"
tenants = ["north"]
[[security.clients]]
issuer = "https://other.example.org"
jwks_file = "keys.json"

[cors]
origins = ["https://sandbox.cds-hooks.org", "http://localhost:*"]

[fhir]
allowed_servers = ["https://ehr.example.org/fhir/"]
timeout_s = 3
max_bytes = 1000
max_pages = 2

[feedback]
database_url = "sqlite:///data/feedback.db"
secret_file = "keys/feedback.key"
silence = false
silence_days = 30

[limits]
max_request_bytes = 5000

[ui]
enabled = false
password_file = "/etc/ui.password"

[rules]
directory = "hooks"
disabled = ["baclofen-seizure-disorder"]
shadow = ["tizanidine-low-blood-pressure"]
minimum_indicator = { "spasticity-order-sign" = "warning" }
[rules.parameters.baclofen-abrupt-withdrawal]
taper_step_mg = 10
"""


def load(folder: Path, text: str) -> Settings:
    file = folder / "site.toml"
    file.write_text(text, encoding="utf-8")
    return load_settings(file)


def test_every_key_has_a_default_fit_for_a_trial(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(CONFIG_VARIABLE, raising=False)
    monkeypatch.chdir(tmp_path)
    settings = load_settings()
    assert settings.file is None
    assert settings.server.base_url is None
    assert settings.server.timezone is UTC
    assert settings.security.require_jwt is False
    assert settings.security.clients == ()
    assert settings.cors.origins == (
        "https://sandbox.cds-hooks.org",
        "http://localhost:*",
        "http://127.0.0.1:*",
    )
    assert settings.fhir.allowed_servers == ()
    assert (settings.fhir.timeout_s, settings.fhir.max_bytes, settings.fhir.max_pages) == (
        2.0,
        20_000_000,
        10,
    )
    assert settings.feedback.database_url == f"sqlite:///{tmp_path}/feedback.db"
    assert settings.feedback.secret_file == tmp_path / "feedback.key"
    assert (settings.feedback.silence, settings.feedback.silence_days) == (True, 90)
    assert settings.limits.max_request_bytes == 20_000_000
    assert (settings.ui.enabled, settings.ui.password_file) == (True, None)
    assert settings.rules.directory is None
    assert not settings.rules.disabled
    assert not settings.rules.shadow
    assert settings.rules.minimum_indicator == {}
    assert settings.rules.parameters == {}
    assert settings.without_effect == ()


def test_an_empty_file_changes_nothing_but_the_folder(tmp_path: Path) -> None:
    settings = load(tmp_path, "")
    assert settings.feedback.secret_file == tmp_path / "feedback.key"
    assert settings.limits.max_request_bytes == 20_000_000


def test_every_key_is_read(tmp_path: Path) -> None:
    settings = load(tmp_path, EVERYTHING)
    assert settings.server.base_url == "https://cds.example.org"
    assert settings.server.timezone == ZoneInfo("Europe/Berlin")
    assert settings.security.clients == (
        Client(
            "https://ehr.example.org",
            "https://ehr.example.org/.well-known/jwks.json",
            None,
            ("north",),
        ),
        Client("https://other.example.org", None, tmp_path / "keys.json", ()),
    )
    assert settings.fhir.allowed_servers == ("https://ehr.example.org/fhir",)
    assert settings.fhir.timeout_s == 3.0
    assert settings.feedback.silence is False
    assert settings.feedback.silence_days == 30
    assert settings.ui.enabled is False
    assert settings.rules.disabled == {"baclofen-seizure-disorder"}
    assert settings.rules.shadow == {"tizanidine-low-blood-pressure"}
    assert settings.rules.minimum_indicator == {"spasticity-order-sign": Indicator.WARNING}
    assert settings.rules.parameters == {"baclofen-abrupt-withdrawal": {"taper_step_mg": 10}}


def test_paths_are_relative_to_the_settings_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Clarification 47, also when the file itself is named by a relative path."""
    monkeypatch.chdir(tmp_path.parent)
    (tmp_path / "site.toml").write_text(EVERYTHING, encoding="utf-8")
    settings = load_settings(Path(tmp_path.name) / "site.toml")
    assert settings.rules.directory == tmp_path / "hooks"
    assert settings.feedback.database_url == f"sqlite:///{tmp_path}/data/feedback.db"
    assert settings.feedback.secret_file == tmp_path / "keys/feedback.key"
    assert settings.ui.password_file == Path("/etc/ui.password")


def test_the_secret_is_beside_the_database(tmp_path: Path) -> None:
    settings = load(tmp_path, '[feedback]\ndatabase_url = "sqlite:///data/feedback.db"')
    assert settings.feedback.secret_file == tmp_path / "data/feedback.key"
    settings = load(tmp_path, '[feedback]\ndatabase_url = "sqlite:////srv/feedback.db"')
    assert settings.feedback.secret_file == Path("/srv/feedback.key")
    settings = load(tmp_path, '[feedback]\ndatabase_url = "postgresql+psycopg://host/db"')
    assert settings.feedback.database_url == "postgresql+psycopg://host/db"
    assert settings.feedback.secret_file == tmp_path / "feedback.key"


def test_the_environment_names_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a", "b"):
        text = f"[limits]\nmax_request_bytes = {1 if name == 'a' else 2}"
        (tmp_path / f"{name}.toml").write_text(text, encoding="utf-8")
    monkeypatch.setenv(CONFIG_VARIABLE, str(tmp_path / "a.toml"))
    assert load_settings().limits.max_request_bytes == 1
    assert load_settings(tmp_path / "b.toml").limits.max_request_bytes == 2


def test_what_this_version_cannot_do_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"site\.toml: security\.require_jwt: .*cannot verify"):
        load(tmp_path, "[security]\nrequire_jwt = true")


def test_keys_of_later_features_are_named(tmp_path: Path) -> None:
    assert load(tmp_path, EVERYTHING).without_effect == (
        "security.clients",
        "fhir",
        "feedback.database_url",
        "feedback.silence",
    )
    assert load(tmp_path, "[feedback]\nsecret_file = 'a'").without_effect == ()


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("colour = 1", "colour"),
        ("[colours]\nred = 1", "colours"),
        ("[server]\nport = 1", "server.port"),
        ("[security]\nrequire_JWT = true", "security.require_JWT"),
        ("[[security.clients]]\nissuer='a'\njwks_file='b'\nname='c'", "security.clients[0].name"),
        ("[rules.minimum_indicators]\na = 'warning'", "rules.minimum_indicators"),
    ],
)
def test_unknown_keys(tmp_path: Path, text: str, key: str) -> None:
    with pytest.raises(SettingsError) as error:
        load(tmp_path, text)
    assert str(error.value) == f"{tmp_path}/site.toml: {key}: is not a setting of this service"


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("server = 1", "server"),
        ("[server]\nbase_url = 1", "server.base_url"),
        ("[server]\nbase_url = 'cds.example.org'", "server.base_url"),
        ("[server]\nbase_url = 'https://user@cds.example.org'", "server.base_url"),
        ("[server]\nbase_url = 'https://cds.example.org:99999'", "server.base_url"),
        ("[server]\nbase_url = ' https://cds.example.org'", "server.base_url"),
        ("[server]\ntimezone = 'Mars/Olympus'", "server.timezone"),
        ("[server]\ntimezone = '../../etc/passwd'", "server.timezone"),
        ("[server]\ntimezone = 2", "server.timezone"),
        ("[security]\nrequire_jwt = 1", "security.require_jwt"),
        ("[security]\nrequire_jwt = 'true'", "security.require_jwt"),
        ("[security]\nclients = 'all'", "security.clients"),
        ("[security]\nclients = ['all']", "security.clients"),
        ("[[security.clients]]\njwks_file = 'a'", "security.clients[0].issuer"),
        ("[[security.clients]]\nissuer = 'a'", "security.clients[0].jwks_url"),
        ("[cors]\norigins = 'https://a.example.org'", "cors.origins"),
        ("[cors]\norigins = [1]", "cors.origins"),
        ("[cors]\norigins = ['https://a.example.org/']", "cors.origins"),
        ("[cors]\norigins = ['a.example.org']", "cors.origins"),
        ("[cors]\norigins = ['https://*.example.org/x']", "cors.origins"),
        ("[fhir]\nallowed_servers = ['ftp://a']", "fhir.allowed_servers"),
        ("[fhir]\nallowed_servers = ['https://a/fhir?x=1']", "fhir.allowed_servers"),
        ("[fhir]\ntimeout_s = 0", "fhir.timeout_s"),
        ("[fhir]\ntimeout_s = '2'", "fhir.timeout_s"),
        ("[fhir]\ntimeout_s = inf", "fhir.timeout_s"),
        ("[fhir]\ntimeout_s = nan", "fhir.timeout_s"),
        ("[fhir]\ntimeout_s = true", "fhir.timeout_s"),
        ("[fhir]\nmax_bytes = 1.5", "fhir.max_bytes"),
        ("[fhir]\nmax_pages = 0", "fhir.max_pages"),
        ("[feedback]\ndatabase_url = 'mysql://a'", "feedback.database_url"),
        ("[feedback]\nsilence_days = -1", "feedback.silence_days"),
        ("[feedback]\nsecret_file = true", "feedback.secret_file"),
        ("[limits]\nmax_request_bytes = 0", "limits.max_request_bytes"),
        ("[limits]\nmax_request_bytes = true", "limits.max_request_bytes"),
        ("[ui]\nenabled = 'no'", "ui.enabled"),
        ("[rules]\ndisabled = 'baclofen-child'", "rules.disabled"),
        ("[rules]\nminimum_indicator = 'warning'", "rules.minimum_indicator"),
        ("[rules.minimum_indicator]\na = 'severe'", "rules.minimum_indicator.a"),
        ("[rules.minimum_indicator]\na = 2", "rules.minimum_indicator.a"),
        ("[rules.parameters]\na = 2", "rules.parameters.a"),
    ],
)
def test_wrong_values(tmp_path: Path, text: str, key: str) -> None:
    with pytest.raises(SettingsError) as error:
        load(tmp_path, text)
    (line,) = str(error.value).splitlines()
    assert line.startswith(f"{tmp_path}/site.toml: {key}: ")


def test_all_problems_are_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as error:
        load(tmp_path, "a = 1\n[limits]\nmax_request_bytes = 'x'\nb = 2")
    assert len(str(error.value).splitlines()) == 3


@pytest.mark.parametrize(
    ("content", "words"), [(b"a = ", "is not TOML"), (b'a = "\xff"', "is not UTF-8")]
)
def test_files_that_cannot_be_read(tmp_path: Path, content: bytes, words: str) -> None:
    file = tmp_path / "site.toml"
    file.write_bytes(content)
    with pytest.raises(SettingsError, match=rf"site\.toml: {words}"):
        load_settings(file)
    with pytest.raises(SettingsError, match=r"other\.toml: cannot be read"):
        load_settings(tmp_path / "other.toml")


def test_the_origin_of_any_subdomain_is_not_offered(tmp_path: Path) -> None:
    """A star stands for a port only; elsewhere it would silently match nothing."""
    with pytest.raises(SettingsError, match=r"cors\.origins"):
        load(tmp_path, "[cors]\norigins = ['https://*.example.org']")
