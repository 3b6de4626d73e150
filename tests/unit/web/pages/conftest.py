"""The pages of the shipped rulebook, made once."""

from __future__ import annotations

import pytest
from flask import Flask
from flask.testing import FlaskClient

from cds_service.app import create_app
from tests.contract.support import settings

HTML = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
"""What a browser asks for."""


@pytest.fixture(scope="session")
def app(tmp_path_factory: pytest.TempPathFactory) -> Flask:
    text = '[rules]\ndisabled = ["baclofen-levodopa"]\nshadow = ["tizanidine-child"]\n'
    return create_app(settings(tmp_path_factory.mktemp("site"), text))


@pytest.fixture(scope="session")
def client(app: Flask) -> FlaskClient:
    client = app.test_client()
    client.environ_base["HTTP_ACCEPT"] = HTML["Accept"]
    return client
