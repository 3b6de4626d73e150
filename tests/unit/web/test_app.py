"""What the composition root joins: rulebook folder, filters, secret, clock."""

from __future__ import annotations

import stat
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from cds_service import app, consultation
from cds_service.app import (
    create_app,
    make_secret,
    read_secret,
    rulebook_directory,
    site_filters,
)
from cds_service.cds import Indicator
from cds_service.errors import SettingsError
from cds_service.settings import Settings
from tests.contract.support import (
    NOW,
    ORDER_SELECT,
    Advisor,
    order_select,
    settings,
    small_rulebook,
)
from tests.contract.tokens import bearer, claims, key_set, signer


@pytest.fixture
def advisor(monkeypatch: pytest.MonkeyPatch) -> Advisor:
    stand_in = Advisor()
    monkeypatch.setattr(consultation, "consult", stand_in)
    return stand_in


def test_the_rulebook_is_loaded_once(
    advisor: Advisor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = []

    def load(directory: Path, parameters: object) -> object:
        loaded.append((directory, parameters))
        return small_rulebook()

    monkeypatch.setattr(app, "load_rulebook", load)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/services.yaml").touch()
    text = '[rules]\ndirectory = "mine"\n[rules.parameters.a]\nb = 1.5'
    client = create_app(settings(tmp_path, text)).test_client()
    for _ in range(3):
        client.post(ORDER_SELECT, json=order_select())
    assert loaded == [(tmp_path / "mine", {"a": {"b": 1.5}})]
    assert len(advisor.requests) == 3


def test_the_core_gets_the_moment_of_the_call_in_the_sites_zone(
    advisor: Advisor, tmp_path: Path
) -> None:
    site = settings(tmp_path, '[server]\ntimezone = "Europe/Berlin"')
    moments = iter([NOW, datetime(2026, 6, 3, 23, 30, tzinfo=UTC)])
    client = create_app(site, rulebook=small_rulebook(), clock=lambda: next(moments)).test_client()
    for _ in range(2):
        client.post(ORDER_SELECT, json=order_select())
    assert advisor.moments[0] == NOW
    assert advisor.moments[1].day == 4  # already tomorrow in Berlin
    assert {each.tzinfo for each in advisor.moments} == {ZoneInfo("Europe/Berlin")}


def test_by_default_it_is_now(advisor: Advisor, tmp_path: Path) -> None:
    before = datetime.now(UTC)
    client = create_app(settings(tmp_path), rulebook=small_rulebook()).test_client()
    client.post(ORDER_SELECT, json=order_select())
    assert before <= advisor.moments[0] <= datetime.now(UTC)


def test_filters_of_the_site(tmp_path: Path) -> None:
    text = """
        [rules]
        disabled = ["baclofen-seizure-disorder"]
        minimum_indicator = { "spasticity-order-sign" = "critical" }
    """
    filters = site_filters(settings(tmp_path, text), small_rulebook())
    assert filters.disabled == {"baclofen-seizure-disorder"}
    assert filters.shadow == frozenset()
    assert filters.minimum_indicator == {"spasticity-order-sign": Indicator.CRITICAL}


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ('disabled = ["baclofen-seizures"]', "rules.disabled: baclofen-seizures"),
        ('shadow = ["x"]', "rules.shadow: x"),
        ('minimum_indicator = { "order-sign" = "info" }', "rules.minimum_indicator: order-sign"),
    ],
)
def test_ids_that_the_rulebook_does_not_have(
    advisor: Advisor, tmp_path: Path, text: str, key: str
) -> None:
    """A misspelt id would silently hide nothing, so it stops the start."""
    with pytest.raises(SettingsError, match=f"settings.toml: {key} is not in the rulebook"):
        create_app(settings(tmp_path, f"[rules]\n{text}"), rulebook=small_rulebook())


def test_which_folder_holds_the_rulebook(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="holds no rulebook"):
        rulebook_directory(tmp_path)
    (tmp_path / "spasticity").mkdir()
    (tmp_path / "spasticity/services.yaml").touch()
    assert rulebook_directory(tmp_path) == tmp_path / "spasticity"
    (tmp_path / "services.yaml").touch()
    assert rulebook_directory(tmp_path) == tmp_path
    assert rulebook_directory().name == "spasticity"


def with_keys(folder: Path, content: bytes | None) -> Settings:
    if content is not None:
        (folder / "keys.json").write_bytes(content)
    return settings(
        folder,
        """
        [server]
        base_url = "https://cds.example.org"
        [security]
        require_jwt = true
        [[security.clients]]
        issuer = "https://ehr.example.org"
        jwks_file = "keys.json"
        """,
    )


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "cannot be read"),
        (b"{", "is not JSON"),
        (b"[]", "is not a JSON object"),
        (b'{"keys": []}', "holds no public key"),
    ],
)
def test_keys_that_nobody_can_read_stop_the_start(
    tmp_path: Path, content: bytes | None, words: str
) -> None:
    """With them every call would be refused."""
    site = with_keys(tmp_path, content)
    with pytest.raises(SettingsError, match=rf"security\.clients: .*keys\.json.* {words}"):
        create_app(site, rulebook=small_rulebook())


def test_without_a_store_a_token_passes_once_in_a_process(advisor: Advisor, tmp_path: Path) -> None:
    site = with_keys(tmp_path, key_set(signer().jwk()))
    client = create_app(site, rulebook=small_rulebook(), clock=lambda: NOW).test_client()
    headers = bearer(signer().sign(claims(ORDER_SELECT)))
    statuses = [
        client.post(ORDER_SELECT, json=order_select(), headers=headers).status_code
        for _ in range(2)
    ]
    assert statuses == [200, 401]


def test_the_secret_is_made_once_and_for_its_owner(tmp_path: Path) -> None:
    file = tmp_path / "feedback.key"
    assert read_secret(file) is None
    assert make_secret(file)
    first = read_secret(file)
    assert first is not None
    assert len(first) == 32
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert make_secret(file)
    assert read_secret(file) == first
    assert list(tmp_path.iterdir()) == [file]


def test_a_secret_that_cannot_be_made(tmp_path: Path) -> None:
    assert not make_secret(tmp_path / "no-such-folder/feedback.key")


def test_a_secret_that_is_none(tmp_path: Path) -> None:
    file = tmp_path / "feedback.key"
    file.write_bytes(b"short")
    with pytest.raises(SettingsError, match=r"feedback\.secret_file: .* 5 bytes"):
        read_secret(file)
    with pytest.raises(SettingsError, match=r"feedback\.secret_file: .* cannot be read"):
        read_secret(tmp_path)


def test_the_secret_of_the_file_is_used(advisor: Advisor, tmp_path: Path) -> None:
    """Clarification 50: equal over workers and restarts."""
    (tmp_path / "feedback.key").write_bytes(b"k" * 32)
    for _ in range(2):
        client = create_app(settings(tmp_path), rulebook=small_rulebook()).test_client()
        client.post(ORDER_SELECT, json=order_select())
    assert advisor.secrets == [b"k" * 32] * 2


def test_without_a_file_the_secret_is_random(advisor: Advisor, tmp_path: Path) -> None:
    for _ in range(2):
        client = create_app(settings(tmp_path), rulebook=small_rulebook()).test_client()
        client.post(ORDER_SELECT, json=order_select())
    assert len(set(advisor.secrets)) == 2
    assert all(len(secret) == 32 for secret in advisor.secrets)
    assert not (tmp_path / "feedback.key").exists()
