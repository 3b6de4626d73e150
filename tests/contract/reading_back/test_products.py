"""Medications that orders and lists refer to."""

from __future__ import annotations

import io
from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.contract.reading_back.awkward_ehr import (
    AwkwardEhr,
    saying,
    searchset,
)
from tests.contract.reading_back.calls import (
    LEVODOPA,
    LEVODOPA_RULE,
    ORAL_BACLOFEN,
    active,
    asked,
    call,
    missing,
    notes,
    product,
)
from tests.contract.support import (
    bundle,
    order_sign,
)


@pytest.mark.parametrize("is_sent", [True, False])
@pytest.mark.parametrize(
    "reference", ["Medication/m1", "{base}/Medication/m1", "Medication/m1/_history/2"]
)
def test_products_that_are_referred_to_are_read(
    service: FlaskClient, ehr: AwkwardEhr, reference: str, is_sent: bool
) -> None:
    requests = searchset(
        active("r1", reference.format(base=ehr.base)), active("r2", "Medication/m2")
    )
    ehr.on("MedicationRequest?", saying(requests))
    ehr.on("Medication?", saying(searchset(LEVODOPA)))
    response = asked(service, call(ehr, {"medicationRequests": requests} if is_sent else None))
    assert LEVODOPA_RULE in response.text
    assert ehr.asked("Medication?") == ["/fhir/Medication?_id=m1,m2&_count=50"]
    assert ehr.asked("Medication/") == []


def test_products_are_read_one_by_one_where_the_search_finds_none(
    service: FlaskClient, ehr: AwkwardEhr, log: io.StringIO
) -> None:
    ehr.on(
        "MedicationRequest?",
        saying(searchset(active("r1", "Medication/m1"), active("r2", "Medication/m2"))),
    )
    ehr.on("Medication/m1", saying(LEVODOPA))
    ehr.on("Medication/m2", saying({}, 404))
    response = asked(service, call(ehr))
    assert LEVODOPA_RULE in response.text
    assert sorted(ehr.asked("Medication/")) == ["/fhir/Medication/m1", "/fhir/Medication/m2"]
    assert notes(log) == ["medicationsReferenced-status-404"]


def test_products_of_drafts_are_read(service: FlaskClient, ehr: AwkwardEhr) -> None:
    draft = ORAL_BACLOFEN | {"medicationReference": {"reference": "Medication/m9"}}
    del draft["medicationCodeableConcept"]
    ehr.on("Medication?", saying(searchset(product("m9", "1292"))))
    content = call(ehr, context=order_sign(draftOrders=bundle(draft))["context"])
    ehr.on("Condition?", saying({}, 404))
    assert missing(asked(service, content)) == {"conditions"}  # so baclofen was recognised


@pytest.mark.parametrize(
    "resource",
    [
        active("r1", "#m1") | {"contained": [LEVODOPA]},
        active("r1", "https://elsewhere.example/fhir/Medication/m1"),
        active("r1", "urn:uuid:0a1b"),
        active("r1", "Medication/.."),
        active("r1", "Medication/a,b"),
        active("r1", "Substance/Medication/m1"),
    ],
)
def test_products_that_are_there_or_not_here_are_not_asked_for(
    service: FlaskClient, ehr: AwkwardEhr, resource: dict[str, Any]
) -> None:
    ehr.on("MedicationRequest?", saying(searchset(resource)))
    assert asked(service, call(ehr)).status_code == 200
    assert ehr.asked("Medication?") + ehr.asked("Medication/") == []


def test_products_that_came_along_are_not_asked_for(service: FlaskClient, ehr: AwkwardEhr) -> None:
    found = searchset(active("r1", "Medication/m1"))
    found["entry"].append({"resource": LEVODOPA, "search": {"mode": "include"}})
    ehr.on("MedicationRequest?", saying(found))
    assert LEVODOPA_RULE in asked(service, call(ehr)).text
    assert ehr.asked("Medication?") == []


def test_products_that_were_sent_under_the_same_name_are_kept(
    service: FlaskClient, ehr: AwkwardEhr
) -> None:
    requests = searchset(active("r1", "Medication/m1"), active("r2", "Medication/m2"))
    sent = {"medicationRequests": requests, "medicationsReferenced": LEVODOPA}
    assert LEVODOPA_RULE in asked(service, call(ehr, sent)).text
    assert ehr.asked("Medication?") == []


def test_at_most_fifty_products_are_read(
    service: FlaskClient, ehr: AwkwardEhr, log: io.StringIO
) -> None:
    many = [active(f"r{n}", f"Medication/m{n}") for n in range(60)]
    ehr.on("MedicationRequest?", saying(searchset(*many)))
    ehr.on("Medication?", saying(searchset(LEVODOPA)))
    asked(service, call(ehr))
    (path,) = ehr.asked("Medication?")
    assert path.count(",") == 49
    assert notes(log) == ["medicationsReferenced-too-many-references"]
