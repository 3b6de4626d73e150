"""Criteria about the dose of an order and the age and weight it is meant for."""

from __future__ import annotations

from decimal import Decimal

from cds_service.answer import Answer, no, unknown, yes
from cds_service.chart.intrathecal import INTRATHECAL, is_rescue
from cds_service.chart.medications import DrugUse, Taking
from cds_service.chart.orders import DrugOrder
from cds_service.chart.results import plain_number
from cds_service.rules.case import Case
from cds_service.rules.criteria.registry import (
    CONDITIONS,
    LABORATORY,
    MEDICATIONS,
    ValueSetName,
    criterion,
)
from cds_service.rules.criteria.words import (
    DOSE_LENGTH,
    cut,
    milligrams,
    milligrams_a_day,
)

_DAILY = {"daily_dose": DOSE_LENGTH}
_SINGLE = {"single_dose": DOSE_LENGTH}


def drug_order(case: Case) -> DrugOrder:
    """The drug order a criterion about doses looks at."""
    if case.order is None:
        raise TypeError("this criterion is about a drug order")
    return case.order


def unknown_dose(order: DrugOrder) -> Answer:
    """Why the dose of an order, or of what runs beside it, is not known."""
    uses = [order.use, *order.beside]
    use = next((each for each in uses if each.regimen.problem), order.use)
    return unknown(f"the dose cannot be computed: {use.regimen.problem}", use.ref)


def _with_others(order: DrugOrder, text: str) -> str:
    if not order.beside:
        return text
    return f"{text} together with {', '.join(_running_beside(each) for each in order.beside)}"


def _running_beside(use: DrugUse) -> str:
    """Another order of the drug as a clinician knows it: by dose, and since when."""
    daily = use.regimen.peak_daily_mg
    dose = f" {milligrams_a_day(daily)}" if daily is not None else ""
    if use.taking is Taking.DRAFT:
        return f"{use.name}{dose} drafted besides"
    since = f" since {use.start.text}" if use.start is not None else ""
    return f"{use.name}{dose} taken{since}"


def _daily(order: DrugOrder, value: Decimal, *, first: bool = False) -> Answer:
    text = milligrams_a_day(value)
    as_needed = " (as-needed maximum)" if order.use.regimen.is_as_needed else ""
    label = "first daily dose" if first else "daily dose"
    return yes(
        _with_others(order, f"{label} {text}{as_needed}"),
        order.ref,
        *(each.ref for each in order.beside),
        values={"daily_dose": text},
    )


@criterion(reads=(MEDICATIONS,), values=_DAILY)
def daily_dose_above(case: Case, limit: Decimal) -> Answer:
    """The highest daily dose, in mg, with what runs beside it, lies above a limit."""
    order = drug_order(case)
    value = order.peak_daily_mg
    if value is None:
        return unknown_dose(order)
    if value > limit:
        return _daily(order, value)
    return no(f"daily dose {milligrams_a_day(value)}", order.ref)


@criterion(reads=(MEDICATIONS,), values=_DAILY)
def daily_dose_at_least(case: Case, limit: Decimal) -> Answer:
    """The highest daily dose, in mg, reaches a limit; a dose that cannot be computed counts."""
    order = drug_order(case)
    value = order.peak_daily_mg
    if value is None:
        return yes("a daily dose that cannot be computed", order.ref)
    if value >= limit:
        return _daily(order, value)
    return no(f"daily dose {milligrams_a_day(value)}", order.ref)


@criterion(reads=(MEDICATIONS,), values=_DAILY)
def first_daily_dose_above(case: Case, limit: Decimal) -> Answer:
    """The daily dose of the first phase, in mg, lies above a limit."""
    order = drug_order(case)
    value = order.first_daily_mg
    if value is None:
        return unknown_dose(order)
    if value > limit:
        return _daily(order, value, first=True)
    return no(f"first daily dose {milligrams_a_day(value)}", order.ref)


@criterion(reads=(MEDICATIONS,), values=_SINGLE)
def first_single_dose_at_least(case: Case, limit: Decimal) -> Answer:
    """The largest single dose of the first phase, in mg, reaches a limit."""
    order = drug_order(case)
    value = order.use.regimen.first_single_mg
    if value is None:
        return unknown_dose(order)
    text = milligrams(value)
    if value >= limit:
        return yes(f"first single dose {text}", order.ref, values={"single_dose": text})
    return no(f"first single dose {text}", order.ref)


@criterion(reads=(MEDICATIONS,), values=_SINGLE)
def first_single_dose_above(case: Case, limit: Decimal) -> Answer:
    """The largest single dose of the first phase, in mg, lies above a limit."""
    order = drug_order(case)
    return _single(order, order.use.regimen.first_single_mg, limit)


@criterion(reads=(MEDICATIONS,), values=_SINGLE)
def single_dose_above(case: Case, limit: Decimal) -> Answer:
    """The largest single dose of any phase, in mg, lies above a limit."""
    order = drug_order(case)
    return _single(order, order.use.regimen.peak_single_mg, limit)


def _single(order: DrugOrder, value: Decimal | None, limit: Decimal) -> Answer:
    if value is None:
        return unknown_dose(order)
    text = milligrams(value)
    if value > limit:
        return yes(f"single dose {text}", order.ref, values={"single_dose": text})
    return no(f"single dose {text}", order.ref)


@criterion(reads=(MEDICATIONS,), values=_DAILY)
def daily_dose_reaches(case: Case, limit: Decimal) -> Answer:
    """The highest daily dose, in mg, reaches a limit."""
    order = drug_order(case)
    value = order.peak_daily_mg
    if value is None:
        return unknown_dose(order)
    if value >= limit:
        return _daily(order, value)
    return no(f"daily dose {milligrams_a_day(value)}", order.ref)


@criterion(values=_SINGLE)
def is_at_most_once_daily(case: Case, limit: Decimal) -> Answer:
    """The order gives one dose a day of at most a limit in mg."""
    if case.established is not None:
        return no("the drug is taken already")
    order = drug_order(case)
    regimen = order.use.regimen
    single, daily = regimen.peak_single_mg, order.peak_daily_mg
    if single is None or daily is None:
        return no("the dose cannot be computed", order.ref)
    text = milligrams(single)
    if single <= limit and daily <= single:
        return yes(f"{text} once daily", order.ref, values={"single_dose": text})
    return no(f"{text}, {milligrams_a_day(daily)}", order.ref)


@criterion(reads=(MEDICATIONS, CONDITIONS))
def is_rescue_dose(
    case: Case, lowest_mg: Decimal, highest_mg: Decimal, times_a_day: Decimal
) -> Answer:
    """Oral baclofen as rescue while a pump fails or intrathecal delivery stops."""
    order = drug_order(case)
    if is_rescue(
        case.chart,
        order.use,
        lowest_mg=lowest_mg,
        highest_mg=highest_mg,
        times_a_day=times_a_day,
    ):
        return yes("rescue dosing during intrathecal withdrawal", order.ref)
    return no("no rescue dosing", order.ref)


@criterion(reads=(MEDICATIONS,))
def is_a_fresh_start(case: Case, gap_days: int) -> Answer:
    """The drug is new, or was stopped more than some days ago (or for an unknown time)."""
    order = drug_order(case)
    if order.change.value != "restart" or order.gap_days is None or order.gap_days > gap_days:
        return yes(f"a {order.change} order" if order.gap_days is None else "restarted", order.ref)
    return no(f"restarted {order.gap_days} days after it ended", order.ref)


@criterion()
def order_is_intrathecal(case: Case) -> Answer:
    """The drug is given into the cerebrospinal fluid."""
    use = case.own_use
    if use is not None and use.route == INTRATHECAL:
        return yes("intrathecal", use.ref)
    return no("not intrathecal")


@criterion()
def order_is_oral(case: Case) -> Answer:
    """The drug is taken by mouth or tube."""
    use = case.own_use
    if use is not None and use.route == "oral":
        return yes("", use.ref)
    return no("not oral")


@criterion()
def order_is_for(case: Case, drug: ValueSetName) -> Answer:
    """The order is for a drug of a value set."""
    use = case.own_use
    if use is not None and use.drug.match(drug, case.record.terminology) is not None:
        return yes("", use.ref)
    return no(f"not for {case.record.terminology.value_sets[drug].title}")


@criterion(reads=("patient",), values={"age": 12})
def age_at_least(case: Case, years: int) -> Answer:
    """The patient has reached an age in completed years."""
    person = case.record.person
    reached = person.is_at_least(years)
    if reached is None:
        return unknown("the birth date does not tell the age", person.ref)
    text = f"age {person.age_text}"
    if reached:
        return yes(text, person.ref, values={"age": person.age_text})
    return no(text, person.ref)


@criterion(reads=("patient",), values={"age": 12})
def age_below(case: Case, years: int) -> Answer:
    """The patient is younger than an age in completed years."""
    person = case.record.person
    reached = person.is_at_least(years)
    if reached is None:
        return unknown("the birth date does not tell the age", person.ref)
    text = f"age {person.age_text}"
    if reached:
        return no(text, person.ref)
    return yes(text, person.ref, values={"age": person.age_text})


@criterion(reads=("patient", LABORATORY), observations=("body-weight",))
def is_a_child_below(case: Case, kilograms: Decimal, unless_first_above_mg: Decimal) -> Answer:
    """The patient weighs less than a limit; asked only where it can matter, under 18 years.

    Where the weight is not known, a first daily dose above ``unless_first_above_mg`` is too
    high for the lighter child as well, and then the weight does not matter.
    """
    record = case.record
    reading = record.measurements.weight
    weight = reading.usable
    if weight is not None:
        text = f"{plain_number(round(weight.value, 1))} kg"
        if weight.value < kilograms:
            return yes(cut(text), weight.ref)
        return no(text, weight.ref)
    if record.is_adult:
        return no("an adult")
    first = drug_order(case).first_daily_mg
    if first is not None and first > unless_first_above_mg:
        return no("a high start at any weight")
    return unknown(reading.problem, *reading.evidence)
