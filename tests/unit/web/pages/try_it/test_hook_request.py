"""The request of the page is one that an EHR could have sent."""

from __future__ import annotations

import json
from typing import Any

from cds_service.app import load_site_rulebook
from cds_service.settings import load_settings
from cds_service.web import envelope
from cds_service.web.pages.try_it.hook_request import request_body
from cds_service.web.pages.try_it.patient_bundle import PatientBundle, read_bundle, resources_in

SERVICES = load_site_rulebook(load_settings()).services
SIGN = SERVICES["spasticity-order-sign"]
PATIENT = {"resourceType": "Patient", "id": "p"}
DRUG = b'{"resourceType":"MedicationRequest","id":"o1","status":"draft","dose":0.10}'


def observation(code: str, system: str = "http://loinc.org") -> dict[str, Any]:
    coding = [{"system": system, "code": code}]
    return {"resourceType": "Observation", "id": f"o-{code}", "code": {"coding": coding}}


def chart(*resources: Any, full_url: str | None = None) -> PatientBundle:
    entries = [{"resource": each} for each in (PATIENT, *resources)]
    if full_url is not None:
        entries[0]["fullUrl"] = full_url
    return read_bundle(json.dumps({"resourceType": "Bundle", "entry": entries}).encode(), "x")


def request(patient: PatientBundle, *orders: bytes, service: str = SIGN.id) -> dict[str, Any]:
    drafts = [each for order in orders for each in resources_in(order, "Order")]
    made: dict[str, Any] = json.loads(request_body(SERVICES[service], patient, drafts))
    return made


def ids(answer: dict[str, Any]) -> list[str]:
    return [each["resource"]["id"] for each in answer.get("entry", ())]


def test_it_passes_the_envelope_without_a_note() -> None:
    body = request_body(SIGN, chart(), resources_in(DRUG, "Order"))
    accepted = envelope.read(envelope.parse(body), SIGN)
    assert accepted.notes == ()
    assert accepted.request.patient_id == "p"
    assert b"0.10" in (accepted.request.orders or b""), "numbers keep their digits"


def test_every_template_is_answered_by_type() -> None:
    made = request(chart({"resourceType": "Condition", "id": "c"}), DRUG)
    assert set(made["prefetch"]) == set(SIGN.prefetch)
    assert made["prefetch"]["patient"] == PATIENT
    assert ids(made["prefetch"]["conditions"]) == ["c"]
    assert made["prefetch"]["allergies"] == {
        "resourceType": "Bundle", "type": "searchset", "total": 0,
    }  # fmt: skip


def test_measurements_are_found_by_their_code() -> None:
    made = request(chart(observation("2160-0"), observation("2160-0", "urn:x"), observation("1-1")))
    assert ids(made["prefetch"]["laboratory"]) == ["o-2160-0"]
    assert made["prefetch"]["laboratory"]["total"] == 1


def test_a_code_that_cannot_be_read_is_left_to_the_service() -> None:
    odd = {"resourceType": "Observation", "id": "odd", "code": "2160-0"}
    assert ids(request(chart(odd))["prefetch"]["laboratory"]) == ["odd"]


def test_products_come_with_the_orders_that_may_refer_to_them() -> None:
    product = {"resourceType": "Medication", "id": "m"}
    order = {"resourceType": "MedicationRequest", "id": "r"}
    found = request(chart(order, product))["prefetch"]["medicationRequests"]
    assert [(each["resource"]["id"], each["search"]["mode"]) for each in found["entry"]] == [
        ("r", "match"),
        ("m", "include"),
    ]
    assert found["total"] == 1


def test_a_patient_that_others_know_by_a_uuid_keeps_that_name() -> None:
    name = "urn:uuid:5e5f8c8e-5a3c-4c87-9f0a-1d2d3c4b5a69"
    found = request(chart(full_url=name))["prefetch"]["patient"]
    assert found["entry"][0]["fullUrl"] == name


def test_an_open_encounter_is_part_of_the_context() -> None:
    visit = {"resourceType": "Encounter", "id": "e", "status": "in-progress"}
    assert request(chart(visit))["context"]["encounterId"] == "e"


def test_selections_are_named_while_ordering_and_nothing_is_ordered_in_patient_view() -> None:
    select = request(chart(), DRUG, service="spasticity-order-select")
    assert select["context"]["selections"] == ["MedicationRequest/o1"]
    assert "draftOrders" not in request(chart(), service="spasticity-patient-view")["context"]
