"""Single hostile values in a call that is otherwise answered with cards and suggestions."""

from __future__ import annotations

import json
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from tests.contract.answers import check_answer
from tests.contract.description import violations
from tests.contract.support import (
    ORDER_SELECT,
    captured_log,
    exactly,
    issues,
    order_select,
)
from tests.invariants.sites import answer_to, request_of, site
from tests.vignettes.cases import load_cases

A_CASE = "B07"
"""A new order of baclofen far above the label's start: a card that offers an update of it."""

HERE = '"⟦here⟧"'


def body(place: str, value: str) -> bytes:
    """The call with a JSON text put into the context, the order, the patient or a condition."""
    request = request_of(load_cases()[A_CASE])
    order = request["context"]["draftOrders"]["entry"][0]["resource"]
    condition = request["prefetch"]["conditions"]["entry"][0]["resource"]
    {
        "context": request["context"],
        "order": order,
        "dose": order["dosageInstruction"][0]["doseAndRate"][0]["doseQuantity"],
        "patient": request["prefetch"]["patient"],
        "condition": condition,
        "prefetch": request["prefetch"],
        "authorization": request.setdefault("fhirAuthorization", {"access_token": "t"}),
        "root": request,
    }[place]["value" if place == "dose" else "_hostile"] = json.loads(HERE)
    return json.dumps(request).replace(HERE, value).replace(json.dumps("⟦here⟧"), value).encode()


PLACES = ["context", "order", "dose", "patient", "condition", "prefetch", "authorization", "root"]


def post(content: bytes) -> TestResponse:
    return site().http.post(ORDER_SELECT, data=content, content_type="application/json")


def answered(content: bytes) -> dict[str, Any]:
    response = post(content)
    assert response.status_code == 200, response.data
    answer: dict[str, Any] = exactly(response.data)
    check_answer(answer)
    return answer


def rules(answer: dict[str, Any]) -> list[str]:
    return [
        finding["rule"]
        for card in answer["cards"]
        for finding in card["extension"]["org.cds-service.findings"]
    ]


@pytest.mark.parametrize("place", [place for place in PLACES if place != "dose"])
@pytest.mark.parametrize(
    "number", ["9" * 5000, "-" + "9" * 5000, "0." + "1" * 5000, "1e999999999", "-1E-999999999"]
)
def test_a_number_nobody_reads_changes_nothing(place: str, number: str) -> None:
    """Clarification 51: its digits are not worked out, and what is echoed keeps them."""
    expected = rules(answer_to(load_cases()[A_CASE]))
    with captured_log() as log:
        assert rules(answered(body(place, number))) == expected
    assert "failed" not in log.getvalue()


@pytest.mark.parametrize("number", ["9" * 5000, "1e999999999", "1E-999999999", "1" + "0" * 30])
def test_a_dose_nobody_can_take_is_an_unknown_dose(number: str) -> None:
    """Clarifications 12 and 51: the order is still an order of baclofen."""
    found = rules(answered(body("dose", number)))
    assert "missing-data" in found
    assert "baclofen-high-starting-dose" not in found


def test_an_echoed_order_keeps_a_number_of_5000_digits() -> None:
    """Clarification 39: all else as it was."""
    response = post(body("order", "7" * 5000))
    updates = [
        action["resource"]
        for card in exactly(response.data)["cards"]
        for suggestion in card.get("suggestions", [])
        for action in suggestion["actions"]
        if action["type"] == "update"
    ]
    assert updates
    assert b'"_hostile":' + b"7" * 5000 in response.data


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity", "01", "+1", ".5", "0x1", "1_0"])
def test_what_is_no_number_is_no_json(place: str, value: str) -> None:
    """Clarification 51, RFC 8259: 400, wherever it stands."""
    response = post(body(place, value))
    assert response.status_code == 400
    assert [each["diagnostics"] for each in issues(response)] == ["CDS-400-json"]


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}")])
@pytest.mark.parametrize("depth", [1_500, 100_000])
def test_nesting_that_no_resource_needs(place: str, opening: str, closing: str, depth: int) -> None:
    """Clarification 51: 400, and the worker lives on."""
    response = post(body(place, opening * depth + "1" + closing * depth))
    assert response.status_code == 400
    assert [each["diagnostics"] for each in issues(response)] == ["CDS-400-json"]


@pytest.mark.parametrize("place", ["context", "order", "patient", "condition"])
def test_nesting_near_the_limit_is_answered_or_refused(place: str) -> None:
    """Clarification 51: the decoder's limit is met at another depth in each room of the house."""
    statuses = set()
    with captured_log() as log:
        for depth in (*range(20, 800, 60), *range(800, 1010, 3)):
            response = post(body(place, '{"a":' * depth + "1" + "}" * depth))
            statuses.add(response.status_code)
            if response.status_code == 400:
                issues(response)
    # Without a readable patient there is nothing to say: 412.
    assert statuses == ({200, 400, 412} if place == "patient" else {200, 400})
    assert "failed" not in log.getvalue()


@pytest.mark.parametrize(
    "value", ['{"a": 1, "a": 1}', '[{"b": {"a": 1, "a": 2}}]', r'{"a": 1, "\u0061": 2}']
)
def test_a_member_twice(value: str) -> None:
    """Clarification 51: in the context, orders included, 400; elsewhere the last one wins."""
    for place in ("context", "order"):
        (issue,) = issues(post(body(place, value)))
        assert issue["diagnostics"] == "CDS-400-duplicate"
        assert issue["expression"] == ["context"]
    for place in ("patient", "condition", "prefetch", "authorization", "root"):
        answered(body(place, value))


@pytest.mark.parametrize(
    "sequence", [b"\xff", b"\xc3\x28", b"\xe2\x82", b"\xed\xa0\x80", b"\xc0\x80"]
)
@pytest.mark.parametrize("place", PLACES)
def test_what_is_not_utf_8(place: str, sequence: bytes) -> None:
    """Clarification 51: 400, also deep in a resource that nothing reads."""
    content = body(place, '"⟦bytes⟧"').replace("⟦bytes⟧".encode(), b"a" + sequence)
    assert sequence in content
    assert issues(post(content))[0]["diagnostics"] == "CDS-400-json"


def test_other_encodings_are_not_json(client: FlaskClient) -> None:
    """RFC 8259 section 8.1: UTF-8 only, whatever the media type says."""
    for encoding in ("utf-16", "utf-32", "utf-16-le"):
        response = client.post(
            ORDER_SELECT,
            data=json.dumps(order_select()).encode(encoding),
            content_type=f"application/json; charset={encoding}",
        )
        assert issues(response)[0]["diagnostics"] == "CDS-400-json"


def test_a_byte_order_mark_is_forgiven_once() -> None:
    mark = b"\xef\xbb\xbf"
    call = body("root", "1")
    answered(mark + call)
    assert issues(post(mark + mark + call))[0]["diagnostics"] == "CDS-400-json"
    assert issues(post(call[:40] + mark + call[40:]))


@pytest.mark.parametrize("id", ['"a"', "a b", "x" * 65, "", "a/b", "é", None])
def test_an_order_that_cannot_be_named_is_not_changed(id: Any) -> None:
    """ACT-01, ACT-02: no update and no delete without a Type/id that a client can find."""
    request = request_of(load_cases()[A_CASE])
    request["context"]["draftOrders"]["entry"][0]["resource"]["id"] = id
    answer = answered(json.dumps(request).encode())
    assert "baclofen-high-starting-dose" in rules(answer)
    assert violations("CardsResponse", answer) == []
    assert not [
        action
        for card in answer["cards"]
        for suggestion in card.get("suggestions", [])
        for action in suggestion["actions"]
        if action["type"] != "create"
    ]


def test_what_is_empty_in_an_order_is_not_echoed() -> None:
    """GEN-03, GEN-04: FHIR does not allow it either; all else of the order stays."""
    request = request_of(load_cases()[A_CASE])
    order = request["context"]["draftOrders"]["entry"][0]["resource"]
    order |= {"category": [{"coding": []}], "reasonCode": [], "note": None, "priority": " "}
    order["dosageInstruction"][0]["site"] = {"coding": [{"system": None, "code": "x"}]}
    order["identifier"] = [{"value": "kept"}, {}]
    (update,) = [
        action["resource"]
        for card in answered(json.dumps(request).encode())["cards"]
        for suggestion in card.get("suggestions", [])
        for action in suggestion["actions"]
        if action["type"] == "update"
    ]
    assert not {"category", "reasonCode", "note", "priority"} & update.keys()
    assert update["identifier"] == [{"value": "kept"}]
    assert update["subject"] == order["subject"]
