"""GET /cds-services."""

from __future__ import annotations

import re
from pathlib import Path
from typing import cast

import pytest
from flask.testing import FlaskClient

from cds_service.app import create_app
from cds_service.cds import Service
from cds_service.rules.rulebook import Rulebook
from cds_service.web.calls import discovery
from tests.contract.support import (
    Advisor,
    SmallRulebook,
    nulls_and_empties,
    order_select,
    patient_view,
    settings,
)

KNOWN = {
    "hook",
    "title",
    "description",
    "id",
    "prefetch",
    "usageRequirements",
    "version",
    "extension",
}


def test_lists_the_services_at_exactly_that_path(client: FlaskClient) -> None:
    """DIS-01, DIS-02, DIS-04: always there, an object with an array of services, status 200."""
    response = client.get("/cds-services")
    assert response.status_code == 200
    assert response.content_type == "application/json"
    services = response.get_json()["services"]
    assert [service["id"] for service in services] == [
        "spasticity-order-select",
        "spasticity-order-sign",
        "spasticity-medication-prescribe",
        "spasticity-patient-view",
    ]


def test_no_services_is_an_empty_list() -> None:
    """DIS-03: 200 with an empty list, not 404."""
    assert discovery({}) == {"services": []}


def test_every_listed_id_answers_a_call(client: FlaskClient) -> None:
    """DIS-05: discovery and services share one base URL."""
    for service in client.get("/cds-services").get_json()["services"]:
        body = order_select(medications={"resourceType": "Bundle"}) | {"hook": service["hook"]}
        assert client.post(f"/cds-services/{service['id']}", json=body).status_code == 200


def test_ids_are_unique_path_segments(client: FlaskClient) -> None:
    """DIS-06, DIS-07: unique, unreserved characters only, never the word feedback."""
    ids = [service["id"] for service in client.get("/cds-services").get_json()["services"]]
    assert len(ids) == len(set(ids))
    assert all(re.fullmatch(r"[A-Za-z0-9._~-]+", id) and id != "feedback" for id in ids)


def test_may_be_kept_for_a_short_time(client: FlaskClient) -> None:
    """DIS-08 and clarification 52: a short max-age and an ETag that saves the second answer."""
    first = client.get("/cds-services")
    assert first.headers["Cache-Control"] == "private, max-age=60"
    again = client.get("/cds-services", headers={"If-None-Match": first.headers["ETag"]})
    assert again.status_code == 304
    assert again.data == b""


def test_only_members_of_the_standard(client: FlaskClient) -> None:
    """DIS-10: no internal key of the rulebook shows."""
    for service in client.get("/cds-services").get_json()["services"]:
        assert set(service) <= KNOWN
        assert {"hook", "description", "id"} <= set(service)
        assert all(isinstance(template, str) for template in service.get("prefetch", {}).values())


def test_says_which_version_it_speaks(client: FlaskClient) -> None:
    """Section 2, entry fields: recommended from 3.0 on, and passed over by older clients."""
    services = client.get("/cds-services").get_json()["services"]
    assert {service["version"] for service in services} == {"2.0.1"}


def test_no_null_and_nothing_empty(client: FlaskClient) -> None:
    """GEN-03, GEN-04, GEN-05: a service without prefetch has no prefetch member."""
    document = client.get("/cds-services").get_json()
    assert list(nulls_and_empties(document)) == []
    assert "prefetch" not in document["services"][3]
    assert document["services"][3]["usageRequirements"] == "needs prefetch"
    assert "usageRequirements" not in document["services"][0]


def test_prefetch_keeps_its_order() -> None:
    """FP-05: dependent keys stand after those they depend on."""
    service = Service("a", "patient-view", "t", "d", {"z": "Patient/1", "a": "Condition?b=1"})
    assert list(discovery({"a": service})["services"][0]["prefetch"]) == ["z", "a"]


def test_head_and_the_wrong_method(client: FlaskClient) -> None:
    """CALL-21: HEAD is answered, POST is 405 and says what is allowed."""
    assert client.head("/cds-services").status_code == 200
    response = client.post("/cds-services", json={})
    assert response.status_code == 405
    assert response.headers["Allow"] == "GET, HEAD, OPTIONS"
    assert response.get_json()["issue"][0]["diagnostics"] == "CDS-405"


@pytest.mark.parametrize("hook", ["org.example.patient-transmogrify", "patient-view-2"])
def test_hooks_of_an_organisation_and_of_a_later_version(
    advisor: Advisor, tmp_path: Path, hook: str
) -> None:
    """HK-07, HK-08: any name of a hook is listed and answered; its context needs a patient."""
    service = Service("their-own", hook, "Their own", "Looks at the patient", {})
    rulebook = cast(Rulebook, SmallRulebook(services={service.id: service}))
    http = create_app(settings(tmp_path), rulebook=rulebook).test_client()
    (entry,) = http.get("/cds-services").get_json()["services"]
    assert entry["hook"] == hook
    body = patient_view(somethingElse=[1]) | {"hook": hook}
    assert http.post("/cds-services/their-own", json=body).status_code == 200
    assert advisor.request.hook == hook
    assert http.post("/cds-services/their-own", json=body | {"context": {}}).status_code == 400
