"""Laboratory results and measurements: which count, how old they are, in which unit."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from cds_service.chart.drugs import CodedRow
from cds_service.chart.facts import Clock
from cds_service.fhir.dates import When
from cds_service.fhir.elements import CodeableConcept, Quantity
from cds_service.fhir.records import Observation
from cds_service.fhir.terminology import Terminology

_STANDING = frozenset({"final", "amended", "corrected"})
_PRELIMINARY = "preliminary"
_READABLE_DIGITS = 4
_UCUM_IN_PRINT = (
    ("{1.73_m2}", "1.73 m²"),
    ("m[Hg]", "mHg"),
    ("10*", "10^"),
    ("10^3", "10³"),
    ("10^6", "10⁶"),
    ("10^9", "10⁹"),
    ("10^12", "10¹²"),
    ("umol", "µmol"),
    ("uL", "µL"),
    ("{", ""),
    ("}", ""),
)


class State(StrEnum):
    """What there is of a datum."""

    USABLE = "usable"
    ABSENT = "absent"
    STALE = "stale"
    UNREADABLE = "unreadable"
    NOT_OBTAINED = "not obtained"


@dataclass(frozen=True, slots=True)
class Result:
    """One observation that stands."""

    ref: str
    rows: tuple[CodedRow, ...]
    when: When | None
    quantity: Quantity | None
    concept: CodeableConcept | None
    upper_limit: Quantity | None
    components: tuple[tuple[tuple[CodedRow, ...], Quantity], ...]
    is_preliminary: bool


@dataclass(frozen=True, slots=True)
class Measurement:
    """A number with its unit made common, its date and its resource."""

    ref: str
    value: Decimal
    comparator: str | None
    when: When
    shown: str
    """The value as it was written, with unit."""

    @property
    def text(self) -> str:
        """Value and date as a card prints them."""
        return f"{self.shown} on {self.when.text}"


@dataclass(frozen=True, slots=True)
class Reading:
    """The newest measurement that may be used, or why there is none."""

    state: State
    measurement: Measurement | None = None
    problem: str = ""
    evidence: tuple[str, ...] = ()

    @property
    def usable(self) -> Measurement | None:
        """The measurement, only where it may be used."""
        return self.measurement if self.state is State.USABLE else None


def read_result(observation: Observation, clock: Clock, terminology: Terminology) -> Result | None:
    """One observation; ``None`` where it does not stand or is not read."""
    status = (observation.status or "").strip().lower()
    if status not in _STANDING and status != _PRELIMINARY:
        return None
    rows = tuple(terminology.rows_of(observation.code))
    if not rows and not observation.component:
        return None  # most results of a chart: nothing here reads them
    period = observation.effectivePeriod
    when = clock.read(
        observation.effectiveDateTime
        or observation.effectiveInstant
        or ((period.end or period.start) if period is not None else None)
    )
    clock.refuse_future(when)
    limits = [
        limit.high
        for limit in observation.referenceRange or []
        if limit.high is not None and limit.high.value is not None
    ]
    components = tuple(
        (tuple(terminology.rows_of(part.code)), part.valueQuantity)
        for part in observation.component or []
        if part.valueQuantity is not None
    )
    return Result(
        ref=observation.ref,
        rows=rows,
        when=when,
        quantity=observation.valueQuantity if observation.dataAbsentReason is None else None,
        concept=observation.valueCodeableConcept,
        upper_limit=limits[0] if len(limits) == 1 else None,
        components=components,
        is_preliminary=status == _PRELIMINARY,
    )


def newest_first(
    measurements: Iterable[Measurement], *, worse_is_higher: bool
) -> list[Measurement]:
    """Newest first; of two at one time the clinically worse first."""
    sign = 1 if worse_is_higher else -1
    return sorted(measurements, key=lambda each: (each.when.low, sign * each.value), reverse=True)


def shown_quantity(quantity: Quantity) -> str:
    """A quantity as it was written: comparator, number, unit in print."""
    unit = quantity.unit or quantity.code or ""
    unit = "" if unit in ("{INR}", "INR", "1") else _in_print(unit)
    number = plain_number(_readable(quantity.value or Decimal(0)))
    return f"{quantity.comparator or ''}{number} {unit}".strip()


def _in_print(unit: str) -> str:
    """A unit as people read it: UCUM's brackets, powers and micro are for machines."""
    for code, words in _UCUM_IN_PRINT:
        unit = unit.replace(code, words)
    return unit


def _readable(value: Decimal) -> Decimal:
    """At most four significant digits: machines send more than anybody measured."""
    return Decimal(f"{value:.4g}") if len(value.as_tuple().digits) > _READABLE_DIGITS else value


def plain_number(value: Decimal) -> str:
    """A decimal without exponent and without trailing zeros beyond the point."""
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
