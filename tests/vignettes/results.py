"""Laboratory results and vital signs of a case as FHIR R4 Observations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tests.vignettes.concepts import Concepts
from tests.vignettes.fhir_json import (
    SYSTEMS,
    Json,
    coded,
    coding,
    hl7_code,
    quantity,
)
from tests.vignettes.moment import Moment

_BLOOD_PRESSURE = (("8480-6", "Systolic blood pressure"), ("8462-4", "Diastolic blood pressure"))

BASELINE: tuple[Json, ...] = (
    {"test": "creatinine", "value": 0.8, "day": -14},
    {"test": "weight", "value": 70, "day": -30},
    {"test": "height", "value": 170, "day": -30},
    {"test": "alt", "value": 22, "uln": 40, "day": -30},
    {"test": "blood-pressure", "value": [128, 78], "day": -14},
    {"test": "pulse", "value": 72, "day": -14},
    {"test": "inr", "value": 1.0, "day": -3},
    {"test": "platelets", "value": 220, "day": -3},
    {"test": "temperature", "value": 36.8, "day": -1},
)
"""The results every patient has, in the order of their ids."""

_PRECISION = {"year": 4, "month": 7, "day": 10}
_DAY_OF = {result["test"]: result["day"] for result in BASELINE}


def results_of(case_results: list[Json], patient: Json, omitted: set[str]) -> list[Json]:
    """The baseline, with the patient's own size, without what the case replaces or omits."""
    size = _size_of(patient)
    replaced = {result["test"] for result in case_results}
    kept = [
        {**result, **size.get(result["test"], {})}
        for result in BASELINE
        if result["test"] not in replaced | omitted
    ]
    return kept + case_results


def _size_of(patient: Json) -> dict[str, Json]:
    size: dict[str, Json] = {}
    if "weight_kg" in patient:
        size["weight"] = {"value": patient["weight_kg"]}
    if "weight_lb" in patient:
        size["weight"] = {"value": patient["weight_lb"], "unit": "lb"}
    if "height_cm" in patient:
        size["height"] = {"value": patient["height_cm"]}
    return size


@dataclass(frozen=True, slots=True)
class Laboratory:
    """Renders the results of one patient."""

    concepts: Concepts
    moment: Moment
    subject: Json

    def observation(self, facts: Json, resource_id: str) -> Json:
        """One Observation."""
        test = facts["test"]
        entry = self.concepts.entry("tests", test)
        made: Json = {
            "resourceType": "Observation",
            "id": resource_id,
            "status": facts.get("status", "final"),
            "category": [hl7_code("observation-category", entry.get("category", "laboratory"))],
            "code": _test_code(entry, facts.get("as")),
            "subject": self.subject,
        }
        self._dates(made, facts, facts.get("day", _DAY_OF.get(test, -1)))
        unit = facts.get("unit", entry.get("unit"))
        if facts.get("absent"):
            made["dataAbsentReason"] = hl7_code("data-absent-reason", _absent(facts["absent"]))
        elif "value_concept" in facts:
            made["valueCodeableConcept"] = coded([], str(facts["value_concept"]))
        elif isinstance(facts.get("value"), list):
            made["component"] = [
                _component(code, display, value)
                for (code, display), value in zip(_BLOOD_PRESSURE, facts["value"], strict=True)
            ]
        elif "value" in facts:
            made["valueQuantity"] = _value(facts, unit)
        if "uln" in facts:
            made["referenceRange"] = [{"high": quantity(facts["uln"], unit)}]
        return made

    def _dates(self, made: Json, facts: Json, day: float | None) -> None:
        """``effective``: none (or missing), period, instant, or a precision (day, month, year)."""
        if day is not None:
            taken = self.moment.instant(day, facts.get("hours_ago"))
            effective = facts.get("effective", "dateTime")
            if effective == "period":
                made["effectivePeriod"] = {"start": taken, "end": taken}
            elif effective == "instant":
                made["effectiveInstant"] = taken
            elif effective not in (None, "none", "missing"):
                made["effectiveDateTime"] = taken[: _PRECISION.get(effective, len(taken))]
            made["issued"] = taken
        if facts.get("issued_day") is not None:
            made["issued"] = self.moment.instant(facts["issued_day"])


def _test_code(entry: Json, choice: str | None) -> Json:
    if choice == "text":
        return coded([], entry["text"])
    code = entry["loinc"]
    if choice is not None and choice != "loinc":
        code = entry["variants"][choice]
    return coded([coding(SYSTEMS["loinc"], code, entry["text"])], entry["text"])


def _absent(reason: Any) -> str:
    return reason if isinstance(reason, str) else "unknown"


def _value(facts: Json, unit: str | None) -> Json:
    made = quantity(facts["value"], unit, text_only=bool(facts.get("unit_text_only")))
    if "comparator" in facts:
        made["comparator"] = facts["comparator"]
    return made


def _component(code: str, display: str, value: Any) -> Json:
    return {
        "code": coded([coding(SYSTEMS["loinc"], code, display)]),
        "valueQuantity": quantity(value, "mm[Hg]"),
    }
