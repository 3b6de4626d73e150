"""What prefetch lacks is read from the server that the site allows, and nothing else is."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from cds_service.app import create_app
from cds_service.rules.rulebook import Rulebook
from tests.contract.reading_back.awkward_ehr import (
    PATIENT,
    AwkwardEhr,
    searchset,
)
from tests.contract.reading_back.calls import (
    LISTS,
    NOT_OBTAINED,
    ORAL_BACLOFEN,
    TOKEN,
    asked,
    call,
    missing,
    notes,
)
from tests.contract.support import (
    NOW,
    ORDER_SIGN,
    bundle,
    fields,
    issues,
    order_sign,
    settings,
)


def test_what_was_not_sent_is_read(service: FlaskClient, ehr: AwkwardEhr) -> None:
    """CALL-05, CALL-26: one request for each key, with the token, by GET."""
    assert missing(asked(service, call(ehr))) == set()
    assert len(ehr.seen) == 1 + LISTS
    assert ehr.asked("Patient") == ["/fhir/Patient/p1"]
    for each in ehr.seen:
        assert each.headers["Authorization"] == f"Bearer {TOKEN}"
        assert each.headers["Accept"].startswith("application/fhir+json")
    searches = [path for path in ehr.asked() if "?" in path]
    assert len(searches) == LISTS
    assert all("patient=Patient/p1" in path for path in searches)


def test_what_was_sent_is_not_asked_again(service: FlaskClient, ehr: AwkwardEhr) -> None:
    """CALL-06, CALL-07, CALL-08: null, an empty Bundle and an OperationOutcome are answers."""
    outcome = {
        "resourceType": "OperationOutcome",
        "issue": [{"severity": "error", "code": "security"}],
    }
    sent = {
        "patient": PATIENT,
        "conditions": None,
        "medicationRequests": searchset(total=0),
        "allergies": outcome,
    }
    assert missing(asked(service, call(ehr, sent))) == {"allergies"}
    assert len(ehr.seen) == 1 + LISTS - len(sent)
    for type in ("Patient", "Condition", "MedicationRequest", "AllergyIntolerance"):
        assert [path for path in ehr.asked(type) if path.startswith(f"/fhir/{type}?")] == []


def test_a_patient_sent_as_null_is_not_asked_again(service: FlaskClient, ehr: AwkwardEhr) -> None:
    """CALL-06: the client looked; only the absence of the patient makes advice impossible."""
    response = asked(service, call(ehr, {"patient": None}))
    assert response.status_code == 412
    (issue,) = issues(response)
    assert "holds no Patient" in issue["details"]["text"]
    assert ehr.asked("Patient") == []


def test_explain_reads_the_same(service: FlaskClient, ehr: AwkwardEhr) -> None:
    response = asked(service, call(ehr), f"{ORDER_SIGN}/explain")
    assert response.status_code == 200
    assert len(ehr.seen) == 1 + LISTS


def test_an_open_server_is_read_without_token(service: FlaskClient, ehr: AwkwardEhr) -> None:
    assert missing(asked(service, call(ehr, fhirAuthorization=None))) == set()
    assert all("Authorization" not in each.headers for each in ehr.seen)


@pytest.mark.parametrize("token", ["two words", "line\r\nX-Evil: 1", "\u00fc"])
def test_a_token_that_no_header_can_carry(
    service: FlaskClient, ehr: AwkwardEhr, log: io.StringIO, token: str
) -> None:
    authorization = call(ehr)["fhirAuthorization"] | {"access_token": token}
    content = call(ehr, {"patient": PATIENT}, fhirAuthorization=authorization)
    assert missing(asked(service, content)) == NOT_OBTAINED
    assert ehr.seen == []
    assert notes(log) == ["access_token-unusable"]
    assert token not in log.getvalue()


@pytest.mark.parametrize(
    "server",
    [
        "http://127.0.0.1:{port}/fhir/other",
        "http://127.0.0.1:{port}/fhi",
        "http://127.0.0.1:{port}",
        "http://localhost:{port}/fhir",
        "http://user@127.0.0.1:{port}/fhir",
        "http://127.0.0.1:{port}/fhir?x=",
        "http://127.0.0.1:{port}/fhir#",
    ],
)
def test_no_other_server_is_asked(
    service: FlaskClient, ehr: AwkwardEhr, log: io.StringIO, server: str
) -> None:
    """CALL-28, clarification 43: the exact base URL or nothing."""
    content = call(ehr, {"patient": PATIENT}, fhirServer=server.format(port=ehr.port))
    assert missing(asked(service, content)) == NOT_OBTAINED
    assert ehr.seen == []
    assert notes(log) == ["fhirServer-not-allowed"]


def test_a_trailing_slash_makes_no_other_server(service: FlaskClient, ehr: AwkwardEhr) -> None:
    assert missing(asked(service, call(ehr, fhirServer=f"{ehr.base}/"))) == set()
    assert len(ehr.seen) == 1 + LISTS
    assert all("//" not in path.partition("?")[0] for path in ehr.asked())


def test_without_an_allowed_server_nothing_is_read(
    rulebook: Rulebook, ehr: AwkwardEhr, tmp_path: Path, log: io.StringIO
) -> None:
    app = create_app(settings(tmp_path), rulebook=rulebook, clock=lambda: NOW)
    response = asked(app.test_client(), call(ehr))
    assert response.status_code == 412
    assert fields(response) == {"prefetch.patient"}
    assert ehr.seen == []
    assert notes(log) == []


def test_a_call_without_server_is_answered_from_its_prefetch(
    service: FlaskClient, ehr: AwkwardEhr, log: io.StringIO
) -> None:
    """CALL-10."""
    content = call(ehr, {"patient": PATIENT}, fhirServer=None, fhirAuthorization=None)
    assert missing(asked(service, content)) == NOT_OBTAINED
    assert notes(log) == ["fhirServer-missing"]


@pytest.mark.parametrize("id", ["\ud800", "..", "a/../../b", "p1?x=", "%2e%2e", "\u0000"])
def test_an_id_that_no_address_can_carry(service: FlaskClient, ehr: AwkwardEhr, id: str) -> None:
    context = order_sign(draftOrders=bundle(ORAL_BACLOFEN), patientId=id)["context"]
    body = json.dumps(call(ehr, context=context | {"userId": f"Practitioner/{id}"}))
    response = service.post(ORDER_SIGN, data=body, content_type="application/json")
    assert response.status_code in {400, 412}
    assert all(path.startswith("/fhir/") and "/.." not in path for path in ehr.asked())
