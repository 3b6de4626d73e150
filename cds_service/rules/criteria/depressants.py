"""Criteria about drugs that depress the central nervous system, counted by ingredient."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from cds_service.answer import Answer, no, unknown, yes
from cds_service.chart.chart import Partner
from cds_service.fhir.reading import Obtained
from cds_service.rules.case import Case
from cds_service.rules.criteria.registry import MEDICATIONS, ValueSetName, criterion
from cds_service.rules.criteria.words import cut

_VALUES = {"depressants": 60}
Found = dict[str, Partner]


def _found(case: Case, value_set: str, *, certain_only: bool) -> Found:
    """Distinct ingredients of a value set, apart from the rule's own drug."""
    own = case.own_use
    own_names = own.drug.ingredients if own is not None else frozenset()
    wanted = case.record.vocabulary.single_ingredients(value_set)
    found: Found = {}
    for partner in case.chart.partners(value_set):
        if certain_only and partner.doubt is not None:
            continue
        if partner.use.drug.ingredients & own_names:
            continue
        # A drug known only by the code of its class counts as one of its own.
        names = partner.use.drug.ingredients & wanted or {partner.ingredient}
        for name in names:
            kept = found.get(name)
            if kept is None or (kept.order is None and partner.order is not None):
                found[name] = partner
    return found


def _dated(found: Found) -> str:
    """Each by name, and since when."""
    texts = []
    for name, partner in sorted(found.items()):
        if partner.order is not None:
            texts.append(f"{name} (in this order)")
        else:
            since = f"since {partner.since.text}" if partner.since is not None else "on the list"
            texts.append(f"{name} ({since})")
    return f"with {', '.join(texts)}"


def _counts(case: Case, found: Found) -> bool:
    """Beside a stable therapy one of them must be new."""
    return any(case.counts(partner.since) for partner in found.values())


def _answer(case: Case, value_set: str, holds: Callable[[Found], bool], what: str) -> Answer:
    for certain_only in (True, False):
        found = _found(case, value_set, certain_only=certain_only)
        if holds(found) and _counts(case, found):
            names = ", ".join(sorted(found))
            doubts = [
                f"{name} ({partner.doubt})"
                for name, partner in sorted(found.items())
                if partner.doubt is not None
            ]
            return yes(
                _dated(found),
                *(partner.use.ref for partner in found.values()),
                doubt=None if certain_only else "; ".join(doubts),
                values={"depressants": cut(names, 60)},
            )
    if case.record.medications_obtained is not Obtained.YES:
        return unknown("the medication list could not be obtained in full")
    return no(f"not {what}")


@criterion(reads=(MEDICATIONS,), values=_VALUES)
def taken_with_any(case: Case, of: ValueSetName, among: ValueSetName) -> Answer:
    """At least one other systemic drug of a value set is taken; all of a wider set are named."""
    answer = _answer(case, of, lambda found: len(found) >= 1, "with one of them")
    if not answer.is_yes:
        return answer
    found = _found(case, among, certain_only=False)
    return replace(
        answer, reason=_dated(found), values={"depressants": cut(", ".join(sorted(found)), 60)}
    )


@criterion(reads=(MEDICATIONS,), values=_VALUES)
def taken_with_at_least(case: Case, of: ValueSetName, count: int) -> Answer:
    """So many other systemic drugs of a value set are taken or drafted."""
    return _answer(case, of, lambda found: len(found) >= count, f"with {count} of them")


@criterion(reads=(MEDICATIONS,), values=_VALUES)
def starts_together_with(case: Case, of: ValueSetName) -> Answer:
    """The order starts its drug, and another draft of the call starts one of a value set."""
    if not case.own_drug_starts:
        return no("the drug is taken already")
    terminology = case.record.terminology
    for order in case.chart.drug_orders:
        match = order.use.drug.match(of, terminology)
        if match is not None and order.change.starts_the_drug:
            name = " / ".join(sorted(match.ingredients))
            return yes(f"{name} starts too", order.ref, values={"depressants": cut(name, 60)})
    return no("no such start in the same call")
