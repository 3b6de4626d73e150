"""The public sandbox as it behaves today: the six oddities of its requests, and its addresses."""

from __future__ import annotations

import pytest
from flask.testing import FlaskClient

from tests.contract.support import (
    ORDER_SELECT,
    PRESCRIBE,
    Advisor,
    baclofen,
    fields,
    medication_prescribe,
    order_select,
    without,
)


def test_draft_orders_without_a_type(client: FlaskClient, advisor: Advisor) -> None:
    """10.3-1, HK-03: the Bundle has no type."""
    orders = {"resourceType": "Bundle", "entry": [{"resource": baclofen()}]}
    assert client.post(ORDER_SELECT, json=order_select(draftOrders=orders)).status_code == 200
    assert b'"type"' not in (advisor.request.orders or b"")


def test_an_order_without_a_drug(client: FlaskClient) -> None:
    """10.3-2, HK-06: no intent and no medication yet; later category is an object."""
    drugless = {
        "resourceType": "MedicationRequest",
        "id": "request-123",
        "status": "draft",
        "subject": {"reference": "Patient/p1"},
        "dosageInstruction": [{"doseQuantity": {"value": 1}, "timing": {"repeat": {}}}],
    }
    for order in (drugless, baclofen(category={"coding": [{"code": "outpatient"}]})):
        orders = {"resourceType": "Bundle", "entry": [{"resource": order}]}
        response = client.post(ORDER_SELECT, json=order_select(draftOrders=orders))
        assert response.status_code == 200
        assert response.get_json() == {"cards": []}


def test_dstu2_orders(client: FlaskClient) -> None:
    """10.3-3: the default FHIR server is DSTU2: MedicationOrder, patient in place of subject."""
    order = {
        "resourceType": "MedicationOrder",
        "id": "order-123",
        "status": "draft",
        "patient": {"reference": "Patient/p1"},
        "medicationCodeableConcept": {"text": "Baclofen", "coding": [{"code": "1292"}]},
    }
    orders = {"resourceType": "Bundle", "entry": [{"resource": order}]}
    assert client.post(ORDER_SELECT, json=order_select(draftOrders=orders)).status_code == 200
    body = medication_prescribe(medications=orders)
    assert client.post(PRESCRIBE, json=body).status_code == 200


def test_order_select_with_nothing_but_patient_and_user(client: FlaskClient) -> None:
    """10.3-4, CALL-15: clicking the active tab again sends no orders: 400, not 500."""
    response = client.post(ORDER_SELECT, json=order_select(selections=None, draftOrders=None))
    assert response.status_code == 400
    assert fields(response) == {"context.draftOrders"}


def test_imaging_orders(client: FlaskClient) -> None:
    """10.3-5, 10.3-6: services get the orders of all screens, with empty coding and arrays."""
    order = {
        "resourceType": "ServiceRequest",
        "id": "example-request-id",
        "status": "draft",
        "intent": "plan",
        "code": {"coding": [{}]},
        "subject": {"reference": "Patient/p1"},
        "reasonCode": [],
    }
    orders = {"resourceType": "Bundle", "entry": [{"resource": order}]}
    response = client.post(
        ORDER_SELECT,
        json=order_select(draftOrders=orders, selections=["ServiceRequest/example-request-id"]),
    )
    assert response.status_code == 200


def test_its_token_is_harmless(client: FlaskClient) -> None:
    """10.2: a token is always sent, also to an open server; prefetch may be missing."""
    response = client.post(
        ORDER_SELECT,
        json=without(order_select(encounterId=None), "prefetch"),
        headers={"Authorization": "Bearer e.y.J", "Accept": "application/json"},
    )
    assert response.status_code == 200


@pytest.mark.parametrize(
    "path", ["/cds-services/", "//cds-services", "/cds-services//", "///cds-services/"]
)
def test_discovery_with_stray_slashes(client: FlaskClient, path: str) -> None:
    """10.5, contract section 1: no redirect, the same answer."""
    response = client.get("/", environ_overrides={"PATH_INFO": path})
    assert response.status_code == 200
    assert response.get_json() == client.get("/cds-services").get_json()
    assert client.options("/", environ_overrides={"PATH_INFO": path}).status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        "/cds-services//spasticity-order-select",
        "/cds-services/spasticity-order-select/",
        "//cds-services///spasticity-order-select//",
        "/cds-services//spasticity-order-select/explain/",
        "/cds-services/spasticity-order-select//explain",
    ],
)
def test_calls_with_stray_slashes(client: FlaskClient, path: str) -> None:
    """10.5, contract section 1: a POST is answered in place, a preflight too."""
    place = {"PATH_INFO": path}
    assert client.post("/", json=order_select(), environ_overrides=place).status_code == 200
    assert client.options("/", environ_overrides=place).status_code == 200
