"""The whole service: the shipped rulebook and the real core behind the wire."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from cds_service.app import create_app
from tests.contract.answers import FINDINGS, SUMMARY, check_answer, is_text
from tests.contract.description import CheckedClient
from tests.contract.serving import JSON, REAL, ROOT, start, stop, wait_until_ready
from tests.contract.support import (
    NOW,
    ORDER_SELECT,
    ORDER_SIGN,
    PATIENT,
    PATIENT_VIEW,
    PRESCRIBE,
    baclofen,
    bundle,
    exactly,
    fields,
    issues,
    medication_prescribe,
    nulls_and_empties,
    order_select,
    order_sign,
    ordered,
    patient_view,
    settings,
    without,
)

Make = Callable[..., FlaskClient]

LEGAL_TOKENS = {
    "context.userId",
    "context.patientId",
    "context.encounterId",
    "userPractitionerId",
    "userPractitionerRoleId",
    "userPatientId",
    "userRelatedPersonId",
}


@pytest.fixture(scope="module")
def make(tmp_path_factory: pytest.TempPathFactory) -> Make:
    """Builds applications on the shipped rulebook, as of one moment."""

    def build(text: str = "", folder: Path | None = None) -> FlaskClient:
        folder = folder or tmp_path_factory.mktemp("site")
        app = create_app(settings(folder, text), clock=lambda: NOW)
        app.test_client_class = CheckedClient
        return app.test_client()

    return build


@pytest.fixture(scope="module")
def service(make: Make) -> FlaskClient:
    return make()


def answered(client: FlaskClient, path: str, body: object) -> dict[str, Any]:
    response = client.post(path, json=body)
    assert response.status_code == 200, response.data
    answer: dict[str, Any] = response.get_json()
    if not path.endswith("explain"):
        check_answer(answer)
    return answer


# --- discovery ------------------------------------------------------------------------------------


def test_the_services_of_the_contract(service: FlaskClient) -> None:
    """DIS-01 to DIS-07, contract section 1."""
    services = service.get("/cds-services").get_json()["services"]
    assert {(each["id"], each["hook"]) for each in services} == {
        ("spasticity-order-select", "order-select"),
        ("spasticity-order-sign", "order-sign"),
        ("spasticity-medication-prescribe", "medication-prescribe"),
        ("spasticity-patient-view", "patient-view"),
    }
    for each in services:
        assert is_text(each["title"])
        assert is_text(each["description"])
        assert each["prefetch"]["patient"] == "Patient/{{context.patientId}}"


def test_templates_every_client_can_use(service: FlaskClient) -> None:
    """PRE-01 to PRE-06 and 4.2: read or search, legal tokens, nothing outside the subset."""
    document = service.get("/cds-services").get_json()
    assert list(nulls_and_empties(document)) == []
    for each in document["services"]:
        for key, template in each["prefetch"].items():
            assert re.fullmatch(r"[A-Za-z0-9_-]+", key)
            assert re.match(r"[A-Z][A-Za-z]+([/?].+)$", template)
            assert set(re.findall(r"\{\{(.*?)\}\}", template)) <= LEGAL_TOKENS
            query = template.partition("?")[2]
            names = [part.partition("=")[0] for part in query.split("&") if part]
            assert len(names) == len(set(names)), "10.4: the sandbox joins repeated parameters"
            for forbidden in ("_include", "_revinclude", "_has", ":not", "_summary", "_elements"):
                assert forbidden not in query
            assert not any("." in name for name in names), "chained"
            assert "status" not in " ".join(names), "clarification 43"
            assert set(names) <= {"patient", "code", "_sort", "_count"}, "4.2: a closed list"


# --- calls ----------------------------------------------------------------------------------------


def test_a_dangerous_order_gets_a_card(service: FlaskClient) -> None:
    """RSP-01 to RSP-14: an answer with cards, suggestions and reasons follows every rule."""
    answer = answered(service, ORDER_SELECT, ordered())
    rules = {finding["rule"] for card in answer["cards"] for finding in card["extension"][FINDINGS]}
    assert "baclofen-high-starting-dose" in rules
    assert any(card.get("suggestions") for card in answer["cards"])


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (ORDER_SELECT, order_select()),
        (ORDER_SIGN, order_sign()),
        (PRESCRIBE, medication_prescribe()),
        (PATIENT_VIEW, patient_view()),
        (ORDER_SELECT, order_select(draftOrders={"resourceType": "Bundle"})),
        (ORDER_SELECT, order_select(selections=["MedicationRequest/not-there"])),
    ],
)
def test_every_hook(service: FlaskClient, path: str, body: dict[str, Any]) -> None:
    """CALL-01, CALL-02, HK-02, clarification 40."""
    answered(service, path, body | {"prefetch": {"patient": PATIENT}})


@pytest.mark.parametrize(
    "orders",
    [
        [{"resourceType": "MedicationRequest", "status": "draft"}],
        [{"resourceType": "MedicationOrder", "id": "o", "status": "draft",
          "patient": {"reference": "Patient/p1"}}],
        [{"resourceType": "ServiceRequest", "id": "o", "status": "draft", "intent": "plan",
          "code": {"coding": [{}]}, "reasonCode": []}],
        [{"resourceType": "NutritionOrder", "id": "o"}],
        [{"resourceType": "Bogus"}],
        [{}],
        [baclofen(category={"coding": []})],
        [baclofen(dosageInstruction="three times a day")],
        [baclofen(medicationCodeableConcept="baclofen")],
        [baclofen(), baclofen()],
    ],
)  # fmt: skip
def test_foreign_and_broken_orders(service: FlaskClient, orders: list[dict[str, Any]]) -> None:
    """10.3, HK-06, CALL-20: drug-less, foreign, malformed: 200, never 500."""
    for body in (
        order_select(
            draftOrders={"resourceType": "Bundle", "entry": [{"resource": each} for each in orders]}
        ),
        order_select(draftOrders=orders),
    ):
        answered(service, ORDER_SELECT, body | {"prefetch": {"patient": PATIENT}})


@pytest.mark.parametrize(
    "entries", [[None], [1], ["a"], [{}], [{"resource": None}], [{"resource": []}], [[]]]
)
def test_entries_that_are_none(service: FlaskClient, entries: list[Any]) -> None:
    """CALL-20: the schema stops at the entries; what is in them never fails a call."""
    orders = {"resourceType": "Bundle", "entry": entries}
    body = order_select(draftOrders=orders) | {"prefetch": {"patient": PATIENT}}
    answered(service, ORDER_SELECT, body)


@pytest.mark.parametrize(
    "patient",
    [
        None,
        {"resourceType": "Bundle", "type": "searchset"},
        {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "exception"}]},
        {"resourceType": "Patient", "id": "somebody-else"},
        {"resourceType": "Practitioner", "id": "p1"},
        "Patient/p1",
        12,
        [],
    ],
)
def test_without_the_patient(service: FlaskClient, patient: Any) -> None:
    """CALL-03, CALL-06, CALL-07, clarification 44: 412 that names the key."""
    for path in (ORDER_SELECT, ORDER_SELECT + "/explain"):
        response = service.post(path, json=order_select() | {"prefetch": {"patient": patient}})
        assert response.status_code == 412
        assert fields(response) == {"prefetch.patient"}
        assert b"somebody-else" not in response.data


def test_without_prefetch(service: FlaskClient) -> None:
    """CALL-05: no prefetch at all is 412, not a crash."""
    response = service.post(ORDER_SELECT, json=without(order_select(), "prefetch"))
    assert response.status_code == 412
    assert issues(response)[0]["diagnostics"] == "CDS-412"


@pytest.mark.parametrize(
    "value",
    [
        None,
        bundle(),
        {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "timeout"}]},
        bundle({"resourceType": "OperationOutcome", "issue": [{"severity": "warning"}]}),
        bundle({"resourceType": "Condition", "code": "x"}),
        {"resourceType": "Patient", "id": "p1"},
        {},
        [],
        "Condition/1",
        1.5,
        True,
    ],
)
def test_every_state_of_an_optional_key(service: FlaskClient, value: Any) -> None:
    """CALL-06, CALL-07, CALL-08 and 4.4: anything else unobtainable gives 200 and cards."""
    keys = service.get("/cds-services").get_json()["services"][0]["prefetch"]
    for key in keys:
        if key != "patient":
            assert answered(service, ORDER_SELECT, ordered(**{key: value}))["cards"]


def test_the_pre_1_0_wrapper_in_prefetch(service: FlaskClient) -> None:
    """0.3: {response, resource} as sent before 1.0."""
    wrapped = {"response": {"status": "200 OK"}, "resource": PATIENT}
    plain = answered(service, ORDER_SELECT, ordered())
    answer = answered(service, ORDER_SELECT, ordered() | {"prefetch": {"patient": wrapped}})
    assert answer["extension"] == plain["extension"]


def test_a_decimal_of_an_order_survives_a_suggestion(service: FlaskClient) -> None:
    """GEN-08, clarification 39: what is echoed keeps its digits."""
    order = json.dumps(ordered()).replace(
        '"intent": "order"',
        '"intent": "order", "extension": [{"url": "urn:x", "valueDecimal": 0.10}]',
    )
    response = service.post(ORDER_SELECT, data=order, content_type="application/json")
    updates = [
        action["resource"]
        for card in exactly(response.data)["cards"]
        for suggestion in card.get("suggestions", [])
        for action in suggestion["actions"]
        if action["type"] == "update"
    ]
    assert updates
    assert {str(each["extension"][0]["valueDecimal"]) for each in updates} == {"0.10"}
    assert exactly(b"0.10") == Decimal("0.10")


def test_nesting_and_numbers_cost_one_resource(service: FlaskClient) -> None:
    """Clarification 51: beyond the limits that resource is set aside; the call is answered."""
    for value in ("9" * 6000, "1e999999999", "-1E-999999999", "1e31"):
        text = json.dumps(ordered()).replace(
            '"patientId": "p1"', f'"patientId": "p1", "x": {value}'
        )
        text = text.replace('"value": 40.0', f'"value": {value}')
        response = service.post(ORDER_SELECT, data=text, content_type="application/json")
        assert response.status_code == 200, value
    for depth in (50, 200, 500, 900, 950, 980, 1000, 3000):
        nested = '{"a":' * depth + "1" + "}" * depth
        resource = f'{{"resourceType": "Condition", "extension": [{nested}]}}'
        text = json.dumps(ordered(conditions=bundle())).replace(
            '"entry": []', f'"entry": [{{"resource": {resource}}}]'
        )
        response = service.post(ORDER_SELECT, data=text, content_type="application/json")
        assert response.status_code in {200, 400}, depth


# --- explain, keys, filters -----------------------------------------------------------------------


def test_explain_says_why(service: FlaskClient) -> None:
    """Contract section 2, clarification 48: what was shown and what stayed silent agree."""
    cards = answered(service, ORDER_SELECT, ordered())
    explanation = answered(service, ORDER_SELECT + "/explain", ordered())
    assert list(nulls_and_empties(explanation)) == []
    summary = cards["extension"][SUMMARY]
    assert explanation["rulebook"] == summary["rulebook"]
    verdicts = [rule["verdict"] for rule in explanation["rules"]]
    assert len(verdicts) == summary["evaluated"]
    for verdict in ("yes", "no", "unknown"):
        assert verdicts.count(verdict) == summary[verdict]
    assert all(is_text(rule["reason"]) for rule in explanation["rules"])


def keys(answer: dict[str, Any]) -> list[str]:
    return [finding["key"] for card in answer["cards"] for finding in card["extension"][FINDINGS]]


def test_keys_are_equal_over_processes_that_share_the_secret(make: Make, tmp_path: Path) -> None:
    """Clarification 50."""
    (tmp_path / "feedback.key").write_bytes(b"k" * 32)
    first, second = (
        keys(answered(make(folder=tmp_path), ORDER_SELECT, ordered())) for _ in range(2)
    )
    assert first
    assert first == second
    (tmp_path / "feedback.key").write_bytes(b"l" * 32)
    assert not set(first) & set(keys(answered(make(folder=tmp_path), ORDER_SELECT, ordered())))


def test_the_site_may_hide_a_rule(make: Make) -> None:
    """Contract section 5: a disabled rule is not decided, one in shadow is, and neither is shown."""
    rule = "baclofen-high-starting-dose"
    counts = {}
    for name in ("", "disabled", "shadow"):
        client = make(f'[rules]\n{name} = ["{rule}"]' if name else "")
        answer = answered(client, ORDER_SELECT, ordered())
        shown = {f["rule"] for card in answer["cards"] for f in card["extension"][FINDINGS]}
        assert (rule in shown) == (not name)
        explained = answered(client, ORDER_SELECT + "/explain", ordered())["rules"]
        assert (rule in {each["rule"] for each in explained}) == (name != "disabled")
        counts[name] = answer["extension"][SUMMARY]["evaluated"]
    assert counts["disabled"] == counts[""] - 1
    assert counts["shadow"] == counts[""]


def test_the_lowest_indicator_of_a_service(make: Make) -> None:
    """Contract section 5: minimum_indicator leaves out what is less urgent."""
    client = make('[rules.minimum_indicator]\n"spasticity-order-select" = "critical"')
    answer = answered(client, ORDER_SELECT, ordered())
    assert {card["indicator"] for card in answer["cards"]} <= {"critical"}


def test_the_command_serves_what_ships(tmp_path: Path) -> None:
    """CALL-01: `cds-service serve`, the shipped rulebook, two workers, equal keys from both."""
    served = start(tmp_path, program=REAL)
    try:
        wait_until_ready(served)
        body = json.dumps(ordered()).encode()
        answers = []
        for _ in range(8):
            status, content, _ = served.send("POST", ORDER_SELECT, body, JSON)
            assert status == 200
            answers.append(json.loads(content))
            check_answer(answers[-1])
        assert keys(answers[0])
        assert {tuple(keys(answer)) for answer in answers} == {tuple(keys(answers[0]))}
        assert '"notes"' not in served.log
    finally:
        assert stop(served) == 0


def test_the_command_evaluates_what_ships(tmp_path: Path) -> None:
    """Contract section 6: the same answer without a server; a broken request exits with 1."""
    file = tmp_path / "request.json"
    file.write_text(json.dumps(ordered()), encoding="utf-8")
    command = [sys.executable, "-m", REAL, "evaluate", str(file), "--as-of", "2026-06-03"]
    done = subprocess.run(command, capture_output=True, cwd=ROOT, check=True, timeout=30)
    check_answer(json.loads(done.stdout))
    assert done.stderr == b""
    file.write_text("{}", encoding="utf-8")
    done = subprocess.run(command, capture_output=True, cwd=ROOT, check=False, timeout=30)
    assert done.returncode == 1
    assert json.loads(done.stderr)["resourceType"] == "OperationOutcome"


def test_the_command_checks_what_ships() -> None:
    """Contract section 6: nothing is wrong with the rulebook that ships."""
    command = [sys.executable, "-m", REAL, "check"]
    done = subprocess.run(command, capture_output=True, cwd=ROOT, check=False, timeout=30)
    assert re.fullmatch(
        rb"rulebook \S+: \d+ rules, \d+ value sets, \d+ codes: no problems\n", done.stdout
    )
    assert done.returncode == 0
