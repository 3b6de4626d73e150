"""The form of the changes a service offers: what an update may touch, what may be removed."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from tests.vignettes.fhir_json import Json
from tests.vignettes.offers import MEDICATION_ORDERS, Offer, dose_quantity, offers_of
from tests.vignettes.response_checks import drafts_of

MAY_REMOVE_A_REPLACEMENT = {"intrathecal-unit-error"}
"""Rules whose answer to a replacing draft is to enter it again."""

_SUPPLY = ("quantity", "expectedSupplyDuration", "validityPeriod")
_REPLACED = ("dosageInstruction", "dispenseRequest", "status", "statusReason")
_PERIOD_UNITS = ("periodUnit", "periodUnits")


def problems_of_offers(answer: Json, request: Json, chart: set[str]) -> list[str]:
    """What is wrong with the offered changes; ``chart`` holds ``Type/id`` of the record."""
    drafts = drafts_of(request) or {}
    return [
        f"{offer}: {problem}"
        for offer in offers_of(answer)
        for problem in _problems(offer, drafts, chart)
    ]


def _problems(offer: Offer, drafts: dict[str, Json], chart: set[str]) -> Iterator[str]:
    draft = drafts.get(offer.target or "")
    if offer.type == "delete":
        if offer.target in chart:
            yield "removes a resource of the chart"
        replaces = draft is not None and "priorPrescription" in draft
        if replaces and not offer.rules & MAY_REMOVE_A_REPLACEMENT:
            yield "removes a draft that replaces a prescription"
    if offer.type != "update" or offer.resource.get("resourceType") not in MEDICATION_ORDERS:
        return
    if draft is None:
        yield "updates what is no draft"
    elif exact(draft.get("dosageInstruction")) != exact(offer.resource.get("dosageInstruction")):
        yield from _dose_change(offer.resource, draft)


def _dose_change(changed: Json, draft: Json) -> Iterator[str]:
    if changed.get("status") != "draft":
        yield f"status {changed.get('status')!r} instead of draft"
    for instruction in changed.get("dosageInstruction") or [{}]:
        yield from _instruction(instruction)
    dispense = changed.get("dispenseRequest", {})
    for element in _SUPPLY:
        if element in dispense:
            yield f"dispenseRequest.{element} was kept"
    before, after = _untouched(draft), _untouched(changed)
    for element in sorted(before.keys() | after.keys()):
        if exact(before.get(element)) != exact(after.get(element)):
            yield f"{element} changed from {before.get(element)!r} to {after.get(element)!r}"


def _instruction(instruction: Json) -> Iterator[str]:
    if not str(instruction.get("text", "")).strip():
        yield "dosage without text"
    dose = dose_quantity(instruction) or {}
    if "value" not in dose or "mg" not in (dose.get("code"), dose.get("unit")):
        yield f"dose not in mg: {dose}"
    timing = instruction.get("timing", {})
    repeat = timing.get("repeat", {})
    for element in ("frequency", "period"):
        if element not in repeat:
            yield f"timing without {element}"
    if not any(element in repeat for element in _PERIOD_UNITS):
        yield "timing without periodUnit"
    if "code" in timing:
        yield "timing code was kept"
    for element in instruction:
        if element.startswith("asNeeded"):
            yield f"{element} was kept"
    if "maxDosePerPeriod" in instruction:
        yield "maxDosePerPeriod was kept"


def _untouched(resource: Json) -> Json:
    """All that an update has to leave as it was."""
    kept = {key: value for key, value in resource.items() if key not in _REPLACED}
    dispense = {
        key: value
        for key, value in resource.get("dispenseRequest", {}).items()
        if key not in _SUPPLY
    }
    if dispense:
        kept["dispenseRequest"] = dispense
    return kept


def exact(value: Any) -> Any:
    """The value with its numbers as written, so that 0.10 differs from 0.1."""
    if isinstance(value, dict):
        return {key: exact(below) for key, below in value.items()}
    if isinstance(value, list):
        return [exact(below) for below in value]
    if isinstance(value, float):
        return f"number {Decimal(repr(value))}"
    if isinstance(value, (int, Decimal)) and not isinstance(value, bool):
        return f"number {value}"
    return value
