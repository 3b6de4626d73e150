"""Criteria about functional neurological disorder: splints, sites, and the only recorded cause."""

from __future__ import annotations

from cds_service.answer import Answer, no, yes
from cds_service.chart.diagnoses import same_site
from cds_service.chart.drugs import names_a_word
from cds_service.chart.services import ServiceOrder
from cds_service.rules.case import Case
from cds_service.rules.criteria.diagnosis import _found, _none_of
from cds_service.rules.criteria.registry import CONDITIONS, ValueSetName, criterion
from cds_service.rules.criteria.words import NAME_LENGTH, cut, name_of

_VALUES = {"diagnosis": NAME_LENGTH}


def _service(case: Case) -> ServiceOrder:
    if case.service is None:
        raise TypeError("this criterion is about a service order")
    return case.service


@criterion(reads=(CONDITIONS,), values=_VALUES)
def diagnosis_at_the_site(case: Case, of: ValueSetName) -> Answer:
    """An active diagnosis of a value set where the order applies; no site counts as the same."""
    order = _service(case)
    facts = [fact for fact in case.facts(of) if same_site(fact.diagnosis.sites, order.sites)]
    return _found(facts) if facts else _none_of(case, of)


@criterion(reads=(CONDITIONS,), values={"structural": NAME_LENGTH})
def structural_cause_at_the_site(case: Case, of: ValueSetName) -> Answer:
    """A structural cause where the order applies: an injury code, or a disease of a value set.

    A site that is not stated counts as the same. Injuries are ICD chapters S and T.
    """
    order = _service(case)
    named = {reference.rsplit("/", 1)[-1] for reference in order.reason_refs}
    for diagnosis in case.record.diagnoses:
        if not diagnosis.is_active:
            continue
        is_reason = diagnosis.ref.rsplit("/", 1)[-1] in named
        if not (is_reason or same_site(diagnosis.sites, order.sites)):
            continue
        injury = case.record.injury_codes.get(diagnosis.ref, "")
        match = case.record.terminology.match(of, diagnosis.rows)
        if injury or match is not None:
            name = name_of(match.display) if match is not None else f"injury {injury}"
            return yes(f"{name} at the site", diagnosis.ref, values={"structural": name})
    return no("no structural cause at the site")


@criterion(reads=(CONDITIONS,), values={"drug": 12})
def records_no_cause_of(case: Case, of: ValueSetName) -> Answer:
    """No diagnosis of a value set is on record, active or over."""
    if case.record.facts(of, history=True):
        return no("another cause is on record")
    found = _none_of(case, of)
    if not found.is_no or case.own_use is None:
        return found
    return yes("no other cause on record", values={"drug": cut(case.own_use.name, 12)})


@criterion()
def carries_a_note(case: Case, of: tuple[str, ...]) -> Answer:
    """The order already carries a note that names one of some phrases."""
    order = _service(case)
    if names_a_word(order.notes, of):
        return yes("the advice stands on the referral", order.ref)
    return no("no such note on the referral", order.ref)
