"""The patient's kidney function on the day: two estimates, or why there is none.

Tizanidine's label counts creatinine clearance in mL/min (Cockcroft-Gault); the evidence on
baclofen counts eGFR in mL/min/1.73 m2 (CKD-EPI 2021, bedside Schwartz in children). They are
never compared with each other's limits. Where an input is uncertain (sex, partial birth
date, missing weight, a result written as ``>``) the estimate is the interval of what is
possible, and decides only where all of it lies on one side.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal

from cds_service.chart.person import Person
from cds_service.chart.renal_formulas import (
    adjusted_weight,
    bedside_schwartz,
    body_mass_index,
    ckd_epi_2021,
    cockcroft_gault,
    shown_beside,
)
from cds_service.chart.results import Measurement, Reading, State

ADULT = 18
_YOUNGEST_SCHWARTZ = 1
_OBESE = Decimal(30)
# A weight outside this band is not asked for: within it, all adults must agree.
_LIGHTEST, _HEAVIEST = Decimal(40), Decimal(150)
# KDIGO's definition of acute kidney injury by creatinine.
_RISE_IN_TWO_DAYS = Decimal("0.3")
_RISE_IN_A_WEEK = Decimal("1.5")
_UNBOUNDED = Decimal("Infinity")
_JUST_BELOW = Decimal("0.000001")


@dataclass(frozen=True, slots=True)
class Estimate:
    """What is possible: from ``low`` to ``high``, in the unit of its formula."""

    low: Decimal
    high: Decimal
    formula: str
    unit: str
    inputs: str
    evidence: tuple[str, ...]
    undecided_by: str = ""
    """The datum that keeps low and high apart: ``weight``, ``sex``, ``age`` or ``creatinine``."""

    @property
    def is_exact(self) -> bool:
        """Whether it is one number."""
        return self.low == self.high

    def is_below(self, limit: Decimal) -> bool | None:
        """Whether it lies below a limit; ``None`` where that cannot be told."""
        if self.high < limit:
            return True
        return False if self.low >= limit else None

    @property
    def label(self) -> str:
        """The formula as a sentence begins with it."""
        return self.formula[0].upper() + self.formula[1:]

    def range_beside(self, limit: Decimal) -> str:
        """The number, or from where to where it may lie."""
        low = shown_beside(self.low, limit)
        if self.is_exact:
            return low
        if self.high == _UNBOUNDED:
            return f"{low} or more"
        high = shown_beside(self.high, limit)
        return f"up to {high}" if self.low == 0 else f"{low} to {high}"

    def shown(self, limit: Decimal) -> str:
        """The number as a card prints it beside a limit; empty where it is no one number."""
        return shown_beside(self.low, limit) if self.is_exact else ""


@dataclass(frozen=True, slots=True)
class NoEstimate:
    """Why no estimate was computed. ``datum`` is what to ask for; empty: nothing to ask."""

    datum: str
    reason: str
    evidence: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class KidneyInputs:
    """What the formulas need, each as far as the chart holds it."""

    person: Person
    creatinine: Reading
    creatinine_history: Sequence[Measurement] = field(default_factory=tuple)
    """Every plausible creatinine in mg/dL, newest first."""
    weight: Reading = field(default_factory=lambda: Reading(State.ABSENT))
    height: Reading = field(default_factory=lambda: Reading(State.ABSENT))
    reported_egfr: Reading = field(default_factory=lambda: Reading(State.ABSENT))
    is_pregnant: bool = False


def unstable_creatinine(history: Sequence[Measurement], newest: Measurement | None) -> bool:
    """Whether the newest creatinine has risen as in acute kidney injury (KDIGO)."""
    if newest is None or newest.comparator is not None:
        return False
    for earlier in history:
        age = newest.when.low - earlier.when.low
        if age <= timedelta(0) or earlier.comparator is not None:
            continue
        if age <= timedelta(hours=48) and newest.value - earlier.value >= _RISE_IN_TWO_DAYS:
            return True
        if age <= timedelta(days=7) and newest.value >= earlier.value * _RISE_IN_A_WEEK:
            return True
    return False


def creatinine_clearance(inputs: KidneyInputs) -> Estimate | NoEstimate:
    """Cockcroft-Gault in mL/min for an adult, by actual weight, adjusted from BMI 30."""
    refusal = _refusal(inputs)
    if refusal is not None:
        return refusal
    creatinine, ages = inputs.creatinine.usable, inputs.person.ages
    if creatinine is None or ages is None:  # pragma: no cover - _refusal covers both
        return NoEstimate("creatinine", "no creatinine")
    if ages[0] < ADULT:
        return NoEstimate("", "Cockcroft-Gault is for adults")
    weight, note = _dosing_weights(inputs)
    values = [
        cockcroft_gault(age, each, creatinine.value, sex)
        for sex in inputs.person.sexes
        for age in ages
        for each in weight[sex]
    ]
    undecided = _undecided_by(inputs, weight_is_known=inputs.weight.usable is not None)
    low, high = _with_comparator(min(values), max(values), creatinine)
    measured = inputs.weight.usable
    evidence = [creatinine.ref, inputs.person.ref]
    if measured is not None:
        evidence.append(measured.ref)
    return Estimate(
        low=low,
        high=high,
        formula="Cockcroft-Gault",
        unit="mL/min",
        inputs=f"{inputs.person.age_text}, creatinine {creatinine.text}, {note}",
        evidence=tuple(evidence),
        undecided_by=undecided,
    )


def _dosing_weights(inputs: KidneyInputs) -> tuple[dict[str, list[Decimal]], str]:
    """The weights to compute with, by sex, and how they were chosen."""
    measured, height = inputs.weight.usable, inputs.height.usable
    if measured is None:
        note = "no weight: computed for 40 to 150 kg"
        return {sex: [_LIGHTEST, _HEAVIEST] for sex in inputs.person.sexes}, note
    if height is None:
        note = f"actual weight {measured.text} (no height)"
        return {sex: [measured.value] for sex in inputs.person.sexes}, note
    if body_mass_index(measured.value, height.value) < _OBESE:
        note = f"actual weight {measured.text}"
        return {sex: [measured.value] for sex in inputs.person.sexes}, note
    adjusted = {
        sex: [adjusted_weight(measured.value, height.value, sex)] for sex in inputs.person.sexes
    }
    shown = " or ".join(f"{each[0]:.1f}" for each in adjusted.values())
    return adjusted, f"adjusted weight {shown} kg (BMI 30 or more; actual {measured.text})"


def estimated_gfr(inputs: KidneyInputs) -> Estimate | NoEstimate:
    """CKD-EPI 2021 for adults, bedside Schwartz at 1 to 17; a reported eGFR where it must serve."""
    ages = inputs.person.ages
    reported = inputs.reported_egfr.usable
    if inputs.creatinine.usable is None and reported is not None and not inputs.is_pregnant:
        low, high = (reported.value, reported.value)
        if reported.comparator is not None:
            low, high = _reported_interval(reported)
        return Estimate(
            low, high, "reported by the laboratory", "mL/min/1.73 m²", reported.text,
            (reported.ref,), "creatinine" if low != high else "",
        )  # fmt: skip
    refusal = _refusal(inputs)
    if refusal is not None:
        return refusal
    creatinine = inputs.creatinine.usable
    if creatinine is None or ages is None:  # pragma: no cover - _refusal covers both
        return NoEstimate("creatinine", "no creatinine")
    if ages[0] < ADULT:
        return _schwartz(inputs, creatinine, ages)
    return egfr_from(creatinine, inputs.person)


def egfr_from(creatinine: Measurement, person: Person) -> Estimate | NoEstimate:
    """CKD-EPI 2021 from one creatinine in mg/dL."""
    if person.ages is None:
        return NoEstimate("age", "the birth date is not recorded")
    values = [
        ckd_epi_2021(age, creatinine.value, sex) for sex in person.sexes for age in person.ages
    ]
    low, high = _with_comparator(min(values), max(values), creatinine)
    undecided = "creatinine" if creatinine.comparator else ""
    if not undecided and low != high:
        undecided = "age" if person.sex_is_known else "sex"
    return Estimate(
        low=low,
        high=high,
        formula="CKD-EPI 2021",
        unit="mL/min/1.73 m²",
        inputs=f"{person.age_text}, creatinine {creatinine.text}",
        evidence=(creatinine.ref, person.ref),
        undecided_by=undecided,
    )


def _schwartz(
    inputs: KidneyInputs, creatinine: Measurement, ages: tuple[int, int]
) -> Estimate | NoEstimate:
    height = inputs.height.usable
    if ages[0] < _YOUNGEST_SCHWARTZ or ages[1] >= ADULT:
        return NoEstimate("", "no formula holds at this age")
    if height is None:
        return NoEstimate("", "the child's height is not recorded in the last 180 days")
    value = bedside_schwartz(height.value, creatinine.value)
    low, high = _with_comparator(value, value, creatinine)
    return Estimate(
        low=low,
        high=high,
        formula="bedside Schwartz",
        unit="mL/min/1.73 m²",
        inputs=f"height {height.text}, creatinine {creatinine.text}",
        evidence=(creatinine.ref, height.ref, inputs.person.ref),
        undecided_by="creatinine" if low != high else "",
    )


def _refusal(inputs: KidneyInputs) -> NoEstimate | None:
    """Why nothing may be computed, in the order a clinician would say it."""
    if inputs.is_pregnant:
        return NoEstimate("", "the formulas do not hold in pregnancy")
    if inputs.creatinine.usable is None:
        return NoEstimate("creatinine", inputs.creatinine.problem, inputs.creatinine.evidence)
    if inputs.person.ages is None:
        return NoEstimate("age", "the birth date is not recorded", (inputs.person.ref,))
    return None


def _with_comparator(
    low: Decimal, high: Decimal, creatinine: Measurement
) -> tuple[Decimal, Decimal]:
    """A creatinine *above* a number means an estimate *below* its own, and the reverse."""
    comparator = creatinine.comparator or ""
    if comparator.startswith(">"):
        return Decimal(0), high - (_JUST_BELOW if comparator == ">" else 0)
    if comparator.startswith("<"):
        return low, _UNBOUNDED
    return low, high


def _reported_interval(reported: Measurement) -> tuple[Decimal, Decimal]:
    if (reported.comparator or "").startswith(">"):
        return reported.value, _UNBOUNDED
    strictly = reported.comparator == "<"
    return Decimal(0), reported.value - (_JUST_BELOW if strictly else 0)


def _undecided_by(inputs: KidneyInputs, *, weight_is_known: bool) -> str:
    if not weight_is_known:
        return "weight"
    creatinine = inputs.creatinine.usable
    if creatinine is not None and creatinine.comparator:
        return "creatinine"
    return "age" if inputs.person.sex_is_known else "sex"
