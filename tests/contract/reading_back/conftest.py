"""An awkward EHR, a service that may read from it, and everything that is logged."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from cds_service.app import create_app, load_site_rulebook
from cds_service.rules.rulebook import Rulebook
from cds_service.web.logs import log_to
from tests.contract.reading_back.awkward_ehr import (
    AwkwardEhr,
    awkward_ehr,
)
from tests.contract.reading_back.calls import (
    TIMEOUT_S,
    Open,
)
from tests.contract.support import (
    NOW,
    settings,
)


@pytest.fixture(scope="module")
def rulebook(tmp_path_factory: pytest.TempPathFactory) -> Rulebook:
    return load_site_rulebook(settings(tmp_path_factory.mktemp("site")))


@pytest.fixture
def ehr() -> Iterator[AwkwardEhr]:
    with awkward_ehr() as running:
        yield running


@pytest.fixture
def open_service(rulebook: Rulebook, ehr: AwkwardEhr, tmp_path: Path) -> Open:
    """Builds the service; settings of the read-back may be given."""

    def build(allowed: str | None = None, **others: object) -> FlaskClient:
        keys: dict[str, object] = {"timeout_s": TIMEOUT_S, **others}
        keys["allowed_servers"] = [allowed or ehr.base]
        text = "[fhir]\n" + "\n".join(f"{name} = {json.dumps(keys[name])}" for name in keys)
        site = settings(tmp_path, text)
        return create_app(site, rulebook=rulebook, clock=lambda: NOW).test_client()

    return build


@pytest.fixture
def service(open_service: Open) -> FlaskClient:
    return open_service()


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """The log of the service, and everything any library says at any level."""
    stream = io.StringIO()
    own, root = logging.getLogger("cds_service"), logging.getLogger()
    before = own.handlers, own.level, own.propagate, root.level
    handler = log_to(stream)
    plain = logging.StreamHandler(stream)
    root.addHandler(plain)
    root.setLevel(logging.DEBUG)
    yield stream
    root.removeHandler(plain)
    handler.close()
    own.handlers, own.level, own.propagate = before[:3]
    root.setLevel(before[3])
