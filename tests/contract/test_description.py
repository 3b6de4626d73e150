"""The published ``openapi.yaml``: it describes this service, all of it and nothing else."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from flask import Flask
from flask.testing import FlaskClient
from jsonschema import Draft202012Validator

from cds_service.app import create_app
from tests.contract.description import METHODS, description, violations
from tests.contract.serving import REAL, ROOT, Served, start, stop, wait_until_ready
from tests.contract.support import (
    medication_prescribe,
    order_select,
    order_sign,
    patient_view,
    settings,
)

PAGES = {"pages", "rulebook", "try_it", "insights"}
"""Blueprints for people, who read them in a browser."""
SCHEMAS = ROOT / "cds_service" / "web" / "schemas"


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> Flask:
    """The application with the rulebook that ships: the description is about its services."""
    return create_app(settings(tmp_path_factory.mktemp("site")))


def routes(app: Flask) -> Iterator[tuple[str, str]]:
    """Method and path of everything that is served, each service by its name."""
    services = [one["id"] for one in app.test_client().get("/cds-services").get_json()["services"]]
    for rule in app.url_map.iter_rules():
        for method in (rule.methods or set()) & {name.upper() for name in METHODS}:
            if rule.endpoint.partition(".")[0] in PAGES:
                continue
            if "<service_id>" in rule.rule:
                yield from ((method, rule.rule.replace("<service_id>", each)) for each in services)
            else:
                yield method, rule.rule


def described() -> set[tuple[str, str]]:
    return {
        (method.upper(), path)
        for path, operations in description()["paths"].items()
        for method in operations
    }


def test_every_route_is_described_and_every_path_is_served(shipped: Flask) -> None:
    """A path that nobody described cannot be tested by those who read the description."""
    served = set(routes(shipped))
    assert served - described() == set(), "describe it in cds_service/web/openapi.yaml"
    assert described() - served == set(), "take it out of cds_service/web/openapi.yaml"


def test_it_is_served_as_one_document(client: FlaskClient) -> None:
    """No reference leads out of it, so that it can be saved and read anywhere."""
    response = client.get("/openapi.yaml")
    assert response.status_code == 200
    assert response.content_type == "application/yaml"
    text = response.get_data(as_text=True)
    assert yaml.safe_load(text) == description()
    references = set(re.findall(r"\$ref: '?([^'\n]+)", text))
    assert references
    assert all(reference.startswith("#/components/") for reference in references)
    for reference in references:
        place: Any = description()
        for step in reference.removeprefix("#/").split("/"):
            place = place[step]
    assert not re.search(r"[&*]id\d", text), "aliases are not for every reader"


def test_its_schemas_are_schemas() -> None:
    for schema in description()["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)


def test_requests_are_described_by_what_checks_them() -> None:
    """The schemas that calls are refused by are the published ones, each of them."""
    published = description()["components"]["schemas"].values()
    for file in SCHEMAS.glob("*.json"):
        if file.stem != "any-hook":  # hooks that only another rulebook has
            assert json.loads(file.read_text("utf-8")) in published, file.name


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("OrderSelectRequest", order_select()),
        ("OrderSignRequest", order_sign()),
        ("MedicationPrescribeRequest", medication_prescribe()),
        ("PatientViewRequest", patient_view()),
    ],
)
def test_ready_requests_are_as_described(name: str, body: dict[str, Any]) -> None:
    assert violations(name, body) == []
    assert violations(name, body | {"hook": "other"})
    assert violations(name, body | {"context": {}})


def test_a_pattern_means_the_same_to_every_reader() -> None:
    """Python counts U+001C to U+001F as white space, ECMA 262 counts U+FEFF: neither is left."""
    for file in SCHEMAS.glob("*.json"):
        for pattern in re.findall(r'"pattern": (".*")', file.read_text("utf-8")):
            expression = json.loads(pattern)
            if r"\s" not in expression.replace(r"[\s\S]", ""):
                continue
            compiled = re.compile(expression)
            for sign in "\x00\x1c\x1f\x85\xa0\ufeff\u2003":
                assert not compiled.search(sign), (file.name, sign)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    server = start(tmp_path_factory.mktemp("served"), program=REAL)
    try:
        wait_until_ready(server)
        yield server
    finally:
        stop(server)


CONFIGURATION = """
[checks]
# Whether the patient in prefetch is the one of the context, no schema can say: 412.
positive_data_acceptance.expected-statuses = ["2xx", "412"]
negative_data_rejection.expected-statuses = ["400", "401", "404", "405", "413", "415"]

[[operations]]
include-path-regex = "/feedback$"
# Whether the moment of an outcome is in the calendar, no pattern can say: 400.
checks.positive_data_acceptance.expected-statuses = ["2xx", "400"]
"""


def test_calls_made_up_from_the_description(served: Served, tmp_path: Path) -> None:
    """Schemathesis: every answer to valid and invalid calls is described, none is a failure."""
    (tmp_path / "schemathesis.toml").write_text(CONFIGURATION, encoding="utf-8")
    command = [sys.executable, "-m", "schemathesis.cli"]
    command += ["--config-file", str(tmp_path / "schemathesis.toml"), "run"]
    command += [f"http://127.0.0.1:{served.port}/openapi.yaml"]
    command += ["--seed", "20261124", "--max-examples", "50", "--phases", "coverage,fuzzing"]
    command += ["--request-timeout", "10"]
    command += ["--warnings", "off", "--no-color", "--continue-on-failure"]
    done = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=240
    )
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
    assert "Traceback" not in served.log
    assert '"event": "failed"' not in served.log
