"""Ready calls, cards and feedback to store."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from cds_service.cards.history import ShownCard, ShownFinding
from cds_service.cds import Indicator
from cds_service.store.entries import AnsweredCall, FeedbackEntry

NOW = datetime(2026, 6, 3, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
SERVICE = "spasticity-order-sign"
TENANT = "https://ehr.example.org north"
PATIENT = "patient-key-1"
CARD = "11111111-1111-4111-8111-111111111111"
OTHER_CARD = "22222222-2222-4222-8222-222222222222"
SUGGESTION = "33333333-3333-4333-8333-333333333333"

FINDING = ShownFinding(
    key="a1b2",
    rule="baclofen-renal-impairment",
    indicator=Indicator.WARNING,
    regimen="c3d4",
    daily_mg=Decimal("30.0"),
    egfr=Decimal("41.25"),
    creatinine_clearance=Decimal("38.10"),
)


def card(uuid: str = CARD, suggestions: tuple[str, ...] = ()) -> ShownCard:
    bare = ShownFinding("e5f6", "missing-data", Indicator.INFO)
    return ShownCard(uuid, Indicator.WARNING, (FINDING, bare), suggestions)


def call(cards: Sequence[ShownCard] = (), **members: Any) -> AnsweredCall:
    made: dict[str, Any] = {
        "at": NOW,
        "service": SERVICE,
        "hook": "order-sign",
        "tenant": TENANT,
        "patient_key": PATIENT,
        "rulebook": "2026.06",
        "duration_ms": 12.5,
        "unknowns": [("weight", "missing")],
        "cards": cards,
    }
    return AnsweredCall(**made | members)


def overridden(uuid: str = CARD, **members: Any) -> FeedbackEntry:
    made: dict[str, Any] = {
        "card": uuid,
        "outcome": "overridden",
        "outcome_timestamp": NOW,
        "reason_code": "OV-1",
        "reason_system": "urn:x-cds-service:override-reason",
    }
    return FeedbackEntry(**made | members)


def accepted(uuid: str = CARD, *suggestions: str, **members: Any) -> FeedbackEntry:
    return FeedbackEntry(uuid, "accepted", NOW, suggestions or (SUGGESTION,), **members)
