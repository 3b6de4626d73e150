"""The tables as they are now; ``migrations`` holds the way to them.

Types that SQLite and PostgreSQL share. No patient identity: a patient is a keyed hash.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    Column,
    DateTime,
    Dialect,
    Float,
    ForeignKey,
    Index,
    MetaData,
    Table,
    Text,
    TypeDecorator,
)


class Instant(TypeDecorator[datetime]):
    """An aware moment, kept in UTC: SQLite has no time zones."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(
        self,
        value: datetime | None,
        dialect: Dialect,  # noqa: ARG002 (SQLAlchemy's signature)
    ) -> datetime | None:
        """To UTC."""
        return None if value is None else value.astimezone(UTC)

    def process_result_value(
        self,
        value: Any | None,
        dialect: Dialect,  # noqa: ARG002 (SQLAlchemy's signature)
    ) -> datetime | None:
        """In UTC, whatever the session of the database thinks."""
        if value is None:
            return None
        moment: datetime = value
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


metadata = MetaData(
    # A later migration can only change what has a name.
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

calls = Table(
    "calls",
    metadata,
    Column("id", Text, primary_key=True),
    Column("at", Instant, nullable=False),
    Column("service", Text, nullable=False),
    Column("hook", Text, nullable=False),
    Column("tenant", Text, nullable=False),
    Column("patient_key", Text, nullable=False),
    Column("rulebook", Text, nullable=False),
    Column("duration_ms", Float, nullable=False),
    Column("unknowns", JSON, nullable=False),
    Index(None, "at", "service", "hook", "duration_ms"),
    Index(None, "tenant", "patient_key"),
)
"""One row an answered call. ``unknowns`` is a list of ``{"datum": …, "cause": …}``."""

shown_cards = Table(
    "shown_cards",
    metadata,
    Column("uuid", Text, primary_key=True),
    Column("call", Text, ForeignKey("calls.id"), nullable=False),
    Column("indicator", Text, nullable=False),
    Column("findings", JSON, nullable=False),
    Index(None, "call"),
)
"""``findings`` is a list of objects with the members of ``ShownFinding``, decimals as text."""

shown_suggestions = Table(
    "shown_suggestions",
    metadata,
    Column("uuid", Text, primary_key=True),
    Column("card", Text, ForeignKey("shown_cards.uuid"), nullable=False),
    Index(None, "card"),
)

feedback = Table(
    "feedback",
    metadata,
    Column("id", Text, primary_key=True),
    Column("card", Text, nullable=False),
    Column("service", Text, nullable=False),
    Column("tenant", Text, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("reason_code", Text),
    Column("reason_system", Text),
    Column("reason_display", Text),
    Column("user_comment", Text),
    Column("outcome_timestamp", Instant, nullable=False),
    Column("received_at", Instant, nullable=False),
    Index(None, "card"),
    Index(None, "received_at"),
)
"""``id`` is the digest of what was reported, so that a repeat is the same row. ``card`` is no
foreign key: feedback on cards this store never saw is kept."""

accepted_suggestions = Table(
    "accepted_suggestions",
    metadata,
    Column("feedback", Text, ForeignKey("feedback.id"), primary_key=True),
    Column("suggestion", Text, primary_key=True),
)

used_tokens = Table(
    "used_tokens",
    metadata,
    Column("issuer", Text, primary_key=True),
    Column("jti", Text, primary_key=True),
    Column("expires_at", Instant, nullable=False),
    Index(None, "expires_at"),
)
"""``jti`` is the SHA-256 of the claim: of one length, whatever a client puts into it."""
