"""The measurements rules ask for: the newest that may be used, or why there is none.

Old data never count as normal and never as abnormal.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property

from cds_service.chart.facts import Clock
from cds_service.chart.kidney import Estimate, egfr_from
from cds_service.chart.limits import DataAges
from cds_service.chart.person import Person
from cds_service.chart.renal_formulas import UMOL_PER_MG
from cds_service.chart.results import (
    Measurement,
    Reading,
    Result,
    State,
    newest_first,
    shown_quantity,
)
from cds_service.fhir.dates import When
from cds_service.fhir.elements import Quantity
from cds_service.fhir.terminology import Terminology
from cds_service.fhir.units import Dimension

_LOWEST_CREATININE, _HIGHEST_CREATININE = Decimal("0.1"), Decimal(20)
_LIGHTEST_ADULT, _HEAVIEST_ADULT = Decimal(25), Decimal(350)
_SHORTEST_ADULT, _TALLEST_ADULT = Decimal(100), Decimal(230)
_OLDER = 65
_HEALTHY_EGFR = Decimal(60)
_ANY_AGE = None

Converter = Callable[[Quantity], Decimal | None]


@dataclass(frozen=True, slots=True)
class Problem:
    """A result that could not be used."""

    text: str
    ref: str
    when: When | None


def _is_newer(problem: Problem, newest: Measurement) -> bool:
    return problem.when is not None and problem.when.low > newest.when.low


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What decides how old a measurement may be, and what its absence means."""

    person: Person
    is_adult: bool | None
    is_inpatient: bool
    kidney_disease_is_coded: bool
    results_obtained: bool


class Measurements:
    """Results of one patient by what they measure, each read once."""

    def __init__(
        self,
        results: Sequence[Result],
        circumstances: Circumstances,
        terminology: Terminology,
        clock: Clock,
        ages: DataAges,
    ) -> None:
        self._results = results
        self._patient = circumstances
        self._terminology = terminology
        self._clock = clock
        self._ages = ages

    @cached_property
    def creatinine_history(self) -> Sequence[Measurement]:
        """Every plausible serum creatinine in mg/dL, newest first."""
        return self._all("creatinine", _creatinine, worse_is_higher=True)[0]

    @cached_property
    def creatinine(self) -> Reading:
        """The newest serum creatinine in mg/dL, if it is young enough."""
        history, problems = self._all("creatinine", _creatinine, worse_is_higher=True)
        newest = history[0] if history else None
        allowed = self._ages.creatinine_outpatient_days
        if self._patient.is_inpatient:
            allowed = self._ages.creatinine_inpatient_days
        elif newest is not None and self._kidneys_look_healthy(newest):
            allowed = self._ages.creatinine_healthy_kidney_days
        return self._reading("creatinine", history, problems, allowed)

    def _kidneys_look_healthy(self, creatinine: Measurement) -> bool:
        if self._patient.person.is_at_least(_OLDER) is not False:
            return False
        if self._patient.kidney_disease_is_coded:
            return False
        if self._patient.is_adult:
            estimate = egfr_from(creatinine, self._patient.person)
            return isinstance(estimate, Estimate) and estimate.is_below(_HEALTHY_EGFR) is False
        return False

    @cached_property
    def reported_egfr(self) -> Reading:
        """The newest eGFR a laboratory reported, in mL/min/1.73 m2."""
        history, problems = self._all(
            "reported-egfr", _in(Dimension.INDEXED_CLEARANCE), worse_is_higher=False
        )
        allowed = self._ages.creatinine_outpatient_days
        if self._patient.is_inpatient:
            allowed = self._ages.creatinine_inpatient_days
        return self._reading("eGFR", history, problems, allowed)

    @cached_property
    def weight(self) -> Reading:
        """The newest body weight in kg, if it is young enough for the patient's age."""
        is_child = self._patient.is_adult is False
        low, high = (
            (Decimal(1), _HEAVIEST_ADULT) if is_child else (_LIGHTEST_ADULT, _HEAVIEST_ADULT)
        )
        history, problems = self._all(
            "body-weight", _within(Dimension.BODY_MASS, low, high), worse_is_higher=False
        )
        allowed = self._ages.weight_child_days if is_child else self._ages.weight_adult_days
        return self._reading("weight", history, problems, allowed)

    @cached_property
    def height(self) -> Reading:
        """The newest body height in cm; of an adult at any age."""
        is_child = self._patient.is_adult is False
        low = Decimal(30) if is_child else _SHORTEST_ADULT
        history, problems = self._all(
            "body-height", _within(Dimension.LENGTH, low, _TALLEST_ADULT), worse_is_higher=False
        )
        allowed = self._ages.height_child_days if is_child else _ANY_AGE
        return self._reading("height", history, problems, allowed)

    def inr(self, *, on_vitamin_k_antagonist: bool) -> Reading:
        """The newest INR; within a day where a vitamin K antagonist was taken in five days."""
        history, problems = self._all("inr", _ratio, worse_is_higher=True)
        allowed = self._ages.inr_days
        if on_vitamin_k_antagonist:
            allowed = self._ages.inr_on_vitamin_k_antagonist_days
        return self._reading("INR", history, problems, allowed)

    @cached_property
    def platelets(self) -> Reading:
        """The newest platelet count in 10*9/L."""
        history, problems = self._all("platelets", _in(Dimension.CELL_COUNT), worse_is_higher=False)
        return self._reading("platelets", history, problems, self._ages.platelets_days)

    @cached_property
    def systolic(self) -> Reading:
        """The newest systolic blood pressure in mmHg, alone or as part of a panel."""
        history, problems = self._all(
            "systolic-pressure", _in(Dimension.PRESSURE), worse_is_higher=False
        )
        history = newest_first(history + self._systolic_parts(), worse_is_higher=False)
        return self._reading("blood pressure", history, problems, self._vital_days)

    def _systolic_parts(self) -> list[Measurement]:
        terminology = self._terminology
        found = []
        for result in self._results:
            if result.when is None:
                continue
            for rows, quantity in result.components:
                value = quantity.to(Dimension.PRESSURE)
                if value is not None and terminology.match("systolic-pressure", rows) is not None:
                    found.append(
                        Measurement(
                            ref=result.ref,
                            value=value,
                            comparator=quantity.comparator,
                            when=result.when,
                            shown=shown_quantity(quantity),
                        )
                    )
        return found

    @cached_property
    def pulse(self) -> Reading:
        """The newest heart rate per minute."""
        history, problems = self._all("heart-rate", _in(Dimension.FREQUENCY), worse_is_higher=False)
        return self._reading("pulse", history, problems, self._vital_days)

    @property
    def _vital_days(self) -> int:
        ages = self._ages
        is_inpatient = self._patient.is_inpatient
        return ages.vitals_inpatient_days if is_inpatient else ages.vitals_outpatient_days

    def enzyme(self, value_set: str, days: int) -> tuple[Reading, Decimal | None, bool]:
        """The newest ALT or AST in U/L, the laboratory's upper limit, and whether it states one."""
        history, problems = self._all(value_set, _in(Dimension.ENZYME), worse_is_higher=True)
        reading = self._reading(value_set.upper(), history, problems, days)
        limit: Decimal | None = None
        if reading.usable is not None:
            for result in self._results:
                if result.ref == reading.usable.ref and result.upper_limit is not None:
                    limit = result.upper_limit.value
        return reading, limit, limit is not None

    def _all(
        self, value_set: str, convert: Converter, *, worse_is_higher: bool
    ) -> tuple[list[Measurement], list[Problem]]:
        """Measurements newest first, and the results that could not be used, each with why."""
        found: list[Measurement] = []
        problems: list[Problem] = []
        for result in self._results:
            if self._terminology.match(value_set, result.rows) is None:
                continue
            measurement, problem = self._measure(result, convert)
            if measurement is not None:
                found.append(measurement)
            elif problem:
                problems.append(Problem(problem, result.ref, result.when))
        return newest_first(found, worse_is_higher=worse_is_higher), problems

    def _measure(self, result: Result, convert: Converter) -> tuple[Measurement | None, str]:
        quantity = result.quantity
        if quantity is None or quantity.value is None:
            return None, ""
        if result.when is None:
            return None, "has no date"
        value = convert(quantity)
        if value is None:
            reason = "has a value or unit that cannot be right"
            return None, reason if quantity.has_unit else "has no unit"
        return Measurement(
            ref=result.ref,
            value=value,
            comparator=quantity.comparator,
            when=result.when,
            shown=shown_quantity(quantity) + (" preliminary" if result.is_preliminary else ""),
        ), ""

    def _reading(
        self,
        name: str,
        history: Sequence[Measurement],
        problems: Sequence[Problem],
        allowed_days: int | None,
    ) -> Reading:
        newest = history[0] if history else None
        # A newer result that cannot be read must not hide behind an older one that can.
        newer = [each for each in problems if newest is None or _is_newer(each, newest)]
        if newer:
            problem = f"the recorded {name} {newer[0].text}"
            return Reading(State.UNREADABLE, newest, problem, (newer[0].ref,))
        if newest is not None:
            age = self._clock.days_since(newest.when)
            if allowed_days is None or age <= allowed_days:
                return Reading(State.USABLE, newest, evidence=(newest.ref,))
            problem = f"the last {name}, {newest.text}, is older than {allowed_days} days"
            return Reading(State.STALE, newest, problem, (newest.ref,))
        if not self._patient.results_obtained:
            return Reading(State.NOT_OBTAINED, None, f"{name} could not be obtained")
        return Reading(State.ABSENT, None, f"no {name} is recorded")


def _in(dimension: Dimension) -> Converter:
    return lambda quantity: quantity.to(dimension)


def _within(dimension: Dimension, low: Decimal, high: Decimal) -> Converter:
    def convert(quantity: Quantity) -> Decimal | None:
        value = quantity.to(dimension)
        return value if value is not None and low <= value <= high else None

    return convert


def _creatinine(quantity: Quantity) -> Decimal | None:
    """mg/dL from mass or molar units; ``None`` outside what a living patient can have."""
    value = quantity.to(Dimension.MASS_CONCENTRATION)
    if value is None:
        molar = quantity.to(Dimension.MOLAR_CONCENTRATION)
        value = molar / UMOL_PER_MG if molar is not None else None
    if value is None or not _LOWEST_CREATININE <= value <= _HIGHEST_CREATININE:
        return None
    return value


def _ratio(quantity: Quantity) -> Decimal | None:
    """A ratio is usually written without a unit."""
    return (
        quantity.to(Dimension.RATIO)
        if quantity.has_unit and quantity.ucum != "1"
        else quantity.value
    )
