"""Editing copies of orders as JSON: what a client sent stays as it was but for what changes.

Numbers keep their digits (``0.10`` stays ``0.10``), and the FHIR version of the order is kept.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import msgspec

from cds_service.fhir.elements import as_list
from cds_service.fhir.records import Record
from cds_service.fhir.units import UCUM

Json = dict[str, Any]

_ENCODER = msgspec.json.Encoder(decimal_format="number")

_MOST_DIGITS = 400
"""Python reads integers of up to 4300 digits, and sites may lower that to 640."""

_SUPPLY = ("quantity", "expectedSupplyDuration", "validityPeriod")


@dataclass(frozen=True, slots=True)
class PlannedDose:
    """One instruction of a new dosage: an amount, so many times a day, for so many days."""

    milligrams: Decimal
    times_a_day: int
    days: int | None = None
    sequence: int | None = None

    @property
    def text(self) -> str:
        """As a clinician writes it."""
        often = {1: "once", 2: "twice", 3: "three times", 4: "four times"}.get(
            self.times_a_day, f"{self.times_a_day} times"
        )
        days = "1 day" if self.days == 1 else f"{self.days} days"
        length = f" for {days}" if self.days is not None else ""
        return f"{number(self.milligrams)} mg {often} daily{length}"


def number(value: Decimal) -> str:
    """A decimal without exponent or trailing zeros."""
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def original(record: Record) -> Json:
    """A fresh copy of the JSON a record was read from, without its null, blank and empty members.

    Neither FHIR nor CDS Hooks allows them; clients send them in orders half filled in.
    """
    read: Json = json.loads(bytes(record.source), parse_float=Decimal, parse_int=_integer)
    copy: Json = _filled(read)
    return copy


def _filled(value: Any) -> Any:
    """Only null stays in arrays: there it keeps a place beside an array of extensions."""
    match value:
        case dict():
            members = ((name, _filled(member)) for name, member in value.items())
            return {name: member for name, member in members if not _is_empty(member)}
        case list():
            elements = (_filled(element) for element in value)
            return [each for each in elements if each is None or not _is_empty(each)]
        case _:
            return value


def _is_empty(value: Any) -> bool:
    return value is None or value in ([], {}) or (isinstance(value, str) and not value.strip())


def _integer(digits: str) -> int | Decimal:
    """A whole number; beyond what an ``int`` is read from, still with all its digits."""
    return int(digits) if len(digits) <= _MOST_DIGITS else Decimal(digits)


def fhir_version(order: Mapping[str, Any]) -> str:
    """The version an order is written in, by its shape: no field of the hook tells it."""
    if order.get("resourceType") == "MedicationOrder":
        return "DSTU2"
    if "medication" in order:
        return "R5"
    dosages = [each for each in as_list(order.get("dosageInstruction")) if isinstance(each, dict)]
    if any("doseQuantity" in each or "doseRange" in each for each in dosages):
        return "STU3"
    return "R4"


def with_dosage(order: Json, doses: Sequence[PlannedDose]) -> Json:
    """The order as a draft with a new dosage, and without supply that fitted the old one."""
    version = fhir_version(order)
    route = next(
        (
            each["route"]
            for each in as_list(order.get("dosageInstruction"))
            if isinstance(each, dict) and "route" in each
        ),
        None,
    )
    changed = dict(order)
    changed["status"] = "draft"
    changed["dosageInstruction"] = [_dosage(dose, version, route) for dose in doses]
    # What belongs to a stop must not travel with an order that continues.
    changed.pop("statusReason", None)
    supply = changed.get("dispenseRequest")
    if isinstance(supply, dict):
        kept = {name: value for name, value in supply.items() if name not in _SUPPLY}
        changed.pop("dispenseRequest")
        if kept:
            changed["dispenseRequest"] = kept
    return changed


def _dosage(dose: PlannedDose, version: str, route: object) -> Json:
    unit_name = "periodUnits" if version == "DSTU2" else "periodUnit"
    repeat: Json = {"frequency": dose.times_a_day, "period": 1, unit_name: "d"}
    if dose.days is not None:
        name = "boundsQuantity" if version == "DSTU2" else "boundsDuration"
        repeat = {name: {"value": dose.days, "unit": "d", "system": UCUM, "code": "d"}} | repeat
    quantity = {"value": dose.milligrams, "unit": "mg", "system": UCUM, "code": "mg"}
    dosage: Json = (
        {} if dose.sequence is None or version == "DSTU2" else {"sequence": dose.sequence}
    )
    dosage |= {"text": dose.text, "timing": {"repeat": repeat}}
    if route is not None:
        dosage["route"] = route
    if version in ("STU3", "DSTU2"):
        dosage["doseQuantity"] = quantity
    else:
        dosage["doseAndRate"] = [{"doseQuantity": quantity}]
    return dosage


def apply_actions(drafts: Sequence[Record], actions: Sequence[Json]) -> list[bytes]:
    """The drafts as JSON after a client applied the actions of a suggestion."""
    removed = {action["resourceId"] for action in actions if action["type"] == "delete"}
    updated = {
        f"{action['resource']['resourceType']}/{action['resource']['id']}": action["resource"]
        for action in actions
        if action["type"] == "update"
    }
    after = []
    for draft in drafts:
        if draft.ref in removed:
            continue
        changed = updated.get(draft.ref)
        after.append(encode(changed) if changed is not None else bytes(draft.source))
    after += [encode(action["resource"]) for action in actions if action["type"] == "create"]
    return after


def encode(resource: Json) -> bytes:
    """JSON with decimals as numbers, digits kept."""
    return _ENCODER.encode(resource)
