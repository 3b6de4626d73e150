"""What was shown before and how it was answered, as far as it decides what is shown now.

No patient identity: a finding is known by its opaque key.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from cds_service.cds import Indicator


@dataclass(frozen=True, slots=True)
class ShownFinding:
    """One finding of a card, with the input whose worsening ends an override."""

    key: str
    rule: str
    indicator: Indicator
    regimen: str | None = None
    """Opaque key of the order's ingredients and route class; ``None`` without a drug order."""
    daily_dose: Decimal | None = None
    """Of the order, mg/day (intrathecal: µg/day); ``None`` where it is unknown."""
    egfr: Decimal | None = None
    """mL/min/1.73 m²; ``None`` where it could not be computed."""
    creatinine_clearance: Decimal | None = None
    """mL/min; ``None`` where it could not be computed."""
    due: date | None = None
    """The date that the finding waits for, such as a refill."""


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
