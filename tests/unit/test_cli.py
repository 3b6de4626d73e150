"""The commands, with a small rulebook and an advisor that records."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

import click
import pytest
from click.testing import CliRunner, Result

from cds_service import __version__, app, consultation
from cds_service.cli import main
from cds_service.cli.evaluating import moment
from cds_service.consultation import Consultation
from cds_service.errors import PatientUnobtainable, RulebookError
from cds_service.settings import CONFIG_VARIABLE
from cds_service.store.database import Store
from cds_service.store.entries import FeedbackEntry
from tests.contract.support import (
    CARD,
    NOW,
    Advisor,
    order_select,
    order_sign,
    small_rulebook,
    without,
)

BERLIN = ZoneInfo("Europe/Berlin")


@pytest.fixture(autouse=True)
def away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In an empty folder, with no settings."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(CONFIG_VARIABLE, raising=False)


@pytest.fixture
def advisor(monkeypatch: pytest.MonkeyPatch) -> Advisor:
    stand_in = Advisor()
    monkeypatch.setattr(consultation, "consult", stand_in)
    monkeypatch.setattr(app, "load_rulebook", lambda directory, parameters: small_rulebook())
    return stand_in


def run(*arguments: str, body: bytes | None = None) -> Result:
    result = CliRunner().invoke(main, arguments, input=body)
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result


def evaluate(body: Mapping[str, Any], *arguments: str) -> Result:
    return run("evaluate", "-", *arguments, body=json.dumps(body).encode())


def test_version() -> None:
    result = run("--version")
    assert result.exit_code == 0
    assert __version__ in result.stdout


# --- evaluate -------------------------------------------------------------------------------------


def test_evaluate_prints_the_response(advisor: Advisor, tmp_path: Path) -> None:
    advisor.answer = lambda request: Consultation({"cards": [CARD]}, {})
    file = tmp_path / "request.json"
    file.write_text(json.dumps(order_select()), encoding="utf-8")
    result = run("evaluate", str(file))
    assert result.exit_code == 0
    assert json.loads(result.stdout) == {"cards": [CARD]}
    assert result.stdout.startswith('{\n  "cards"')
    assert result.stderr == ""
    assert advisor.request.service == "spasticity-order-select"
    assert advisor.moments[0].tzinfo is not None


def test_evaluate_reads_standard_input_and_explains(advisor: Advisor) -> None:
    advisor.answer = lambda request: Consultation({"cards": []}, {"rules": [{"rule": "r"}]})
    result = evaluate(order_select(), "--explain")
    assert result.exit_code == 0
    assert json.loads(result.stdout) == {"rules": [{"rule": "r"}]}


def test_evaluate_finds_the_service_by_the_hook(advisor: Advisor) -> None:
    evaluate(order_sign())
    assert advisor.request.service == "spasticity-order-sign"


def test_evaluate_refuses_the_service_of_another_hook(advisor: Advisor) -> None:
    """The same check as over HTTP (CALL-14)."""
    result = evaluate(order_sign(), "--service", "spasticity-order-select")
    assert result.exit_code == 1
    assert json.loads(result.stderr)["issue"][0]["diagnostics"] == "CDS-400-hook"
    assert advisor.requests == []


def test_evaluate_names_the_services_it_knows(advisor: Advisor) -> None:
    result = evaluate(order_sign(), "--service", "spasticity")
    assert result.exit_code == 2
    assert "spasticity-order-sign" in result.stderr


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (order_select() | {"hook": "order-review"}, "hook"),
        (without(order_select(), "hook"), "hook"),
        (order_select(patientId=None), "context.patientId"),
    ],
)
def test_evaluate_refuses_as_the_server_does(
    advisor: Advisor, body: dict[str, Any], field: str
) -> None:
    """Errors are an OperationOutcome on standard error, and nothing is printed as an answer."""
    result = evaluate(body)
    assert result.exit_code == 1
    assert result.stdout == ""
    outcome = json.loads(result.stderr)
    assert outcome["resourceType"] == "OperationOutcome"
    assert outcome["issue"][0]["expression"] == [field]


def test_evaluate_tells_that_the_patient_is_missing(advisor: Advisor) -> None:
    def refuse(request: object) -> Consultation:
        raise PatientUnobtainable("prefetch.patient", "send the Patient")

    advisor.answer = refuse
    result = evaluate(order_select())
    assert result.exit_code == 1
    assert json.loads(result.stderr)["issue"][0]["diagnostics"] == "CDS-412"


def test_evaluate_tells_what_it_tolerated(advisor: Advisor) -> None:
    result = evaluate(order_select(userId=None) | {"hookInstance": "1"})
    assert result.exit_code == 0
    assert result.stderr.splitlines() == ["note: hookInstance-not-uuid", "note: userId-missing"]


def test_evaluate_writes_no_file(advisor: Advisor, tmp_path: Path) -> None:
    evaluate(order_select())
    evaluate(order_select())
    assert list(tmp_path.iterdir()) == []
    assert advisor.secrets[0] == advisor.secrets[1]


def test_evaluate_uses_the_settings(advisor: Advisor, tmp_path: Path) -> None:
    (tmp_path / "feedback.key").write_bytes(b"k" * 32)
    (tmp_path / "site.toml").write_text(
        '[server]\ntimezone = "Europe/Berlin"\n[rules]\ndisabled = ["baclofen-seizure-disorder"]\n',
        encoding="utf-8",
    )
    result = evaluate(order_select(), "--config", "site.toml", "--as-of", "2026-06-03")
    assert result.exit_code == 0
    assert advisor.filters[0].disabled == {"baclofen-seizure-disorder"}
    assert advisor.secrets == [b"k" * 32]
    assert advisor.moments[0] == datetime(2026, 6, 3, 23, 59, 59, 999999, BERLIN)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-06-03", datetime(2026, 6, 3, 21, 59, 59, 999999, UTC)),
        ("2026-01-03", datetime(2026, 1, 3, 22, 59, 59, 999999, UTC)),
        ("2026-06-03T14:30:00+02:00", datetime(2026, 6, 3, 12, 30, tzinfo=UTC)),
        ("2026-06-03T14:30:00Z", datetime(2026, 6, 3, 14, 30, tzinfo=UTC)),
    ],
)
def test_a_date_is_the_end_of_that_day_at_the_site(text: str, expected: datetime) -> None:
    """Clarification 7."""
    assert moment(text, BERLIN) == expected
    assert moment(text, BERLIN).tzinfo is BERLIN


@pytest.mark.parametrize("text", ["2026-06-03T14:30:00", "yesterday", "2026-13-01", "2026-06", ""])
def test_moments_that_are_none(text: str, advisor: Advisor) -> None:
    """Clarification 7: a date and time needs an offset."""
    with pytest.raises(click.BadParameter):
        moment(text, UTC)
    result = evaluate(order_select(), "--as-of", text)
    assert result.exit_code == 2
    assert "--as-of" in result.stderr


# --- check ----------------------------------------------------------------------------------------


def test_check_prints_every_problem(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    problems = ["rules/a.yaml: grades: is missing", "codes/b.csv: code: unknown system"]

    def load(directory: Path, parameters: object) -> None:
        raise RulebookError(problems)

    monkeypatch.setattr(app, "load_rulebook", load)
    (tmp_path / "services.yaml").touch()
    result = run("check", "--rules", str(tmp_path))
    assert result.exit_code == 1
    assert result.stdout.splitlines() == problems


def test_check_says_what_the_rulebook_holds(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A code that stands in two concepts is one code."""
    row = SimpleNamespace(system="s", code="1")
    terminology = SimpleNamespace(value_sets={"a": 1, "b": 2}, rows=(row, row))
    rulebook = SimpleNamespace(
        version="1.0+abc",
        rules={"r": 1},
        services={},
        vocabulary=SimpleNamespace(terminology=terminology),
    )
    monkeypatch.setattr(app, "load_rulebook", lambda directory, parameters: rulebook)
    (tmp_path / "services.yaml").touch()
    result = run("check", "--rules", str(tmp_path))
    assert result.exit_code == 0
    assert result.stdout == "rulebook 1.0+abc: 1 rules, 2 value sets, 1 codes: no problems\n"


def test_check_of_a_folder_without_rules(tmp_path: Path) -> None:
    result = run("check", "--rules", str(tmp_path / "nothing"))
    assert result.exit_code == 1
    assert "nothing" in result.stdout


def test_check_of_settings_that_cannot_be_used(tmp_path: Path, advisor: Advisor) -> None:
    (tmp_path / "site.toml").write_text("[rules]\ndisabled = ['baclofen']\n", encoding="utf-8")
    result = run("check", "--config", "site.toml")
    assert result.exit_code == 1
    assert result.stdout.startswith("site.toml: rules.disabled: baclofen is not in the rulebook")


# --- config check ---------------------------------------------------------------------------------


def test_config_check_prints_settings_and_warns(tmp_path: Path, advisor: Advisor) -> None:
    (tmp_path / "site.toml").write_text("[cors]\norigins = ['*']\n", encoding="utf-8")
    result = run("config", "check", "--config", "site.toml")
    assert result.exit_code == 0
    assert 'origins = ["*"]' in result.stdout.splitlines()
    assert result.stderr.startswith("warning: cors.origins: ")


@pytest.mark.parametrize(
    "text",
    ["[limits]\nmax_request_byte = 1", "[rules]\ndisabled = ['baclofen']", "[rules"],
)
def test_config_check_refuses_what_the_server_would_refuse(
    tmp_path: Path, advisor: Advisor, text: str
) -> None:
    (tmp_path / "site.toml").write_text(text, encoding="utf-8")
    result = run("config", "check", "--config", "site.toml")
    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr.startswith("site.toml: ")


def test_config_check_writes_no_file(advisor: Advisor, tmp_path: Path) -> None:
    assert run("config", "check").exit_code == 0
    assert list(tmp_path.iterdir()) == []


# --- serve ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "host", ["0.0.0.0", "::", "10.0.0.1", "cds.example.org", "127.0.0.1.nip.io"]
)
def test_serve_stays_on_loopback(host: str) -> None:
    """Contract section 5: without authentication never beyond loopback, unless told so."""
    result = run("serve", "--host", host)
    assert result.exit_code == 1
    assert "--insecure" in result.stderr
    assert "security.require_jwt = true" in result.stderr


SECURED = """
[server]
base_url = "https://cds.example.org"
[security]
require_jwt = true
[[security.clients]]
issuer = "https://ehr.example.org"
jwks_url = "https://ehr.example.org/jwks"
"""


@pytest.fixture
def started(advisor: Advisor, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The servers that were started, without starting any."""
    servers: list[str] = []
    monkeypatch.setattr("cds_service.web.logs.log_to", lambda stream: None)
    monkeypatch.setattr("cds_service.web.server.Server.run", lambda server: servers.append("one"))
    return servers


def serve(text: str, *arguments: str) -> Result:
    Path("site.toml").write_text(text, encoding="utf-8")
    return run("serve", "--config", "site.toml", *arguments)


@pytest.mark.parametrize("arguments", [(), ("--host", "localhost"), ("--host", "0.0.0.0")])
def test_with_client_tokens_it_listens_anywhere(
    started: list[str], arguments: tuple[str, ...]
) -> None:
    result = serve(SECURED, *arguments)
    assert result.exit_code == 0
    assert started == ["one"]
    assert "warning" not in result.stderr


def test_insecure_is_told_back(started: list[str]) -> None:
    result = serve("", "--host", "0.0.0.0", "--insecure")
    assert started == ["one"]
    assert "warning: listening at 0.0.0.0 because of --insecure, although clients" in result.stderr


@pytest.mark.parametrize(
    ("was", "sandbox"),
    [
        ('issuer = "https://ehr.example.org"', 'issuer = "https://sandbox.cds-hooks.org"'),
        (
            'jwks_url = "https://ehr.example.org/jwks"',
            'jwks_url = "https://sandbox.cds-hooks.org/.well-known/jwks.json"',
        ),
    ],
)
def test_the_public_sandbox_is_no_client_beyond_loopback(
    started: list[str], was: str, sandbox: str
) -> None:
    """SEC-07: anyone can sign with its key."""
    text = SECURED.replace(was, sandbox)
    result = serve(text, "--host", "0.0.0.0")
    assert result.exit_code == 1
    assert started == []
    assert "public sandbox" in result.stderr
    assert "warning" not in serve(text).stderr
    result = serve(text, "--host", "0.0.0.0", "--insecure")
    assert "warning: listening at 0.0.0.0 because of --insecure, although" in result.stderr
    assert len(started) == 2


def test_clients_without_tokens_are_told_back(started: list[str]) -> None:
    """Who lists clients thinks that nobody else is answered."""
    result = serve(SECURED.replace("require_jwt = true", "require_jwt = false"))
    assert started == ["one"]
    assert "warning: security.clients is without effect" in result.stderr


@pytest.mark.parametrize("port", ["0", "70000", "http"])
def test_serve_needs_a_port(port: str) -> None:
    assert run("serve", "--port", port).exit_code == 2


# --- the store ------------------------------------------------------------------------------------


def test_feedback_is_exported(tmp_path: Path) -> None:
    """From the day on that is asked for, in the site's time zone."""
    (tmp_path / "site.toml").write_text('[server]\ntimezone = "Europe/Berlin"\n', encoding="utf-8")
    store = Store(f"sqlite:///{tmp_path}/feedback.db")
    for hour, name in ((21, "late-on-the-second"), (22, "early-on-the-third")):
        entry = FeedbackEntry(name, "overridden", NOW, user_comment="wörtlich")
        store.add_feedback("s", "", [entry], datetime(2026, 6, 2, hour, 30, tzinfo=UTC))
    store.close()
    export = ("feedback", "export", "--config", "site.toml", "--format")
    result = run(*export, "csv")
    assert result.exit_code == 0
    rows = list(csv.DictReader(io.StringIO(result.stdout, newline="")))
    assert [row["card"] for row in rows] == ["late-on-the-second", "early-on-the-third"]
    assert rows[0]["user_comment"] == "wörtlich"
    events = run(*export, "ndjson", "--since", "2026-06-03").stdout.splitlines()
    (event,) = map(json.loads, events)
    assert event["resourceType"] == "AuditEvent"
    assert event["recorded"] == "2026-06-02T22:30:00Z"


def test_export_makes_no_database(tmp_path: Path) -> None:
    """A misspelt address is told, not answered with an empty table."""
    result = run("feedback", "export", "--format", "csv")
    assert result.exit_code == 1
    assert "SQLITE_CANTOPEN" in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_export_of_an_older_database(tmp_path: Path) -> None:
    (tmp_path / "feedback.db").touch()
    result = run("feedback", "export", "--format", "csv")
    assert result.exit_code == 1
    assert "run `cds-service db upgrade`" in result.stderr
    assert run("db", "upgrade").exit_code == 0
    assert run("feedback", "export", "--format", "csv").stdout.startswith("received_at,")


def test_upgrade_of_a_database_that_is_away() -> None:
    (Path.cwd() / "site.toml").write_text(
        '[feedback]\ndatabase_url = "postgresql+psycopg://user:xMARKERx@127.0.0.1:9/name"\n',
        encoding="utf-8",
    )
    result = run("db", "upgrade", "--config", "site.toml")
    assert result.exit_code == 1
    assert result.stderr.startswith("the feedback store cannot be used now")
    assert "MARKER" not in result.stderr
