"""Every test of the store runs on both databases, each test on an empty one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from cds_service.store.database import Store
from tests.postgres import PostgreSQL, postgresql


@pytest.fixture(scope="session")
def server() -> Iterator[PostgreSQL]:
    with postgresql() as running:
        yield running


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_database(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a database without tables."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/feedback.db"
    running: PostgreSQL = request.getfixturevalue("server")
    return running.database()


@pytest.fixture
def database(empty_database: str) -> str:
    """The URL of a database with the tables of this version."""
    store = Store(empty_database)
    store.upgrade()
    store.close()
    return empty_database


@pytest.fixture
def store(database: str) -> Iterator[Store]:
    made = Store(database)
    yield made
    made.close()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "feedback.db"


@pytest.fixture
def sqlite_store(file: Path) -> Iterator[Store]:
    """For what only a file can suffer."""
    made = Store(f"sqlite:///{file}")
    made.upgrade()
    yield made
    made.close()
