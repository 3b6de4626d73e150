"""Run by Alembic for every command; ``schema.upgrade`` brings the connection along."""

from __future__ import annotations

from alembic import context

context.configure(connection=context.config.attributes["connection"], transactional_ddl=True)
with context.begin_transaction():
    context.run_migrations()
