"""``Dosage`` and ``Timing`` of DSTU2 to R5, decoded apart from the order that holds them."""

from __future__ import annotations

from decimal import Decimal

import msgspec
from msgspec import Raw, Struct

from cds_service.fhir.elements import (
    CodeableConcept,
    Period,
    Quantity,
    Range,
    Ratio,
    as_list,
    refuse_absurd_number,
)


class Repeat(Struct, frozen=True):
    """When doses repeat. STU3 and R4 say ``periodUnit``, DSTU2 ``periodUnits``."""

    frequency: Decimal | None = None
    frequencyMax: Decimal | None = None
    period: Decimal | None = None
    periodMax: Decimal | None = None
    periodUnit: str | None = None
    periodUnits: str | None = None
    unit: str | None = None
    count: Decimal | None = None
    dayOfWeek: list[str] | str | None = None
    timeOfDay: list[str] | str | None = None
    when: list[str] | str | None = None
    boundsDuration: Quantity | None = None
    boundsQuantity: Quantity | None = None
    boundsRange: Range | None = None
    boundsPeriod: Period | None = None

    def __post_init__(self) -> None:
        """Bound the numbers."""
        for number in (self.frequency, self.frequencyMax, self.period, self.periodMax, self.count):
            refuse_absurd_number(number)


class Timing(Struct, frozen=True):
    """When a dose is given."""

    repeat: Repeat | None = None
    code: CodeableConcept | None = None
    event: list[str] | str | None = None


class DoseAndRate(Struct, frozen=True):
    """How much is given, and how fast."""

    doseQuantity: Quantity | None = None
    doseRange: Range | None = None
    rateQuantity: Quantity | None = None
    rateRange: Range | None = None
    rateRatio: Ratio | None = None
    type: CodeableConcept | None = None


class Dosage(Struct, frozen=True):
    """One instruction, with the members of every version."""

    sequence: int | None = None
    text: str | None = None
    timing: Timing | None = None
    asNeededBoolean: bool | None = None
    asNeededCodeableConcept: CodeableConcept | None = None
    asNeeded: bool | None = None
    asNeededFor: list[CodeableConcept] | None = None
    route: CodeableConcept | None = None
    doseAndRate: list[DoseAndRate] | DoseAndRate | None = None
    maxDosePerPeriod: list[Ratio] | Ratio | None = None
    # DSTU2 and STU3 write the dose beside the timing; an administration says "dose" and "rate".
    doseQuantity: Quantity | None = None
    doseRange: Range | None = None
    rateQuantity: Quantity | None = None
    rateRange: Range | None = None
    rateRatio: Ratio | None = None
    dose: Quantity | None = None
    quantity: Quantity | None = None
    quantityQuantity: Quantity | None = None

    @property
    def doses(self) -> list[DoseAndRate]:
        """The amounts of this instruction, wherever the version writes them."""
        inline = DoseAndRate(
            doseQuantity=self.doseQuantity or self.dose or self.quantity or self.quantityQuantity,
            doseRange=self.doseRange,
            rateQuantity=self.rateQuantity,
            rateRange=self.rateRange,
            rateRatio=self.rateRatio,
        )
        nested = as_list(self.doseAndRate)
        return [*nested, inline] if inline != DoseAndRate() else nested

    @property
    def is_as_needed(self) -> bool:
        """Whether the patient decides when to take it."""
        return bool(
            self.asNeededBoolean
            or self.asNeeded
            or self.asNeededCodeableConcept is not None
            or self.asNeededFor
        )


_DOSAGES = msgspec.json.Decoder(list[Dosage] | Dosage | None)


def read_dosages(raw: Raw) -> list[Dosage] | None:
    """The instructions in an order; ``None`` where they are there but cannot be read."""
    content = bytes(raw)
    if not content:
        return []
    try:
        return as_list(_DOSAGES.decode(content))
    except (msgspec.DecodeError, RecursionError):
        return None
