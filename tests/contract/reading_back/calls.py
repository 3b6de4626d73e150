"""Calls without prefetch, what an EHR may answer them, and what the service says then."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Callable
from typing import Any

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from tests.contract.answers import FINDINGS, check_answer
from tests.contract.reading_back import awkward_ehr as ehr_that_is
from tests.contract.reading_back.awkward_ehr import (
    PATIENT,
    AwkwardEhr,
    Behaviour,
    body,
    saying,
)
from tests.contract.support import (
    ORDER_SIGN,
    baclofen,
    bundle,
    order_sign,
)

TOKEN = "xTOKENx.very-secret"
TIMEOUT_S = 10.0
"""Long enough for a busy machine to read everything."""

HASTY_S = 2.0
"""Where the test is about the deadline."""

GENEROUS_S = TIMEOUT_S + 10
LISTS = 13
"""Lists that order-sign asks for, beside the patient."""

RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
ORAL_BACLOFEN = baclofen(
    dosageInstruction=[
        {
            "route": {"coding": [{"system": "http://snomed.info/sct", "code": "26643006"}]},
            "timing": {"repeat": {"frequency": 3, "period": 1, "periodUnit": "d"}},
            "doseAndRate": [
                {
                    "doseQuantity": {
                        "value": 5,
                        "unit": "mg",
                        "system": "http://unitsofmeasure.org",
                        "code": "mg",
                    }
                }
            ],
        }
    ]
)
Open = Callable[..., FlaskClient]


def call(ehr: AwkwardEhr, prefetch: dict[str, Any] | None = None, **members: Any) -> dict[str, Any]:
    """A new order of baclofen, the EHR's address and token, and no prefetch."""
    return {
        **order_sign(draftOrders=bundle(ORAL_BACLOFEN)),
        "prefetch": prefetch or {},
        "fhirServer": ehr.base,
        "fhirAuthorization": {
            "access_token": TOKEN,
            "token_type": "Bearer",
            "expires_in": 300,
            "scope": "patient/*.rs",
            "subject": "cds-service",
        },
    } | members


def asked(service: FlaskClient, content: object, path: str = ORDER_SIGN) -> TestResponse:
    """The answer, which must not keep the prescriber waiting."""
    started = time.monotonic()
    response = service.post(path, json=content)
    assert time.monotonic() - started < GENEROUS_S
    assert TOKEN not in response.text
    return response


_DATUM = {
    "the medication list": "medications",
    "the problem list": "conditions",
    "the allergy list": "allergies",
}
"""The words of a card -> the datum."""


def missing(response: TestResponse) -> set[str]:
    """What the answer says could not be checked."""
    assert response.status_code == 200, response.text
    answer = response.get_json()
    check_answer(answer)
    return {
        _DATUM.get(name := finding["reason"].split(" could")[0], name)
        for card in answer["cards"]
        for finding in card["extension"][FINDINGS]
        if finding["rule"] == "missing-data" and "could" in finding["reason"]
    }


def notes(log: io.StringIO) -> list[str]:
    lines = [json.loads(line) for line in log.getvalue().splitlines() if line.startswith("{")]
    return [note for line in lines if line["event"] == "call" for note in line.get("notes", [])]


NOT_OBTAINED = {"medications", "conditions", "allergies", "creatinine"}
"""What the cards name when nothing but the patient was obtained."""


MISBEHAVIOUR: dict[str, tuple[Behaviour, str, int]] = {
    # name: behaviour of every search, cause in the log, requests it is worth for each list
    "silent": (ehr_that_is.silent, "timeout", 1),
    "dripping its body": (ehr_that_is.dripping_body, "timeout", 1),
    "dripping its head": (ehr_that_is.dripping_head, "timeout", 1),
    "hanging up": (ehr_that_is.hanging_up, "unreachable", 3),
    "cut off": (ehr_that_is.cut_off, "interrupted", 3),
    "HTML": (body(b"<html>Sign in</html>", "text/html; charset=utf-8"), "media-type", 1),
    "HTML called JSON": (body(b"<html>Sign in</html>"), "not-json", 1),
    "without media type": (body(b"{}", ""), "media-type", 1),
    "401": (saying({}, 401), "status-401", 1),
    "403": (saying({}, 403), "status-403", 1),
    "404": (saying({}, 404), "status-404", 1),
    "400": (saying({}, 400), "status-4xx", 1),
    "500": (saying({}, 500), "status-5xx", 1),
    "503": (saying({}, 503), "unavailable", 3),
    "no content": (saying({}, 202), "unexpected-status", 1),
    "unknown status": (saying({}, 799), "unexpected-status", 1),
    "50 MB": (body(b'{"resourceType":"Bundle"}' + b" " * 50_000_000), "too-large", 1),
    "gzip bomb": (ehr_that_is.gzip_bomb, "too-large", 1),
    "broken gzip": (body(b"{}", headers={"Content-Encoding": "gzip"}), "interrupted", 3),
    "wrong type": (saying(PATIENT), "wrong-type", 1),
    "list": (saying([]), "wrong-type", 1),
}


def condition(id: str, code: str) -> dict[str, Any]:
    return {
        "resourceType": "Condition",
        "id": id,
        "subject": {"reference": "Patient/p1"},
        "clinicalStatus": {"coding": [{"code": "active"}]},
        "code": {"coding": [{"system": "http://hl7.org/fhir/sid/icd-10-cm", "code": code}]},
    }


SCLEROSIS = condition("c1", "G35")
KIDNEYS = condition("c2", "N18.5")
KIDNEY_RULE = "baclofen-renal-impairment"


def product(id: str, code: str) -> dict[str, Any]:
    return {
        "resourceType": "Medication",
        "id": id,
        "code": {"coding": [{"system": RXNORM, "code": code}]},
    }


def active(id: str, medication: str) -> dict[str, Any]:
    return {
        "resourceType": "MedicationRequest",
        "id": id,
        "status": "active",
        "intent": "order",
        "authoredOn": "2026-05-30",
        "subject": {"reference": "Patient/p1"},
        "medicationReference": {"reference": medication},
    }


LEVODOPA = product("m1", "6375")
LEVODOPA_RULE = "baclofen-levodopa"


def patience(name: str) -> float:
    """The deadline to meet a misbehaviour with."""
    return HASTY_S if MISBEHAVIOUR[name][1] == "timeout" else TIMEOUT_S
