"""What was shown before, and which overridden findings stay silent.

After an override with a reason the findings of that card are not shown again for a while, until
the input gets worse. No patient identity: a finding is known by its opaque key.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from cds_service.cards.keys import Keys
from cds_service.cds import Indicator
from cds_service.chart.kidney import Estimate, NoEstimate
from cds_service.rules.engine import Finding
from cds_service.rules.schema import SilenceLimits

# A kidney estimate below this part of the earlier one has fallen.
_STILL_AS_GOOD = Decimal("0.9")


@dataclass(frozen=True, slots=True)
class ShownFinding:
    """One finding of a card, with the input whose worsening ends an override."""

    key: str
    rule: str
    indicator: Indicator
    regimen: str | None = None
    """Opaque key of the drug's ingredients and route; ``None`` where no drug is ordered."""
    daily_mg: Decimal | None = None
    """The highest daily dose of that order in mg; ``None`` where it is unknown."""
    egfr: Decimal | None = None
    """mL/min/1.73 m², the lowest that is possible; ``None`` where it cannot be computed."""
    creatinine_clearance: Decimal | None = None
    """mL/min, the lowest that is possible; ``None`` where it cannot be computed."""


@dataclass(frozen=True, slots=True)
class ShownCard:
    """A card as it was returned. ``suggestions`` are their uuids."""

    uuid: str
    indicator: Indicator
    findings: tuple[ShownFinding, ...]
    suggestions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Override:
    """A shown card that a clinician has overridden with a reason."""

    at: datetime
    """When the service received it; aware."""
    card: ShownCard


@dataclass(frozen=True, slots=True)
class History:
    """The overrides of one patient at one tenant, and how long they hold.

    ``days`` is the site's choice for warnings and notes; the rulebook limits what is critical.
    """

    overrides: Sequence[Override] = ()
    days: int = 90


def as_shown(finding: Finding, keys: Keys) -> ShownFinding:
    """A finding as it is remembered."""
    use, record = finding.case.own_use, finding.case.record
    return ShownFinding(
        key=keys.of(finding),
        rule=finding.rule.id,
        indicator=finding.indicator,
        regimen=keys.of_regimen(use) if use is not None else None,
        daily_mg=use.regimen.peak_daily_mg if use is not None else None,
        egfr=_lowest(record.egfr),
        creatinine_clearance=_lowest(record.clearance),
    )


def _lowest(estimate: Estimate | NoEstimate) -> Decimal | None:
    return estimate.low if isinstance(estimate, Estimate) else None


def not_silenced(
    findings: Sequence[Finding],
    group: Callable[[Sequence[Finding]], list[list[Finding]]],
    history: History,
    limits: SilenceLimits,
    keys: Keys,
) -> list[Finding]:
    """The findings that are shown, in their order; ``now`` is the clock of their charts.

    ``group`` makes the cards. A card is silent only as a whole: a finding that is new on it, or
    has become worse, brings the others back with it.
    """
    if not history.overrides:
        return list(findings)
    shown: set[int] = set()
    for card in group(findings):
        if not all(_is_silent(as_shown(each, keys), each, history, limits) for each in card):
            shown |= {id(each) for each in card}
    return [finding for finding in findings if id(finding) in shown]


def _is_silent(
    present: ShownFinding, finding: Finding, history: History, limits: SilenceLimits
) -> bool:
    now = finding.case.record.clock.now
    return any(
        earlier.key == present.key
        and timedelta(0) <= now - override.at < _length(earlier, history, limits)
        and not _is_worse(present, earlier)
        for override in history.overrides
        for earlier in override.card.findings
    )


def _length(earlier: ShownFinding, history: History, limits: SilenceLimits) -> timedelta:
    chosen = timedelta(days=history.days)
    if earlier.indicator is Indicator.CRITICAL or earlier.rule in limits.short_rules:
        return min(timedelta(hours=limits.short_hours), chosen)
    return chosen


def _is_worse(present: ShownFinding, earlier: ShownFinding) -> bool:
    """Another drug or route, a higher or no longer known dose, worse kidneys, a graver finding."""
    return (
        present.indicator.rank > earlier.indicator.rank
        or present.regimen != earlier.regimen
        or _is_higher(present.daily_mg, earlier.daily_mg)
        or _has_fallen(present.egfr, earlier.egfr)
        or _has_fallen(present.creatinine_clearance, earlier.creatinine_clearance)
    )


def _is_higher(present: Decimal | None, earlier: Decimal | None) -> bool:
    if present is None or earlier is None:
        return present is not earlier
    return present > earlier


def _has_fallen(present: Decimal | None, earlier: Decimal | None) -> bool:
    return present is not None and earlier is not None and present < earlier * _STILL_AS_GOOD
