"""What goes into the store and comes out of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from cds_service.cards.history import ShownCard


@dataclass(frozen=True, slots=True)
class AnsweredCall:
    """A call that was answered, and the cards as they were returned."""

    at: datetime
    """Aware."""
    service: str
    hook: str
    tenant: str
    patient_key: str
    """A keyed hash: the store cannot tell who the patient is."""
    rulebook: str
    """Its version."""
    duration_ms: float
    unknowns: Sequence[tuple[str, str]] = ()
    """Datum that could not be judged, and the cause: fixed words."""
    cards: Sequence[ShownCard] = ()


@dataclass(frozen=True, slots=True)
class FeedbackEntry:
    """What became of a card, as an EHR reports it (CDS Hooks 2.0.1, feedback)."""

    card: str
    outcome: str
    """``accepted`` or ``overridden``."""
    outcome_timestamp: datetime
    """Aware; the client's clock."""
    accepted_suggestions: tuple[str, ...] = ()
    reason_code: str | None = None
    reason_system: str | None = None
    reason_display: str | None = None
    user_comment: str | None = None
    """Free text from a clinician: may name a patient."""


@dataclass(frozen=True, slots=True)
class StoredFeedback:
    """Feedback as it was stored, and the card it is about where that is known."""

    id: str
    """64 hexadecimal digits."""
    received_at: datetime
    service: str
    tenant: str
    entry: FeedbackEntry
    card: ShownCard | None = None
    """Without suggestions."""
    hook: str | None = None
    shown_at: datetime | None = None
    rulebook: str | None = None


def tenant_of(issuer: str | None, tenant: str | None) -> str:
    """The tenant of a verified client as one opaque text; ``""`` without a client.

    An issuer is a URI and holds no space, so different clients never share a text.
    """
    return " ".join(each for each in (issuer, tenant) if each)
