"""What the suggestions of an answer offer: actions, and the doses in them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from tests.vignettes.fhir_json import Json, reference_to
from tests.vignettes.response_checks import findings_of_card

MEDICATION_ORDERS = {"MedicationRequest", "MedicationOrder"}
_DAYS = {
    "s": Fraction(1, 86400),
    "min": Fraction(1, 1440),
    "h": Fraction(1, 24),
    "d": Fraction(1),
    "wk": Fraction(7),
    "mo": Fraction(30),
}


@dataclass(frozen=True, slots=True)
class Offer:
    """One action of one suggestion of one card."""

    card: Json
    suggestion: Json
    action: Json

    @property
    def type(self) -> str:
        """create, update or delete."""
        return str(self.action.get("type"))

    @property
    def resource(self) -> Json:
        """The resource it carries; empty for a delete."""
        resource: Json = self.action.get("resource") or {}
        return resource

    @property
    def target(self) -> str | None:
        """``Type/id`` of what it changes or removes."""
        if "resourceId" in self.action:
            return str(self.action["resourceId"])
        if self.type == "update" and {"resourceType", "id"} <= self.resource.keys():
            return reference_to(self.resource)
        return None

    @property
    def rules(self) -> set[str]:
        """The rules of the card."""
        return {finding["rule"] for finding in findings_of_card(self.card)}

    def __str__(self) -> str:
        what = self.target or self.resource.get("resourceType")
        doses = "; ".join(str(dose) for dose in doses_of(self.resource))
        label = self.suggestion.get("label")
        return f"{self.type} {what} ({label!r}{', ' + doses if doses else ''})"


def offers_of(answer: Json) -> Iterator[Offer]:
    """Every action of every suggestion."""
    for card in answer.get("cards", []):
        yield from offers_of_card(card)


def offers_of_card(card: Json) -> Iterator[Offer]:
    """Every action of the suggestions of one card."""
    for suggestion in card.get("suggestions", []):
        for action in suggestion.get("actions", []):
            yield Offer(card, suggestion, action)


@dataclass(frozen=True, slots=True)
class Dose:
    """One dosage instruction as numbers; ``None`` where it does not say."""

    amount: Fraction | None
    unit: str | None
    per_day: Fraction | None

    @property
    def daily(self) -> Fraction | None:
        """The amount of a whole day."""
        if self.amount is None or self.per_day is None:
            return None
        return self.amount * self.per_day

    def __str__(self) -> str:
        return f"{_shown(self.amount)} {self.unit} x {_shown(self.per_day)} a day"


def _shown(number: Fraction | None) -> str:
    return "?" if number is None else f"{float(number):g}"


def doses_of(resource: Json) -> list[Dose]:
    """The doses of a request, by sequence."""
    instructions = resource.get("dosageInstruction") or []
    ordered = sorted(instructions, key=lambda one: one.get("sequence", 0))
    return [dose_of(instruction) for instruction in ordered]


def dose_quantity(instruction: Json) -> Json | None:
    """The dose of an instruction, in the R4 place or the older flat one."""
    for place in [*instruction.get("doseAndRate", []), instruction]:
        if isinstance(place.get("doseQuantity"), dict):
            found: Json = place["doseQuantity"]
            return found
    return None


def dose_of(instruction: Json) -> Dose:
    """The numbers of one instruction."""
    found = dose_quantity(instruction) or {}
    repeat = instruction.get("timing", {}).get("repeat", {})
    amount = _fraction(found.get("value"))
    return Dose(amount, found.get("code") or found.get("unit"), _per_day(repeat))


def _per_day(repeat: Json) -> Fraction | None:
    period = _fraction(repeat.get("period"))
    unit = _DAYS.get(repeat.get("periodUnit") or repeat.get("periodUnits") or "")
    frequency = _fraction(repeat.get("frequency", 1))
    if not period or unit is None or frequency is None:
        return None
    return frequency / (period * unit)


def _fraction(value: Any) -> Fraction | None:
    return None if value is None or isinstance(value, bool) else Fraction(str(value))
