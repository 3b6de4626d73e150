"""The change of one drug's whole regimen: what was taken, what will be, step by step.

A stop, the orders that replace it and what keeps running are one change. Steps are days
from now (negative: the last 14 days) with the total daily dose from that day on.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from functools import cached_property

from cds_service.chart.chart import Chart
from cds_service.chart.dose import Regimen, add_up
from cds_service.chart.exposure import Exposure, exposure
from cds_service.chart.medications import DrugUse, Taking
from cds_service.chart.orders import Change, DrugOrder, same_drug, therapy
from cds_service.fhir.reading import Obtained

LOOK_BACK_DAYS = 14
_LONGEST_SINGLE_COURSE_DAYS = 30
_UNTIL_NOW = Decimal("-0.5")
_HAND_OVER = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Step:
    """From a day on, a total daily dose in mg; ``None`` is unknown."""

    day: Decimal
    daily_mg: Decimal | None


@dataclass(frozen=True)
class RegimenChange:
    """One drug by one route, before and after the bundle."""

    orders: tuple[DrugOrder, ...]
    before: tuple[DrugUse, ...]
    before_daily_mg: Decimal | None
    earlier: tuple[Step, ...]
    """Levels of the last 14 days, oldest first, as far as the chart dates them."""
    after: tuple[Step, ...]
    """Levels from now on, beginning at day 0."""
    exposure: Exposure

    @property
    def ref(self) -> str:
        """The order that carries the change: the stop, else the first lowered order."""
        stops = [order for order in self.orders if order.change is Change.STOP]
        return (stops or list(self.orders))[0].ref

    @property
    def change(self) -> Change:
        """A stop, or a decrease; a change that cannot be compared is judged as one."""
        stops = any(order.change is Change.STOP for order in self.orders)
        return Change.STOP if stops else Change.DECREASE

    @property
    def evidence(self) -> tuple[str, ...]:
        """The records that hold the regimen before."""
        return tuple(dict.fromkeys(use.ref for use in self.before))

    @cached_property
    def levels(self) -> tuple[Step, ...]:
        """The dose over time: the last 14 days, what is taken until now, what will be."""
        return (*self.earlier, Step(_UNTIL_NOW, self.before_daily_mg), *self.after)

    @property
    def judged_daily_mg(self) -> Decimal | None:
        """The highest dose of the last 14 days; unknown where the present one is."""
        if self.before_daily_mg is None:
            return None
        known = [step.daily_mg for step in self.earlier if step.daily_mg is not None]
        return max([self.before_daily_mg, *known])

    @property
    def is_known(self) -> bool:
        """Whether every level is a number."""
        return self.before_daily_mg is not None and all(
            step.daily_mg is not None for step in self.after
        )

    @property
    def was_as_needed(self) -> bool:
        """Whether all of it was taken as needed."""
        return bool(self.before) and all(use.regimen.is_as_needed for use in self.before)

    @property
    def stop_codes(self) -> frozenset[str]:
        """The coded reasons of the stops."""
        return frozenset(
            code
            for order in self.orders
            if order.change is Change.STOP
            for code in order.use.stop_codes
        )


def regimen_changes(chart: Chart, value_set: str, routes: frozenset[str]) -> list[RegimenChange]:
    """The regimens of a drug value set that fall or may fall: one for each route at most."""
    touched = [
        order
        for order in chart.drug_orders
        if order.use.drug.match(value_set, chart.record.terminology) is not None
        and (order.use.route or "") in routes
        # One single dose is no regimen: taking it back ends nothing.
        and not (order.prior or order.use).regimen.given_once
    ]
    groups: list[list[DrugOrder]] = []
    for order in touched:
        group = next((each for each in groups if same_drug(each[0].use, order.use)), None)
        if group is None:
            groups.append([order])
        else:
            group.append(order)
    changes = [_change(chart, group) for group in groups]
    return [change for change in changes if change is not None]


def _change(chart: Chart, group: Sequence[DrugOrder]) -> RegimenChange | None:
    if not any(_may_lower(order) for order in group):
        return None
    sample = group[0].use
    active = [use for use in therapy(sample, chart.record.drug_uses) if not use.is_paused]
    known_refs = {use.ref for use in active}
    # A stop is its own evidence of a regimen that the chart does not hold.
    own = [
        order.prior
        for order in group
        if order.change is Change.STOP
        and order.prior is not None
        and order.prior.ref not in known_refs
    ]
    before = (*active, *own)
    gone = {order.prior.ref for order in group if order.prior is not None}
    kept = [use for use in active if use.ref not in gone]
    drafts = [order for order in group if order.change is not Change.STOP]
    before_daily = add_up(use.regimen.peak_daily_mg for use in before)
    after = _combine(
        [_course(use.regimen, draft=False, lowered=False) for use in kept]
        + [
            _course(order.use.regimen, draft=True, lowered=order.change is Change.DECREASE)
            for order in drafts
        ]
    )
    same = [use for use in chart.record.drug_uses if same_drug(sample, use)] or list(own)
    prior = [order.use.prior for order in group if order.use.prior]
    return RegimenChange(
        orders=tuple(group),
        before=before,
        before_daily_mg=before_daily,
        earlier=_earlier(chart, sample),
        after=after,
        exposure=exposure(
            same,
            prior,
            chart.record.clock,
            list_is_whole=chart.record.medications_obtained is Obtained.YES,
        ),
    )


def _may_lower(order: DrugOrder) -> bool:
    """A stop, a lower dose, or another dose in place of the old one that cannot be compared."""
    if order.change is Change.INCREASE and order.prior is not None:
        return None in (order.use.regimen.peak_daily_mg, order.previous_daily_mg)
    return order.change in (Change.STOP, Change.DECREASE)


def _course(regimen: Regimen, *, draft: bool, lowered: bool) -> list[Step]:
    """The levels of one order from now on."""
    if not draft or not regimen.phases:
        return [Step(Decimal(0), regimen.peak_daily_mg)]
    steps = []
    day = Decimal(0)
    for phase in regimen.phases:
        steps.append(Step(day, phase.daily_mg))
        if phase.days is None:
            return steps  # open-ended: the dose that stays
        day += phase.days
    # One bounded phase at the old dose is the validity of a prescription, not a stop.
    is_course = lowered and day <= _LONGEST_SINGLE_COURSE_DAYS
    if len(regimen.phases) > 1 or is_course:
        steps.append(Step(day, Decimal(0)))
    return steps


def _combine(courses: Sequence[Sequence[Step]]) -> tuple[Step, ...]:
    """Courses that run side by side, added up day by day."""
    days = sorted({step.day for course in courses for step in course} | {Decimal(0)})
    return tuple(Step(day, add_up(_level(course, day) for course in courses)) for day in days)


def _level(course: Iterable[Step], day: Decimal) -> Decimal | None:
    level: Decimal | None = Decimal(0)
    for step in course:
        if step.day <= day:
            level = step.daily_mg
    return level


def _earlier(chart: Chart, sample: DrugUse) -> tuple[Step, ...]:
    """The levels of the last 14 days, from requests whose dates are recorded."""
    now = chart.record.clock.now
    uses = [
        use
        for use in chart.record.drug_uses
        if same_drug(sample, use) and use.kind == "request" and use.start is not None
    ]
    levels = []
    for day in range(LOOK_BACK_DAYS, 0, -1):
        moment = now - timedelta(days=day)
        running = [
            use
            for use in uses
            if use.start is not None
            and use.start.low <= moment
            and not use.ended_unknown
            and (use.taking is Taking.NOW or (use.end is not None and use.end.high >= moment))
        ]
        ending = [use for use in running if use.taking is not Taking.NOW]
        running = [use for use in running if not any(_succeeds(use, old) for old in ending)]
        levels.append(Step(Decimal(-day), add_up(use.regimen.peak_daily_mg for use in running)))
    return tuple(levels)


def _succeeds(use: DrugUse, ending: DrugUse) -> bool:
    """Whether an order took over from one that ended: overlapping days are not a double dose."""
    if use is ending or use.start is None or ending.end is None:
        return False
    return abs(use.start.low - ending.end.high) <= _HAND_OVER
