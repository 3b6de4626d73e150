"""How much of a drug an order allows: per day, at once, and over successive phases.

All amounts are exact milligrams. Where an instruction leaves a choice (a range, as needed)
the most it allows counts. Nothing is guessed: without an amount, a unit, a strength or an
interval the dose is unknown, with the reason.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC
from decimal import ROUND_CEILING, Decimal

from cds_service.fhir.dates import read_date
from cds_service.fhir.dosage import Dosage, DoseAndRate, Repeat, Timing
from cds_service.fhir.elements import CodeableConcept, Quantity, Ratio, as_list
from cds_service.fhir.units import Dimension

HOURS_A_DAY = Decimal(24)
_NO_DOSE_REACHES_MG = Decimal(10) ** 9

# Timing codes of HL7 (GTSAbbreviation) with the doses they mean on one day.
# Source: https://terminology.hl7.org/CodeSystem-v3-GTSAbbreviation.html
_DOSES_A_DAY = {
    "QD": 1, "DAILY": 1, "QAM": 1, "QPM": 1, "QHS": 1, "BED": 1, "AM": 1, "PM": 1, "QOD": 1,
    "BID": 2, "TID": 3, "QID": 4,
    "Q1H": 24, "Q2H": 12, "Q3H": 8, "Q4H": 6, "Q6H": 4, "Q8H": 3, "Q12H": 2,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Strength:
    """Milligrams in one millilitre, or in one tablet or capsule."""

    milligrams: Decimal
    per_millilitre: bool


@dataclass(frozen=True, slots=True)
class Instruction:
    """One dosage instruction in numbers. ``None`` is *unknown*; ``problem`` says why."""

    sequence: int | None
    single_mg: Decimal | None
    daily_mg: Decimal | None
    days: Decimal | None
    """How long it lasts; ``None`` is open-ended."""
    as_needed: bool
    is_rate: bool
    given_once: bool
    written_in_milligrams: bool
    per_day: Decimal | None = None
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class Phase:
    """Instructions that run at the same time, added up."""

    single_mg: Decimal | None
    daily_mg: Decimal | None
    days: Decimal | None


@dataclass(frozen=True, slots=True)
class Regimen:
    """What one order allows, phase after phase."""

    instructions: tuple[Instruction, ...]
    phases: tuple[Phase, ...]
    problem: str | None

    @property
    def is_known(self) -> bool:
        """Whether every phase has a daily dose."""
        return self.problem is None

    @property
    def peak_daily_mg(self) -> Decimal | None:
        """The highest daily dose of any phase."""
        return highest(phase.daily_mg for phase in self.phases)

    @property
    def first_daily_mg(self) -> Decimal | None:
        """The daily dose it begins with."""
        return self.phases[0].daily_mg if self.phases else None

    @property
    def peak_single_mg(self) -> Decimal | None:
        """The largest single dose of any phase."""
        return highest(phase.single_mg for phase in self.phases)

    @property
    def first_single_mg(self) -> Decimal | None:
        """The largest single dose of the first phase."""
        return self.phases[0].single_mg if self.phases else None

    @property
    def is_as_needed(self) -> bool:
        """Whether all of it is taken as needed."""
        return bool(self.instructions) and all(each.as_needed for each in self.instructions)

    @property
    def given_once(self) -> bool:
        """Whether it is one single dose and no more."""
        return bool(self.instructions) and all(each.given_once for each in self.instructions)

    @property
    def ends(self) -> bool:
        """Whether its last phase is bounded: after it, the dose is nothing."""
        return bool(self.phases) and self.phases[-1].days is not None


def guarded(value: Decimal | None) -> Decimal | None:
    """Rounded to a nanogram, so that noise of binary senders never decides a limit."""
    return None if value is None else round(value, 6)


def highest(values: Iterable[Decimal | None]) -> Decimal | None:
    """The largest value; unknown if any is unknown or there is none."""
    known: list[Decimal] = []
    for value in values:
        if value is None:
            return None
        known.append(value)
    return max(known, default=None)


def add_up(values: Iterable[Decimal | None]) -> Decimal | None:
    """The sum; unknown if any part is unknown."""
    total = Decimal(0)
    for value in values:
        if value is None:
            return None
        total += value
    return total


def read_regimen(dosages: Sequence[Dosage] | None, strength: Strength | None) -> Regimen:
    """The regimen of an order; ``dosages`` is ``None`` where they could not be decoded."""
    if dosages is None:
        return Regimen((), (), "the dosage cannot be read")
    if not dosages:
        return Regimen((), (), "no dosage is given")
    instructions = tuple(_instruction(dosage, strength) for dosage in dosages)
    phases = tuple(_phases(instructions))
    problem = next((each.problem for each in instructions if each.problem), None)
    return Regimen(instructions, phases, problem)


def units_a_day(dosages: Sequence[Dosage] | None) -> Decimal | None:
    """The most per day of a drug that is dosed in units; ``None`` where that cannot be told."""
    totals = []
    for dosage in dosages or []:
        repeat = (dosage.timing.repeat if dosage.timing else None) or Repeat()
        per_day = _doses_a_day(dosage.timing, repeat)
        amounts = [
            dose.doseQuantity.to(Dimension.UNITS) for dose in dosage.doses if dose.doseQuantity
        ]
        single = highest(amounts)
        totals.append(single * per_day if single is not None and per_day is not None else None)
    return add_up(totals) if totals else None


def _phases(instructions: Sequence[Instruction]) -> Iterable[Phase]:
    """``sequence`` alone orders phases; equal or absent numbers run at the same time."""
    numbers = sorted({each.sequence for each in instructions if each.sequence is not None})
    groups = [[each for each in instructions if each.sequence == number] for number in numbers]
    unnumbered = [each for each in instructions if each.sequence is None]
    if unnumbered:
        # An instruction without a number runs beside every phase.
        groups = [group + unnumbered for group in groups] or [unnumbered]
    for group in groups:
        bounded = [each.days for each in group if each.days is not None]
        yield Phase(
            single_mg=highest(each.single_mg for each in group),
            daily_mg=add_up(each.daily_mg for each in group),
            days=max(bounded) if len(bounded) == len(group) else None,
        )


def _instruction(dosage: Dosage, strength: Strength | None) -> Instruction:
    repeat = (dosage.timing.repeat if dosage.timing else None) or Repeat()
    single, daily_rate, in_milligrams, problem = _amount(dosage.doses, strength)
    per_day = _doses_a_day(dosage.timing, repeat)
    given_once = repeat.count == 1
    daily = _daily(dosage, repeat, single, daily_rate, per_day, given_once=given_once)
    if any(abs(each) > _NO_DOSE_REACHES_MG for each in (single, daily) if each is not None):
        single, daily, problem = None, None, "the amount or how often it is taken cannot be right"
    daily = guarded(daily)
    if daily is None and problem is None:
        problem = (
            "as needed, without interval or maximum"
            if dosage.is_as_needed
            else "how often it is taken is not given"
        )
    return Instruction(
        sequence=dosage.sequence,
        # A pump runs all day: its daily amount is what it gives.
        single_mg=guarded(single) if single is not None else daily,
        daily_mg=daily,
        days=_bounded_days(repeat),
        as_needed=dosage.is_as_needed,
        is_rate=daily_rate is not None,
        given_once=given_once,
        written_in_milligrams=in_milligrams,
        per_day=per_day,
        problem=problem if daily is None else None,
    )


def _daily(
    dosage: Dosage,
    repeat: Repeat,
    single: Decimal | None,
    daily_rate: Decimal | None,
    per_day: Decimal | None,
    *,
    given_once: bool,
) -> Decimal | None:
    if daily_rate is not None:
        return daily_rate
    if dosage.is_as_needed:
        ceiling = _maximum_a_day(as_list(dosage.maxDosePerPeriod), single)
        if ceiling is not None:
            return ceiling
    if single is None:
        return None
    if per_day is not None:
        return single * min(per_day, repeat.count) if repeat.count else single * per_day
    if given_once:
        return single
    return None


def _maximum_a_day(maxima: Sequence[Ratio], single: Decimal | None) -> Decimal | None:
    """``maxDosePerPeriod``: an amount where it has a mass unit, else a number of doses."""
    limits = []
    for maximum in maxima:
        numerator, denominator = maximum.numerator, maximum.denominator
        if numerator is None or numerator.value is None or denominator is None:
            continue
        hours = denominator.to(Dimension.TIME)
        if not hours:
            continue
        mass = numerator.to(Dimension.MASS)
        if mass is None and (single is None or numerator.to(Dimension.VOLUME) is not None):
            continue
        amount = mass if mass is not None else numerator.value * (single or Decimal(0))
        # A maximum for a longer period than a day still allows all of it on one day.
        limits.append(amount * HOURS_A_DAY / hours if hours < HOURS_A_DAY else amount)
    return min(limits, default=None)


def _amount(
    doses: Sequence[DoseAndRate], strength: Strength | None
) -> tuple[Decimal | None, Decimal | None, bool, str | None]:
    """The most given at once and per day by rate, whether in mg, and why it is unknown."""
    singles: list[Decimal] = []
    rates: list[Decimal] = []
    in_milligrams = False
    problem: str | None = "no amount is given"
    for dose in doses:
        quantity = dose.doseQuantity or (
            dose.doseRange.high or dose.doseRange.low if dose.doseRange else None
        )
        if quantity is not None:
            single, problem = _milligrams(quantity, strength)
            if single is not None:
                singles.append(single)
                in_milligrams |= (quantity.ucum or "").startswith(("mg", "g"))
        rate, rate_in_milligrams = _rate_a_day(dose, strength)
        if rate is not None:
            rates.append(rate)
            in_milligrams |= rate_in_milligrams
        elif quantity is None and (dose.rateQuantity or dose.rateRatio or dose.rateRange):
            problem = "the unit of its rate is missing or not known"
    if singles or rates:
        problem = None
    return max(singles, default=None), max(rates, default=None), in_milligrams, problem


def _milligrams(quantity: Quantity, strength: Strength | None) -> tuple[Decimal | None, str | None]:
    if quantity.value is None:
        return None, "no amount is given"
    mass = quantity.to(Dimension.MASS)
    if mass is not None:
        return mass, None
    volume = quantity.to(Dimension.VOLUME)
    if volume is not None:
        if strength is None or not strength.per_millilitre:
            return None, "written in millilitres, and the concentration is not known"
        return volume * strength.milligrams, None
    count = quantity.to(Dimension.COUNT)
    if count is not None:
        if strength is None or strength.per_millilitre:
            return None, "written in tablets or doses, and the strength is not known"
        return count * strength.milligrams, None
    if not quantity.has_unit:
        return None, "the unit is missing"
    return None, "the unit is not one this service knows"


def _rate_a_day(dose: DoseAndRate, strength: Strength | None) -> tuple[Decimal | None, bool]:
    quantity = dose.rateQuantity or (dose.rateRange.high if dose.rateRange else None)
    if quantity is not None and quantity.value is not None:
        mass = quantity.to(Dimension.MASS_RATE)
        if mass is not None:
            return mass, (quantity.ucum or "").startswith(("mg", "g"))
        volume = quantity.to(Dimension.VOLUME_RATE)
        if volume is not None and strength is not None and strength.per_millilitre:
            return volume * strength.milligrams, False
    ratio = dose.rateRatio
    if ratio is not None and ratio.numerator is not None and ratio.denominator is not None:
        hours = ratio.denominator.to(Dimension.TIME)
        amount, _ = _milligrams(ratio.numerator, strength)
        if hours and amount is not None:
            in_milligrams = (ratio.numerator.ucum or "").startswith(("mg", "g"))
            return amount * HOURS_A_DAY / hours, in_milligrams
    return None, False


def _doses_a_day(timing: Timing | None, repeat: Repeat) -> Decimal | None:
    """Administrations on the busiest day."""
    candidates = [
        _by_period(repeat),
        Decimal(len(as_list(repeat.when))) or None,
        Decimal(len(as_list(repeat.timeOfDay))) or None,
    ]
    known = [value for value in candidates if value]
    if not known and repeat.dayOfWeek:
        known = [repeat.frequencyMax or repeat.frequency or Decimal(1)]
    if not known and timing is not None:
        by_code = _by_code(timing.code)
        events = _on_busiest_day(as_list(timing.event))
        known = [value for value in (by_code, events) if value]
    return max(known, default=None)


def _by_period(repeat: Repeat) -> Decimal | None:
    frequency = repeat.frequencyMax or repeat.frequency
    unit = repeat.periodUnit or repeat.periodUnits or repeat.unit
    period = repeat.period if repeat.period is not None else repeat.periodMax
    if unit is None or period is None or period <= 0:
        return None
    # Without a frequency a period means once in it.
    frequency = frequency if frequency is not None else Decimal(1)
    hours = Quantity(value=period, unit=unit).to(Dimension.TIME)
    if not hours or frequency <= 0:
        return None
    return (frequency * HOURS_A_DAY / hours).to_integral_value(rounding=ROUND_CEILING)


def _by_code(code: CodeableConcept | None) -> Decimal | None:
    if code is None:
        return None
    for text in [*(coding.code or "" for coding in code.codings), code.text or ""]:
        first = text.upper().split(" ")[0]
        if first in _DOSES_A_DAY:
            return Decimal(_DOSES_A_DAY[first])
    return None


def _on_busiest_day(events: Sequence[str]) -> Decimal | None:
    days = [event[:10] for event in events if event]
    return Decimal(max(map(days.count, days))) if days else None


def _bounded_days(repeat: Repeat) -> Decimal | None:
    duration = repeat.boundsDuration or repeat.boundsQuantity
    if duration is None and repeat.boundsRange is not None:
        duration = repeat.boundsRange.high
    if duration is not None:
        hours = duration.to(Dimension.TIME)
        return hours / HOURS_A_DAY if hours is not None else None
    if repeat.boundsPeriod is not None and repeat.boundsPeriod.end:
        return _days_of_period(repeat.boundsPeriod.start, repeat.boundsPeriod.end)
    return None


def _days_of_period(start: str | None, end: str) -> Decimal | None:
    first, last = read_date(start, UTC), read_date(end, UTC)
    if last is None:
        return None
    # Without a start the length is not known, but it does end.
    return Decimal((last.high.date() - first.low.date()).days) if first else Decimal(0)
