"""Shared stories of a patient's past, by name."""

from __future__ import annotations

from dataclasses import dataclass, field

from tests.vignettes.fhir_json import Json

_EXPLANTED = -100


@dataclass(frozen=True, slots=True)
class Past:
    """Facts in the words of a case."""

    conditions: list[Json] = field(default_factory=list)
    medications: list[Json] = field(default_factory=list)
    procedures: list[Json] = field(default_factory=list)
    devices: list[Json] = field(default_factory=list)


_ORAL_TRIAL: Json = {
    "drug": "baclofen",
    "status": "completed",
    "since": -1600,
    "until": -1100,
    "dose": {"amount": 20, "unit": "mg", "frequency": 3},
}
_DIALYSIS: Json = {
    "text": "Dependence on renal dialysis",
    "sct": "105502003",
    "icd10cm": "Z99.2",
    "icd10": "Z99.2",
}
_HAEMODIALYSIS: Json = {"text": "Hemodialysis", "sct": "302497006"}


def _screening(day: int) -> tuple[Json, Json]:
    bolus = {
        "resource": "MedicationAdministration",
        "drug": "baclofen",
        "as": "itb50",
        "route": "intrathecal",
        "since": day,
        "dose": {"amount": 50, "unit": "ug", "text": "screening bolus, positive response"},
    }
    trial = {"is": "itb-screening-trial", "day": day, "outcome": "successful"}
    return bolus, trial


def past_of(stories: list[str]) -> Past:
    """All that the named stories put into the record."""
    past = Past()
    has_pump = "pump" in stories or "pump-explanted" in stories
    for story in stories:
        if story == "oral-baclofen-trial":
            past.medications.append(_ORAL_TRIAL)
        elif story.startswith("screening-positive"):
            bolus, trial = _screening(-950 if story.endswith("-old") else -60)
            past.medications.append(bolus)
            past.procedures.append(trial)
        elif story == "dialysis":
            past.conditions.append({"is": "dialysis", "concept": _DIALYSIS})
            past.procedures.append({"concept": _HAEMODIALYSIS, "day": -2})
    if has_pump:
        explanted = "pump-explanted" in stories
        past.procedures.append({"is": "pump-implant", "day": -900})
        if explanted:
            past.procedures.append({"is": "pump-explant", "day": _EXPLANTED})
        status = "inactive" if explanted else "active"
        past.devices.append({"is": "intrathecal-pump", "status": status})
    return past
