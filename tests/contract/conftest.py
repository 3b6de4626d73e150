"""An application for each test, on a small rulebook and an advisor that records."""

from __future__ import annotations

from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

from cds_service import consultation
from cds_service.app import create_app
from tests.contract.description import CheckedClient
from tests.contract.support import NOW, Advisor, settings, small_rulebook


@pytest.fixture
def advisor(monkeypatch: pytest.MonkeyPatch) -> Advisor:
    stand_in = Advisor()
    monkeypatch.setattr(consultation, "consult", stand_in)
    return stand_in


@pytest.fixture
def app(advisor: Advisor, tmp_path: Path) -> Flask:
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
