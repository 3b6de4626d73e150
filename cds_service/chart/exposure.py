"""How long the patient has been taking a drug without a gap of more than 90 days."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from cds_service.chart.facts import Clock
from cds_service.chart.medications import DrugUse, Taking
from cds_service.fhir.references import relative

LONGEST_GAP = timedelta(days=90)


@dataclass(frozen=True, slots=True)
class Exposure:
    """Days since the earliest start of the unbroken use; ``None`` is unknown."""

    days: int | None
    evidence: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """As a card prints it."""
        return f"{self.days} days" if self.days is not None else "an unknown time"


_RUNNING = (Taking.NOW, Taking.DRAFT)
"""A stopped draft whose order the chart does not hold ran until now."""


def exposure(
    uses: Iterable[DrugUse], prior: Iterable[str], clock: Clock, *, list_is_whole: bool
) -> Exposure:
    """The unbroken use up to now, over requests, statements and dispenses.

    Unknown where the medication list is not whole, where a running record has no start, or
    where a record names a prior prescription that is not in the chart (``prior`` holds the
    references the drafts name).
    """
    uses = list(uses)
    if not list_is_whole:
        return Exposure(None, tuple(dict.fromkeys(use.ref for use in uses)))
    known_refs = {use.ref for use in uses}
    named = [use.prior for use in uses if use.prior and use.taking in _RUNNING] + list(prior)
    evidence = tuple(dict.fromkeys(use.ref for use in uses))
    if any(relative(reference) not in known_refs for reference in named):
        return Exposure(None, evidence)
    if any(use.start is None for use in uses if use.taking in _RUNNING):
        return Exposure(None, evidence)
    spans = sorted(
        ((use.start.low, _last_day(use, clock)) for use in uses if use.start is not None),
        key=lambda span: span[1],
        reverse=True,
    )
    earliest: datetime | None = None
    for start, end in spans:
        reached = earliest if earliest is not None else clock.now
        if end >= reached - LONGEST_GAP:
            earliest = min(start, reached)
    if earliest is None:
        return Exposure(0, evidence)
    return Exposure((clock.now.astimezone(earliest.tzinfo).date() - earliest.date()).days, evidence)


def _last_day(use: DrugUse, clock: Clock) -> datetime:
    if use.taking in _RUNNING:
        return clock.now
    if use.end is not None and use.end.high <= clock.now:
        return use.end.high
    return use.start.high if use.start is not None else clock.now
