"""The small EHR answers reads and searches as a FHIR server would."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tests.vignettes.encodings import referenced
from tests.vignettes.fhir_json import Json
from tests.vignettes.moment import Moment
from tests.vignettes.prefetch import answer_templates
from tests.vignettes.search import IGNORED, Ehr

MOMENT = Moment(datetime(2026, 11, 22, 13, 0, tzinfo=UTC))
LOINC = "http://loinc.org"
SUBJECT = {"reference": "Patient/p1"}


def _observation(number: int, code: str, day: str | None, system: str | None = LOINC) -> Json:
    coding = {"code": code} if system is None else {"system": system, "code": code}
    made: Json = {
        "resourceType": "Observation",
        "id": f"o{number}",
        "status": "final",
        "code": {"coding": [coding]},
        "subject": SUBJECT,
    }
    if day is not None:
        made["effectiveDateTime"] = day
    return made


RECORD: list[Json] = [
    {"resourceType": "Patient", "id": "p1"},
    _observation(1, "2160-0", "2026-11-01T10:00:00Z"),
    _observation(2, "2160-0", "2025-11-01T10:00:00Z"),
    _observation(3, "1742-6", "2026-11-10"),
    _observation(4, "1742-6", None, system=None),
    {"resourceType": "Observation", "id": "o5", "status": "final", "subject": SUBJECT},
    {
        "resourceType": "MedicationRequest",
        "id": "m1",
        "status": "active",
        "intent": "order",
        "medicationReference": {"reference": "Medication/med1"},
        "subject": SUBJECT,
        "authoredOn": "2026-10-01T10:00:00Z",
    },
    {
        "resourceType": "MedicationRequest",
        "id": "m2",
        "status": "stopped",
        "intent": "order",
        "contained": [
            {"resourceType": "Medication", "id": "med", "code": {"coding": [{"code": "a"}]}}
        ],
        "medicationReference": {"reference": "#med"},
        "subject": SUBJECT,
    },
    {"resourceType": "Medication", "id": "med1", "code": {"coding": [{"code": "b"}]}},
    {
        "resourceType": "MedicationStatement",
        "id": "s1",
        "status": "active",
        "subject": SUBJECT,
        "effectivePeriod": {"start": "2026-05-01"},
    },
    {"resourceType": "Device", "id": "d1", "status": "active", "patient": SUBJECT},
]


def _found(url: str, record: list[Json] | None = None) -> list[str]:
    answer = Ehr(RECORD if record is None else record).get(url)
    assert answer is not None
    entries = answer.get("entry", [])
    return [one["resource"]["id"] for one in entries if one["search"]["mode"] == "match"]


@pytest.mark.parametrize(
    ("url", "ids"),
    [
        ("Observation?patient=p1", ["o1", "o2", "o3", "o4", "o5"]),
        ("Observation?subject=Patient/p1", ["o1", "o2", "o3", "o4", "o5"]),
        ("Observation?patient=other", []),
        ("Observation?code=2160-0", ["o1", "o2"]),
        (f"Observation?code={LOINC}|2160-0,{LOINC}|1742-6", ["o1", "o2", "o3", "o4"]),
        ("Observation?code=http%3A%2F%2Floinc.org%7C1742-6", ["o3", "o4"]),
        ("Observation?code=http://snomed.info/sct|2160-0", []),
        ("Observation?code:not=2160-0", ["o3", "o4", "o5"]),
        ("Observation?date=ge2026-11-01", ["o1", "o3"]),
        ("Observation?date=ge2025-01-01&date=lt2026-11-01", ["o2"]),
        ("Observation?date=2026-11", ["o1", "o3"]),
        ("Observation?date=ne2026-11", ["o2"]),
        ("Observation?date=gt2026-11-10", []),
        ("Observation?date=sa2026-11-09", ["o3"]),
        ("Observation?date=eb2026-01-01", ["o2"]),
        ("Observation?_sort=-date", ["o3", "o1", "o2", "o4", "o5"]),
        ("Observation?_sort=date&_count=2", ["o2", "o1"]),
        ("Observation?_id=o1,o3", ["o1", "o3"]),
        ("Observation?code:in=http://example.org/set&_count=1", ["o1"]),
        ("MedicationRequest?code=a", ["m2"]),
        ("MedicationRequest?code=b", ["m1"]),
        ("MedicationRequest?status=active,on-hold", ["m1"]),
        ("MedicationRequest?authoredon=ge2026-01-01", ["m1"]),
        ("MedicationStatement?effective=ge2026-11-01", ["s1"]),
        ("MedicationStatement?effective=lt2026-01-01", []),
        ("Device?patient=p1&status=active", ["d1"]),
        ("MedicationRequest?patient=p1&_include=MedicationRequest:medication", ["m1", "m2"]),
    ],
)
def test_search(url: str, ids: list[str]) -> None:
    assert _found(url) == ids


def test_what_is_cut_off_shows_in_the_total_alone() -> None:
    answer = Ehr(RECORD).search("Observation", "_count=2")
    assert answer["total"] == 5
    assert len(answer["entry"]) == 2
    assert "link" not in answer


def test_empty_searchset_has_no_entry() -> None:
    assert Ehr(RECORD).search("Procedure", "patient=p1") == {
        "resourceType": "Bundle",
        "type": "searchset",
        "total": 0,
    }


def test_parameters_without_effect_are_named() -> None:
    answer = Ehr(RECORD).search("Observation", "value-quantity=gt5&code:in=x&_count=1")
    assert [tag["code"] for tag in answer["meta"]["tag"]] == ["value-quantity", "code:in"]
    assert {tag["system"] for tag in answer["meta"]["tag"]} == {IGNORED}
    assert answer["total"] == 5


def test_referenced_medication_is_included() -> None:
    answer = Ehr(RECORD).search("MedicationRequest", "patient=p1")
    included = [
        one["resource"]["id"] for one in answer["entry"] if one["search"]["mode"] == "include"
    ]
    assert included == ["med1"]


@pytest.mark.parametrize("style", ["absolute", "versioned"])
def test_patient_is_found_whatever_the_style_of_the_reference(style: str) -> None:
    record = [referenced(resource, style) for resource in RECORD]
    assert _found("MedicationRequest?patient=p1&code=b", record) == ["m1"]


def test_reads() -> None:
    assert Ehr(RECORD).get("Patient/p1") == {"resourceType": "Patient", "id": "p1"}
    assert Ehr(RECORD).get("Patient/p2") is None


def _answers(templates: dict[str, str], wishes: Json | None = None) -> Json:
    context = {"patientId": "p1", "userId": "Practitioner/x", "draftOrders": {}}
    return answer_templates(templates, context, MOMENT, RECORD, wishes or {})


def test_template_with_a_token_without_value_is_left_out() -> None:
    templates = {
        "role": "PractitionerRole/{{userPractitionerRoleId}}",
        "stay": "Encounter/{{context.encounterId}}",
        "orders": "Task?focus={{context.draftOrders}}",
        "patient": "Patient/{{context.patientId}}",
    }
    assert list(_answers(templates)) == ["patient"]


def test_today_is_the_day_of_the_call() -> None:
    template = "Observation?patient={{context.patientId}}&date=ge{{today() - 21 days}}"
    assert _answers({"recent": template})["recent"]["total"] == 2


def test_keys_can_be_dropped_or_emptied_or_broken() -> None:
    templates = {
        "conditions": "Condition?patient={{context.patientId}}",
        "observations": "Observation?patient={{context.patientId}}",
    }
    assert list(_answers(templates, {"drop": "^Condition"})) == ["observations"]
    emptied = _answers(templates, {"empty_as_null": True})
    assert emptied["conditions"] is None
    assert emptied["observations"]["total"] == 5
    broken = _answers(templates, {"outcome": "Observation"})
    assert broken["observations"]["resourceType"] == "OperationOutcome"
    assert broken["conditions"]["total"] == 0
