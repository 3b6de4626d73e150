"""Calls found by their time: the figures are about a period."""

from __future__ import annotations

from alembic import op

revision = "002"
down_revision = "001"


def upgrade() -> None:
    """Make an index that answers how many calls there were, and how long they took."""
    op.create_index(
        "ix_calls_at_service_hook_duration_ms",
        "calls",
        ["at", "service", "hook", "duration_ms"],
    )
