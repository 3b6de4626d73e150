"""What the real server keeps and tells of a request: no person, no token, no text of anybody.

Markers stand in every part of the requests and of what the EHR answers; then all that was written
is searched: the log, the metrics, the bodies of errors, every file and table of the database.
"""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.contract.answers import FINDINGS
from tests.contract.reading_back.awkward_ehr import (
    AwkwardEhr,
    Behaviour,
    awkward_ehr,
    body,
    next_link,
    saying,
    searchset,
)
from tests.contract.secured_server import KEY, SecuredServer, secured_server
from tests.contract.serving import ROOT
from tests.contract.support import ORDER_SELECT, bundle, oral_baclofen
from tests.contract.test_privacy import MARKER, marked, refused_bodies
from tests.contract.tokens import bearer, claims, encoded

COMMENT = "xCOMMENTx of somebody's mother"
FEEDBACK = ORDER_SELECT + "/feedback"
EXPLAIN = ORDER_SELECT + "/explain"
PATIENT = {
    "resourceType": "Patient",
    "id": MARKER,
    "identifier": [{"system": f"urn:{MARKER}", "value": MARKER}],
    "name": [{"family": MARKER, "given": [MARKER], "text": MARKER}],
    "telecom": [{"system": "phone", "value": MARKER}],
    "address": [{"line": [MARKER], "city": MARKER, "postalCode": MARKER}],
    "birthDate": "1960-05-01",
    "gender": "female",
    "text": {"status": "generated", "div": f"<div>{MARKER}</div>"},
}
CONDITION = {
    "resourceType": "Condition",
    "id": MARKER,
    "subject": {"reference": f"Patient/{MARKER}", "display": MARKER},
    "clinicalStatus": {"coding": [{"code": "active"}]},
    "code": {"coding": [{"system": "http://hl7.org/fhir/sid/icd-10-cm", "code": "N18.5"}]},
    "note": [{"text": MARKER}],
}
OUTCOME = {
    "resourceType": "OperationOutcome",
    "issue": [{"severity": "error", "code": "processing", "diagnostics": MARKER}],
}


def call(ehr: AwkwardEhr, **members: Any) -> dict[str, Any]:
    """A call that gets cards, with the patient's part from prefetch and the rest from the EHR."""
    order = oral_baclofen() | {
        "id": MARKER,
        "subject": {"reference": f"Patient/{MARKER}", "display": MARKER},
        "requester": {"reference": f"Practitioner/{MARKER}", "display": MARKER},
        "note": [{"text": MARKER}],
    }
    request = marked() | {
        "fhirServer": ehr.base,
        "fhirAuthorization": {
            "access_token": f"access.{MARKER}",
            "token_type": "Bearer",
            "expires_in": 300,
            "scope": MARKER,
            "subject": MARKER,
            "patient": MARKER,
        },
        "prefetch": {"patient": PATIENT, MARKER: MARKER},
    }
    request["context"]["draftOrders"] = bundle(order)
    return request | members


READS: list[Behaviour] = [
    saying(searchset(CONDITION)),
    saying(OUTCOME),
    saying(OUTCOME, 403),
    saying(OUTCOME, 500),
    saying(searchset(), 302, {"Location": f"http://127.0.0.1:9/{MARKER}"}),
    body(f"<html>{MARKER}</html>".encode(), f"text/{MARKER}"),
    body(f'{{"{MARKER}": {MARKER}'.encode()),
    body(MARKER.encode(), headers={"Content-Encoding": MARKER, MARKER: MARKER}),
    saying({"resourceType": MARKER, "id": MARKER}),
    saying(searchset(CONDITION, link=next_link(f"http://{MARKER}.example.org/{MARKER}"))),
]
"""What the EHR answers when it is asked for the conditions."""


@dataclass
class Told:
    """What a caller saw."""

    tokens: list[str] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    errors: list[bytes] = field(default_factory=list)
    cards: list[dict[str, Any]] = field(default_factory=list)

    def send(
        self,
        server: SecuredServer,
        path: str,
        content: Any,
        token: str | None = None,
        audience: str = ORDER_SELECT,
    ) -> int:
        sent = token or server.token(audience, jti=f"{MARKER}-{len(self.tokens)}", sub=MARKER)
        self.tokens.append(sent)
        raw = content if isinstance(content, bytes) else json.dumps(content).encode()
        status, answer, headers = server.served.send(
            "POST",
            f"{path}?{MARKER}={MARKER}",
            raw,
            bearer(sent)
            | {"Content-Type": "application/json", "User-Agent": MARKER, "X-Request-Id": MARKER},
        )
        assert MARKER not in str(headers)
        self.statuses.append(status)
        if status == 200:
            self.cards += json.loads(answer).get("cards", ())
        else:
            self.errors.append(answer)
        return status


def entry(**members: Any) -> dict[str, Any]:
    return {
        "card": "card-1",
        "outcome": "overridden",
        "overrideReason": {"userComment": COMMENT},
        "outcomeTimestamp": "2026-06-03T12:00:00Z",
        MARKER: MARKER,
    } | members


@pytest.fixture(scope="module")
def ehr() -> Iterator[AwkwardEhr]:
    with awkward_ehr() as running:
        running.on("Patient/", saying(PATIENT))
        yield running


@pytest.fixture(scope="module")
def server(ehr: AwkwardEhr, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecuredServer]:
    with secured_server(tmp_path_factory.mktemp("served"), ehr.base) as running:
        yield running


@pytest.fixture(scope="module")
def told(server: SecuredServer, ehr: AwkwardEhr) -> Told:
    """Everything that is sent, and what came back; the searches are made when it is over."""
    told = Told()
    for read in READS:
        ehr.on("Condition?", read)
        assert told.send(server, ORDER_SELECT, call(ehr)) == 200
        assert told.send(server, EXPLAIN, call(ehr)) == 200
    ehr.on("Patient/", saying(OUTCOME, 500))
    assert told.send(server, ORDER_SELECT, call(ehr, prefetch={})) == 412
    for content in refused_bodies():
        for path in (ORDER_SELECT, EXPLAIN):
            assert told.send(server, path, content) == 400
    assert (
        told.send(server, f"/cds-services/{MARKER}", call(ehr), None, f"/cds-services/{MARKER}")
        == 404
    )
    unsigned = [encoded(json.dumps(part).encode()) for part in ({"alg": "none"}, {"sub": MARKER})]
    for token in (
        MARKER,
        ".".join([*unsigned, MARKER]),
        told.tokens[0],
        server.token(tenant=MARKER),
        server.token(iss=MARKER),
        server.token(aud=MARKER),
        KEY.sign(claims(ORDER_SELECT), kid=MARKER),
        KEY.sign(claims(ORDER_SELECT), jku=f"https://{MARKER}", typ=MARKER),
    ):
        assert told.send(server, ORDER_SELECT, call(ehr), token) == 401
    shown = entry(card=told.cards[0]["uuid"])
    for entries in (
        [shown],
        [entry()],
        [entry(card="card-2"), entry(outcome=MARKER, card=[MARKER])],
    ):
        assert told.send(server, FEEDBACK, {"feedback": entries}) == 200
    bad: list[object] = [
        {"feedback": [entry(outcomeTimestamp=MARKER, acceptedSuggestions=MARKER)]},
        {"feedback": MARKER, MARKER: MARKER},
        f'{{"feedback": "{MARKER}'.encode(),
    ]
    for report in bad:
        assert told.send(server, FEEDBACK, report) == 400
    return told


def rows(server: SecuredServer) -> Iterator[tuple[str, str, str]]:
    """(table, column, value as text) of the whole database."""
    file = server.served.folder / "feedback.db"
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as database:
        tables = [name for (name,) in database.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table'"
        )]  # fmt: skip
        for table in tables:
            found = database.execute(f'SELECT * FROM "{table}"')
            columns = [each[0] for each in found.description]
            for row in found:
                yield from zip([table] * len(columns), columns, map(str, row), strict=True)


def written(server: SecuredServer) -> dict[str, bytes]:
    """Every file of the site but those its operator made."""
    own = {"settings.toml", "keys.json"}
    files = [each for each in server.served.folder.iterdir() if each.name not in own]
    return {each.name: each.read_bytes() for each in files}


@pytest.fixture(scope="module")
def exports(server: SecuredServer, told: Told) -> dict[str, str]:
    """What an operator hands on: format -> text."""
    return {form: _exported(server.served.folder, form) for form in ("csv", "ndjson")}


def _exported(folder: Path, form: str) -> str:
    command = [sys.executable, "-m", "cds_service.cli", "feedback", "export", "--format", form]
    command += ["--config", str(folder / "settings.toml")]
    return subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT).stdout


def test_nothing_of_a_request_is_kept_or_told(
    server: SecuredServer, told: Told, exports: dict[str, str]
) -> None:
    """SEC-03, SEC-05: neither the patient nor a token, in whatever way the request ended."""
    secrets = {MARKER, "1960-05-01"} | {part for each in told.tokens for part in each.split(".")}
    files = written(server)
    assert {"log", "feedback.db"} <= set(files)
    told_others = {
        "metrics": server.served.send("GET", "/metrics")[1],
        "errors": b"".join(told.errors),
    } | {form: text.encode() for form, text in exports.items()}
    for place, content in (files | told_others).items():
        assert [each for each in secrets if each.encode() in content] == [], place
    kept = list(rows(server))
    assert [row for row in kept if any(each in row[2] for each in secrets)] == []
    assert {table for table, _, _ in kept} >= {"calls", "shown_cards", "feedback", "used_tokens"}


def test_what_was_searched_was_not_empty(
    server: SecuredServer, told: Told, ehr: AwkwardEhr
) -> None:
    """The calls had cards, the EHR was asked with its token, and its failures are in the log."""
    assert {200, 400, 401, 404, 412} == set(told.statuses)
    assert any(MARKER in json.dumps(each) for each in told.cards)  # the order, as it is changed
    assert all(each.headers["Authorization"] == f"Bearer access.{MARKER}" for each in ehr.seen)
    findings = [one for card in told.cards for one in card["extension"][FINDINGS]]
    assert any("renal" in one["rule"] for one in findings)
    log = server.served.log
    for note in ("redirect", "status-403", "status-5xx", "media-type", "not-json", "wrong-type"):
        assert f"conditions-{note}" in log
    assert '"event": "failed"' not in log


def test_a_comment_is_kept_for_the_table_alone(
    server: SecuredServer, told: Told, exports: dict[str, str]
) -> None:
    """FBK-08: a clinician's words are in one column and in the table made of it."""
    places = {(table, column) for table, column, value in rows(server) if "xCOMMENTx" in value}
    assert places == {("feedback", "user_comment")}
    files = [name for name, content in written(server).items() if b"xCOMMENTx" in content]
    assert all(name.startswith("feedback.db") for name in files)
    assert b"xCOMMENTx" not in server.served.send("GET", "/metrics")[1] + b"".join(told.errors)
    assert "xCOMMENTx" not in exports["ndjson"]
    assert exports["csv"].count(COMMENT) == 3
