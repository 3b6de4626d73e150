"""Which findings are shown, and which share a card.

Swallowing and merging are closed lists of the rulebook. No finding is dropped for want of
room: an order has at most four cards, and the last carries the rest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from cds_service.cds import Indicator, Service
from cds_service.rules.criteria.missing import NOT_OBTAINED
from cds_service.rules.engine import Finding
from cds_service.rules.schema import Rulebook

MOST_CARDS_AN_ORDER = 4
MISSING_DATA = "missing-data"
_ORDER_SIGN = "order-sign"


@dataclass(frozen=True)
class Filters:
    """What a site hides: rules never decided, rules only counted, indicators not shown."""

    disabled: frozenset[str] = frozenset()
    shadow: frozenset[str] = frozenset()
    minimum_indicator: Mapping[str, Indicator] = field(default_factory=dict)


def shown_findings(
    findings: Sequence[Finding], service: Service, rulebook: Rulebook, filters: Filters
) -> list[Finding]:
    """The findings a clinician sees, most severe first, ties in catalogue order."""
    active = [finding for finding in findings if finding.rule.id not in filters.shadow]
    kept = [finding for finding in active if not _is_swallowed(finding, active)]
    least = _least_indicator(service, filters)
    kept = [
        finding
        for finding in kept
        if finding.indicator.rank >= least.rank or _must_be_told(finding, rulebook, service)
    ]
    catalogue = {name: position for position, name in enumerate(rulebook.rules)}
    return sorted(kept, key=lambda finding: (-finding.indicator.rank, catalogue[finding.rule.id]))


def _is_swallowed(finding: Finding, others: Sequence[Finding]) -> bool:
    return any(
        other.indicator in finding.rule.swallowed_by.get(other.rule.id, ())
        # What is graver than the finding that would hide it stays.
        and other.indicator.rank >= finding.indicator.rank
        and other.order == finding.order
        for other in others
    )


def _least_indicator(service: Service, filters: Filters) -> Indicator:
    chosen = filters.minimum_indicator.get(service.id)
    if chosen is not None:
        return chosen
    return Indicator.WARNING if service.hook == _ORDER_SIGN else Indicator.INFO


def _must_be_told(finding: Finding, rulebook: Rulebook, service: Service) -> bool:
    """At signing, data that could not be obtained and that a critical rule needed."""
    if finding.rule.id != MISSING_DATA or service.hook != _ORDER_SIGN:
        return False
    kinds = _unobtained(finding)
    return any(
        rule.most_severe is Indicator.CRITICAL
        and rule.reads & kinds
        and _is_about_the_same(rule.subject.drug, rule.subject.services, finding)
        for rule in rulebook.rules.values()
        if rule.id != MISSING_DATA
    )


_KIND_OF_DATUM = {
    "medications": "medications",
    "conditions": "conditions",
    "allergies": "allergies",
    "procedures": "procedures",
    "creatinine": "laboratory",
    "weight": "laboratory",
    "INR": "laboratory",
    "platelets": "laboratory",
}


def _unobtained(finding: Finding) -> frozenset[str]:
    if finding.answer.values.get("cause") != NOT_OBTAINED:
        return frozenset()
    kind = _KIND_OF_DATUM.get(finding.case.datum or "")
    return frozenset({kind}) if kind is not None else frozenset()


def _is_about_the_same(drug: str | None, services: frozenset[str], finding: Finding) -> bool:
    own = finding.case.own_use
    if drug is not None and own is not None:
        return own.drug.match(drug, finding.case.record.terminology) is not None
    return finding.case.service is not None and bool(services & finding.case.service.kinds)


def cards_of(findings: Sequence[Finding], rulebook: Rulebook) -> list[list[Finding]]:
    """Group the findings into cards: most severe first, each group led by its highest finding."""
    by_order: dict[str, list[Finding]] = {}
    for finding in findings:
        by_order.setdefault(finding.order, []).append(finding)
    groups = [group for each in by_order.values() for group in _group(each, rulebook)]
    return sorted(groups, key=lambda group: -group[0].indicator.rank)


def _group(findings: Sequence[Finding], rulebook: Rulebook) -> list[list[Finding]]:
    """The cards of one order; findings come sorted."""
    merged: list[list[Finding]] = []
    for finding in findings:
        group = next((each for each in merged if _may_share(finding, each, rulebook)), None)
        if group is None:
            merged.append([finding])
        else:
            group.append(finding)
    prominent = [group for group in merged if group[0].indicator is not Indicator.INFO]
    notes = [finding for group in merged if group not in prominent for finding in group]
    if len(prominent) > MOST_CARDS_AN_ORDER:
        kept = prominent[: MOST_CARDS_AN_ORDER - 1]
        rest = [finding for group in prominent[MOST_CARDS_AN_ORDER - 1 :] for finding in group]
        return [*kept, rest + notes]
    if notes and len(prominent) == MOST_CARDS_AN_ORDER:
        return [*prominent[:-1], prominent[-1] + notes]
    return [*prominent, notes] if notes else prominent


def _may_share(finding: Finding, group: Sequence[Finding], rulebook: Rulebook) -> bool:
    for other in group:
        if other.rule.id == finding.rule.id:
            return finding.rule.id == MISSING_DATA
        pair = {finding.rule.id, other.rule.id}
        for merge in rulebook.merges:
            if pair <= merge.rules and (not merge.same_partner or _same_partner(finding, other)):
                return True
    return False


def _same_partner(first: Finding, second: Finding) -> bool:
    """Whether two findings rest on the same one drug."""
    names = [
        finding.case.partner.ingredient if finding.case.partner is not None else None
        for finding in (first, second)
    ]
    return names[0] is not None and names[0] == names[1]
