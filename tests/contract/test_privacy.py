"""Nothing of a request is repeated: not in error bodies, not in the log."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from typing import Any

import pytest
from flask.testing import FlaskClient

from cds_service.consultation import Consultation
from cds_service.errors import PatientUnobtainable
from cds_service.web.logs import ALLOWED
from tests.contract.support import (
    INSTANCE,
    ORDER_SELECT,
    Advisor,
    baclofen,
    bundle,
    captured_log,
    order_select,
    without,
)

MARKER = "xMARKERx"


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    with captured_log() as stream:
        yield stream


def lines(log: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.getvalue().splitlines()]


def marked() -> dict[str, Any]:
    """A call with the marker in every part that is not looked at for its form."""
    return {
        "hook": "order-select",
        "hookInstance": MARKER,
        "fhirServer": f"https://{MARKER}.example.org/{MARKER}",
        "fhirAuthorization": {"access_token": MARKER, "scope": MARKER, "patient": MARKER},
        "extension": {MARKER: MARKER},
        MARKER: MARKER,
        "context": {
            "userId": f"Practitioner/{MARKER}",
            "patientId": MARKER,
            "encounterId": MARKER,
            "selections": [f"MedicationRequest/{MARKER}"],
            "draftOrders": bundle(baclofen(id=MARKER, note=[{"text": MARKER}])),
            MARKER: MARKER,
        },
        "prefetch": {"patient": {"resourceType": "Patient", "id": MARKER}, MARKER: MARKER},
    }


def refused_bodies() -> Iterator[bytes]:
    """Bodies with the marker, each wrong in one way."""
    body = marked()
    yield json.dumps(body).encode()[:-1]
    yield json.dumps(body).encode() + b"\xff"
    yield json.dumps([body]).encode()
    yield (
        json.dumps(body)
        .replace(f'"{MARKER}": "{MARKER}"', f'"{MARKER}": 1, "{MARKER}": 2')
        .encode()
    )
    for change in (
        {"hook": MARKER},
        {"hook": [MARKER]},
        {"hookInstance": {MARKER: MARKER}},
        {"prefetch": [MARKER]},
        {"fhirServer": [MARKER]},
        {"fhirAuthorization": MARKER},
        {"context": MARKER},
    ):
        yield json.dumps(body | change).encode()
    for context in (
        {"patientId": f"{MARKER} {MARKER}"},
        {"patientId": {MARKER: MARKER}},
        {"userId": [MARKER]},
        {"encounterId": [MARKER]},
        {"selections": MARKER},
        {"selections": [[MARKER]]},
        {"draftOrders": MARKER},
        {"draftOrders": {MARKER: MARKER}},
        {"draftOrders": [MARKER]},
    ):
        yield json.dumps(body | {"context": body["context"] | context}).encode()


@pytest.mark.parametrize("body", list(refused_bodies()))
def test_an_error_repeats_nothing(client: FlaskClient, log: io.StringIO, body: bytes) -> None:
    """CALL-24, SEC-05: names of fields and remedies, no value of the request."""
    response = client.post(
        f"{ORDER_SELECT}?{MARKER}={MARKER}",
        data=body,
        content_type="application/json",
        headers={"Authorization": f"Bearer {MARKER}", "User-Agent": MARKER, "X-Id": MARKER},
    )
    assert response.status_code == 400
    assert MARKER.encode() not in response.data
    assert MARKER not in str(response.headers)
    assert MARKER not in log.getvalue()
    assert len(lines(log)) == 1


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", f"/cds-services/{MARKER}"),
        ("GET", f"/cds-services/{MARKER}"),
        ("GET", f"/{MARKER}"),
        (MARKER, ORDER_SELECT),
        ("POST", f"{ORDER_SELECT}/{MARKER}"),
    ],
)
def test_an_address_is_not_repeated(
    client: FlaskClient, log: io.StringIO, method: str, path: str
) -> None:
    """CALL-11: a path may hold an id by mistake."""
    response = client.open(path, method=method, json=marked())
    assert response.status_code in {404, 405}
    assert MARKER.encode() not in response.data
    assert MARKER not in log.getvalue()


def test_an_answered_call_leaves_one_line(client: FlaskClient, log: io.StringIO) -> None:
    """SEC-09: service, hook, status, time, cards; the tolerated oddities; nothing else."""
    body = marked() | {"fhirServer": MARKER}
    body["context"] = without(body["context"], "userId", "selections")
    assert client.post(ORDER_SELECT, json=body).status_code == 200
    assert MARKER not in log.getvalue()
    (line,) = lines(log)
    assert set(line) <= {"time", "level", "event", *ALLOWED}
    assert line["event"] == "call"
    assert line["level"] == "warning"
    assert line["action"] == "call"
    assert line["service"] == "spasticity-order-select"
    assert line["hook"] == "order-select"
    assert line["status"] == 200
    assert line["cards"] == 0
    assert line["duration_ms"] >= 0
    assert line["notes"] == [
        "hookInstance-not-uuid",
        "userId-missing",
        "selections-missing",
        "fhirServer-not-a-url",
        "fhirAuthorization-incomplete",
    ]
    assert "hookInstance" not in line


def test_a_uuid_may_be_logged(client: FlaskClient, log: io.StringIO) -> None:
    """CALL-16, SEC-09: hookInstance helps to find a call, if it is what it should be."""
    client.post(ORDER_SELECT, json=order_select())
    (line,) = lines(log)
    assert line["hookInstance"] == INSTANCE
    assert line["level"] == "info"
    assert "notes" not in line


def test_authorization_without_a_server_is_noted(client: FlaskClient, log: io.StringIO) -> None:
    """CALL-17: accepted with a logged warning."""
    client.post(ORDER_SELECT, json=order_select() | {"fhirAuthorization": {"scope": MARKER}})
    (line,) = lines(log)
    assert line["notes"] == [
        "fhirAuthorization-without-fhirServer",
        "fhirAuthorization-incomplete",
    ]


@pytest.mark.parametrize("path", [ORDER_SELECT, ORDER_SELECT + "/explain"])
def test_a_crash_leaves_type_and_place(
    client: FlaskClient, advisor: Advisor, log: io.StringIO, path: str
) -> None:
    """CALL-22: the text of an exception may quote the patient, so it is nowhere."""

    def fail(request: object) -> Consultation:
        try:
            raise KeyError(MARKER)
        except KeyError as error:
            error.add_note(MARKER)
            raise ValueError(f"cannot read {MARKER}") from error

    advisor.answer = fail
    response = client.post(path, json=marked())
    assert response.status_code == 500
    assert MARKER.encode() not in response.data
    assert MARKER not in log.getvalue()
    failed, call = lines(log)
    assert failed["event"] == "failed"
    assert failed["failure"]["type"] == "builtins.ValueError"
    assert any("web/calls.py" in place for place in failed["failure"]["places"])
    assert failed["failure"]["raised_in"].startswith("test_privacy.py:")
    assert call["status"] == 500
    assert call["code"] == "CDS-500"


def test_a_refused_call_leaves_its_code(
    client: FlaskClient, advisor: Advisor, log: io.StringIO
) -> None:
    """CALL-03, CALL-24: the log has the stable code that the client got."""

    def refuse(request: object) -> Consultation:
        raise PatientUnobtainable("prefetch.patient", "missing")

    advisor.answer = refuse
    client.post(ORDER_SELECT, json=marked())
    (line,) = lines(log)
    assert line["status"] == 412
    assert line["code"] == "CDS-412"
    assert "cards" not in line


def test_discovery_is_logged_as_itself(client: FlaskClient, log: io.StringIO) -> None:
    """SEC-09: a line for discovery, none for probes and preflights."""
    client.get("/cds-services")
    client.get("/healthz")
    client.options(ORDER_SELECT)
    (line,) = lines(log)
    assert line["action"] == "discovery"
    assert line["method"] == "GET"
