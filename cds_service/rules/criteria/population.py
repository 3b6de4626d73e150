"""Criteria about who the patient is: pregnant, a child, allergic."""

from __future__ import annotations

from decimal import Decimal

from cds_service.answer import Answer, no, unknown, yes
from cds_service.chart.results import plain_number
from cds_service.fhir.reading import Obtained
from cds_service.rules.case import Case
from cds_service.rules.criteria.dose import drug_order, unknown_dose
from cds_service.rules.criteria.registry import (
    ALLERGIES,
    CONDITIONS,
    LABORATORY,
    MEDICATIONS,
    ValueSetName,
    criterion,
)
from cds_service.rules.criteria.words import DOSE_LENGTH, cut, milligrams_a_day

_CHILD_DOSE = {"daily_dose": DOSE_LENGTH, "limit": 24}


@criterion(reads=(CONDITIONS, LABORATORY), observations=("pregnancy-status",), values={"since": 32})
def is_pregnant(case: Case) -> Answer:
    """An active pregnancy begun in the last 300 days, or a status of pregnant in 42 days."""
    record = case.record
    fact = record.pregnancy
    if fact is not None:
        since = f"recorded {fact.since.text}" if fact.since is not None else "without a date"
        if case.counts(fact.since):
            doubt = f"pregnancy ({fact.doubt})" if fact.doubt else None
            return yes(f"pregnancy ({since})", fact.ref, doubt=doubt, values={"since": since})
        return no("pregnancy is not new beside a stable therapy", fact.ref)
    if record.obtained("Condition") is not Obtained.YES:
        return unknown("the problem list could not be obtained in full")
    return no("no pregnancy recorded")


@criterion(reads=(ALLERGIES,))
def is_allergic_to(case: Case, of: ValueSetName) -> Answer:
    """An allergy to a drug of a value set; an intolerance is none, a doubtful one counts."""
    record = case.record
    refs = [
        allergy.ref
        for allergy in record.allergies
        if not allergy.is_intolerance and record.terminology.match(of, allergy.rows) is not None
    ]
    if refs:
        return yes(f"allergy to {record.terminology.value_sets[of].title}", *refs)
    if record.obtained("AllergyIntolerance") is not Obtained.YES:
        return unknown("allergies could not be obtained in full")
    return no(f"no allergy to {record.terminology.value_sets[of].title} recorded")


@criterion(reads=(MEDICATIONS, "patient"), values=_CHILD_DOSE)
def daily_dose_above_for_age(
    case: Case, years: int, below_mg: Decimal, from_mg: Decimal, times: int
) -> Answer:
    """The daily dose lies above so many times a ceiling that depends on the age."""
    order = drug_order(case)
    dose = order.peak_daily_mg
    if dose is None:
        return unknown_dose(order)
    older = case.record.person.is_at_least(years)
    ceilings = {True: [from_mg], False: [below_mg], None: [below_mg, from_mg]}[older]
    sides = {dose > ceiling * times for ceiling in ceilings}
    if len(sides) > 1:
        return unknown("the birth date does not tell which ceiling holds", case.record.person.ref)
    text = milligrams_a_day(dose)
    limit = milligrams_a_day(ceilings[0] * times)
    if sides == {True}:
        values = {"daily_dose": text, "limit": limit}
        return yes(f"daily dose {text}, above {limit}", order.ref, values=values)
    return no(f"daily dose {text}", order.ref)


@criterion(
    reads=(MEDICATIONS, LABORATORY, "patient"), observations=("body-weight",), values=_CHILD_DOSE
)
def daily_dose_per_kg_above(case: Case, limit: Decimal) -> Answer:
    """The highest daily dose lies above a limit in mg per kg."""
    return _per_kilogram(case, drug_order(case).peak_daily_mg, limit)


@criterion(
    reads=(MEDICATIONS, LABORATORY, "patient"), observations=("body-weight",), values=_CHILD_DOSE
)
def first_daily_dose_per_kg_above(case: Case, limit: Decimal) -> Answer:
    """The daily dose of the first phase lies above a limit in mg per kg; asked of a start."""
    if not case.own_drug_starts:
        return no("no start of the drug")
    return _per_kilogram(case, drug_order(case).first_daily_mg, limit)


def _per_kilogram(case: Case, dose: Decimal | None, limit: Decimal) -> Answer:
    order = drug_order(case)
    if dose is None:
        return unknown_dose(order)
    reading = case.record.measurements.weight
    weight = reading.usable
    if weight is None:
        return unknown(reading.problem, *reading.evidence)
    text = milligrams_a_day(dose)
    bound = f"{plain_number(limit)} mg/kg/day"
    if dose > limit * weight.value:
        reason = f"daily dose {text} at {weight.text}, above {bound}"
        return yes(reason, order.ref, weight.ref, values={"daily_dose": text, "limit": bound})
    return no(f"daily dose {text} at {weight.text}", order.ref, weight.ref)


@criterion(
    reads=(LABORATORY, "patient"),
    observations=("body-weight",),
    values={"problem": 84},
)
def child_weight_is_missing(case: Case) -> Answer:
    """No usable weight of a child whose dose is limited by it."""
    reading = case.record.measurements.weight
    if reading.usable is not None or case.record.is_adult:
        return no("a weight is there, or none is needed")
    return yes(reading.problem, *reading.evidence, values={"problem": cut(reading.problem, 84)})
