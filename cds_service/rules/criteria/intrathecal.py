"""Criteria about intrathecal doses, concentrations, delivery and refills."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from itertools import pairwise

from cds_service.answer import Answer, no, unknown, yes
from cds_service.chart.dose import add_up
from cds_service.chart.intrathecal import (
    INTRATHECAL,
    intrathecal_uses,
    is_bolus,
    is_maintenance,
    is_rescue,
    is_reservoir_fill,
    is_reservoir_product,
    keeps_delivery,
    positive_screening,
    pump_in_place,
    refill_dates,
)
from cds_service.chart.medications import DrugUse, Taking
from cds_service.chart.results import plain_number
from cds_service.fhir.reading import Obtained
from cds_service.rules.case import Case
from cds_service.rules.criteria.dose import drug_order, unknown_dose
from cds_service.rules.criteria.registry import (
    CONDITIONS,
    MEDICATIONS,
    PROCEDURES,
    ValueSetName,
    criterion,
)
from cds_service.rules.criteria.words import NAME_LENGTH, cut, name_of

_AMOUNT = {"amount": 20}
_MICROGRAMS = Decimal(1000)


def _micrograms(milligrams: Decimal) -> str:
    return f"{plain_number(round(milligrams * _MICROGRAMS, 2))} µg"


def _bolus(case: Case) -> DrugUse | None:
    use = case.order.use if case.order is not None else None
    if use is None or use.route != INTRATHECAL or not is_bolus(use):
        return None
    return None if is_reservoir_fill(case.record, use) else use


@criterion(values=_AMOUNT)
def bolus_above(case: Case, micrograms: Decimal) -> Answer:
    """An intrathecal bolus of more than a limit in micrograms, in whatever unit it is written."""
    use = _bolus(case)
    if use is None:
        return no("no intrathecal bolus")
    amount = use.regimen.peak_single_mg
    if amount is None:
        return unknown_dose(drug_order(case))
    text = _micrograms(amount)
    if amount * _MICROGRAMS > micrograms:
        return yes(f"bolus of {text}", use.ref, values={"amount": text})
    return no(f"bolus of {text}", use.ref)


@criterion(reads=(MEDICATIONS,))
def is_the_first_bolus(case: Case) -> Answer:
    """No intrathecal baclofen was given before."""
    before = [
        use for taking in (Taking.NOW, Taking.PAST) for use in intrathecal_uses(case.record, taking)
    ]
    if before:
        return no("intrathecal baclofen was given before", *(use.ref for use in before))
    if case.record.medications_obtained is not Obtained.YES:
        return unknown("the medication list could not be obtained in full")
    return yes("the first bolus on record", case.ref)


@criterion(reads=(MEDICATIONS,), values={"amount": 20, "hours": 3})
def bolus_within(case: Case, hours: int) -> Answer:
    """An intrathecal bolus less than some hours after the last one."""
    use = _bolus(case)
    if use is None:
        return no("no intrathecal bolus")
    earliest = case.record.clock.now - timedelta(hours=hours)
    for other in intrathecal_uses(case.record, Taking.PAST):
        given = other.end or other.start
        is_dose = other.kind == "administration" or is_bolus(other)
        if is_dose and given is not None and given.high > earliest:
            amount = use.regimen.peak_single_mg
            text = _micrograms(amount) if amount is not None else "unknown"
            return yes(
                f"the last bolus was given on {given.text}, less than {hours} hours ago",
                other.ref,
                values={"amount": text, "hours": str(hours)},
            )
    return no(f"no bolus in the last {hours} hours")


@criterion(reads=(PROCEDURES, MEDICATIONS))
def has_positive_screening(case: Case) -> Answer:
    """A screening bolus with a successful outcome is on record."""
    refs = positive_screening(case.record)
    if refs:
        return yes("a positive screening is on record", *refs)
    if case.record.obtained("Procedure") is not Obtained.YES:
        return unknown("procedures could not be obtained in full")
    return no("no positive screening on record")


@criterion()
def order_is_a_bolus(case: Case) -> Answer:
    """The order is a single intrathecal dose."""
    use = _bolus(case)
    return yes("a single dose", use.ref) if use is not None else no("")


@criterion(reads=(PROCEDURES, "devices", MEDICATIONS, CONDITIONS), values=_AMOUNT)
def is_written_in_milligrams(case: Case, bolus_mg: Decimal, daily_mg: Decimal) -> Answer:
    """An intrathecal amount written in milligrams that is large for micrograms.

    A reservoir fill is none: given once, of a product of pump strength (500, 1000 or 2000
    micrograms per mL), with a pump in place.
    """
    use = case.order.use if case.order is not None else None
    if use is None or use.route != INTRATHECAL:
        return no("no intrathecal order")
    written = any(each.written_in_milligrams for each in use.regimen.instructions)
    if not written:
        return no("not written in milligrams", use.ref)
    if is_reservoir_product(use) and is_bolus(use) and pump_in_place(case.record):
        return no("the fill of a reservoir", use.ref)
    single, daily = use.regimen.peak_single_mg, use.regimen.peak_daily_mg
    if is_bolus(use):
        amount, limit, reached = single, bolus_mg, single is not None and single >= bolus_mg
    else:
        amount, limit, reached = daily, daily_mg, daily is not None and daily > daily_mg
    if amount is not None and reached:
        text = f"{plain_number(amount)} mg"
        return yes(f"{text}, written in milligrams", use.ref, values={"amount": text})
    return no(f"below {plain_number(limit)} mg", use.ref)


@criterion(values=_AMOUNT)
def maintenance_above(case: Case, micrograms: Decimal) -> Answer:
    """An intrathecal maintenance dose of more than a limit in micrograms a day."""
    order = drug_order(case)
    if order.use.route != INTRATHECAL or not is_maintenance(order.use):
        return no("no intrathecal maintenance")
    daily = order.peak_daily_mg
    if daily is None:
        return unknown_dose(order)
    text = f"{_micrograms(daily)}/day"
    if daily * _MICROGRAMS > micrograms:
        return yes(text, order.ref, values={"amount": cut(text, 20)})
    return no(text, order.ref)


@criterion(reads=(MEDICATIONS,))
def is_the_first_maintenance(case: Case) -> Answer:
    """No intrathecal maintenance ran before."""
    before = [
        use
        for taking in (Taking.NOW, Taking.PAST)
        for use in intrathecal_uses(case.record, taking)
        if is_maintenance(use) and use.kind != "administration"
    ]
    if before:
        return no("maintenance ran before", *(use.ref for use in before))
    if case.record.medications_obtained is not Obtained.YES:
        return unknown("the medication list could not be obtained in full")
    return yes("the first maintenance on record", case.ref)


@criterion(reads=(MEDICATIONS,), values={"amount": 20, "percent": 10})
def maintenance_rises_by(case: Case, percent: Decimal, *, or_more: int = 0) -> Answer:
    """The daily maintenance dose rises in one step by more than a share (or by it, ``or_more``)."""
    order = drug_order(case)
    running = [use for use in order.beside if use.taking is Taking.NOW]
    before = [*([order.prior] if order.prior is not None else []), *running]
    if order.use.route != INTRATHECAL or not is_maintenance(order.use) or not before:
        return no("no earlier dose")
    old = add_up(use.regimen.peak_daily_mg for use in before)
    beside = add_up(use.regimen.peak_daily_mg for use in order.beside)
    if old is None or beside is None or order.peak_daily_mg is None or old <= 0:
        return unknown_dose(order)
    # Each phase is a step of its own, from the one before it.
    levels = [old, *((phase.daily_mg or Decimal(0)) + beside for phase in order.use.regimen.phases)]
    share, old, new = max(
        (((new - old) * 100 / old, old, new) for old, new in pairwise(levels) if old > 0),
        default=(Decimal(0), old, old),
    )
    text = f"{plain_number(round(share, 1))} %"
    if share > percent or (or_more and share == percent):
        amount = cut(f"{_micrograms(new)}/day", 20)
        return yes(
            f"from {_micrograms(old)}/day to {_micrograms(new)}/day, {text} more",
            *(use.ref for use in before),
            order.ref,
            values={"amount": amount, "percent": cut(text, 10)},
        )
    return no(f"{text} more", order.ref)


@criterion(reads=(MEDICATIONS,), values={"old": 16, "new": 16})
def concentration_differs(case: Case) -> Answer:
    """The reservoir concentration of an order differs from the active one."""
    order = drug_order(case)
    prior = order.prior or next(
        (
            use
            for use in intrathecal_uses(case.record, Taking.NOW)
            if is_maintenance(use) and use.kind == "request"
        ),
        None,
    )
    is_fill = is_reservoir_fill(case.record, order.use)
    if order.use.route != INTRATHECAL or prior is None or (is_bolus(order.use) and not is_fill):
        return no("no earlier concentration")
    old, new = prior.drug.strength, order.use.drug.strength
    if old is None or new is None or not (old.per_millilitre and new.per_millilitre):
        return no("a concentration is not stated", order.ref)
    if old == new:
        return no("the same concentration", order.ref)
    texts = [f"{_micrograms(each.milligrams)}/mL" for each in (old, new)]
    return yes(
        f"from {texts[0]} to {texts[1]}",
        prior.ref,
        order.ref,
        values={"old": cut(texts[0], 16), "new": cut(texts[1], 16)},
    )


@criterion(reads=(MEDICATIONS, PROCEDURES, "devices", CONDITIONS), values={"delivery": 48})
def delivery_ends(case: Case) -> Answer:
    """Intrathecal delivery is stopped, paused, explanted, and the bundle does not keep it."""
    if keeps_delivery(case.chart):
        return no("the bundle keeps intrathecal delivery")
    change = case.regimen_change
    if change is not None:
        last = change.after[0].daily_mg if change.after else Decimal(0)
        if last == 0:
            return yes(
                "intrathecal delivery ends",
                *change.evidence,
                change.ref,
                values={"delivery": "stopped"},
            )
        return no("delivery goes on", change.ref)
    if case.service is None:
        return no("no removal")
    running = [
        use
        for use in intrathecal_uses(case.record, Taking.NOW)
        if is_maintenance(use) and use.kind != "administration"
    ]
    if running or pump_in_place(case.record):
        refs = [use.ref for use in running] or list(pump_in_place(case.record))
        return yes(
            "the pump is removed", *refs, case.service.ref, values={"delivery": "ended by removal"}
        )
    if case.record.medications_obtained is not Obtained.YES:
        return unknown("the medication list could not be obtained in full")
    return no("no intrathecal baclofen is running")


@criterion(reads=(MEDICATIONS,), values={"delivery": 48})
def delivery_falls_by_more_than(case: Case, percent: Decimal) -> Answer:
    """The daily intrathecal dose falls in one step by more than a share."""
    change = case.regimen_change
    if change is None:
        return no("no change of the dose")
    if not change.is_known:
        return unknown("a dose cannot be computed", *change.evidence)
    levels = [change.before_daily_mg or Decimal(0)]
    levels += [step.daily_mg or Decimal(0) for step in change.after]
    steps = list(pairwise(levels))
    worst, old, new = max(
        (((old - new) * 100 / old, old, new) for old, new in steps if old > 0),
        default=(Decimal(0), levels[0], levels[0]),
    )
    share = f"cut by {plain_number(round(worst, 1))} %"
    text = f"from {_micrograms(old)}/day to {_micrograms(new)}/day, {share}"
    if worst > percent and not keeps_delivery(case.chart, unless_lowered=True):
        brief = f"{share} to {_micrograms(new)}/day"
        return yes(text, *change.evidence, change.ref, values={"delivery": cut(brief, 48)})
    return no(text, change.ref)


@criterion(reads=(MEDICATIONS, CONDITIONS))
def has_an_oral_rescue(
    case: Case, lowest_mg: Decimal, highest_mg: Decimal, times_a_day: Decimal
) -> Answer:
    """The bundle orders oral baclofen in rescue doses."""
    for order in case.chart.drug_orders:
        if is_rescue(
            case.chart,
            order.use,
            lowest_mg=lowest_mg,
            highest_mg=highest_mg,
            times_a_day=times_a_day,
        ):
            return yes("oral baclofen is ordered as rescue", order.ref)
    return no("no oral rescue in the bundle")


@criterion(reads=(MEDICATIONS, PROCEDURES, "services"), values={"due": 12, "ahead": 14})
def refill_is_due_within(case: Case, days: int) -> Answer:
    """The planned refill lies less than some days ahead, or has passed (negative days)."""
    dates = refill_dates(case.record)
    if not dates:
        return no("no planned refill on record")
    earliest = min(dates, key=lambda each: each[0].low)
    ahead = -case.record.clock.days_since(earliest[0])
    latest = max(dates, key=lambda each: each[0].low)
    apart = (latest[0].day - earliest[0].day).days
    note = f"; sources differ by {apart} days" if apart > 7 else ""  # noqa: PLR2004 - a week
    text = f"refill planned for {earliest[0].text}{note}"
    if ahead < days or (days > 0 and ahead == days):
        near = {0: "today", 1: "in 1 day"}.get(ahead, f"in {ahead} days")
        values = {"due": earliest[0].text, "ahead": near}
        return yes(text, *(ref for _, ref in dates), values=values)
    return no(text, earliest[1])


@criterion(reads=(CONDITIONS,), values={"diagnosis": NAME_LENGTH, "began": 16})
def diagnosis_began_within(case: Case, of: ValueSetName, days: int) -> Answer:
    """An active or past diagnosis of a value set with an onset less than some days ago."""
    for fact in case.facts(of, history=True):
        onset = fact.diagnosis.onset
        if onset is not None and case.record.clock.days_since(onset) < days:
            name, doubt = name_of(fact.name), fact.diagnosis.doubt
            return yes(
                f"{name} on {onset.text}",
                fact.ref,
                doubt=f"{name} ({doubt})" if doubt else None,
                values={"diagnosis": name, "began": cut(onset.text, 16)},
            )
    if case.record.obtained("Condition") is not Obtained.YES:
        return unknown("the problem list could not be obtained in full")
    return no("none that recent")
