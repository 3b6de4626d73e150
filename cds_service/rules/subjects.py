"""Which cases a rule looks at in one chart: its orders, pairs, changes or data."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from cds_service.chart.chart import Chart, Partner
from cds_service.chart.intrathecal import order_kinds
from cds_service.chart.medications import DrugUse
from cds_service.chart.orders import Change, DrugOrder
from cds_service.chart.regimen_change import regimen_changes
from cds_service.rules.case import Case
from cds_service.rules.schema import Rule, Subject

NOT_STATED = "not-stated"
"""How a rule file names an order that does not say its route."""


def cases(rule: Rule, chart: Chart, *, review: bool) -> Iterator[Case]:
    """Every subject of the rule; with ``review`` the active prescriptions stand for orders."""
    for case in _subjects(rule, chart, review=review):
        if review:
            yield replace(case, only_new_facts=False)
            continue
        mode = _mode(rule, case)
        # A change the rule does not speak to is still listed, so that silence is explained.
        yield replace(case, is_answered=mode is not None, only_new_facts=mode == "new-facts")


def _mode(rule: Rule, case: Case) -> str | None:
    """How the rule answers this change; of two drafted partners the stronger change counts."""
    modes = [rule.changes.get(case.change)]
    if case.partner is not None and case.partner.order is not None:
        modes.append(rule.changes.get(case.partner.order.change))
    return "full" if "full" in modes else next((mode for mode in modes if mode), None)


def _subjects(rule: Rule, chart: Chart, *, review: bool) -> Iterator[Case]:
    subject = rule.subject
    if subject.about == "patient":
        prescriptions = _own_sides(subject, chart, review=True) if review else iter(())
        yield next(prescriptions, Case(chart))
    elif subject.about == "change":
        yield from _changes(subject, chart)
    elif subject.about == "pair":
        yield from _pairs(subject, chart, review=review)
    elif subject.about == "datum":
        yield from _data(rule, chart, review=review)
    else:
        own = list(_own_sides(subject, chart, review=review))
        yield from own
        if subject.partner is not None and not own and not review:
            yield from _partner_side(rule, chart)


def _changes(subject: Subject, chart: Chart) -> Iterator[Case]:
    """Lowered regimens, and service orders that end one."""
    for change in regimen_changes(chart, subject.drug or "", subject.routes):
        yield Case(chart, regimen_change=change)
    for service in chart.service_orders:
        if subject.services & service.kinds:
            yield Case(chart, service=service)


def _data(rule: Rule, chart: Chart, *, review: bool) -> Iterator[Case]:
    """Each datum of each order; of a draft known by words only its code."""
    for case in _own_sides(rule.subject, chart, review=review):
        for datum in dict.fromkeys(grade.datum for grade in rule.grades):
            yield replace(case, datum=datum)
    if not review:
        for order in _named_only(chart):
            yield Case(chart, order=order, datum="drug")


def _named_only(chart: Chart) -> Iterator[DrugOrder]:
    """Drafts whose words name one of our drugs, and whose codes do not."""
    names = chart.record.vocabulary.own_ingredients
    for order in chart.drug_orders:
        drug = order.use.drug
        if order.change is not Change.STOP and not drug.is_known and drug.mentions(names):
            yield order


def _partner_side(rule: Rule, chart: Chart) -> Iterator[Case]:
    """A drafted partner of the rule's own drug, which is taken already.

    Of several the one whose change the rule answers most, whatever the order of the bundle.
    """
    established = _established(rule.subject, chart)
    drafts = [
        partner.order
        for partner in chart.partners(rule.subject.partner or "")
        if partner.order is not None
        # The other of our drugs is looked at by its own rule.
        and not partner.use.drug.ingredients & chart.record.vocabulary.own_ingredients
    ]
    if established is not None and drafts:
        rank = {"full": 0, "new-facts": 1, None: 2}
        first = min(drafts, key=lambda order: rank[rule.changes.get(order.change)])
        yield Case(chart, order=first, established=established)


def _own_sides(subject: Subject, chart: Chart, *, review: bool) -> Iterator[Case]:
    """The drafts the rule is about."""
    for order in chart.review_orders if review else chart.drug_orders:
        if order.change is Change.STOP:
            continue
        if _is_own(subject, chart, order.use) or (subject.services & order_kinds(chart, order.use)):
            yield Case(chart, order=order)
    if not review:
        for service in chart.service_orders:
            if subject.services & service.kinds:
                yield Case(chart, service=service)


def _is_own(subject: Subject, chart: Chart, use: DrugUse) -> bool:
    if subject.drug is None or use.drug.match(subject.drug, chart.record.terminology) is None:
        return False
    return not subject.routes or (use.route or NOT_STATED) in subject.routes


def _pairs(subject: Subject, chart: Chart, *, review: bool) -> Iterator[Case]:
    partners = _one_each(chart, subject)
    own = list(_own_sides(subject, chart, review=review))
    for case in own:
        if not partners:
            yield case
        for partner in partners:
            yield replace(case, partner=partner)
    if own or subject.drug is None or review:
        return
    established = _established(subject, chart)
    if established is not None:
        for partner in partners:
            if partner.order is not None:
                yield Case(chart, order=partner.order, established=established, partner=partner)


def _established(subject: Subject, chart: Chart) -> DrugUse | None:
    """The rule's own drug as the patient takes it, where no draft is about it."""
    taken = [
        use
        for use, _ in chart.record.uses_of(subject.drug or "")
        if use.ref not in chart.stopped_refs and _is_own(subject, chart, use)
    ]
    return min(taken, key=lambda use: use.doubt is not None, default=None)


def _one_each(chart: Chart, subject: Subject) -> Sequence[Partner]:
    """One partner for each ingredient: the most certain record of it."""
    longest = max(subject.washout_days.values(), default=0)
    found: dict[str, Partner] = {}
    partners = chart.partners(
        subject.partner or "",
        washout_days=longest,
        systemic_only=not subject.partner_by_any_route,
        washout_is_certain=subject.washout_is_certain,
    )
    for partner in partners:
        if not _within_washout(chart, subject, partner):
            continue
        kept = found.get(partner.ingredient)
        # A draft among the records of one drug names the order of the finding.
        if kept is None or (kept.order is None and partner.order is not None):
            found[partner.ingredient] = partner
    return list(found.values())


def _within_washout(chart: Chart, subject: Subject, partner: Partner) -> bool:
    use = partner.use
    if use.taking.value != "past":
        return True
    if use.end is None or use.ended_unknown:
        if subject.washout_is_certain:
            return True
        allowed_start = use.start
        return allowed_start is not None and chart.record.clock.days_since(
            allowed_start
        ) <= subject.washout_days.get(partner.ingredient, subject.washout_days.get("default", 0))
    allowed = subject.washout_days.get(partner.ingredient, subject.washout_days.get("default", 0))
    return chart.record.clock.days_since(use.end) <= allowed
