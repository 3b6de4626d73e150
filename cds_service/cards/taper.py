"""A taper as successive phases, in doses that tablets can give."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from cds_service.cards.editing import PlannedDose

_SLOWER_BELOW = Decimal(20)
_MOST_PHASES = 40
_TIMES_A_DAY = (3, 2, 4)


def taper(
    daily_mg: Decimal,
    *,
    step_mg: Decimal,
    step_below_20_mg: Decimal,
    interval_days: int,
    tablet_mg: Decimal,
    down_to: Decimal = Decimal(0),
) -> list[PlannedDose]:
    """Phases from below the present dose down to nothing, or to a lower dose that stays.

    Each phase lies one step below the last, rounded to what the smallest tablet can give; the
    dose is split over the day as evenly as possible.
    """
    levels = [
        level
        for level in _levels(daily_mg, step_mg, step_below_20_mg, tablet_mg)
        if level > down_to
    ]
    lengths: list[int | None] = [interval_days] * len(levels)
    if down_to > 0:
        levels.append(down_to)
        lengths.append(None)
    return [
        one_dose(level, tablet_mg, days=days, sequence=sequence)
        for sequence, (level, days) in enumerate(zip(levels, lengths, strict=True), start=1)
    ]


def _levels(daily: Decimal, step: Decimal, step_below: Decimal, tablet: Decimal) -> list[Decimal]:
    levels: list[Decimal] = []
    while len(levels) < _MOST_PHASES:
        size = step if daily > _SLOWER_BELOW else step_below
        following = daily - size
        # Round up to a tablet: a step is never larger than it was set.
        tablets = -(-following // tablet)
        following = tablets * tablet
        if following >= daily:
            following = daily - tablet
        if following <= 0:
            break
        levels.append(following)
        daily = following
    return levels


def one_dose(
    daily: Decimal, tablet: Decimal, *, days: int | None, sequence: int | None
) -> PlannedDose:
    """A daily dose in equal parts of whole tablets, else in two parts with a half tablet.

    One instruction a phase: two at the same time are easily read as two phases.
    """
    for times in _TIMES_A_DAY:
        part = daily / times
        if part % tablet == 0:
            return PlannedDose(part, times, days, sequence)
    if daily <= tablet or daily % tablet != 0:
        return PlannedDose(daily, 1, days, sequence)
    return PlannedDose(daily / 2, 2, days, sequence)


def as_table(doses: Sequence[PlannedDose]) -> str:
    """The phases as a table for the card."""
    lines = ["| day | dose |", "| --- | --- |"]
    start = 1
    for dose in doses:
        words = PlannedDose(dose.milligrams, dose.times_a_day).text
        if dose.days is None:
            lines.append(f"| from {start} | {words} |")
            return "\n".join(lines)
        last = start + dose.days - 1
        lines.append(f"| {f'{start} to {last}' if last > start else start} | {words} |")
        start += dose.days
    lines.append(f"| from {start} | stop |")
    return "\n".join(lines)
