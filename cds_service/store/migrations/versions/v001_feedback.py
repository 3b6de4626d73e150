"""Answered calls, shown cards, feedback, used tokens."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "001"
down_revision = None


def upgrade() -> None:
    """Make the first tables."""
    moment = sa.DateTime(timezone=True)
    op.create_table(
        "calls",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("at", moment, nullable=False),
        sa.Column("service", sa.Text, nullable=False),
        sa.Column("hook", sa.Text, nullable=False),
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("patient_key", sa.Text, nullable=False),
        sa.Column("rulebook", sa.Text, nullable=False),
        sa.Column("duration_ms", sa.Float, nullable=False),
        sa.Column("unknowns", sa.JSON, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_calls"),
    )
    op.create_index("ix_calls_tenant_patient_key", "calls", ["tenant", "patient_key"])
    op.create_table(
        "shown_cards",
        sa.Column("uuid", sa.Text, nullable=False),
        sa.Column("call", sa.Text, nullable=False),
        sa.Column("indicator", sa.Text, nullable=False),
        sa.Column("findings", sa.JSON, nullable=False),
        sa.PrimaryKeyConstraint("uuid", name="pk_shown_cards"),
        sa.ForeignKeyConstraint(["call"], ["calls.id"], name="fk_shown_cards_call"),
    )
    op.create_index("ix_shown_cards_call", "shown_cards", ["call"])
    op.create_table(
        "shown_suggestions",
        sa.Column("uuid", sa.Text, nullable=False),
        sa.Column("card", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("uuid", name="pk_shown_suggestions"),
        sa.ForeignKeyConstraint(["card"], ["shown_cards.uuid"], name="fk_shown_suggestions_card"),
    )
    op.create_index("ix_shown_suggestions_card", "shown_suggestions", ["card"])
    op.create_table(
        "feedback",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("card", sa.Text, nullable=False),
        sa.Column("service", sa.Text, nullable=False),
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("outcome", sa.Text, nullable=False),
        sa.Column("reason_code", sa.Text),
        sa.Column("reason_system", sa.Text),
        sa.Column("reason_display", sa.Text),
        sa.Column("user_comment", sa.Text),
        sa.Column("outcome_timestamp", moment, nullable=False),
        sa.Column("received_at", moment, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_feedback"),
    )
    op.create_index("ix_feedback_card", "feedback", ["card"])
    op.create_index("ix_feedback_received_at", "feedback", ["received_at"])
    op.create_table(
        "accepted_suggestions",
        sa.Column("feedback", sa.Text, nullable=False),
        sa.Column("suggestion", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("feedback", "suggestion", name="pk_accepted_suggestions"),
        sa.ForeignKeyConstraint(
            ["feedback"], ["feedback.id"], name="fk_accepted_suggestions_feedback"
        ),
    )
    op.create_table(
        "used_tokens",
        sa.Column("issuer", sa.Text, nullable=False),
        sa.Column("jti", sa.Text, nullable=False),
        sa.Column("expires_at", moment, nullable=False),
        sa.PrimaryKeyConstraint("issuer", "jti", name="pk_used_tokens"),
    )
    op.create_index("ix_used_tokens_expires_at", "used_tokens", ["expires_at"])
