"""The dose of a case as FHIR dosage instructions (R4)."""

from __future__ import annotations

from typing import Any

from tests.vignettes.fhir_json import TERMINOLOGY, Json, coded, coding, quantity, ratio
from tests.vignettes.moment import Moment

_REPEAT_FIELDS = {
    "count": "count",
    "frequency": "frequency",
    "frequency_max": "frequencyMax",
    "period": "period",
    "period_max": "periodMax",
    "period_unit": "periodUnit",
    "days_of_week": "dayOfWeek",
    "time_of_day": "timeOfDay",
    "when": "when",
}
_LISTS = {"days_of_week", "time_of_day", "when"}


def phases_of(dose: Any) -> list[Json]:
    """A dose is one map, a list of maps, or absent."""
    if dose is None:
        return []
    return dose if isinstance(dose, list) else [dose]


def dosage_instructions(
    dose: Any, route: Json | None, moment: Moment, taken: dict[str, str]
) -> list[Json]:
    """One instruction per phase; a drug without a dose still states route and period.

    ``taken`` is the period of a drug whose end is known, empty for all others.
    """
    phases = phases_of(dose)
    if not phases and (route or taken):
        phases = [{}]
    return [_instruction(phase, route, moment, taken) for phase in phases]


def _instruction(phase: Json, route: Json | None, moment: Moment, taken: dict[str, str]) -> Json:
    made: Json = {}
    if "sequence" in phase:
        made["sequence"] = phase["sequence"]
    if "text" in phase:
        made["text"] = phase["text"]
    timing = _timing(phase, moment, taken)
    if timing:
        made["timing"] = timing
    as_needed = phase.get("prn")
    if isinstance(as_needed, str):
        made["asNeededCodeableConcept"] = {"text": as_needed}
    elif as_needed is not None:
        made["asNeededBoolean"] = as_needed
    if route is not None:
        made["route"] = route
    amounts = dose_and_rate(phase)
    if amounts:
        made["doseAndRate"] = [amounts]
    if "max" in phase:
        made["maxDosePerPeriod"] = ratio(phase["max"])
    return made


def dose_and_rate(phase: Json) -> Json:
    """The amount and the rate of one phase."""
    unit = phase.get("unit")
    made: Json = {}
    if "amount" in phase:
        made["doseQuantity"] = quantity(phase["amount"], unit)
    elif "low" in phase or "high" in phase:
        ends = {end: quantity(phase[end], unit) for end in ("low", "high") if end in phase}
        made["doseRange"] = ends
    if "rate" in phase:
        made["rateQuantity"] = quantity(phase["rate"], phase.get("rate_unit"))
    elif "rate_ratio" in phase:
        made["rateRatio"] = ratio(phase["rate_ratio"])
    return made


def _timing(phase: Json, moment: Moment, taken: dict[str, str]) -> Json:
    repeat = _bounds(phase, moment, taken)
    for field, element in _REPEAT_FIELDS.items():
        if field in phase:
            value = phase[field]
            many = field in _LISTS and not isinstance(value, list)
            repeat[element] = [value] if many else value
    if "frequency" in phase or "period" in phase:
        repeat.setdefault("period", 1)
        repeat.setdefault("periodUnit", "d")
    timing: Json = {}
    if repeat:
        timing["repeat"] = repeat
    if "code" in phase:
        code = phase["code"]
        timing["code"] = coded([coding(f"{TERMINOLOGY}/v3-GTSAbbreviation", code, code)], code)
    return timing


def _bounds(phase: Json, moment: Moment, taken: dict[str, str]) -> Json:
    if "for_days" in phase:
        return {"boundsDuration": quantity(phase["for_days"], "d")}
    if "bounds_days" in phase:
        bounds = phase["bounds_days"]
        start, end = bounds if isinstance(bounds, list) else (None, bounds)
        return {"boundsPeriod": moment.period(start, end)}
    return {"boundsPeriod": dict(taken)} if taken else {}
