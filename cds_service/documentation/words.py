"""The words of the pages for what files and code write short."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal

from cds_service.cds import Indicator
from cds_service.chart.intrathecal import FIRST_MAINTENANCE, PUNCTURE
from cds_service.chart.orders import Change
from cds_service.chart.results import plain_number
from cds_service.fhir.terminology import (
    ATC,
    ICD10,
    ICD10_CM,
    ICD10_PCS,
    LOINC,
    NDC,
    RXNORM,
    SNOMED_CT,
)
from cds_service.rules.schema import Origin, Parameter, Rulebook

CHANGES: Mapping[Change, str] = {
    Change.NEW: "new: not taken in the last 90 days",
    Change.RESTART: "restart: ended within 90 days and ordered again",
    Change.ADDITION: "addition: beside what is taken, so that doses add up",
    Change.INCREASE: "increase",
    Change.RECENT_RENEWAL: "renewal after 90 days or less, or after an unknown time",
    Change.STABLE_RENEWAL: "renewal after more than 90 days",
    Change.DECREASE: "decrease",
    Change.STOP: "stop",
    Change.REVIEW: "no order: the chart is opened",
}

MODES: Mapping[str | None, str] = {
    "full": "in full",
    "new-facts": "only what is new: the other drug or the diagnosis began within 90 days, or "
    "after the prescription that is renewed",
    None: "silent",
}

ORIGINS: Mapping[Origin, str] = {
    "label": "label",
    "literature": "literature",
    "guideline": "guideline",
    "proposed": "proposed, to be confirmed by a pharmacist",
}

STRENGTHS: Mapping[str, str] = {
    "label": "label: approved by a drug authority",
    "literature": "literature",
    "consensus": "consensus of experts",
    "opinion": "opinion: a clinical decision of this service",
}

SELECTIONS: Mapping[str, str] = {
    "at-most-one": "At most one of them can be taken.",
    "any": "Any of them can be taken.",
}

OFFERS: Mapping[str, str] = {
    "dose": "change the draft to {amount_mg}, {times_a_day}",
    "label-start": "change the draft to the start of the label: {amount_mg}, {times_a_day}; "
    "{older_times_a_day} from {older_from_years}, {reduced_egfr_times_a_day} at an eGFR below "
    "{reduced_egfr_below}",
    "previous-dose": "change the draft back to the dose of the order that it replaces",
    "remove": "remove the draft; never a drug that is taken already",
    "reenter": "remove the draft, so that its dose is entered again",
    "order": "draft beside it: “{text}”",
    "remove-and-order": "remove the draft and draft in its place: “{text}”",
    "taper": "keep the order and lower it step by step: {step_mg} a step down to 20 mg/day, "
    "{step_below_20_mg} a step below, {interval_days} between steps, in tablets of {lowest_mg}",
    "note": "add to the referral: “{text}”",
}
"""Kind of suggestion -> what it does, with its arguments."""

SYSTEMS: Mapping[str, str] = {
    RXNORM: "RxNorm",
    NDC: "NDC",
    ATC: "ATC",
    ICD10_CM: "ICD-10-CM",
    ICD10: "ICD-10",
    SNOMED_CT: "SNOMED CT",
    LOINC: "LOINC",
    ICD10_PCS: "ICD-10-PCS",
}
"""Code system -> its name, in the order of the pages."""

_ORDER_KINDS: Mapping[str, str] = {
    PUNCTURE: "intrathecal bolus without a pump in place",
    FIRST_MAINTENANCE: "first intrathecal maintenance infusion",
}
_UNITS: Mapping[str, tuple[str, str]] = {
    "1/d": ("time a day", "times a day"),
    "d": ("day", "days"),
    "h": ("hour", "hours"),
    "y": ("year", "years"),
    "a": ("year", "years"),
    "mg/d": ("mg/day", "mg/day"),
    "ug": ("µg", "µg"),
    "ug/d": ("µg/day", "µg/day"),
    "mL/min/{1.73_m2}": ("mL/min/1.73 m²", "mL/min/1.73 m²"),
    "10*9/L": ("10⁹/L", "10⁹/L"),
    "mm[Hg]": ("mmHg", "mmHg"),
}
_UNITS_OF_NAMES: Mapping[str, str] = {
    "day": "1/d",
    "days": "d",
    "hours": "h",
    "years": "y",
    "kilograms": "kg",
    "mg": "mg",
    "percent": "%",
    "units": "units",
}


def number(value: object, unit: str) -> str:
    """A number with its unit spelt out; a word as it is."""
    if not isinstance(value, int | Decimal):
        return str(value)
    text = plain_number(Decimal(value))
    one, many = _UNITS.get(unit, (unit, unit))
    return f"{text} {one if value == 1 else many}".strip()


def unit_of(argument: str) -> str:
    """The unit that the name of an argument states; empty where it states none."""
    return _UNITS_OF_NAMES.get(argument.rpartition("_")[2], "")


def quantity(parameter: Parameter) -> str:
    """The value of a parameter with its unit."""
    return number(parameter.value, parameter.unit)


def mark(parameter: Parameter) -> str:
    """The origin in one word; what awaits a pharmacist stands out."""
    return "[proposed]" if parameter.origin == "proposed" else parameter.origin


def system_name(system: str) -> str:
    """A code system as people call it."""
    return SYSTEMS.get(system, system)


def service_kind(rulebook: Rulebook, name: str) -> str:
    """A kind of order that is not a drug, or what a drug order is to the pump rules."""
    kind = rulebook.vocabulary.service_kinds.get(name)
    return kind.title if kind is not None else _ORDER_KINDS.get(name, name)


def indicators(found: Iterable[Indicator]) -> str:
    """Indicators, the most severe first, each once."""
    ordered = sorted(set(found), key=lambda each: each.rank, reverse=True)
    return ", ".join(each.value for each in ordered)


def change_names(changes: Iterable[Change]) -> str:
    """Changes of therapy in the order of the table, by their names in rule files."""
    wanted = set(changes)
    return ", ".join(change.value for change in Change if change in wanted)
