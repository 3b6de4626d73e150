"""The tables are made by migrations, and are the ones the code believes in."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, text

from cds_service.errors import SettingsError, StoreUnavailable
from cds_service.store.database import Store
from cds_service.store.tables import metadata
from tests.unit.store.support import NOW, SERVICE, TENANT, overridden


@contextmanager
def connected(store: Store) -> Iterator[Connection]:
    with store._connections.transaction() as connection:
        yield connection


def test_migrations_lead_to_the_tables(store: Store) -> None:
    with connected(store) as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []


def test_an_empty_database_is_not_current(empty_database: str) -> None:
    store = Store(empty_database)
    if store.upgrades_itself:
        with pytest.raises(StoreUnavailable):
            store.is_current()
    else:
        assert not store.is_current()
        with pytest.raises(SettingsError, match="run `cds-service db upgrade`"):
            store.require_current()
        assert not store.is_reachable()
    store.upgrade()
    assert store.is_current()
    store.require_current()
    assert store.is_reachable()
    store.close()


def test_an_upgrade_changes_nothing_that_is_current(store: Store) -> None:
    store.add_feedback(SERVICE, TENANT, [overridden()], NOW)
    store.upgrade()
    assert len(list(store.stored_feedback())) == 1


def test_a_database_of_a_newer_version_is_left_alone(store: Store) -> None:
    with connected(store) as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '999'"))
    assert not store.is_current()
    assert not store.is_reachable()
    with pytest.raises(SettingsError, match="newer version"):
        store.upgrade()


def test_several_processes_upgrade_at_once(empty_database: str) -> None:
    program = (
        "import sys; from cds_service.store.database import Store; Store(sys.argv[1]).upgrade()"
    )
    processes = [
        subprocess.Popen([sys.executable, "-c", program, empty_database]) for _ in range(4)
    ]
    assert [process.wait(timeout=60) for process in processes] == [0, 0, 0, 0]
    store = Store(empty_database)
    assert store.is_current()
    store.close()
