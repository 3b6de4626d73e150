"""The draft orders of a call, each read against what the patient takes: the change of therapy.

A stop and a replacing order are one change. Doses of one drug by one route that run at the
same time add up; a record that the bundle stops, replaces or renews no longer counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from cds_service.chart.dose import add_up
from cds_service.chart.exposure import LONGEST_GAP, Exposure, exposure
from cds_service.chart.facts import Clock
from cds_service.chart.medications import DrugUse, Taking
from cds_service.fhir.references import relative

STABLE_AFTER_DAYS = 90


class Change(StrEnum):
    """What an order changes, read against the active orders."""

    NEW = "new"
    RESTART = "restart"
    ADDITION = "addition"
    INCREASE = "increase"
    RECENT_RENEWAL = "recent-renewal"
    """A renewal of a drug taken for 90 days or less, or for an unknown time."""
    STABLE_RENEWAL = "stable-renewal"
    DECREASE = "decrease"
    STOP = "stop"
    REVIEW = "review"
    """No order at all: an active prescription looked at when the chart is opened."""

    @property
    def starts_the_drug(self) -> bool:
        """Whether the drug is new to the patient now; only then may it be removed."""
        return self in (Change.NEW, Change.RESTART)


_STOPPING = frozenset({"stopped", "cancelled", "on-hold", "ended"})


@dataclass(frozen=True, slots=True)
class DrugOrder:
    """One drafted drug and what it does to the therapy."""

    use: DrugUse
    change: Change
    prior: DrugUse | None
    """The record it stops, replaces or renews."""
    beside: tuple[DrugUse, ...]
    """Other orders of the same drug and route that run at the same time."""
    gap_days: int | None
    """For a restart: days since the drug ended; ``None`` is unknown."""
    exposure: Exposure

    @property
    def ref(self) -> str:
        """How the order is named on the wire."""
        return self.use.ref

    @property
    def peak_daily_mg(self) -> Decimal | None:
        """The most per day, with everything that runs beside it."""
        others = [each.regimen.peak_daily_mg for each in self.beside]
        return add_up([self.use.regimen.peak_daily_mg, *others])

    @property
    def first_daily_mg(self) -> Decimal | None:
        """The dose per day it begins with, with everything that runs beside it."""
        others = [each.regimen.first_daily_mg for each in self.beside]
        return add_up([self.use.regimen.first_daily_mg, *others])

    @property
    def previous_daily_mg(self) -> Decimal | None:
        """The daily dose of what it replaces."""
        return self.prior.regimen.peak_daily_mg if self.prior is not None else None


def same_drug(first: DrugUse, second: DrugUse) -> bool:
    """Whether two records are the same ingredient by the same route; not stated fits any route."""
    if not first.drug.ingredients & second.drug.ingredients:
        return False
    return first.route == second.route or first.route is None or second.route is None


def is_stop(draft: DrugUse, chart_uses: Sequence[DrugUse]) -> bool:
    """Whether a draft ends an active order."""
    linked = [use for use in chart_uses if _is_linked(draft, use)]
    if draft.status == "completed":
        return any(use.taking is Taking.NOW for use in linked)
    if draft.status not in _STOPPING:
        return False
    # A stop of what the chart already holds as ended changes nothing.
    return not linked or any(use.taking is Taking.NOW for use in linked)


def _is_linked(draft: DrugUse, use: DrugUse) -> bool:
    return bool(draft.ref and draft.ref == use.ref) or (
        draft.prior is not None and relative(draft.prior) == use.ref
    )


def read_orders(
    drafts: Sequence[DrugUse],
    chart_uses: Sequence[DrugUse],
    clock: Clock,
    *,
    list_is_whole: bool,
) -> tuple[DrugOrder, ...]:
    """Every draft as an order with its change of therapy."""
    stops = [draft for draft in drafts if is_stop(draft, chart_uses)]
    orders = [
        draft
        for draft in drafts
        if draft not in stops and draft.status not in _STOPPING | {"completed"}
    ]
    return tuple(
        _stop_order(draft, chart_uses, clock, list_is_whole=list_is_whole)
        if draft in stops
        else _drug_order(draft, orders, stops, chart_uses, clock, list_is_whole=list_is_whole)
        for draft in drafts
        if draft in stops or draft in orders
    )


def therapy(draft: DrugUse, chart_uses: Iterable[DrugUse]) -> list[DrugUse]:
    """What the patient takes now of the same drug: orders, or other records where there are none.

    A statement or supply of a drug that is also ordered is the same therapy, not more of it.
    """
    now = [use for use in chart_uses if use.taking is Taking.NOW and same_drug(draft, use)]
    return [use for use in now if use.kind == "request"] or now


def _stop_order(
    draft: DrugUse, chart_uses: Sequence[DrugUse], clock: Clock, *, list_is_whole: bool
) -> DrugOrder:
    linked = [use for use in chart_uses if _is_linked(draft, use) and use.taking is Taking.NOW]
    prior = linked[0] if linked else draft
    same = [use for use in chart_uses if same_drug(draft, use)]
    return DrugOrder(
        use=draft,
        change=Change.STOP,
        prior=prior,
        beside=(),
        gap_days=None,
        exposure=exposure(same or [draft], [], clock, list_is_whole=list_is_whole),
    )


def _drug_order(
    draft: DrugUse,
    orders: Sequence[DrugUse],
    stops: Sequence[DrugUse],
    chart_uses: Sequence[DrugUse],
    clock: Clock,
    *,
    list_is_whole: bool,
) -> DrugOrder:
    same = [use for use in chart_uses if same_drug(draft, use)]
    active = [use for use in therapy(draft, same) if not use.is_paused]
    linked = [use for use in chart_uses if _is_linked(draft, use)]
    named = [draft.prior] if draft.prior else []
    taken = exposure(same, named, clock, list_is_whole=list_is_whole)
    stopped = [
        use for use in active if any(_is_linked(stop, use) or stop.ref == use.ref for stop in stops)
    ]
    gap: int | None = None
    prior: DrugUse | None = next((use for use in linked if use.taking is Taking.NOW), None)
    if prior is None and stopped and len(stopped) == len(active):
        # The bundle stops all of it and orders it again: one change, linked or not.
        prior = stopped[0]
    if prior is not None:
        change = _by_dose(draft, prior, taken)
    elif active:
        prior = next((use for use in active if _is_same_dose(draft, use)), None)
        change = Change.ADDITION if prior is None else _renewal(taken)
    elif draft.prior is not None and not linked and relative(draft.prior) not in _refs(stops):
        # It continues an order that this record does not hold.
        change = Change.RECENT_RENEWAL
    else:
        change, gap = _new_or_restart(same, clock)
    gone = {use.ref for use in stopped} | _replaced_refs(orders, chart_uses, active)
    others = [use for use in active if use.ref not in gone and use is not prior]
    others += [each for each in orders if each is not draft and _run_together(draft, each)]
    return DrugOrder(draft, change, prior, tuple(others), gap, taken)


def _refs(uses: Iterable[DrugUse]) -> set[str]:
    return {use.ref for use in uses}


def _replaced_refs(
    orders: Sequence[DrugUse], chart_uses: Sequence[DrugUse], active: Sequence[DrugUse]
) -> set[str]:
    """Active records that some order of the bundle replaces or renews."""
    replaced: set[str] = set()
    for order in orders:
        linked = {use.ref for use in chart_uses if _is_linked(order, use)}
        if not linked:
            renewed = next((use for use in active if _is_same_dose(order, use)), None)
            linked = {renewed.ref} if renewed is not None else set()
        replaced |= linked
    return replaced


def _by_dose(draft: DrugUse, prior: DrugUse, taken: Exposure) -> Change:
    if _is_same_dose(draft, prior):
        return _renewal(taken)
    new, old = draft.regimen.peak_daily_mg, prior.regimen.peak_daily_mg
    if new is None or old is None:
        # What cannot be compared is not shown to be harmless.
        return Change.INCREASE
    return Change.INCREASE if new > old else Change.DECREASE


def _is_same_dose(draft: DrugUse, use: DrugUse) -> bool:
    if not same_drug(draft, use):
        return False
    new, old = draft.regimen, use.regimen
    if new.peak_daily_mg is not None and old.peak_daily_mg is not None:
        # A taper begins at the old dose and ends below it.
        is_constant = len({phase.daily_mg for phase in new.phases}) == 1
        return new.peak_daily_mg == old.peak_daily_mg and is_constant
    return new.instructions == old.instructions and bool(new.instructions)


def _renewal(taken: Exposure) -> Change:
    if taken.days is not None and taken.days > STABLE_AFTER_DAYS:
        return Change.STABLE_RENEWAL
    return Change.RECENT_RENEWAL


def _new_or_restart(same: Sequence[DrugUse], clock: Clock) -> tuple[Change, int | None]:
    gaps: list[int | None] = []
    for use in same:
        if use.taking is Taking.NOW:  # paused: it never ended
            gaps.append(0)
        elif use.kind == "administration":
            continue
        elif use.end is not None and not use.ended_unknown:
            if use.end.high >= clock.now - LONGEST_GAP:
                gaps.append(clock.days_since(use.end))
        elif use.start is not None and use.start.high >= clock.now - LONGEST_GAP:
            gaps.append(None)
    if not gaps:
        return Change.NEW, None
    known = [gap for gap in gaps if gap is not None]
    return Change.RESTART, min(known) if known else None


def _run_together(first: DrugUse, second: DrugUse) -> bool:
    if not same_drug(first, second):
        return False
    one, other = _period(first), _period(second)
    return not (one and other) or (one[0] < other[1] and other[0] < one[1])


def _period(use: DrugUse) -> tuple[str, str] | None:
    """The days an order names for itself, where it names both."""
    days = [each.days for each in use.regimen.instructions]
    if use.start is None or use.end is None or None in days:
        return None
    return use.start.low.isoformat(), use.end.high.isoformat()
