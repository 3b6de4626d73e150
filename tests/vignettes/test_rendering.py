"""The renderer itself: five published requests, valid FHIR, no field without effect."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from tests.vignettes.cases import HERE, Case, load_cases
from tests.vignettes.fhir_json import Json, reference_to
from tests.vignettes.hook_request import hook_request
from tests.vignettes.moment import Moment
from tests.vignettes.prefetch import TYPICAL_TEMPLATES
from tests.vignettes.rendering import render
from tests.vignettes.resource_validity import problem_of_resource
from tests.vignettes.schema import problems_of

PUBLISHED_AT = Moment(datetime(2026, 11, 22, 13, 28, 45, tzinfo=UTC))
PUBLISHED: list[tuple[str, str, Json]] = [
    ("f02-stop-with-taper", "F02", {}),
    ("g22-rate-quantity", "G22", {}),
    ("b12-contained-product", "B12", {}),
    ("g27-patient-view", "G27", {}),
    ("d08-as-medication-prescribe-stu3", "D08", {"hook": "medication-prescribe", "fhir": "STU3"}),
]


@pytest.mark.parametrize(("file", "case_id", "changes"), PUBLISHED, ids=[p[0] for p in PUBLISHED])
def test_renders_the_published_request(file: str, case_id: str, changes: Json) -> None:
    published = json.loads((HERE / "public" / "rendered" / f"{file}.json").read_text("utf-8"))
    rendered = render(load_cases()[case_id].changed(changes), PUBLISHED_AT)
    request = hook_request(rendered, TYPICAL_TEMPLATES)
    for body in (published, request):
        del body["hookInstance"]
    assert request == published


@pytest.mark.parametrize("medication", ["inline", "contained", "reference"])
def test_every_resource_is_valid_r4(medication: str) -> None:
    problems = []
    for case in load_cases().values():
        rendered = render(
            case.changed({"encoding": {"medication": medication, "noise": 20}, "fhir": "R4"}),
            Moment.current(),
        )
        for resource in [*rendered.chart, *rendered.drafts, *rendered.draft_medications]:
            problem = problem_of_resource(resource)
            if problem is not None and not _is_the_fault_of(case, problem):
                problems.append(f"{case.id} {reference_to(resource)}: {problem}")
    assert problems == []


def _is_the_fault_of(case: Case, problem: str) -> bool:
    """Whether a case leaves out on purpose what the resource lacks: the intent of an order."""
    leaves_intent_out = any(order.get("intent") == "missing" for order in case.get("orders", []))
    return leaves_intent_out and "'intent' is required" in problem


def test_ids_are_unique_within_a_patient() -> None:
    for case in load_cases().values():
        rendered = render(case, Moment.current())
        ids = [reference_to(resource) for resource in rendered.chart]
        assert len(ids) == len(set(ids)), case.id


@pytest.mark.parametrize(
    ("facts", "born"),
    [
        ({"age": 45}, "1981-07-25"),
        ({"age": 65, "birthday_in_days": 3}, "1961-11-25"),
        ({"age": 65, "birthday_in_days": -330}, "1960-12-27"),
        ({"age": 45, "birth_date_precision": "month"}, "1981-07"),
        ({"age": 45, "birth_date_precision": "year"}, "1981"),
    ],
    ids=["usual", "birthday-to-come", "birthday-last-year", "month", "year"],
)
def test_birth_date(facts: Json, born: str) -> None:
    case = Case({"id": "X1", "title": "", "patient": {"sex": "male", **facts}}, "here")
    assert render(case, PUBLISHED_AT).chart[0]["birthDate"] == born


def _rendered_draft(order: Json, **fields: object) -> Json:
    case = Case({"id": "X1", "title": "", "orders": [order], **fields}, "here")
    return render(case, PUBLISHED_AT).drafts[0]


def _dosage(dose: Json) -> Json:
    draft = _rendered_draft({"drug": "baclofen", "dose": dose})
    dosage: Json = draft["dosageInstruction"][0]
    del dosage["route"]
    return dosage


@pytest.mark.parametrize(
    ("dose", "dosage"),
    [
        (
            {"amount": 50, "unit": "mcg", "count": 1},
            {
                "timing": {"repeat": {"count": 1}},
                "doseAndRate": [{"doseQuantity": {"value": 50, "unit": "mcg"}}],
            },
        ),
        (
            {"amount": 1, "unit": "none", "when": ["MORN"]},
            {
                "timing": {"repeat": {"when": ["MORN"]}},
                "doseAndRate": [{"doseQuantity": {"value": 1}}],
            },
        ),
        (
            {"rate": 8, "rate_unit": "µg/h"},
            {"doseAndRate": [{"rateQuantity": {"value": 8, "unit": "µg/h"}}]},
        ),
        (
            {"text": "as directed", "prn": True},
            {"text": "as directed", "asNeededBoolean": True},
        ),
    ],
    ids=["printed-unit", "no-unit", "rate", "text-only"],
)
def test_dosage(dose: Json, dosage: Json) -> None:
    assert _dosage(dose) == dosage


def test_maximum_counts_doses() -> None:
    dosage = _dosage({"amount": 8, "unit": "mg", "prn": True, "max": [3, "dose", 1, "d"]})
    assert dosage["maxDosePerPeriod"]["numerator"]["code"] == "{dose}"
    assert dosage["maxDosePerPeriod"]["denominator"]["code"] == "d"


def test_draft_with_the_id_of_a_prescription() -> None:
    draft = _rendered_draft(
        {"drug": "baclofen", "same_id": "home", "dose": {"amount": 5, "unit": "mg"}},
        medications=[{"id": "home", "drug": "baclofen"}],
    )
    assert draft["id"] == "x1-rx1"
    assert "priorPrescription" not in draft


def test_unknown_code_keeps_the_true_display() -> None:
    draft = _rendered_draft({"drug": "baclofen", "as": "unknown-code"})
    (coding,) = draft["medicationCodeableConcept"]["coding"]
    assert coding["display"] == "baclofen"
    assert coding["code"] != "1292"


def test_dstu2_orders_are_medication_orders() -> None:
    case = load_cases()["B03"].changed({"hook": "medication-prescribe", "fhir": "DSTU2"})
    rendered = render(case, PUBLISHED_AT)
    request = hook_request(rendered, TYPICAL_TEMPLATES)
    (entry,) = request["context"]["medications"]["entry"]
    order = entry["resource"]
    assert order["resourceType"] == "MedicationOrder"
    assert order["patient"] == {"reference": "Patient/b03-pat"}
    assert order["priorPrescription"] == {"reference": "MedicationOrder/b03-rx1"}
    assert request["prefetch"]["medicationRequests"]["total"] == 0
    assert rendered.names["order1"] == "MedicationOrder/b03-ord1"


def test_inpatient_stay_is_in_chart_and_context() -> None:
    case = Case({"id": "X1", "title": "", "encounters": [{"class": "IMP"}]}, "here")
    request = hook_request(
        render(case, PUBLISHED_AT), {"stay": "Encounter/{{context.encounterId}}"}
    )
    assert request["prefetch"]["stay"]["class"]["code"] == "IMP"
    assert request["prefetch"]["stay"]["status"] == "in-progress"


def test_misspelt_field_is_named() -> None:
    case = {"id": "X1", "title": "", "orders": [{"drug": "baclofen", "dosage": 1}], "expect": {}}
    assert problems_of(case) == ["X1: orders: unknown field 'dosage'"]
