"""However the EHR behaves: in time, with what there is, and the rest named."""

from __future__ import annotations

import io
import time

import pytest
from flask.testing import FlaskClient

from tests.contract.reading_back.awkward_ehr import (
    PATIENT,
    AwkwardEhr,
    awkward_ehr,
    first_then,
    saying,
    searchset,
)
from tests.contract.reading_back.calls import (
    GENEROUS_S,
    HASTY_S,
    LISTS,
    MISBEHAVIOUR,
    NOT_OBTAINED,
    RXNORM,
    TOKEN,
    Open,
    asked,
    call,
    missing,
    notes,
    patience,
)
from tests.contract.support import (
    fields,
    issues,
)


@pytest.mark.parametrize("name", MISBEHAVIOUR)
def test_a_list_that_cannot_be_read_is_named(
    open_service: Open, ehr: AwkwardEhr, log: io.StringIO, name: str
) -> None:
    """CALL-03, CALL-22: 200, the finding that names it, and the next call is answered."""
    service = open_service(timeout_s=patience(name))
    behaviour, cause, attempts = MISBEHAVIOUR[name]
    ehr.on("Condition?", behaviour)
    assert missing(asked(service, call(ehr))) == {"conditions"}
    assert notes(log) == [f"conditions-{cause}"]
    assert len(ehr.asked("Condition?")) == attempts
    assert len(ehr.seen) == LISTS + attempts
    ehr.behaviours.clear()
    assert missing(asked(service, call(ehr))) == set()
    assert TOKEN not in log.getvalue()
    assert "p1" not in log.getvalue()


@pytest.mark.parametrize("name", ["silent", "dripping its head", "hanging up", "503", "404"])
def test_when_nothing_can_be_read_the_patient_is_missing(
    open_service: Open, ehr: AwkwardEhr, log: io.StringIO, name: str
) -> None:
    """CALL-03: 412 that says what was tried; the next call is answered."""
    service = open_service(timeout_s=patience(name))
    behaviour, cause, _ = MISBEHAVIOUR[name]
    ehr.on("", behaviour)
    response = asked(service, call(ehr))
    assert response.status_code == 412
    assert fields(response) == {"prefetch.patient"}
    (issue,) = issues(response)
    assert "was not sent, and could not be read" in issue["details"]["text"]
    assert f"patient-{cause}" in notes(log)
    ehr.behaviours.clear()
    assert missing(asked(service, call(ehr))) == set()


def test_a_server_that_is_not_there(open_service: Open, ehr: AwkwardEhr, log: io.StringIO) -> None:
    with awkward_ehr() as gone:
        base = gone.base
    content = call(ehr, {"patient": PATIENT}, fhirServer=base)
    assert missing(asked(open_service(base), content)) == NOT_OBTAINED
    assert "conditions-unreachable" in notes(log)


@pytest.mark.parametrize("name", ["503", "hanging up", "cut off", "broken gzip"])
def test_a_short_outage_is_not_noticed(service: FlaskClient, ehr: AwkwardEhr, name: str) -> None:
    """Tried again inside the deadline."""
    ehr.on("Condition?", first_then(MISBEHAVIOUR[name][0]))
    assert missing(asked(service, call(ehr))) == set()
    assert len(ehr.asked("Condition?")) == 2


def test_an_outcome_instead_of_a_list_is_an_answer(
    service: FlaskClient, ehr: AwkwardEhr, log: io.StringIO
) -> None:
    """CALL-07: passed on as it came; the finding names the list."""
    issue = {"severity": "error", "code": "security"}
    ehr.on("Condition?", saying({"resourceType": "OperationOutcome", "issue": [issue]}))
    assert missing(asked(service, call(ehr))) == {"conditions"}
    assert notes(log) == []


def test_an_outcome_instead_of_the_patient(service: FlaskClient, ehr: AwkwardEhr) -> None:
    ehr.on("Patient/", saying({"resourceType": "OperationOutcome", "issue": []}))
    assert asked(service, call(ehr)).status_code == 412


def test_a_list_instead_of_the_patient(
    service: FlaskClient, ehr: AwkwardEhr, log: io.StringIO
) -> None:
    ehr.on("Patient/", saying(searchset(PATIENT)))
    assert asked(service, call(ehr)).status_code == 412
    assert notes(log) == ["patient-wrong-type"]


def test_a_server_that_ignores_parameters(service: FlaskClient, ehr: AwkwardEhr) -> None:
    """Trap of real servers: what is about somebody else is no evidence."""
    strangers = {
        "resourceType": "AllergyIntolerance",
        "id": "a1",
        "patient": {"reference": "Patient/p2"},
        "code": {"coding": [{"system": RXNORM, "code": "1292"}]},
    }
    warning = {
        "resource": {
            "resourceType": "OperationOutcome",
            "issue": [{"severity": "warning", "code": "not-supported"}],
        },
        "search": {"mode": "outcome"},
    }
    found = searchset(strangers, total=1)
    found["entry"].append(warning)
    ehr.on("AllergyIntolerance?", saying(found))
    response = asked(service, call(ehr))
    assert missing(response) == set()
    assert "baclofen-allergy" not in response.text


@pytest.mark.parametrize("name", ["dripping its body", "dripping its head"])
def test_no_connection_is_held_beyond_the_deadline(
    open_service: Open, ehr: AwkwardEhr, name: str
) -> None:
    """Or a few calls would use up the threads, and later ones could read nothing."""
    ehr.on("Condition?", MISBEHAVIOUR[name][0])
    asked(open_service(timeout_s=HASTY_S), call(ehr))
    until = time.monotonic() + GENEROUS_S
    while not ehr.given_up and time.monotonic() < until:
        time.sleep(0.05)
    assert len(ehr.given_up) == 1
