"""Which version of the tables a database has, and the way to the newest."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, text

from cds_service.errors import SettingsError

_MIGRATIONS = Path(__file__).with_name("migrations")
_LOCK = 0x6364732D  # "cds-", an arbitrary number that only upgrades of this service take


def upgrade(connection: Connection) -> None:
    """Run the migrations that are missing, within the transaction of the connection.

    Raises ``SettingsError`` for a database of a newer version.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, "head")
    except CommandError:
        raise SettingsError(
            "feedback.database_url: the database belongs to a newer version of this service: "
            "start that version, or name another database"
        ) from None


def is_current(connection: Connection) -> bool:
    """Whether the database has the newest tables."""
    return MigrationContext.configure(connection).get_current_heads() == (newest(),)


@cache
def newest() -> str | None:
    """The revision that this version of the service needs."""
    return ScriptDirectory(str(_MIGRATIONS)).get_current_head()
