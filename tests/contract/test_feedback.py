"""Feedback over HTTP (FBK-01 to FBK-08, clarification 45)."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from flask import Flask, g
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from cds_service.app import create_app
from cds_service.errors import SettingsError
from cds_service.store.database import Store
from cds_service.store.entries import FeedbackEntry, StoredFeedback
from cds_service.web.logs import log_to
from tests.contract.support import (
    NOW,
    ORDER_SELECT,
    ORDER_SIGN,
    Advisor,
    fields,
    issues,
    order_select,
    settings,
    small_rulebook,
)
from tests.postgres import postgresql

FEEDBACK = ORDER_SELECT + "/feedback"
CARD = "4e0a3a1e-3283-4575-ab82-028d55fe2719"
SUGGESTION = "e56e1945-20b3-4393-8503-a1a20fd73152"
NOTHING = b'{"feedback":[]}'


def overridden(**members: Any) -> dict[str, Any]:
    return {
        "card": CARD,
        "outcome": "overridden",
        "overrideReason": {
            "reason": {"code": "OV-1", "system": "urn:x-cds-service:override-reason"},
            "userComment": "seen and wanted",
        },
        "outcomeTimestamp": "2026-06-03T11:59:00Z",
    } | members


def accepted(**members: Any) -> dict[str, Any]:
    return {
        "card": CARD,
        "outcome": "accepted",
        "acceptedSuggestions": [{"id": SUGGESTION}],
        "outcomeTimestamp": "2026-06-03T11:59:00.125Z",
    } | members


def send(client: FlaskClient, *entries: Any, path: str = FEEDBACK) -> TestResponse:
    return client.post(path, json={"feedback": list(entries)})


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Store]:
    """The database of the application, read as another process would."""
    store = Store(f"sqlite:///{tmp_path}/feedback.db")
    yield store
    store.close()


def stored(database: Store) -> list[StoredFeedback]:
    return list(database.stored_feedback())


def entries(database: Store) -> list[FeedbackEntry]:
    return [each.entry for each in stored(database)]


# --- what is accepted -----------------------------------------------------------------------------


def test_an_override_is_stored_before_it_is_acknowledged(
    client: FlaskClient, database: Store
) -> None:
    """FBK-03: 200 and an empty object."""
    response = send(client, overridden())
    assert response.status_code == 200
    assert response.content_type == "application/json"
    assert response.get_json() == {}
    (found,) = stored(database)
    assert (found.service, found.tenant) == ("spasticity-order-select", "")
    assert found.received_at == NOW
    entry = found.entry
    assert (entry.card, entry.outcome) == (CARD, "overridden")
    assert entry.outcome_timestamp.isoformat() == "2026-06-03T11:59:00+00:00"
    assert entry.reason_code == "OV-1"
    assert entry.reason_system == "urn:x-cds-service:override-reason"
    assert entry.user_comment == "seen and wanted"


def test_an_acceptance_is_stored(client: FlaskClient, database: Store) -> None:
    assert send(client, accepted(), path=ORDER_SIGN + "/feedback").status_code == 200
    (found,) = stored(database)
    assert found.service == "spasticity-order-sign"
    assert found.entry.accepted_suggestions == (SUGGESTION,)
    assert found.entry.outcome_timestamp.microsecond == 125_000


@pytest.mark.parametrize(
    "entry",
    [
        overridden(overrideReason={"reason": {"code": "OV-1"}}),
        overridden(overrideReason={"reason": {"code": "own", "display": "Our reason"}}),
        overridden(overrideReason={"userComment": "seen"}),
        overridden(overrideReason={"reason": None, "userComment": "seen"}),
        overridden(overrideReason={"reason": {"code": "OV-1"}, "userComment": ""}),
        overridden(overrideReason={"userComment": "x" * 2000}),
        overridden(overrideReason=None, acceptedSuggestions=None),
        overridden(acceptedSuggestions=[]),
        overridden(extension={"org.example": 1e300}, unknown=[1]),
        overridden(outcomeTimestamp="2026-06-03T13:59:00.123456789+02:00"),
        overridden(outcomeTimestamp="2026-06-03t11:59:00z"),
        overridden(card="card-7"),
        {name: value for name, value in overridden().items() if name != "overrideReason"},
        accepted(acceptedSuggestions=[{"id": SUGGESTION}, {"id": "s-2", "extension": {}}]),
    ],
)
def test_forms_that_are_legal(client: FlaskClient, database: Store, entry: dict[str, Any]) -> None:
    """FBK-02, FBK-04: among them overrides without a reason, and reasons of the client's own."""
    assert send(client, entry).status_code == 200
    assert len(entries(database)) == 1


def test_what_the_sandbox_sends(client: FlaskClient, database: Store) -> None:
    """10.2: one entry a request, a token on an open server, its own origin."""
    headers = {
        "Authorization": "Bearer e.y.J",
        "Content-Type": "application/json",
        "Origin": "https://sandbox.cds-hooks.org",
    }
    for entry in (accepted(), overridden(overrideReason={"reason": {"code": "OV-1"}})):
        response = client.post(FEEDBACK, data=json.dumps({"feedback": [entry]}), headers=headers)
        assert response.status_code == 200
        assert response.headers["Access-Control-Allow-Origin"] == headers["Origin"]
    assert len(entries(database)) == 2


def test_a_batch_and_its_repeat(client: FlaskClient, database: Store) -> None:
    """FBK-02: several cards, several reports of one card, sent twice."""
    batch = [overridden(), accepted(), overridden(card="card-7"), overridden()]
    for _ in range(2):
        assert send(client, *batch).status_code == 200
    assert len(entries(database)) == 3


def test_a_uuid_is_the_same_in_capitals(client: FlaskClient, database: Store) -> None:
    send(client, accepted(card=CARD.upper(), acceptedSuggestions=[{"id": SUGGESTION.upper()}]))
    (entry,) = entries(database)
    assert (entry.card, entry.accepted_suggestions) == (CARD, (SUGGESTION,))


def test_nothing_to_report_is_no_mistake(client: FlaskClient, database: Store) -> None:
    response = client.post(FEEDBACK, data=NOTHING, content_type="application/json")
    assert response.status_code == 200
    assert response.get_json() == {}
    assert entries(database) == []


def test_stray_slashes(client: FlaskClient, database: Store) -> None:
    """Contract section 1."""
    for path in ("/cds-services//spasticity-order-select/feedback/", FEEDBACK + "//"):
        response = client.post(
            "/", json={"feedback": [overridden()]}, environ_overrides={"PATH_INFO": path}
        )
        assert response.status_code == 200
    assert len(entries(database)) == 1


# --- what is refused ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("entry", "field"),
    [
        (None, "feedback[0]"),
        ([], "feedback[0]"),
        ("card", "feedback[0]"),
        (overridden(card=None), "feedback[0].card"),
        (overridden(card=""), "feedback[0].card"),
        (overridden(card="two words"), "feedback[0].card"),
        (overridden(card="line\n"), "feedback[0].card"),
        (overridden(card="x" * 201), "feedback[0].card"),
        (overridden(outcome="ignored"), "feedback[0].outcome"),
        (overridden(outcome=["overridden"]), "feedback[0].outcome"),
        (accepted(acceptedSuggestions=None), "feedback[0].acceptedSuggestions"),
        (accepted(acceptedSuggestions=[]), "feedback[0].acceptedSuggestions"),
        (accepted(acceptedSuggestions={"id": "a"}), "feedback[0].acceptedSuggestions"),
        (accepted(acceptedSuggestions=["a"]), "feedback[0].acceptedSuggestions[0]"),
        (accepted(acceptedSuggestions=[{}]), "feedback[0].acceptedSuggestions[0].id"),
        (accepted(acceptedSuggestions=[{"id": 7}]), "feedback[0].acceptedSuggestions[0].id"),
        (
            accepted(acceptedSuggestions=[{"id": str(n)} for n in range(101)]),
            "feedback[0].acceptedSuggestions",
        ),
        (overridden(overrideReason={}), "feedback[0].overrideReason"),
        (overridden(overrideReason="OV-1"), "feedback[0].overrideReason"),
        (overridden(overrideReason={"userComment": " "}), "feedback[0].overrideReason"),
        (overridden(overrideReason={"userComments": "x"}), "feedback[0].overrideReason"),
        (overridden(overrideReason={"reason": {}}), "feedback[0].overrideReason.reason.code"),
        (
            overridden(overrideReason={"reason": {"code": " "}}),
            "feedback[0].overrideReason.reason.code",
        ),
        (
            overridden(overrideReason={"reason": {"code": "a", "system": 7}}),
            "feedback[0].overrideReason.reason.system",
        ),
        (
            overridden(overrideReason={"reason": {"code": "a", "display": "x" * 501}}),
            "feedback[0].overrideReason.reason.display",
        ),
        (
            overridden(overrideReason={"userComment": "x" * 2001}),
            "feedback[0].overrideReason.userComment",
        ),
        (
            overridden(overrideReason={"userComment": "a\x00b"}),
            "feedback[0].overrideReason.userComment",
        ),
        (overridden(outcomeTimestamp=None), "feedback[0].outcomeTimestamp"),
        (overridden(outcomeTimestamp="2026-06-03"), "feedback[0].outcomeTimestamp"),
        (overridden(outcomeTimestamp="2026-06-03T12:00:00"), "feedback[0].outcomeTimestamp"),
        (overridden(outcomeTimestamp="2026-02-30T12:00:00Z"), "feedback[0].outcomeTimestamp"),
        (overridden(outcomeTimestamp="0001-01-01T00:00:00+14:00"), "feedback[0].outcomeTimestamp"),
        (overridden(outcomeTimestamp=1780488000), "feedback[0].outcomeTimestamp"),
    ],
)
def test_a_bad_entry_is_named_and_not_stored(
    client: FlaskClient, database: Store, entry: Any, field: str
) -> None:
    """Clarification 45: 400 if all are bad."""
    response = send(client, entry)
    assert response.status_code == 400
    assert fields(response) == {field}
    assert entries(database) == []


@pytest.mark.parametrize("name", ["card", "outcome", "outcomeTimestamp"])
def test_what_must_be_there(client: FlaskClient, name: str) -> None:
    response = send(client, {key: value for key, value in overridden().items() if key != name})
    assert response.status_code == 400
    assert fields(response) == {f"feedback[0].{name}"}


def test_acceptance_without_suggestions_is_refused(client: FlaskClient) -> None:
    """Clarification 45."""
    entry = {name: value for name, value in accepted().items() if name != "acceptedSuggestions"}
    assert fields(send(client, entry)) == {"feedback[0].acceptedSuggestions"}


def test_good_entries_of_a_batch_are_kept_and_bad_ones_named(
    client: FlaskClient, database: Store
) -> None:
    """Clarification 45: 200 with an OperationOutcome."""
    batch = [
        overridden(card="good-1"),
        overridden(card="bad", outcome="ignored", outcomeTimestamp="today"),
        accepted(card="good-2"),
        None,
    ]
    response = send(client, *batch)
    assert response.status_code == 200
    outcome = response.get_json()
    assert outcome["resourceType"] == "OperationOutcome"
    named = [path for issue in outcome["issue"] for path in issue["expression"]]
    assert named == ["feedback[1].outcome", "feedback[1].outcomeTimestamp", "feedback[3]"]
    assert {each.card for each in entries(database)} == {"good-1", "good-2"}


def test_every_bad_entry_of_a_large_batch_is_named(client: FlaskClient, database: Store) -> None:
    """What is not named counts as stored."""
    batch = [{} if number % 2 else overridden(card=f"card-{number}") for number in range(300)]
    outcome = send(client, *batch).get_json()
    named = {path.partition(".")[0] for each in outcome["issue"] for path in each["expression"]}
    assert named == {f"feedback[{number}]" for number in range(1, 300, 2)}
    assert len(entries(database)) == 150


@pytest.mark.parametrize("text", ["1e999999999", '"\\ud800"', "[" * 5000 + "]" * 5000])
def test_an_entry_that_cannot_be_read_costs_only_itself(
    client: FlaskClient, database: Store, text: str
) -> None:
    body = f'{{"feedback": [{json.dumps(overridden())}, {{"card": {text}}}]}}'
    response = client.post(FEEDBACK, data=body, content_type="application/json")
    if response.status_code == 200:
        (issue,) = response.get_json()["issue"]
        assert issue["expression"][0].startswith("feedback[1]")
        assert len(entries(database)) == 1
    else:  # nested so deeply that the body cannot be taken apart
        assert response.status_code == 400
        assert entries(database) == []


@pytest.mark.parametrize("body", [{}, {"feedback": None}, {"feedback": {}}, {"feedback": "x"}])
def test_the_array_must_be_there(client: FlaskClient, body: dict[str, Any]) -> None:
    """FBK-04."""
    response = client.post(FEEDBACK, json=body)
    assert response.status_code == 400
    assert fields(response) == {"feedback"}


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b'{"feedback": [}', b"\xff"])
def test_bodies_that_are_no_json_object(client: FlaskClient, body: bytes) -> None:
    response = client.post(FEEDBACK, data=body, content_type="application/json")
    assert response.status_code == 400
    assert issues(response)[0]["diagnostics"] == "CDS-400-json"


def test_limits_of_a_body(client: FlaskClient, database: Store) -> None:
    """FBK-08: as for calls; a batch that is too long is refused whole."""
    assert client.post(FEEDBACK, data=NOTHING, content_type="text/plain").status_code == 415
    large = NOTHING + b" " * 100_000
    assert client.post(FEEDBACK, data=large, content_type="application/json").status_code == 413
    response = send(client, *([0] * 1001))
    assert response.status_code == 400
    assert fields(response) == {"feedback"}
    assert entries(database) == []


def test_a_body_made_to_cost_time_is_refused_soon(client: FlaskClient) -> None:
    """No pattern is slow on any text."""
    for text in ("x" * 7_000 + "\x00", " " * 7_000, "\t" * 7_000 + "x"):
        reason = {"code": text, "system": text, "display": text}
        entry = accepted(
            card=text,
            outcomeTimestamp=text,
            acceptedSuggestions=[{"id": text}],
            overrideReason={"reason": reason, "userComment": text},
        )
        assert send(client, entry).status_code == 400


# --- tenants, log ---------------------------------------------------------------------------------


def test_feedback_belongs_to_the_client_that_sent_it(
    app: Flask, client: FlaskClient, database: Store
) -> None:
    @app.before_request
    def authenticate() -> None:
        g.client = SimpleNamespace(issuer="https://ehr.example.org", tenant="north")

    assert send(client, overridden()).status_code == 200
    assert [each.tenant for each in stored(database)] == ["https://ehr.example.org north"]


def test_the_log_has_counts_only(client: FlaskClient) -> None:
    """FBK-08: no comment, no card, no reason; nor in the answer to a bad entry."""
    marked = overridden(
        card="xMARKERx",
        overrideReason={"reason": {"code": "xMARKERx"}, "userComment": "xMARKERx"},
    )
    bad = marked | {"outcome": "xMARKERx", "outcomeTimestamp": "xMARKERx", "xMARKERx": "xMARKERx"}
    stream = io.StringIO()
    own = logging.getLogger("cds_service")
    before = own.handlers, own.level, own.propagate
    log_to(stream)
    try:
        response = send(client, marked, bad)
    finally:
        own.handlers, own.level, own.propagate = before
    assert b"MARKER" not in response.data
    assert "MARKER" not in stream.getvalue()
    (line,) = [json.loads(each) for each in stream.getvalue().splitlines()]
    assert (line["action"], line["service"]) == ("feedback", "spasticity-order-select")
    assert (line["stored"], line["refused"], line["status"]) == (1, 1, 200)


# --- a store that fails ---------------------------------------------------------------------------


def test_without_a_store_cards_are_answered_and_feedback_is_not(
    advisor: Advisor, tmp_path: Path
) -> None:
    """A folder that cannot be written must not stop the cards; 503 says to send it again."""
    text = '[feedback]\ndatabase_url = "sqlite:////proc/feedback.db"'
    client = create_app(settings(tmp_path, text), rulebook=small_rulebook()).test_client()
    assert client.post(ORDER_SELECT, json=order_select()).status_code == 200
    response = send(client, overridden())
    assert response.status_code == 503
    assert int(response.headers["Retry-After"]) > 0
    (issue,) = issues(response)
    assert (issue["code"], issue["diagnostics"]) == ("transient", "CDS-503")
    assert b"proc" not in response.data
    ready = client.get("/readyz")
    assert ready.status_code == 503
    assert ready.get_json()["failed"] == ["store"]
    assert client.get("/healthz").status_code == 200


def test_bad_entries_are_told_even_without_a_store(advisor: Advisor, tmp_path: Path) -> None:
    """Sending them again would not help."""
    text = '[feedback]\ndatabase_url = "sqlite:////proc/feedback.db"'
    client = create_app(settings(tmp_path, text), rulebook=small_rulebook()).test_client()
    assert send(client, {}).status_code == 400


def test_postgresql(advisor: Advisor, tmp_path: Path) -> None:
    """An old schema stops the start, a server that is away does not."""
    with postgresql() as server:
        url = server.database()
        site = settings(tmp_path, f'[feedback]\ndatabase_url = "{url}"')
        with pytest.raises(SettingsError, match="run `cds-service db upgrade`"):
            create_app(site, rulebook=small_rulebook())
        database = Store(url)
        database.upgrade()
        server.stop()
        client = create_app(site, rulebook=small_rulebook()).test_client()
        assert client.get("/readyz").status_code == 503
        assert send(client, overridden()).status_code == 503
        server.start()
        assert client.get("/readyz").status_code == 200
        assert send(client, overridden()).status_code == 200
        assert len(entries(database)) == 1
        database.close()
