"""From the fields of a row to the FHIR of an order, as an EHR writes it (R4)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from cds_service.cards.editing import encode
from cds_service.fhir.elements import as_list
from cds_service.fhir.units import UCUM
from cds_service.web.pages.try_it.menu import Item, Menu
from cds_service.web.pages.try_it.patient_bundle import (
    PatientBundle,
    Resource,
    Unusable,
    resources_in,
)
from cds_service.web.pages.try_it.rows import Phase, Row

Json = dict[str, Any]

UNITS = {
    "mg": "mg",
    "ug": "µg",
    "tablet": "tablets",
    "mL": "mL",
    "ug/d": "µg a day, continuously",
    "mg/d": "mg a day, continuously",
}
"""Unit of a dose -> how the form calls it."""
TIMES = {"once": "once only", "1": "once a day", "2": "twice a day"} | {
    str(often): f"{often} times a day" for often in range(3, 7)
}
_OFTEN = {1: "once", 2: "twice", 3: "three times", 4: "four times", 5: "five times", 6: "six times"}
_PRINTED = {"ug": "µg", "ug/d": "µg/day", "mg/d": "mg/day", "tablet": "tablet"}
_KEPT = (
    *("contained", "medicationCodeableConcept", "medicationReference", "medication"),
    *("subject", "reasonCode", "reasonReference"),
)
"""What an order of the chart keeps when its dose is changed."""
_MOST_DIGITS = 12


@dataclass(frozen=True, slots=True)
class ChartOrder:
    """An active order of the chart that may be changed or stopped."""

    ref: str
    label: str
    resource: Resource


@dataclass(frozen=True, slots=True)
class Composer:
    """Writes the orders of one patient at one moment."""

    menu: Menu
    chart: PatientBundle
    of_chart: Sequence[ChartOrder]
    now: datetime

    def units(self, row: Row) -> tuple[str, ...]:
        """The units a row may use, the usual one first; none where it has no dose."""
        item = self.menu.item(row.choice)
        if item is not None:
            return item.units
        return tuple(UNITS) if row.changes else ()

    def settled(self, row: Row) -> Row:
        """The row with a unit that fits what is ordered."""
        units = self.units(row)
        return row if not units or row.unit in units else replace(row, unit=units[0])

    def orders(self, row: Row, number: int) -> list[Resource]:
        """The orders of a row, ``number`` counted from 1; raises ``Unusable``."""
        if row.written is not None:
            return self._written(row.written, number)
        if row.stops is not None:
            stopped = self._of_chart(row.stops, number) | {"status": "stopped"}
            return _as_resources(stopped)
        if row.changes is not None:
            known = self._of_chart(row.changes, number)
            kept = {name: known[name] for name in _KEPT if name in known}
            order = self._head("MedicationRequest", known["id"]) | kept
            order["authoredOn"] = self._moment
            route = self._route(row.route) or _first_route(known)
            return _as_resources(order | {"dosageInstruction": self._dosages(row, route, number)})
        item = self.menu.item(row.choice)
        if item is None:
            return []
        return _as_resources(self._new(item, row, number))

    def _new(self, item: Item, row: Row, number: int) -> Json:
        concept = {"coding": [item.coding], "text": item.coding["display"]}
        subject = {"reference": f"Patient/{self.chart.patient_id}"}
        if not item.units:
            order = self._head("ServiceRequest", f"draft-{number}")
            return order | {"code": concept, "subject": subject, "authoredOn": self._moment}
        order = self._head("MedicationRequest", f"draft-{number}")
        order |= {"medicationCodeableConcept": concept, "subject": subject}
        order["authoredOn"] = self._moment
        route = self._route(row.route or item.route or "")
        return order | {"dosageInstruction": self._dosages(row, route, number)}

    def _head(self, kind: str, id: str) -> Json:
        return {"resourceType": kind, "id": id, "status": "draft", "intent": "order"}

    @property
    def _moment(self) -> str:
        return self.now.isoformat(timespec="seconds")

    def _route(self, name: str) -> Json | None:
        coding = self.menu.routes.get(name)
        return None if coding is None else {"coding": [coding], "text": coding["display"]}

    def _of_chart(self, ref: str, number: int) -> Json:
        for order in self.of_chart:
            if order.ref == ref:
                found: Json = json.loads(order.resource.raw, parse_float=Decimal)
                return found
        raise Unusable(f"Order {number} changes an order that is not in this chart: choose again.")

    def _written(self, text: str, number: int) -> list[Resource]:
        if not text.strip():
            return []
        orders = resources_in(text.encode(), f"Order {number}")
        for order in orders:
            if order.type not in ("MedicationRequest", "ServiceRequest", "DeviceRequest"):
                raise Unusable(
                    f"Order {number} is a {order.type[:40]}: give a MedicationRequest, a "
                    "ServiceRequest or a DeviceRequest."
                )
        return orders

    # --- the dose ---------------------------------------------------------------------------------

    def _dosages(self, row: Row, route: Json | None, number: int) -> list[Json]:
        unit = self.settled(row).unit
        many = len(row.phases) > 1
        made = []
        for sequence, phase in enumerate(row.phases, start=1):
            where = f"Order {number}, dose {sequence}" if many else f"Order {number}"
            dosage: Json = {"sequence": sequence} if many else {}
            dosage |= _dosage(phase, unit, where)
            if row.as_needed:
                dosage["asNeededBoolean"] = True
                dosage["text"] += ", when needed"
            if route is not None:
                dosage["route"] = route
            if row.most:
                most = _quantity(_number(row.most, f"{where}, at most in a day"), unit)
                day = {"value": 1, "unit": "d", "system": UCUM, "code": "d"}
                dosage["maxDosePerPeriod"] = {"numerator": most, "denominator": day}
            made.append(dosage)
        return made


def _first_route(order: Json) -> Json | None:
    dosages = [each for each in as_list(order.get("dosageInstruction")) if isinstance(each, dict)]
    return next((each["route"] for each in dosages if "route" in each), None)


def _dosage(phase: Phase, unit: str, where: str) -> Json:
    amount = _number(phase.amount, f"{where}, dose")
    name = _PRINTED.get(unit, unit)
    if unit == "tablet" and amount != 1:
        name = "tablets"
    words = f"{phase.amount} {name}"
    repeat: Json = {}
    if "/" in unit:
        words += " continuously"
    elif phase.times == "once":
        words, repeat = f"{words} once", {"count": 1}
    elif phase.times not in TIMES:
        raise Unusable(f"{where}: choose how often it is taken.")
    else:
        words += f" {_OFTEN[int(phase.times)]} daily"
        repeat = {"frequency": int(phase.times), "period": 1, "periodUnit": "d"}
    if phase.days:
        days = _number(phase.days, f"{where}, days")
        words += f" for {days} days"
        length = {"value": days, "unit": "d", "system": UCUM, "code": "d"}
        repeat = {"boundsDuration": length} | repeat
    made: Json = {"text": words}
    if repeat:
        made["timing"] = {"repeat": repeat}
    kind = "rateQuantity" if "/" in unit else "doseQuantity"
    return made | {"doseAndRate": [{kind: _quantity(amount, unit)}]}


def _quantity(value: Decimal, unit: str) -> Json:
    if unit == "tablet":
        return {"value": value, "unit": "tablet"}
    return {"value": value, "unit": _PRINTED.get(unit, unit), "system": UCUM, "code": unit}


def _number(text: str, where: str) -> Decimal:
    written = text.replace(",", ".")
    try:
        value = Decimal(written) if len(written) <= _MOST_DIGITS else Decimal("NaN")
    except InvalidOperation:
        value = Decimal("NaN")
    if not value.is_finite() or value <= 0 or "e" in written.lower():
        raise Unusable(f"{where}: write a number above 0, such as 4 or 2.5.")
    return value


def _as_resources(order: Json) -> list[Resource]:
    return resources_in(encode(order), "The order")
