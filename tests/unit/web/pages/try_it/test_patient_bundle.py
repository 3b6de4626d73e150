"""A pasted or uploaded record: what is wrong is named, and dates of a story move."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

import pytest

from cds_service.web.pages.try_it.patient_bundle import Unusable, brought_to, read_bundle

PATIENT = {"resourceType": "Patient", "id": "p"}


def bundle(*resources: Any, **members: Any) -> bytes:
    entries = [{"resource": each} for each in resources]
    return json.dumps({"resourceType": "Bundle", "entry": entries} | members).encode()


def test_a_bundle_is_opened() -> None:
    chart = read_bundle(bundle(PATIENT, {"resourceType": "Condition", "id": "c"}), "The file")
    assert chart.patient_id == "p"
    assert [each.id for each in chart.of_type("Condition")] == ["c"]


def test_a_lone_patient_an_array_and_a_byte_order_mark_are_accepted() -> None:
    lone = json.dumps(PATIENT).encode()
    assert read_bundle(lone, "The file").patient_id == "p"
    assert read_bundle(b"[" + lone + b"]", "The file").patient_id == "p"
    assert read_bundle(b"\xef\xbb\xbf" + bundle(PATIENT), "The file").patient_id == "p"


def test_entries_without_a_resource_are_passed_over() -> None:
    content = {"resourceType": "Bundle", "entry": [{}, {"resource": None}, {"resource": PATIENT}]}
    assert len(read_bundle(json.dumps(content).encode(), "The file").resources) == 1


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b'{"resourceType":"Bundle",\n"entry":[{]}', "line 2"),
        (b'{"resourceType":"Bundle","entry":[', "ends too early"),
        (b'{"resourceType":"Bundle","entry":{}}', "must be an array"),
        (b'{"resourceType":"Bundle","entry":[{"resource":7}]}', "entry 1: the resource is not"),
        (b'{"resourceType":"Bundle","entry":[{"resource":{}}]}', "entry 1: the resource has no"),
        (b'{"name":"x"}', "has no resourceType"),
        (b"<Bundle/>", "not valid JSON"),
        (b'{"resourceType":"Bundle","entry":[]}', "holds no Patient"),
        (bundle(PATIENT, PATIENT), "holds 2 Patients"),
        (b'"\xff"', "UTF-8 (see byte 2)"),
        (b"[" * 100_000, "nested too deeply"),
    ],
)
def test_what_is_wrong_is_named(content: bytes, words: str) -> None:
    with pytest.raises(Unusable) as problem:
        read_bundle(content, "The file")
    assert words in str(problem.value)
    assert str(problem.value).startswith("The file")


def test_the_dates_of_a_story_move_together() -> None:
    story = bundle(
        {**PATIENT, "birthDate": "1960-03-01"},
        {
            "resourceType": "Condition",
            "onsetDateTime": "2026-11-22T10:00:00Z",
            "text": "2026-11-22 x",
        },
        timestamp="2026-11-24T12:00:00Z",
    )
    moved = brought_to(story, date(2026, 11, 26)).decode()
    assert '"2026-11-24T10:00:00Z"' in moved
    assert '"1960-03-03"' in moved
    assert '"2026-11-22 x"' in moved, "only whole dates are dates"
