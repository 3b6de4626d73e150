"""Cards and feedback as rows of the tables, and back."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import RowMapping

from cds_service.cards.history import ShownCard, ShownFinding
from cds_service.cds import Indicator
from cds_service.store.entries import AnsweredCall, FeedbackEntry


def call_row(call: AnsweredCall, id: str) -> dict[str, Any]:
    """A row of ``calls``."""
    return {
        "id": id,
        "at": call.at,
        "service": call.service,
        "hook": call.hook,
        "tenant": call.tenant,
        "patient_key": call.patient_key,
        "rulebook": call.rulebook,
        "duration_ms": call.duration_ms,
        "unknowns": [{"datum": datum, "cause": cause} for datum, cause in call.unknowns],
    }


def card_row(card: ShownCard, call: str) -> dict[str, Any]:
    """A row of ``shown_cards``."""
    return {
        "uuid": card.uuid,
        "call": call,
        "indicator": card.indicator.value,
        "findings": [_finding(each) for each in card.findings],
    }


def _finding(finding: ShownFinding) -> dict[str, Any]:
    return {
        "key": finding.key,
        "rule": finding.rule,
        "indicator": finding.indicator.value,
        "regimen": finding.regimen,
        "daily_mg": _text(finding.daily_mg),
        "egfr": _text(finding.egfr),
        "creatinine_clearance": _text(finding.creatinine_clearance),
    }


def _text(value: Decimal | None) -> str | None:
    return None if value is None else str(value)


def card_of(row: RowMapping) -> ShownCard:
    """A card from the columns of ``shown_cards``; its suggestions are elsewhere."""
    return ShownCard(
        row["uuid"],
        Indicator(row["indicator"]),
        tuple(_shown_finding(each) for each in row["findings"]),
    )


def _shown_finding(members: Mapping[str, Any]) -> ShownFinding:
    return ShownFinding(
        key=members["key"],
        rule=members["rule"],
        indicator=Indicator(members["indicator"]),
        regimen=members["regimen"],
        daily_mg=_decimal(members["daily_mg"]),
        egfr=_decimal(members["egfr"]),
        creatinine_clearance=_decimal(members["creatinine_clearance"]),
    )


def _decimal(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)


def feedback_row(
    entry: FeedbackEntry, service: str, tenant: str, received_at: datetime
) -> dict[str, Any]:
    """A row of ``feedback``."""
    said = {
        "card": entry.card,
        "tenant": tenant,
        "outcome": entry.outcome,
        "reason_code": entry.reason_code,
        "reason_system": entry.reason_system,
        "reason_display": entry.reason_display,
        "user_comment": entry.user_comment,
    }
    identity = [
        *said.values(),
        entry.outcome_timestamp.astimezone(UTC).isoformat(),
        sorted(set(entry.accepted_suggestions)),
    ]
    return said | {
        "id": hashlib.sha256(json.dumps(identity).encode()).hexdigest(),
        "service": service,
        "outcome_timestamp": entry.outcome_timestamp,
        "received_at": received_at,
    }


def entry_of(row: RowMapping, accepted_suggestions: tuple[str, ...]) -> FeedbackEntry:
    """Feedback from the columns of ``feedback``."""
    return FeedbackEntry(
        card=row["card"],
        outcome=row["outcome"],
        outcome_timestamp=row["outcome_timestamp"],
        accepted_suggestions=accepted_suggestions,
        reason_code=row["reason_code"],
        reason_system=row["reason_system"],
        reason_display=row["reason_display"],
        user_comment=row["user_comment"],
    )
