"""Criteria about lowering and stopping: abrupt or by taper, after how long, from how much.

The limits are those of the rule file; the shape of a taper is decided here.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from itertools import pairwise

from cds_service.answer import Answer, no, unknown, yes
from cds_service.chart.intrathecal import INTRATHECAL, intrathecal_uses, is_maintenance
from cds_service.chart.medications import Taking
from cds_service.chart.orders import Change
from cds_service.chart.regimen_change import LOOK_BACK_DAYS, RegimenChange, Step
from cds_service.fhir.reading import Obtained
from cds_service.rules.case import Case
from cds_service.rules.criteria.registry import MEDICATIONS, ValueSetName, criterion
from cds_service.rules.criteria.words import DOSE_LENGTH, cut, milligrams_a_day

_NO_LIMIT = Decimal("Infinity")
_VALUES = {"before": DOSE_LENGTH, "after": DOSE_LENGTH, "exposure": 20}


def _subject(case: Case) -> RegimenChange:
    if case.regimen_change is None:
        raise TypeError("this criterion is about a change of a regimen")
    return case.regimen_change


def _distinct(steps: Sequence[Step]) -> list[tuple[Decimal, Decimal]]:
    """The known levels of a course where the dose changes: (day, daily mg)."""
    found: list[tuple[Decimal, Decimal]] = []
    for step in steps:
        if step.daily_mg is not None and (not found or found[-1][1] != step.daily_mg):
            found.append((step.day, step.daily_mg))
    return found


def is_taper(
    change: RegimenChange, *, step_mg: Decimal, step_share: Decimal, step_days: int
) -> bool:
    """Whether every fall is a small step and stands long enough before the next.

    A course that ends does so from at most one step; one that stays on a lower dose is a
    taper to a plateau.
    """
    levels = _distinct(change.levels)
    last_fall: Decimal | None = None
    for (_, previous), (day, level) in pairwise(levels):
        fall = previous - level
        if fall <= 0:
            continue
        if fall > step_mg and fall > previous * step_share:
            return False
        if last_fall is not None and day - last_fall < step_days:
            return False
        if level == 0 and previous > step_mg:
            return False
        last_fall = day
    return True


def _worst_fall(change: RegimenChange) -> tuple[Decimal, Decimal]:
    """The largest fall this bundle brings about: (highest dose of 14 days before, dose after)."""
    levels = _distinct(change.levels)
    worst = (Decimal(0), Decimal(0))
    for position, (day, level) in enumerate(levels):
        if day < 0:
            continue
        window = [dose for at, dose in levels[:position] if at > day - LOOK_BACK_DAYS]
        # The level that ran into the window counts from its first day.
        started = [dose for at, dose in levels[:position] if at <= day - LOOK_BACK_DAYS]
        top = max([*window, *started[-1:]], default=level)
        if top - level > worst[0] - worst[1]:
            worst = (top, level)
    return worst


def _words(change: RegimenChange, before: Decimal | None, after: Decimal | None) -> Answer:
    old = milligrams_a_day(before) if before is not None else "an unknown dose"
    new = "nothing" if after == 0 else milligrams_a_day(after) if after is not None else "less"
    return yes(
        f"from {old} to {new}",
        *change.evidence,
        change.ref,
        values={
            "before": cut(old, 15),
            "after": cut(new, DOSE_LENGTH),
            "exposure": change.exposure.text,
        },
    )


@criterion(reads=(MEDICATIONS,), values=_VALUES, about="change")
def fell_abruptly(
    case: Case,
    step_mg: Decimal,
    step_percent: Decimal,
    step_days: int,
    stop_above_mg: Decimal,
    fall_percent: Decimal,
    fall_mg: Decimal = _NO_LIMIT,
) -> Answer:
    """The regimen stops or falls abruptly, and not by a taper.

    Abrupt is a stop from more than ``stop_above_mg``, a fall of ``fall_mg`` or more, or a fall
    of more than ``step_mg`` that is ``fall_percent`` or more, in one step or added up over 14
    days. A stop of an unknown dose counts.
    """
    change = _subject(case)
    if change.before_daily_mg is None:
        if change.change is Change.STOP:
            return _words(change, None, Decimal(0))
        return unknown("the dose before cannot be computed", *change.evidence)
    if any(step.daily_mg is None for step in change.after):
        return unknown("the new dose cannot be computed", change.ref)
    if is_taper(change, step_mg=step_mg, step_share=step_percent / 100, step_days=step_days):
        return no("lowered by a taper", change.ref)
    before, after = _worst_fall(change)
    fall = before - after
    if (
        (after == 0 and before > stop_above_mg)
        or fall >= fall_mg
        or (fall > step_mg and fall >= before * fall_percent / 100)
    ):
        return _words(change, before, after)
    return no(f"falls by {milligrams_a_day(fall)} at most", change.ref)


@criterion(reads=(MEDICATIONS,), values=_VALUES, about="change")
def fell_faster_than_a_taper(
    case: Case, step_mg: Decimal, step_percent: Decimal, step_days: int
) -> Answer:
    """A fall larger than one step of a taper, both in mg and in percent."""
    change = _subject(case)
    if not change.is_known:
        return no("a dose cannot be computed", change.ref)
    if is_taper(change, step_mg=step_mg, step_share=step_percent / 100, step_days=step_days):
        return no("lowered by a taper", change.ref)
    before, after = _worst_fall(change)
    if before - after > step_mg and before - after > before * step_percent / 100:
        return _words(change, before, after)
    return no("a small step", change.ref)


@criterion(reads=(MEDICATIONS,), about="change")
def was_taken_longer_than(case: Case, days: int) -> Answer:
    """The drug was taken for more than some days, or for an unknown time."""
    taken = _subject(case).exposure
    if taken.days is None:
        return yes("taken for an unknown time", *taken.evidence)
    if taken.days > days:
        return yes(f"taken for {taken.days} days", *taken.evidence)
    return no(f"taken for {taken.days} days", *taken.evidence)


@criterion(reads=(MEDICATIONS,), about="change")
def was_brief_and_low(case: Case, days: int, daily_mg: Decimal) -> Answer:
    """A short exposure to a low dose, both known."""
    change = _subject(case)
    dose = change.judged_daily_mg
    if change.exposure.days is None or dose is None:
        return no("length or dose is not known")
    if change.exposure.days <= days and dose <= daily_mg:
        return yes(f"{milligrams_a_day(dose)} for {change.exposure.text}", *change.evidence)
    return no(f"{milligrams_a_day(dose)} for {change.exposure.text}")


@criterion(reads=(MEDICATIONS,), about="change")
def was_not_taken_yet(case: Case) -> Answer:
    """The order that is taken back was written today: nothing of it was taken."""
    taken = _subject(case).exposure
    if taken.days == 0:
        return yes("written and taken back on one day", *taken.evidence)
    return no(f"taken for {taken.text}", *taken.evidence)


@criterion(reads=(MEDICATIONS,), about="change")
def dose_was_at_least(case: Case, daily_mg: Decimal) -> Answer:
    """The highest daily dose of the last 14 days reached a limit."""
    change = _subject(case)
    dose = change.judged_daily_mg
    if dose is None:
        return no("the dose before cannot be computed")
    if dose >= daily_mg:
        return yes(f"up to {milligrams_a_day(dose)} in the last 14 days", *change.evidence)
    return no(f"up to {milligrams_a_day(dose)} in the last 14 days")


@criterion(reads=(MEDICATIONS,), about="change")
def dose_is_unknown(case: Case) -> Answer:
    """The dose before the change cannot be computed."""
    change = _subject(case)
    if change.judged_daily_mg is None:
        return yes("the dose before cannot be computed", *change.evidence)
    return no("the dose before is known")


@criterion(about="change")
def stopped_for_a_serious_reaction(case: Case, codes: tuple[str, ...]) -> Answer:
    """The stop carries a coded reason that says serious adverse reaction or allergy."""
    change = _subject(case)
    if change.stop_codes & {code.lower() for code in codes}:
        return yes("stopped for a serious adverse reaction", change.ref)
    return no("no serious adverse reaction is the coded reason")


@criterion(reads=(MEDICATIONS,), about="change")
def was_only_as_needed(case: Case) -> Answer:
    """All of it was taken as needed."""
    change = _subject(case)
    if change.was_as_needed:
        return yes("taken as needed only", *change.evidence)
    return no("taken regularly")


@criterion(reads=(MEDICATIONS,), about="change")
def is_covered_by_intrathecal(case: Case, fall_percent: Decimal) -> Answer:
    """Intrathecal maintenance runs on, and the oral dose falls by no more than a share."""
    change = _subject(case)
    runs = [
        use
        for use in intrathecal_uses(case.record, Taking.NOW)
        if is_maintenance(use) and use.kind != "administration" and use.doubt is None
    ]
    stopped = any(
        order.use.route == INTRATHECAL and order.change is Change.STOP
        for order in case.chart.drug_orders
    )
    if not runs or stopped or not change.is_known:
        return no("no intrathecal maintenance covers it")
    before, after = _worst_fall(change)
    if before - after <= before * fall_percent / 100:
        return yes("intrathecal maintenance runs on", *(use.ref for use in runs))
    return no("the oral dose falls by more than intrathecal maintenance covers")


@criterion(reads=(MEDICATIONS,))
def is_taken_with(case: Case, of: ValueSetName) -> Answer:
    """A drug of a value set is taken besides."""
    partners = case.chart.partners(of)
    if partners:
        return yes(f"with {partners[0].ingredient}", *(each.use.ref for each in partners))
    if case.record.medications_obtained is not Obtained.YES:
        return unknown("the medication list could not be obtained in full")
    return no("none of them is taken")
