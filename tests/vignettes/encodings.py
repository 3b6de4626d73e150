"""Other ways to send the same facts: references, order, noise, results twice."""

from __future__ import annotations

import random
from copy import deepcopy
from typing import TYPE_CHECKING, Any

from tests.vignettes.fhir_json import SERVER, Json, coded, coding, hl7_code, quantity, reference
from tests.vignettes.moment import Moment

if TYPE_CHECKING:
    from tests.vignettes.rendering import Rendered

_NOISE_TESTS = (
    ("2345-7", "Glucose [Mass/volume] in Serum or Plasma", 95, "mg/dL"),
    ("718-7", "Hemoglobin [Mass/volume] in Blood", 13.8, "g/dL"),
    ("2951-2", "Sodium [Moles/volume] in Serum or Plasma", 140, "mmol/L"),
    ("2093-3", "Cholesterol [Mass/volume] in Serum or Plasma", 180, "mg/dL"),
    ("9279-1", "Respiratory rate", 14, "/min"),
)
_NOISE_PROCEDURES = (
    ("430193006", "Medication reconciliation"),
    ("171207006", "Depression screening"),
)
_NOISE_CONDITIONS = (("57190000", "Myopia"), ("367498001", "Seasonal allergic rhinitis"))
_NOISE_DRUGS = (("10582", "levothyroxine"), ("161", "acetaminophen"), ("4511", "folic acid"))


def encoded(rendered: Rendered, encoding: Json) -> Rendered:
    """Apply the ``encoding`` of a case; ``medication`` was applied while rendering."""
    chart, drafts = rendered.chart, rendered.drafts
    medications = rendered.draft_medications
    if encoding.get("duplicate_results"):
        chart = with_duplicate_results(chart)
    if encoding.get("noise"):
        noise = unrelated(encoding["noise"], rendered.patient_id, rendered.moment)
        chart = [*chart, *noise]
    style = encoding.get("references", "relative")
    if style != "relative":
        chart, drafts, medications = (
            [referenced(resource, style) for resource in group]
            for group in (chart, drafts, medications)
        )
    if encoding.get("shuffle"):
        chart = shuffled(chart, rendered.case.id)
        drafts = shuffled(drafts, rendered.case.id)
    return rendered.with_changes(chart=chart, drafts=drafts, draft_medications=medications)


def shuffled(items: list[Any], seed: str) -> list[Any]:
    """A copy in another order, the same for the same seed; two items always swap."""
    made = list(items)
    if len(made) == 2:
        return made[::-1]
    random.Random(seed).shuffle(made)
    return made


def with_duplicate_results(chart: list[Json]) -> list[Json]:
    """Every Observation a second time, under another id."""
    again = [
        {**deepcopy(resource), "id": f"{resource['id']}-again"}
        for resource in chart
        if resource["resourceType"] == "Observation"
    ]
    return [*chart, *again]


def referenced(value: Any, style: str) -> Any:
    """The same JSON with absolute or versioned references; contained ones stay."""
    if isinstance(value, dict):
        return {
            key: _styled(below, style)
            if key == "reference" and isinstance(below, str)
            else referenced(below, style)
            for key, below in value.items()
        }
    if isinstance(value, list):
        return [referenced(below, style) for below in value]
    return value


def _styled(target: str, style: str) -> str:
    if target.startswith("#"):
        return target
    if style == "absolute":
        return f"{SERVER}/{target}"
    if style == "versioned":
        return f"{target}/_history/1"
    return target


def unrelated(count: int, patient_id: str, moment: Moment) -> list[Json]:
    """So many resources of the patient that no rule is about, spread over two years."""
    made: list[Json] = []
    for number in range(1, count + 1):
        at = moment.instant(-(number % 730) - 1)
        made.append(_noise(number, at, reference(f"Patient/{patient_id}"), f"{patient_id}-noise"))
    return made


def _noise(number: int, at: str, subject: Json, prefix: str) -> Json:
    """Half of it results, the rest conditions, prescriptions and procedures."""
    turn = number // 10
    common: Json = {"id": f"{prefix}{number}", "subject": subject}
    match number % 10:
        case 0:
            return {
                "resourceType": "Procedure",
                **common,
                "status": "completed",
                "code": _picked(_NOISE_PROCEDURES, turn, "sct"),
                "performedDateTime": at,
            }
        case 1 | 2:
            return {
                "resourceType": "Condition",
                **common,
                "clinicalStatus": hl7_code("condition-clinical", "active"),
                "verificationStatus": hl7_code("condition-ver-status", "confirmed"),
                "category": [hl7_code("condition-category", "problem-list-item")],
                "code": _picked(_NOISE_CONDITIONS, number, "sct"),
                "onsetDateTime": at[:10],
                "recordedDate": at[:10],
            }
        case 3 | 4:
            return {
                "resourceType": "MedicationRequest",
                **common,
                "status": "active" if turn % 2 else "completed",
                "intent": "order",
                "medicationCodeableConcept": _picked(_NOISE_DRUGS, turn, "rxn"),
                "authoredOn": at,
            }
        case _:
            return _noise_result(number, at, common)


def _noise_result(number: int, at: str, common: Json) -> Json:
    code, display, value, unit = _NOISE_TESTS[number % len(_NOISE_TESTS)]
    return {
        "resourceType": "Observation",
        **common,
        "status": "final",
        "category": [hl7_code("observation-category", "laboratory")],
        "code": coded([coding("loinc", code, display)], display),
        "effectiveDateTime": at,
        "valueQuantity": quantity(value, unit),
    }


def _picked(concepts: tuple[tuple[str, str], ...], number: int, system: str) -> Json:
    code, display = concepts[number % len(concepts)]
    return coded([coding(system, code, display)], display)
