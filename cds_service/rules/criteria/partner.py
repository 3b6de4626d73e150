"""Criteria about the partner of a pair, and about whose drug is new."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from cds_service.answer import Answer, no, yes
from cds_service.chart.chart import Partner
from cds_service.chart.medications import Taking
from cds_service.rules.case import Case
from cds_service.rules.criteria.registry import MEDICATIONS, ValueSetName, criterion
from cds_service.rules.criteria.words import NAME_LENGTH, cut

_VALUES = {"partner": NAME_LENGTH, "partner_since": 60}


def _partner(case: Case) -> Partner:
    if case.partner is None:
        raise TypeError("this criterion is about the partner of a pair")
    return case.partner


def _named(partner: Partner) -> Answer:
    name = cut(partner.ingredient)
    if partner.order is not None and partner.order.change.value != "stop":
        since = "in this order"
    elif partner.doubt is not None:
        since = partner.doubt
    elif partner.use.taking is Taking.PAST:
        ended = partner.use.end
        is_known = ended is not None and not partner.use.ended_unknown
        since = f"stopped on {ended.text}" if ended and is_known else "stopped, day not recorded"
    else:
        since = f"since {partner.since.text}" if partner.since is not None else "on the list"
    return yes(
        f"{name} ({since})",
        partner.use.ref,
        values={"partner": name, "partner_since": cut(since, 60)},
    )


@criterion(reads=(MEDICATIONS,), values=_VALUES, about="pair")
def partner_is(case: Case, of: ValueSetName, *, however_old: bool = False) -> Answer:
    """The partner belongs to a value set, and is new enough to matter unless ``however_old``."""
    partner = _partner(case)
    if partner.use.drug.match(of, case.record.terminology) is None:
        title = case.record.terminology.value_sets[of].title
        return no(f"{partner.ingredient} is no {title}", partner.use.ref)
    own = case.own_use
    newest = partner.since
    if case.order is not None and partner.order is case.order and own is not None:
        # The partner is what is ordered: then the rule's own drug is the other fact.
        newest = own.start
    if not however_old and not case.counts(newest):
        return no(f"{partner.ingredient} is not new beside a stable therapy", partner.use.ref)
    return _named(partner)


@criterion(reads=(MEDICATIONS,), about="pair")
def partner_is_given_once(case: Case) -> Answer:
    """The partner is one single dose."""
    partner = _partner(case)
    if partner.use.regimen.given_once:
        return yes(f"{partner.ingredient} is a single dose", partner.use.ref)
    return no(f"{partner.ingredient} is not a single dose", partner.use.ref)


@criterion(reads=(MEDICATIONS,), values=_VALUES, about="pair")
def partner_acts_within(case: Case, hours: int) -> Answer:
    """The partner is taken, or was within some hours; an end that is not known counts."""
    partner = _partner(case)
    use = partner.use
    if use.taking.value != "past":
        return _named(partner)
    if use.end is None or use.ended_unknown:
        return _named(partner)
    if use.end.high >= case.record.clock.now - timedelta(hours=hours):
        return _named(partner)
    return no(f"{partner.ingredient} ended {use.end.text}", use.ref)


@criterion()
def own_drug_is_new(case: Case) -> Answer:
    """The rule's own drug is started or restarted by this order."""
    if case.own_drug_starts:
        return yes("a new start", case.ref)
    return no("the drug is taken already")


@criterion(reads=(MEDICATIONS,), about="pair")
def partner_dose_is_at_most(
    case: Case, enoxaparin_mg: Decimal, heparin_units: Decimal, dalteparin_units: Decimal
) -> Answer:
    """A subcutaneous heparin in a prophylactic dose a day; a dose that is not known is not."""
    use = _partner(case).use
    limits = {"heparin": heparin_units, "dalteparin": dalteparin_units}
    if use.route == "subcutaneous":
        milligrams, units = use.regimen.peak_daily_mg, use.units_a_day
        for name in use.drug.ingredients:
            if name == "enoxaparin" and milligrams is not None and milligrams <= enoxaparin_mg:
                return yes("a prophylactic dose", use.ref)
            if name in limits and units is not None and units <= limits[name]:
                return yes("a prophylactic dose", use.ref)
    return no("not known to be a prophylactic dose", use.ref)
