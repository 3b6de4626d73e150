"""The fields a case may have: a misspelt field would otherwise test nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.vignettes.fhir_json import Json

_DRUG = {
    *("id", "drug", "as", "resource", "status", "intent", "route", "form", "via", "dose"),
    *("since", "until", "hours_ago", "strength", "supply", "do_not_perform", "text"),
    *("days_supply", "reason_code"),
}
_DRAFT = {"replaces", "same_id", "reason"}
_SERVICE = {
    *("id", "service", "device", "status", "intent", "as", "text", "occurs", "since"),
    *("hours_ago", "reason", "reason_code", "body_site", "do_not_perform"),
}
_FIELDS = {
    "patient": {
        *("age", "sex", "weight_kg", "weight_lb", "height_cm", "birth_date_precision"),
        *("birthday_in_days", "birth_sex"),
    },
    "baseline": {"omit"},
    "conditions": {
        *("is", "id", "as", "status", "verification", "onset", "abated", "category"),
        *("body_site", "text", "text_only"),
    },
    "medications": _DRUG,
    "results": {
        *("test", "value", "unit", "day", "hours_ago", "status", "comparator", "uln", "as"),
        *("absent", "effective", "issued_day", "value_concept", "unit_text_only"),
    },
    "allergies": {
        *("drug", "as", "type", "status", "verification", "criticality", "reaction"),
        "severity",
    },
    "procedures": {"is", "as", "text", "status", "day", "hours_ago", "outcome"},
    "devices": {"is", "as", "text", "status"},
    "services": _SERVICE,
    "family_history": {"is", "as"},
    "encounters": {"class", "status", "since", "until"},
    "prefetch": {"drop", "empty_as_null", "outcome"},
    "encoding": {"medication", "references", "shuffle", "noise", "duplicate_results"},
}
_FIELDS["ms"] = _FIELDS["conditions"]
_CASE = {
    *("id", "title", "section", "pair", "hook", "fhir", "history", "orders", "expect"),
    *("steps", *_FIELDS),
}
_DOSE = {
    *("amount", "low", "high", "unit", "frequency", "period", "period_max", "period_unit"),
    *("frequency_max", "code", "when", "time_of_day", "days_of_week", "count", "prn", "max"),
    *("rate", "rate_unit", "rate_ratio", "sequence", "for_days", "bounds_days", "text"),
}
_EXPECT = {
    *("findings", "optional", "absent", "merged", "separate", "count", "order", "checks"),
}
_CHECKS = {
    *("first_suggestion", "offers_only", "has_delete", "no_delete", "no_update"),
    *("no_action_on", "has_update", "creates", "taper", "no_drug_offered", "text"),
    *("text_absent", "first_card"),
}
_STEP = {"call", "feedback", "accept", "expect"}
_CALL = {"with", "hook", "same_keys"}
HISTORY = {
    *("oral-baclofen-trial", "screening-positive", "screening-positive-old", "pump"),
    *("pump-explanted", "dialysis"),
}


def problems_of(case: Json) -> list[str]:
    """What is wrong with the fields of one case."""
    name = case.get("id", "a case without id")
    return [f"{name}: {problem}" for problem in _problems(case)]


def _problems(case: Json) -> Iterator[str]:
    yield from _unknown("case", case, _CASE)
    for required in ("id", "title"):
        if required not in case:
            yield f"has no {required}"
    yield from _body(case)
    if "expect" not in case and "steps" not in case:
        yield "has neither expect nor steps"
    yield from _expectations(case.get("expect") or {})
    for step in case.get("steps") or []:
        yield from _unknown("step", step, _STEP)
        yield from _expectations(step.get("expect") or {})
        call = step.get("call") or {}
        yield from _unknown("call", call, _CALL)
        yield from _body(call.get("with") or {})


def _body(case: Json) -> Iterator[str]:
    for section, fields in _FIELDS.items():
        for part in _parts(case.get(section)):
            yield from _unknown(section, part, fields)
            yield from _doses(section, part)
    for order in case.get("orders") or []:
        if "stop" in order:
            allowed = {"stop", "stop_reason", "status"}
        elif "drug" in order:
            allowed = _DRUG | _DRAFT
        else:
            allowed = _SERVICE
        yield from _unknown("orders", order, allowed)
        yield from _doses("orders", order)
    for item in case.get("history") or []:
        if item not in HISTORY:
            yield f"history: unknown {item!r}"


def _expectations(expect: Json) -> Iterator[str]:
    yield from _unknown("expect", expect, _EXPECT)
    for check in expect.get("checks") or []:
        yield from _unknown("checks", check, _CHECKS)


def _doses(section: str, part: Json) -> Iterator[str]:
    for phase in _parts(part.get("dose")):
        yield from _unknown(f"{section}.dose", phase, _DOSE)


def _parts(value: Any) -> list[Json]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def _unknown(where: str, part: Any, allowed: set[str]) -> Iterator[str]:
    if not isinstance(part, dict):
        yield f"{where}: expected a map, got {part!r}"
        return
    for key in part:
        if key not in allowed:
            yield f"{where}: unknown field {key!r}"
