"""An application for each test, on a small rulebook and an advisor that records."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

from cds_service import consultation
from cds_service.app import create_app
from cds_service.store.database import Store
from tests.contract.description import CheckedClient
from tests.contract.support import NOW, Advisor, settings, small_rulebook


@pytest.fixture
def advisor(monkeypatch: pytest.MonkeyPatch) -> Advisor:
    stand_in = Advisor()
    monkeypatch.setattr(consultation, "consult", stand_in)
    return stand_in


@pytest.fixture(scope="session")
def new_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with its tables: a copy is made sooner than another one."""
    file = tmp_path_factory.mktemp("new") / "feedback.db"
    store = Store(f"sqlite:///{file}")
    store.upgrade()
    store.close()
    return file


@pytest.fixture
def app(advisor: Advisor, new_database: Path, tmp_path: Path) -> Flask:
    shutil.copy(new_database, tmp_path / new_database.name)
    return create_app(
        settings(tmp_path, "[limits]\nmax_request_bytes = 100000"),
        rulebook=small_rulebook(),
        clock=lambda: NOW,
    )


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    """Every answer it gets is held against the description."""
    app.test_client_class = CheckedClient
    return app.test_client()
