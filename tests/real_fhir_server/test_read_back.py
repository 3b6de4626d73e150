"""The read-back against a FHIR server that nobody here wrote: sekmet-fhir, R4, in its own process.

``make test`` installs it into an environment of its own, ``.cache/fhir-server``.
"""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from cds_service.app import create_app, load_site_rulebook
from cds_service.rules.rulebook import Rulebook
from tests.contract.answers import FINDINGS, check_answer
from tests.contract.serving import free_port
from tests.contract.support import ORDER_SIGN, settings

ROOT = Path(__file__).parents[2]
PYTHON = ROOT / ".cache/fhir-server/bin/python"
PROGRAM = "from sekmet.cli import app; app()"
STORY = ROOT / "fixtures/fhir/tizanidine-with-ciprofloxacin.order-sign.json"
DAY = datetime(2026, 11, 24, 12, tzinfo=UTC)
STARTS_WITHIN_S = 120
JSON = {"Content-Type": "application/fhir+json"}


@dataclass
class FhirServer:
    """A running server with an empty store."""

    port: int

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.port}/fhir"

    def send(self, method: str, path: str, content: object = None) -> int:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        body = None if content is None else json.dumps(content).encode()
        connection.request(method, path, body, JSON)
        response = connection.getresponse()
        response.read()
        connection.close()
        return response.status

    def load(self, *resources: dict[str, Any]) -> None:
        """Store resources under their ids."""
        for each in resources:
            path = f"/fhir/{each['resourceType']}/{each['id']}"
            assert self.send("PUT", path, each) in {200, 201}


@pytest.fixture(scope="module")
def fhir_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FhirServer]:
    if not PYTHON.exists():
        reason = "there is no FHIR server in .cache/fhir-server: `make test` installs it"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    with running(tmp_path_factory.mktemp("fhir-server")) as server:
        server.load(*stored(story()))
        yield server


@contextmanager
def running(folder: Path) -> Iterator[FhirServer]:
    server = FhirServer(free_port())
    environment = {
        **os.environ,
        "SEKMET_BASE_URL": server.base,
        "SEKMET_DB": str(folder / "store.db"),
    }
    command = [str(PYTHON), "-c", PROGRAM, "serve", "--host", "127.0.0.1"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [*command, "--port", str(server.port)],
            cwd=folder,
            env=environment,
            stdout=log,
            stderr=log,
        )
    try:
        wait_for(server, process, folder / "log")
        yield server
    finally:
        process.terminate()
        process.wait(timeout=30)


def wait_for(server: FhirServer, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + STARTS_WITHIN_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if server.send("GET", "/fhir/metadata") == 200:
                return
        except OSError:
            time.sleep(0.1)
    pytest.fail(f"the FHIR server did not start: {log.read_text(encoding='utf-8')}")


def story() -> dict[str, Any]:
    """A hook request with everything in its prefetch."""
    content: dict[str, Any] = json.loads(STORY.read_text(encoding="utf-8"))
    return content


def stored(request: dict[str, Any]) -> list[dict[str, Any]]:
    """The resources in its prefetch, as an EHR has them in store."""
    values = request["prefetch"].values()
    return [
        resource
        for value in values
        for resource in (
            [entry["resource"] for entry in value.get("entry", [])]
            if value["resourceType"] == "Bundle"
            else [value]
        )
    ]


@pytest.fixture(scope="module")
def rulebook(tmp_path_factory: pytest.TempPathFactory) -> Rulebook:
    return load_site_rulebook(settings(tmp_path_factory.mktemp("site")))


def service(folder: Path, server: FhirServer, rulebook: Rulebook) -> FlaskClient:
    """The service, allowed to read from the server."""
    # The point is what is read, not how fast a busy machine reads it.
    site = settings(folder, f'[fhir]\nallowed_servers = ["{server.base}"]\ntimeout_s = 60')
    return create_app(site, rulebook=rulebook, clock=lambda: DAY).test_client()


def in_pages(rulebook: Rulebook, size: int) -> Rulebook:
    """The rulebook asking for pages of this size."""
    sign = rulebook.services["spasticity-order-sign"]
    templates = {
        key: template.replace("&_count=500", f"&_count={size}")
        for key, template in sign.prefetch.items()
    }
    smaller = {**rulebook.services, sign.id: replace(sign, prefetch=templates)}
    return replace(rulebook, services=smaller)


def cards(client: FlaskClient, request: dict[str, Any]) -> list[dict[str, Any]]:
    """The cards, without what differs from call to call."""
    response = client.post(ORDER_SIGN, json=request)
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.get_json()
    check_answer(answer)
    for card in answer["cards"]:
        del card["uuid"]
        for suggestion in card.get("suggestions", []):
            del suggestion["uuid"]
    found: list[dict[str, Any]] = answer["cards"]
    return found


def rules(found: list[dict[str, Any]]) -> list[str]:
    return [finding["rule"] for card in found for finding in card["extension"][FINDINGS]]


@pytest.mark.parametrize("page", [500, 1])
def test_what_is_read_gives_the_cards_of_what_is_sent(
    fhir_server: FhirServer, rulebook: Rulebook, tmp_path: Path, page: int
) -> None:
    """CALL-26: an empty prefetch and a full one end in the same cards, word for word."""
    more = [
        {**resource, "id": f"more-{number}"}
        for resource in stored(story())
        if resource["resourceType"] == "Condition"
        for number in range(3)
    ]
    fhir_server.load(*more)
    client = service(tmp_path, fhir_server, in_pages(rulebook, page))
    full = story() | {"fhirServer": fhir_server.base}
    sent = cards(client, full)
    assert rules(sent) == [
        "tizanidine-strong-cyp1a2-inhibitor",
        "tizanidine-low-creatinine-clearance",
    ]
    assert cards(client, full | {"prefetch": {}}) == sent


def test_a_drug_behind_a_reference_is_recognised(
    fhir_server: FhirServer, rulebook: Rulebook, tmp_path: Path
) -> None:
    """The list came as prefetch, the product it refers to is read."""
    product = {
        "resourceType": "Medication",
        "id": "product",
        "code": {
            "coding": [{"system": "http://www.nlm.nih.gov/research/umls/rxnorm", "code": "2551"}]
        },
    }
    fhir_server.load(product)
    request = story() | {"fhirServer": fhir_server.base}
    (entry,) = request["prefetch"]["medicationRequests"]["entry"]
    del entry["resource"]["medicationCodeableConcept"]
    entry["resource"]["medicationReference"] = {"reference": "Medication/product"}
    client = service(tmp_path, fhir_server, rulebook)
    assert "tizanidine-strong-cyp1a2-inhibitor" in rules(cards(client, request))


def test_a_patient_that_the_server_does_not_know(
    fhir_server: FhirServer, rulebook: Rulebook, tmp_path: Path
) -> None:
    """CALL-03."""
    request = story() | {"fhirServer": fhir_server.base, "prefetch": {}}
    request["context"]["patientId"] = "nobody"
    response = service(tmp_path, fhir_server, rulebook).post(ORDER_SIGN, json=request)
    assert response.status_code == 412
