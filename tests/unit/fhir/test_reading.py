"""Bundles and resources as real clients send them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cds_service.chart.facts import status_code
from cds_service.fhir.reading import Obtained, read_value
from cds_service.fhir.records import Condition
from cds_service.fhir.references import ReferenceIndex, relative

CONDITION = {"resourceType": "Condition", "id": "c1", "clinicalStatus": "active"}


def read(value: Any) -> Any:
    """Read a JSON value as one prefetch value."""
    return read_value(json.dumps(value).encode(), "prefetch.test")


@pytest.mark.parametrize(
    "value",
    [
        {"resourceType": "Bundle", "type": "searchset", "entry": [{"resource": CONDITION}]},
        {"resourceType": "Bundle", "entry": [{"resource": CONDITION, "fullUrl": "urn:uuid:1"}]},
        {"entry": [{"resource": CONDITION}]},
        {"resourceType": "Bundle", "entry": [CONDITION]},
        {"response": {"status": "200"}, "resource": CONDITION},
        {"resource": {"resourceType": "Bundle", "entry": [{"resource": CONDITION}]}},
        CONDITION,
        [CONDITION],
    ],
)
def test_a_condition_is_found_in_every_wrapping(value: Any) -> None:
    """Bundles with and without type, entries that are resources, wrappers, lists, bare ones."""
    answer = read(value)

    assert [record.ref for record in answer.records] == ["Condition/c1"]
    assert answer.obtained is Obtained.YES


@pytest.mark.parametrize(
    ("value", "obtained"),
    [
        (None, Obtained.YES),
        ({}, Obtained.YES),
        ({"resourceType": "Bundle", "type": "searchset", "total": 0}, Obtained.YES),
        ({"resourceType": "Bundle", "entry": None}, Obtained.YES),
        ({"resourceType": "OperationOutcome", "issue": [{"severity": "error"}]}, Obtained.NO),
        ({"resourceType": "Bundle", "entry": [{"resource": {
            "resourceType": "OperationOutcome", "issue": [{"severity": "error"}]}}]}, Obtained.NO),
        ({"resourceType": "Bundle", "entry": [{"resource": {
            "resourceType": "OperationOutcome", "issue": [{"severity": "warning"}]}}]},
         Obtained.YES),
        ({"resourceType": "Bundle", "link": [{"relation": "next", "url": "x"}]},
         Obtained.INCOMPLETE),
        ({"resourceType": "Bundle", "total": 7, "entry": [{"resource": CONDITION}]},
         Obtained.INCOMPLETE),
        ("123", Obtained.NO),
        (7, Obtained.NO),
    ],
)  # fmt: skip
def test_nothing_found_is_told_from_not_obtained(value: Any, obtained: Obtained) -> None:
    """null and an empty Bundle are answers; an error, a cut list and nonsense are not."""
    assert obtained is read(value).obtained


def test_a_broken_resource_costs_only_itself() -> None:
    """It is set aside and named; its neighbours are read."""
    broken = {"resourceType": "Condition", "id": "c2", "code": "not a concept"}
    answer = read(
        {"resourceType": "Bundle", "entry": [{"resource": broken}, {"resource": CONDITION}]}
    )

    assert [record.ref for record in answer.records] == ["Condition/c1"]
    assert [(each.resource_type, each.ref) for each in answer.set_aside] == [
        ("Condition", "Condition/c2")
    ]


def test_a_broken_detail_is_an_unknown_detail() -> None:
    """Identity, status and code stand where a date cannot be decoded; the damage is named."""
    record = read(CONDITION | {"onsetDateTime": 5}).records[0]

    assert isinstance(record, Condition)
    assert record.damaged
    assert status_code(record.clinicalStatus) == "active"
    assert record.onsetDateTime is None


def test_a_client_cannot_set_our_own_members() -> None:
    """Members that are ours are overwritten after decoding."""
    record = read(CONDITION | {"__ref": "Condition/other", "__damaged": True}).records[0]

    assert record.ref == "Condition/c1"
    assert not record.damaged


@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        ("Medication/1", "Medication/1"),
        ("https://ehr.example.org/fhir/Medication/1", "Medication/1"),
        ("Medication/1/_history/3", "Medication/1"),
        ("https://ehr.example.org/fhir/Medication/1/_history/3", "Medication/1"),
        ("urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0", "urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0"),
    ],
)  # fmt: skip
def test_references_meet(reference: str, expected: str) -> None:
    """Relative, absolute and versioned references of one resource are the same."""
    assert expected == relative(reference)


def test_contained_and_unresolved_references() -> None:
    """``#id`` is looked up inside its container; an unknown reference finds nothing."""
    holder = read(
        {
            "resourceType": "MedicationRequest",
            "id": "m1",
            "contained": [{"resourceType": "Medication", "id": "med", "code": {"text": "x"}}],
        }
    ).records[0]
    index = ReferenceIndex([holder])

    assert index.find("#med", holder) is not None
    assert index.find("#other", holder) is None
    assert index.find("Medication/404", holder) is None
