"""Criteria about diagnoses: which stand, since when, and whether they are the order's reason."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from cds_service.answer import Answer, no, unknown, yes
from cds_service.chart.record import DiagnosisFact
from cds_service.fhir.reading import Obtained
from cds_service.fhir.references import relative
from cds_service.rules.case import Case
from cds_service.rules.criteria.registry import CONDITIONS, ValueSetName, criterion
from cds_service.rules.criteria.words import NAME_LENGTH, name_of

_VALUES = {"diagnosis": NAME_LENGTH}


def _found(facts: list[DiagnosisFact], *, doubt: str | None = None) -> Answer:
    first = facts[0]
    name = name_of(first.name)
    since = first.diagnosis.onset
    dated = f" ({since.text})" if since is not None else ""
    own_doubt = doubt or first.diagnosis.doubt
    return yes(
        f"{name}{dated}",
        *(fact.ref for fact in facts),
        doubt=f"{name} ({own_doubt})" if own_doubt else None,
        values={"diagnosis": name},
    )


def _title(case: Case, value_set: str) -> str:
    return case.record.terminology.value_sets[value_set].title


def _none_of(case: Case, value_set: str) -> Answer:
    """No such diagnosis: a *no* only where the problem list is whole."""
    if case.record.obtained("Condition") is not Obtained.YES:
        return unknown("the problem list could not be obtained in full")
    return no(f"no {_title(case, value_set)} recorded")


@criterion(reads=(CONDITIONS,), values=_VALUES)
def diagnosis(case: Case, of: ValueSetName, *, however_old: bool = False) -> Answer:
    """An active diagnosis of a value set, new enough to matter unless ``however_old``."""
    facts = (replace(case, only_new_facts=False) if however_old else case).facts(of)
    return _found(facts) if facts else _none_of(case, of)


@criterion(reads=(CONDITIONS,), values=_VALUES)
def diagnosis_with(case: Case, of: ValueSetName, also: ValueSetName) -> Answer:
    """An active diagnosis of a value set, and one of another besides."""
    first, second = diagnosis(case, of), diagnosis(case, also)
    if not (first.is_yes and second.is_yes):
        return first if not first.is_yes else second
    doubts = [each.doubt for each in (first, second) if each.doubt]
    return yes(
        f"{first.reason}, with {second.reason}",
        *first.evidence,
        *second.evidence,
        doubt="; ".join(doubts) or None,
        values=first.values,
    )


@criterion(reads=(CONDITIONS,), values=_VALUES)
def diagnosis_ever(case: Case, of: ValueSetName) -> Answer:
    """A diagnosis of a value set, active or over."""
    facts = case.facts(of, history=True)
    return _found(facts) if facts else _none_of(case, of)


@criterion(reads=(CONDITIONS,), values=_VALUES)
def lasting_diagnosis(case: Case, of: ValueSetName) -> Answer:
    """An event that leaves a deficit (stroke, cord injury): it counts also when filed as over."""
    return diagnosis_ever(case, of)


@criterion(reads=(CONDITIONS,), values=_VALUES)
def lifelong_diagnosis(case: Case, of: ValueSetName) -> Answer:
    """A disease that does not resolve: filed as over it is a data problem, and doubtful."""
    facts = case.facts(of)
    if facts:
        return _found(facts)
    past = case.facts(of, history=True)
    if past:
        return _found(past, doubt="recorded as over, which this disease does not become")
    return _none_of(case, of)


@criterion(reads=(CONDITIONS,), values=_VALUES)
def diagnosis_in_remission(case: Case, of: ValueSetName) -> Answer:
    """A diagnosis of a value set recorded as in remission."""
    facts = [fact for fact in case.facts(of, history=True) if fact.diagnosis.in_remission]
    return _found(facts) if facts else _none_of(case, of)


@criterion(reads=(CONDITIONS,), values=_VALUES)
def diagnosis_within(case: Case, of: ValueSetName, days: int) -> Answer:
    """A diagnosis of a value set, active or over, that began within some days."""
    earliest = case.record.clock.now - timedelta(days=days)
    facts = [
        fact
        for fact in case.facts(of, history=True)
        if fact.diagnosis.onset is not None and fact.diagnosis.onset.high >= earliest
    ]
    return _found(facts) if facts else _none_of(case, of)


@criterion(reads=(CONDITIONS,), values=_VALUES)
def is_the_reason(case: Case, of: ValueSetName) -> Answer:
    """The order names a diagnosis of a value set as its reason, by reference or by code."""
    record = case.record
    reasons = case.order.use if case.order is not None else case.service
    if reasons is None:
        return no("no order states a reason")
    named = {relative(reference) for reference in reasons.reason_refs}
    facts = [fact for fact in record.facts(of, history=True) if fact.ref in named]
    if facts:
        return _found(facts)
    for concept in reasons.reasons:
        match = record.terminology.match(of, record.terminology.rows_of(concept))
        if match is not None:
            name = name_of(match.display)
            reason = f"{name} is the stated reason"
            return yes(reason, case.ref, values={"diagnosis": name})
    return no(f"the stated reason is no {_title(case, of)}")


@criterion(reads=(CONDITIONS,))
def problem_list_obtained(case: Case) -> Answer:
    """The problem list was obtained in full, so that what is not in it is not recorded."""
    if case.record.obtained("Condition") is Obtained.YES:
        return yes("")
    return unknown("the problem list could not be obtained in full")
