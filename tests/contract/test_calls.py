"""POST /cds-services/{id}: what is answered and what the core is asked."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from flask.testing import FlaskClient

from cds_service.consultation import Consultation
from cds_service.errors import InvalidRequest, PatientUnobtainable
from tests.contract.support import (
    CARD,
    INSTANCE,
    NOW,
    ORDER_SELECT,
    ORDER_SIGN,
    PATIENT_VIEW,
    PRESCRIBE,
    Advisor,
    baclofen,
    bundle,
    consultation,
    exactly,
    fields,
    issues,
    medication_prescribe,
    nulls_and_empties,
    order_select,
    order_sign,
    patient_view,
    without,
)


def test_a_call_is_answered_with_cards(client: FlaskClient, advisor: Advisor) -> None:
    """CALL-01, GEN-01: 200, JSON, an object with cards."""
    advisor.answer = lambda request: consultation(CARD)
    response = client.post(ORDER_SELECT, json=order_select())
    assert response.status_code == 200
    assert response.content_type == "application/json"
    assert response.get_json() == {"cards": [CARD]}
    assert list(nulls_and_empties(response.get_json())) == []


def test_nothing_to_say_is_an_empty_list(client: FlaskClient) -> None:
    """CALL-02: 200 and an empty cards array, never 204, never without cards."""
    response = client.post(ORDER_SELECT, json=order_select())
    assert response.status_code == 200
    assert response.get_json() == {"cards": []}


def test_the_core_gets_the_call(client: FlaskClient, advisor: Advisor) -> None:
    """CALL-01: the envelope arrives whole, the patient without its type."""
    body = order_select(patientId="Patient/p1") | {"fhirServer": "https://ehr.example.org/fhir"}
    client.post(ORDER_SELECT, json=body)
    request = advisor.request
    assert request.service == "spasticity-order-select"
    assert request.hook == "order-select"
    assert request.hook_instance == INSTANCE
    assert request.patient_id == "p1"
    assert request.user_id == "Practitioner/1"
    assert request.encounter_id == "e1"
    assert request.selections == ("MedicationRequest/order-1",)
    assert request.fhir_server == "https://ehr.example.org/fhir"
    assert json.loads(request.orders or b"") == bundle(baclofen())
    assert json.loads(request.prefetch["patient"]) == {"resourceType": "Patient", "id": "p1"}
    assert advisor.moments == [NOW]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (ORDER_SELECT, order_select()),
        (ORDER_SIGN, order_sign()),
        (PRESCRIBE, medication_prescribe()),
        (PATIENT_VIEW, patient_view()),
    ],
)
def test_every_hook_of_the_contract(
    client: FlaskClient, advisor: Advisor, path: str, body: dict[str, Any]
) -> None:
    """CALL-01: the least complete call of each hook is answered."""
    assert client.post(path, json=body).status_code == 200
    assert (advisor.request.orders is None) == (path == PATIENT_VIEW)


def test_decimals_keep_their_digits_both_ways(client: FlaskClient, advisor: Advisor) -> None:
    """GEN-08: 0.10 reaches the core as 0.10, and Decimal 0.10 leaves as 0.10, a number."""
    order = json.dumps(order_select()).replace('"draft"', '"draft", "dose": 0.10')
    order_of_card = {"resourceType": "MedicationRequest", "dose": Decimal("0.10")}
    action = {"type": "create", "description": "Order it", "resource": order_of_card}
    suggestion = {"label": "Order it", "uuid": CARD["uuid"], "actions": [action]}
    card = CARD | {"suggestions": [suggestion], "selectionBehavior": "at-most-one"}
    advisor.answer = lambda request: consultation(card)
    response = client.post(ORDER_SELECT, data=order, content_type="application/json")
    assert b"0.10" in (advisor.request.orders or b"")
    (sent,) = exactly(response.data)["cards"]
    assert sent["suggestions"][0]["actions"][0]["resource"]["dose"] == Decimal("0.10")
    assert b"0.10" in response.data


def test_without_prefetch(client: FlaskClient, advisor: Advisor) -> None:
    """CALL-05, CALL-10: no prefetch, no fhirServer: the core decides; nothing crashes."""
    for body in (
        without(order_select(), "prefetch"),
        order_select() | {"prefetch": None},
        order_select() | {"prefetch": {}},
    ):
        assert client.post(ORDER_SELECT, json=body).status_code == 200
        assert advisor.requests.pop().prefetch == {}


def test_null_in_prefetch_is_not_a_missing_key(client: FlaskClient, advisor: Advisor) -> None:
    """CALL-06: null reaches the core as null, a key that was not sent is absent."""
    client.post(ORDER_SELECT, json=order_select() | {"prefetch": {"conditions": None}})
    assert advisor.request.prefetch == {"conditions": b"null"}


def test_null_for_an_optional_member_is_the_same_as_none(
    client: FlaskClient, advisor: Advisor
) -> None:
    """CALL-10: clients that write every optional member as null are answered."""
    body = order_select() | {"fhirServer": None, "fhirAuthorization": None}
    body["context"] |= {"encounterId": None, "userId": None, "selections": None}
    assert client.post(ORDER_SELECT, json=body).status_code == 200
    assert advisor.request.encounter_id is None
    assert advisor.request.selections == ()


def test_unknown_members_are_ignored(client: FlaskClient) -> None:
    """GEN-10, EXT-03: anywhere in the envelope, extensions included."""
    body = order_select(somethingNew={"a": [1]}) | {
        "foo": [None, {"a": 1}],
        "extension": {"org.example.x": 1},
        "fhirServer": "https://ehr.example.org/fhir",
        "fhirAuthorization": {"access_token": "t", "foo": 1},
    }
    assert client.post(ORDER_SELECT, json=body).status_code == 200


@pytest.mark.parametrize(
    ("media_type", "status"),
    [
        ("application/json", 200),
        ("application/json; charset=utf-8", 200),
        ("APPLICATION/JSON;charset=UTF-8", 200),
        ("application/fhir+json", 200),
        ("application/fhir+json; fhirVersion=4.0", 200),
        ("application/json+fhir", 200),
        ("text/plain", 415),
        ("application/x-www-form-urlencoded", 415),
        ("multipart/form-data; boundary=x", 415),
        ("application/xml", 415),
        ("", 415),
    ],
)
def test_media_types(client: FlaskClient, media_type: str, status: int) -> None:
    """GEN-09, CALL-21: JSON under three names, with parameters; everything else is 415."""
    response = client.post(
        ORDER_SELECT, data=json.dumps(order_select()), headers={"Content-Type": media_type}
    )
    assert response.status_code == status
    if status == 415:
        assert issues(response)[0]["diagnostics"] == "CDS-415"


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd", "gzip, identity"])
def test_compressed_bodies_are_refused(client: FlaskClient, encoding: str) -> None:
    """Clarification 51: compressed bodies are 415."""
    response = client.post(
        ORDER_SELECT, json=order_select(), headers={"Content-Encoding": encoding}
    )
    assert response.status_code == 415
    assert issues(response)[0]["diagnostics"] == "CDS-415-encoding"
    accepted = client.post(
        ORDER_SELECT, json=order_select(), headers={"Content-Encoding": "identity"}
    )
    assert accepted.status_code == 200


def test_too_large(client: FlaskClient, advisor: Advisor) -> None:
    """CALL-21: one byte over the limit is 413, the limit itself is read."""
    body = json.dumps(order_select()).encode()
    fitting = body + b" " * (100_000 - len(body))
    assert (
        client.post(ORDER_SELECT, data=fitting, content_type="application/json").status_code == 200
    )
    response = client.post(ORDER_SELECT, data=fitting + b" ", content_type="application/json")
    assert response.status_code == 413
    assert issues(response)[0]["code"] == "too-long"
    assert len(advisor.requests) == 1


@pytest.mark.parametrize(
    "path",
    [
        "/cds-services/unknown",
        "/cds-services/unknown/explain",
        "/cds-services/unknown/feedback",
    ],
)
def test_unknown_service(client: FlaskClient, path: str) -> None:
    """CALL-11: 404 with JSON, and nothing of the path is repeated."""
    response = client.post(path, json=order_select())
    assert response.status_code == 404
    assert issues(response)[0]["code"] == "not-found"
    assert b"unknown" not in response.data


def test_what_does_not_exist_is_not_there(client: FlaskClient) -> None:
    """A path below a service that is not offered is 404."""
    path = ORDER_SELECT + "/other"
    for response in (client.get(path), client.post(path, json={})):
        assert response.status_code == 404
        assert issues(response)[0]["diagnostics"] == "CDS-404"


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize(
    "path", [ORDER_SELECT, ORDER_SELECT + "/explain", ORDER_SELECT + "/feedback"]
)
def test_wrong_method(client: FlaskClient, method: str, path: str) -> None:
    """CALL-21: 405 with Allow."""
    response = client.open(path, method=method)
    assert response.status_code == 405
    assert response.headers["Allow"] == "OPTIONS, POST"
    assert issues(response)[0]["code"] == "not-supported"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"   ",
        b"{",
        b"null",
        b"[]",
        b'"text"',
        b"12",
        b"{} {}",
        b"{'hook': 1}",
        b'{"hook": "order-select",}',
        b'{"hook": NaN}',
        b'{"prefetch": {"a": [NaN]}}',
        b'{"prefetch": {"a": Infinity}}',
        b'{"context": {"a": -Infinity}}',
        b'{"hook": "\xff\xfe"}',
        b'{"prefetch": {"a": "\xc3\x28"}}',
        b'{"prefetch": {"a": "\xed\xa0\x80"}}',
        b"// a comment\n{}",
        b'{"a":' + b"[" * 40_000,
        b'{"a":' + b"[" * 40_000 + b"]" * 40_000 + b"}",
        b'{"context":' + b'{"a":' * 15_000 + b"1" + b"}" * 15_000 + b"}",
    ],
)
def test_bodies_that_cannot_be_read(client: FlaskClient, advisor: Advisor, body: bytes) -> None:
    """CALL-12, GEN-07 and clarification 51: not JSON, not UTF-8, not an object: 400."""
    response = client.post(ORDER_SELECT, data=body, content_type="application/json")
    assert response.status_code == 400
    assert [issue["diagnostics"] for issue in issues(response)] == ["CDS-400-json"]
    assert advisor.requests == []


def test_nesting_at_every_depth_is_answered(client: FlaskClient) -> None:
    """Clarification 51: wherever the decoder's limit lies, beyond it is 400 and never 500."""
    for depth in (100, 400, 800, 900, 950, 980, 1000, 1100, 2000, 5000):
        for member in ('"prefetch":{"patient":%s}', '"fhirAuthorization":%s', '"context":%s'):
            nested = member % ('{"a":' * depth + "1" + "}" * depth)
            body = json.dumps(order_select())[:-1] + "," + nested + "}"
            response = client.post(ORDER_SELECT, data=body, content_type="application/json")
            assert response.status_code in {200, 400}, (depth, member)


def test_a_byte_order_mark_is_forgiven(client: FlaskClient) -> None:
    """CALL-12: RFC 8259 section 8.1 allows a reader to ignore it."""
    body = b"\xef\xbb\xbf" + json.dumps(order_select()).encode()
    assert client.post(ORDER_SELECT, data=body, content_type="application/json").status_code == 200


@pytest.mark.parametrize("name", ["hook", "hookInstance", "context"])
def test_required_members(client: FlaskClient, name: str) -> None:
    """CALL-13: each missing member is 400 and named."""
    response = client.post(ORDER_SELECT, json=without(order_select(), name))
    assert response.status_code == 400
    (issue,) = issues(response)
    assert issue["code"] == "required"
    assert issue["diagnostics"] == "CDS-400-missing"
    assert issue["expression"] == [name]
    assert issue["details"]["text"].startswith(f"{name} is missing: send ")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("hook", 1),
        ("hook", ["order-select"]),
        ("hook", None),
        ("hook", " "),
        ("hookInstance", 12),
        ("hookInstance", None),
        ("hookInstance", ""),
        ("hookInstance", {}),
        ("context", []),
        ("context", "p1"),
        ("context", None),
        ("prefetch", []),
        ("prefetch", "x"),
        ("prefetch", 1),
        ("fhirServer", 1),
        ("fhirServer", {}),
        ("fhirAuthorization", "token"),
        ("fhirAuthorization", []),
    ],
)
def test_wrong_types_in_the_envelope(client: FlaskClient, name: str, value: Any) -> None:
    """CALL-13: wrong types are 400 and named."""
    response = client.post(ORDER_SELECT, json=order_select() | {name: value})
    assert response.status_code == 400
    assert fields(response) == {name}


def test_every_violation_is_an_issue_of_its_own(client: FlaskClient) -> None:
    """CALL-13, CALL-15, CALL-24: all of them at once, so that a client mends them at once."""
    body = {"hookInstance": 3, "context": {"userId": 1, "selections": ["a", 2], "draftOrders": 4}}
    response = client.post(ORDER_SELECT, json=body)
    assert response.status_code == 400
    assert [(i["code"], i["expression"]) for i in issues(response)] == [
        ("required", ["hook"]),
        ("structure", ["hookInstance"]),
        ("required", ["context.patientId"]),
        ("structure", ["context.userId"]),
        ("structure", ["context.selections[1]"]),
        ("structure", ["context.draftOrders"]),
    ]


def test_issues_beyond_use_are_left_out(client: FlaskClient) -> None:
    """CALL-24: a body full of mistakes does not make an answer of the same size."""
    response = client.post(ORDER_SELECT, json=order_select(selections=[1] * 20_000))
    assert response.status_code == 400
    assert len(issues(response)) == 50


def test_the_hook_of_another_service(client: FlaskClient, advisor: Advisor) -> None:
    """CALL-14: hook differs from the hook advertised for this id: 400."""
    response = client.post(ORDER_SELECT, json=order_select() | {"hook": "order-sign"})
    assert response.status_code == 400
    (issue,) = issues(response)
    assert issue["diagnostics"] == "CDS-400-hook"
    assert issue["expression"] == ["hook"]
    assert advisor.requests == []


@pytest.mark.parametrize(
    ("path", "body", "name"),
    [
        (ORDER_SELECT, order_select(), "patientId"),
        (ORDER_SELECT, order_select(), "draftOrders"),
        (ORDER_SIGN, order_sign(), "patientId"),
        (ORDER_SIGN, order_sign(), "draftOrders"),
        (PRESCRIBE, medication_prescribe(), "patientId"),
        (PRESCRIBE, medication_prescribe(), "medications"),
        (PATIENT_VIEW, patient_view(), "patientId"),
    ],
)
def test_context_fields_that_must_be_there(
    client: FlaskClient, path: str, body: dict[str, Any], name: str
) -> None:
    """CALL-15 and clarification 44: 400 that names the field."""
    response = client.post(path, json=body | {"context": without(body["context"], name)})
    assert response.status_code == 400
    (issue,) = issues(response)
    assert issue["code"] == "required"
    assert issue["expression"] == [f"context.{name}"]


@pytest.mark.parametrize(
    "value", ["", "  ", "Patient/", " Patient/ ", "Practitioner/1", 1, ["p1"], {"id": "p1"}, True]
)
def test_patients_that_are_none(client: FlaskClient, value: Any) -> None:
    """CALL-15 and clarification 44: blank or of the wrong type: 400."""
    for path, body in (
        (ORDER_SELECT, order_select(patientId=value)),
        (PATIENT_VIEW, patient_view(patientId=value)),
    ):
        response = client.post(path, json=body)
        assert response.status_code == 400
        assert fields(response) == {"context.patientId"}


@pytest.mark.parametrize("value", ["p1", "Patient/p1", " p1 ", "1.2-a", "urn-x_1"])
def test_patients_in_every_form(client: FlaskClient, advisor: Advisor, value: str) -> None:
    """Clarification 44: with or without Patient/ before the id."""
    assert client.post(PATIENT_VIEW, json=patient_view(patientId=value)).status_code == 200
    assert advisor.request.patient_id == value.strip().removeprefix("Patient/")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("userId", 1),
        ("userId", {"reference": "Practitioner/1"}),
        ("encounterId", 5),
        ("selections", "MedicationRequest/1"),
        ("selections", {"a": 1}),
        ("draftOrders", "orders"),
        ("draftOrders", 1),
        ("draftOrders", {}),
        ("draftOrders", {"entry": []}),
        ("draftOrders", {"resourceType": 1}),
        ("draftOrders", {"resourceType": "Bundle", "entry": {}}),
        ("draftOrders", ["MedicationRequest/1"]),
        ("draftOrders", [[]]),
    ],
)
def test_context_fields_of_a_wrong_type(client: FlaskClient, name: str, value: Any) -> None:
    """CALL-15 and clarification 44: any of these of a wrong type: 400."""
    response = client.post(ORDER_SELECT, json=order_select(**{name: value}))
    assert response.status_code == 400
    assert fields(response) == {f"context.{name}"}


@pytest.mark.parametrize("name", ["userId", "selections", "encounterId"])
def test_context_fields_that_may_be_missing(client: FlaskClient, name: str) -> None:
    """Clarification 44: missing userId or selections are accepted."""
    assert client.post(ORDER_SELECT, json=order_select(**{name: None})).status_code == 200


@pytest.mark.parametrize(
    "orders",
    [
        bundle(baclofen()),
        baclofen(),
        [baclofen()],
        {"response": {"status": "200 OK"}, "resource": baclofen()},
        [{"response": {"status": "200 OK"}, "resource": baclofen()}],
        {"response": {"status": "200 OK"}, "resource": bundle(baclofen())},
    ],
)
@pytest.mark.parametrize("path", [ORDER_SIGN, PRESCRIBE])
def test_orders_in_the_forms_that_clients_send(
    client: FlaskClient, advisor: Advisor, orders: Any, path: str
) -> None:
    """CALL-15, HK-03: a Bundle, one resource, an array, the pre-1.0 wrapper: all a Bundle."""
    body = (
        order_sign(draftOrders=orders)
        if path == ORDER_SIGN
        else medication_prescribe(medications=orders)
    )
    assert client.post(path, json=body).status_code == 200
    assert json.loads(advisor.request.orders or b"") == bundle(baclofen())


@pytest.mark.parametrize(
    "orders", [{"resourceType": "Bundle"}, bundle(), [], {"resourceType": "Bundle", "entry": None}]
)
def test_no_orders_are_legal(client: FlaskClient, advisor: Advisor, orders: Any) -> None:
    """Clarification 40: empty draftOrders are 200."""
    assert client.post(ORDER_SIGN, json=order_sign(draftOrders=orders)).status_code == 200
    assert not json.loads(advisor.request.orders or b"").get("entry")


def test_hook_instance_that_is_no_uuid(client: FlaskClient, advisor: Advisor) -> None:
    """CALL-16: accepted (the log has the warning)."""
    assert client.post(ORDER_SELECT, json=order_select() | {"hookInstance": "7"}).status_code == 200
    assert advisor.request.hook_instance == "7"


@pytest.mark.parametrize(
    "authorization", [{"access_token": "t"}, {}, {"access_token": None, "scope": 1}]
)
def test_authorization_without_a_server(client: FlaskClient, authorization: Any) -> None:
    """CALL-17: accepted (the log has the warning)."""
    body = order_select() | {"fhirAuthorization": authorization}
    assert client.post(ORDER_SELECT, json=body).status_code == 200


def test_unobtainable_patient(client: FlaskClient, advisor: Advisor) -> None:
    """CALL-03: needed data neither in prefetch nor reachable: 412."""

    def refuse(request: object) -> Consultation:
        raise PatientUnobtainable("prefetch.patient", "send the Patient of context.patientId")

    advisor.answer = refuse
    response = client.post(ORDER_SELECT, json=order_select())
    assert response.status_code == 412
    (issue,) = issues(response)
    assert issue["diagnostics"] == "CDS-412"
    assert issue["expression"] == ["prefetch.patient"]


def test_what_the_core_finds_wrong(client: FlaskClient, advisor: Advisor) -> None:
    """CALL-15: an InvalidRequest of the core is 400 with its field."""

    def refuse(request: object) -> Consultation:
        raise InvalidRequest("context.draftOrders", "send one FHIR version")

    advisor.answer = refuse
    response = client.post(ORDER_SELECT, json=order_select())
    assert response.status_code == 400
    (issue,) = issues(response)
    assert issue["details"]["text"] == "context.draftOrders: send one FHIR version"
    assert issue["expression"] == ["context.draftOrders"]


def test_an_error_of_our_own(client: FlaskClient, advisor: Advisor) -> None:
    """CALL-22: 500 with an OperationOutcome that tells nothing of the error."""

    def fail(request: object) -> Consultation:
        raise ValueError("secret text")

    advisor.answer = fail
    response = client.post(ORDER_SELECT, json=order_select())
    assert response.status_code == 500
    (issue,) = issues(response)
    assert issue["code"] == "exception"
    assert b"secret" not in response.data
    assert b"ValueError" not in response.data


def test_a_member_twice_in_the_context(client: FlaskClient, advisor: Advisor) -> None:
    """Clarification 51: duplicate keys in context are 400, at any depth."""
    for context in (
        '{"patientId": "p1", "patientId": "p2", "draftOrders": {"resourceType": "Bundle"}}',
        '{"patientId": "p1", "draftOrders": {"resourceType": "x", "a": [{"b": 1, "b": 2}]}}',
    ):
        body = f'{{"hook": "order-select", "hookInstance": "1", "context": {context}}}'
        response = client.post(ORDER_SELECT, data=body, content_type="application/json")
        assert response.status_code == 400
        (issue,) = issues(response)
        assert issue["code"] == "duplicate"
        assert issue["expression"] == ["context"]
    assert advisor.requests == []


def test_a_member_twice_elsewhere(client: FlaskClient, advisor: Advisor) -> None:
    """Clarification 51: elsewhere the last one wins."""
    body = (
        json.dumps(order_select())[:-1]
        + ', "prefetch": {"a": 1, "a": null}, "hook": "order-select"}'
    )
    assert client.post(ORDER_SELECT, data=body, content_type="application/json").status_code == 200
    assert advisor.request.prefetch == {"a": b"null"}


def test_huge_numbers_cost_nothing(client: FlaskClient, advisor: Advisor) -> None:
    """Clarification 51: 6000 digits or an exponent of 999999999 are not worked out at the edge."""
    for number in ("9" * 6000, "1e999999999", "-1E-999999999"):
        orders = f'{{"resourceType": "Bundle", "total": {number}}}'
        context = f'{{"patientId": "p1", "x": {number}, "draftOrders": {orders}}}'
        body = (
            f'{{"hook": "order-select", "hookInstance": "1", "context": {context}, '
            f'"prefetch": {{"a": {number}}}, "fhirAuthorization": {{"expires_in": {number}}}}}'
        )
        response = client.post(ORDER_SELECT, data=body, content_type="application/json")
        assert response.status_code == 200
        assert advisor.requests[-1].orders == orders.encode()
        assert msgspec.Raw(advisor.requests[-1].prefetch["a"]) == msgspec.Raw(number.encode())


def test_the_same_call_again(client: FlaskClient, advisor: Advisor) -> None:
    """CALL-29: a repeated hookInstance is never refused and changes nothing."""
    advisor.answer = lambda request: consultation(CARD)
    first, second = (client.post(ORDER_SELECT, json=order_select()) for _ in range(2))
    assert first.data == second.data
    assert advisor.requests[0] == advisor.requests[1]


def test_explain_takes_the_same_body(client: FlaskClient, advisor: Advisor) -> None:
    """Contract section 2: explain answers every rule that was looked at."""
    advisor.answer = lambda request: consultation(CARD)
    response = client.post(ORDER_SELECT + "/explain", json=order_select())
    assert response.status_code == 200
    assert response.get_json() == consultation(CARD).explanation
    refused = client.post(ORDER_SELECT + "/explain", json={})
    assert refused.status_code == 400
    assert fields(refused) == {"hook", "hookInstance", "context"}
