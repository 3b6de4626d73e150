"""The page by its forms, without a browser: what a press of each button answers."""

from __future__ import annotations

import html
import io
import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from cds_service.app import create_app
from tests.contract.support import settings

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
OURS = {"Sec-Fetch-Site": "same-origin", "Accept": "text/html"}
CIPROFLOXACIN = {
    "story": "ciprofloxacin",
    "rows": "1",
    "hook": "order-select",
    "choice-0": "tizanidine",
    "amount-0-0": "4",
    "unit-0": "mg",
    "times-0-0": "3",
}
HERE = "http://127.0.0.1:8000"
ELSEWHERE = "http://cds.example.org"


@pytest.fixture
def app(tmp_path: Path) -> Flask:
    return create_app(settings(tmp_path), clock=lambda: NOW)


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


def press(client: FlaskClient, base: str = HERE, **fields: Any) -> str:
    """The page after a button of the form."""
    made = client.post("/", base_url=base, headers=OURS, data=CIPROFLOXACIN | fields)
    assert made.status_code == 200, made.text
    return made.text


def shown(page: str, name: str) -> dict[str, Any]:
    """The request or the response as the page shows it."""
    found = re.search(rf'<pre id="{name}-json"[^>]*>(.*?)</pre>', page, re.DOTALL)
    assert found is not None, page
    content: dict[str, Any] = json.loads(html.unescape(found[1]))
    return content


def indicators(page: str) -> list[str]:
    return [each["indicator"] for each in shown(page, "response")["cards"]]


def offer(page: str, position: int = 0) -> str:
    return html.unescape(re.findall(r'name="accept" value="(.*?)"', page)[position])


def stored(client: FlaskClient) -> str:
    """What was counted once it was stored: outcomes, and reasons of overrides."""
    metrics = client.get("/metrics").text
    return "\n".join(re.findall(r"^cds_(?:feedback|overrides)_total\{.*$", metrics, re.MULTILINE))


def test_the_first_story_is_open(client: FlaskClient) -> None:
    page = client.get("/", base_url=HERE).text
    assert indicators(page) == ["critical", "warning"]
    assert shown(page, "request")["hook"] == "order-select"
    assert "Ruth Example" in page


def test_the_request_that_is_shown_gives_the_response_that_is_shown(client: FlaskClient) -> None:
    page = press(client, sign="1")
    request = shown(page, "request")
    assert request["hook"] == "order-sign"
    answer = client.post("/cds-services/spasticity-order-sign", json=request).get_json()
    assert [each["summary"] for each in answer["cards"]] == [
        each["summary"] for each in shown(page, "response")["cards"]
    ]


def test_the_downloaded_request_is_the_same_but_for_its_instance(client: FlaskClient) -> None:
    made = client.post("/try/request.json", base_url=HERE, headers=OURS, data=CIPROFLOXACIN)
    assert "attachment" in made.headers["Content-Disposition"]
    expected = shown(press(client), "request") | {"hookInstance": made.get_json()["hookInstance"]}
    assert made.get_json() == expected


def test_a_story_and_its_patient_that_are_not_there(client: FlaskClient) -> None:
    assert client.get("/?story=none").status_code == 404
    assert client.get("/try/patients/none.json").status_code == 404
    assert client.get("/try/patients/refill.json").get_json()["resourceType"] == "Bundle"


def test_another_dose_gives_another_answer(client: FlaskClient) -> None:
    page = press(client, **{"story": "kidneys", "choice-0": "baclofen", "amount-0-0": "5"})
    higher = press(client, **{"story": "kidneys", "choice-0": "baclofen", "amount-0-0": "40"})
    summaries = [
        [card["summary"] for card in shown(each, "response")["cards"]] for each in (page, higher)
    ]
    assert summaries[0] != summaries[1]


def test_an_accepted_suggestion_changes_the_orders(client: FlaskClient) -> None:
    first = press(client)
    page = press(client, accept=offer(first))
    assert "Accepted: Remove the tizanidine draft." in page
    assert "Removed: tizanidine 4 mg three times daily." in page
    assert 'name="rows" value="0"' in page
    assert 'outcome="accepted"' in stored(client)


def test_a_changed_order_is_edited_as_fhir_from_then_on(client: FlaskClient) -> None:
    row = {"story": "abrupt-stop", "choice-0": "stop:MedicationRequest/abrupt-stop-rx1"}
    page = press(client, accept=offer(press(client, **row)), **row)
    assert "Changed: baclofen, stopped became baclofen" in page
    written = re.search(r'name="written-0"[^>]*>(.*?)</textarea>', page, re.DOTALL)
    assert written is not None
    order = json.loads(html.unescape(written[1]))
    assert len(order["dosageInstruction"]) > 2, "a taper"
    again = press(client, **row, **{"written-0": json.dumps(order)})
    assert "critical" not in indicators(again)


def test_a_suggestion_that_is_none_of_ours_changes_nothing(client: FlaskClient) -> None:
    for odd in ("", "{", "[]", '{"actions":[{}],"label":"x"}', '{"actions":7,"label":"x"}'):
        page = press(client, accept=odd)
        assert "The suggestion cannot be read" in page
        assert 'name="rows" value="1"' in page


def test_a_dismissed_card_is_stored_and_stays_away(client: FlaskClient) -> None:
    card = shown(press(client), "response")["cards"][1]
    code = card["overrideReasons"][0]["code"]
    page = press(client, dismiss=card["uuid"], **{f"reason-{card['uuid']}": code})
    assert "stored as feedback" in page
    assert indicators(page) == ["critical"]
    assert "not shown: an earlier card was overridden" in page.lower()
    assert 'outcome="overridden"' in stored(client)
    assert code in stored(client)


def test_a_comment_is_a_reason_and_nothing_is_none(client: FlaskClient) -> None:
    card = shown(press(client), "response")["cards"][1]["uuid"]
    assert "Choose a reason or write a comment" in press(client, dismiss=card)
    page = press(client, dismiss=card, **{f"comment-{card}": "Agreed with pharmacy"})
    assert "stored as feedback" in page
    assert "was not stored" in press(client, dismiss="x y", **{"comment-x y": "Agreed"})


def test_beyond_this_machine_nothing_is_stored(client: FlaskClient) -> None:
    first = press(client, ELSEWHERE)
    assert "nothing that is entered or answered" in " ".join(first.split())
    card = shown(first, "response")["cards"][1]["uuid"]
    page = press(client, ELSEWHERE, dismiss=card, **{f"comment-{card}": "no"})
    assert "nothing is stored" in page
    assert indicators(page) == ["critical", "warning"]
    press(client, ELSEWHERE, accept=offer(first))
    assert stored(client) == ""


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {},
    ],
)
@pytest.mark.parametrize("path", ["/", "/try/request.json"])
def test_a_form_of_another_site_is_refused(
    client: FlaskClient, path: str, headers: dict[str, str]
) -> None:
    answer = client.post(path, base_url=HERE, headers=headers, data=CIPROFLOXACIN)
    assert answer.status_code == 403
    assert "not sent from this page" in answer.text


def test_a_browser_that_only_tells_the_origin_is_heard(client: FlaskClient) -> None:
    answer = client.post("/", base_url=HERE, headers={"Origin": HERE}, data=CIPROFLOXACIN)
    assert answer.status_code == 200


def test_rows_come_and_go(client: FlaskClient) -> None:
    assert 'name="rows" value="2"' in press(client, add="1")
    assert 'name="written-1"' in press(client, **{"add-written": "1"})
    assert 'name="rows" value="0"' in press(client, remove="0")
    assert 'name="rows" value="1"' in press(client, remove="7")
    page = press(client, write="0")
    assert 'name="written-0"' in page
    assert 'name="written-0"' not in press(client, restore="0", **{"written-0": "{}"})


def test_without_orders_the_chart_is_opened(client: FlaskClient) -> None:
    assert shown(press(client, rows="0"), "request")["hook"] == "patient-view"


def test_several_orders_are_one_request(client: FlaskClient) -> None:
    second = {"choice-1": "baclofen", "amount-1-0": "5", "times-1-0": "3", "days-1-1": "7"}
    third = {"choice-2": "tizanidine", "amount-2-0": "2", "times-2-0": "1", "amount-2-1": "4"}
    page = press(client, rows="3", **second, **third, **{"times-2-1": "2"})
    assert "Order 2, dose 2, dose: write a number" in page
    entries = shown(page, "request")["context"]["draftOrders"]["entry"]
    assert [len(each["resource"]["dosageInstruction"]) for each in entries] == [1, 2]


def test_an_order_that_cannot_be_written_is_named_and_the_others_are_checked(
    client: FlaskClient,
) -> None:
    page = press(client, rows="2", **{"choice-1": "baclofen", "amount-1-0": "many"})
    assert "Order 2, dose: write a number" in page
    assert indicators(page) == ["critical", "warning"]


def test_what_the_service_refuses_is_shown(client: FlaskClient) -> None:
    twice = '{"resourceType":"MedicationRequest","id":"a","id":"b"}'
    page = press(client, **{"written-0": twice})
    assert "The service refused the call (400)" in page
    assert "same member twice" in page


def patient(**members: Any) -> dict[str, Any]:
    return {"resourceType": "Patient", "id": "own", "name": [{"text": "Mine"}]} | members


def test_a_pasted_and_an_uploaded_patient_take_the_place_of_the_story(client: FlaskClient) -> None:
    assert "Mine" in press(client, bundle=json.dumps(patient()))
    file = (io.BytesIO(json.dumps(patient()).encode()), "own.json")
    page = press(client, file=file)
    assert "Mine" in page
    assert shown(page, "request")["context"]["patientId"] == "own"


def test_a_broken_file_is_named_and_nothing_is_asked(client: FlaskClient) -> None:
    page = press(client, file=(io.BytesIO(b'{"resourceType":"Bundle",'), "own.json"))
    assert "The file is not valid JSON" in page
    assert "Nothing was asked." in page
    broken = {**CIPROFLOXACIN, "bundle": "{"}
    answer = client.post("/try/request.json", base_url=HERE, headers=OURS, data=broken)
    assert "The pasted text is not valid JSON" in answer.text


def test_a_file_that_is_not_sent_again_is_asked_for(client: FlaskClient) -> None:
    assert "choose it once more" in press(client, **{"had-file": "1"}).replace("\n", " ")


@pytest.mark.parametrize("headers", [{}, {"HX-Request": "true"}])
def test_more_than_a_call_may_hold_is_said_on_the_page(
    tmp_path: Path, headers: dict[str, str]
) -> None:
    small = create_app(settings(tmp_path, "[limits]\nmax_request_bytes = 2000"), clock=lambda: NOW)
    answer = small.test_client().post(
        "/", base_url=HERE, headers=OURS | headers, data=CIPROFLOXACIN | {"bundle": "x" * 3000}
    )
    assert "larger than a call to this service may be" in answer.text
    assert answer.status_code == (200 if headers else 413)


def test_a_long_request_is_shown_by_its_beginning(client: FlaskClient) -> None:
    many = [
        {"resourceType": "Condition", "id": f"c{n}", "code": {"text": "x" * 90}} for n in range(900)
    ]
    content = {
        "resourceType": "Bundle",
        "entry": [{"resource": each} for each in (patient(), *many)],
    }
    page = press(client, file=(io.BytesIO(json.dumps(content).encode()), "own.json"))
    assert "this is its beginning" in page
    assert len(page) < 200_000
    assert "and 892 more" not in page, "900 equal texts are one"


def test_odd_records_are_shown_as_far_as_they_go(client: FlaskClient) -> None:
    """The banner passes over what it cannot read; the service says what it makes of it."""
    odd = [
        patient(name="Mine", birthDate=7),
        {"resourceType": "Condition", "id": "c", "code": 7},
        {"resourceType": "Condition", "id": "d", "code": {"coding": [{"code": "G35"}]},
         "clinicalStatus": {"coding": [{"code": "resolved"}]}},
        {"resourceType": "MedicationRequest", "id": "m", "status": "active",
         "medicationReference": {"reference": "#x"}, "dosageInstruction": 7},
        {"resourceType": "Observation", "id": "o", "valueQuantity": 7,
         "code": {"coding": [{"system": "http://loinc.org", "code": "2160-0"}]}},
    ]  # fmt: skip
    content = {"resourceType": "Bundle", "entry": [{"resource": each} for each in odd]}
    page = press(client, bundle=json.dumps(content))
    assert "No name" in page
    assert "G35 (past)" in page
    assert "a medicine" in page


def test_a_year_of_birth_is_shown_as_it_is(client: FlaskClient) -> None:
    assert "born 1960" in press(client, bundle=json.dumps(patient(birthDate="1960")))


def test_a_site_that_wants_tokens_says_so_in_the_command(app: Flask, tmp_path: Path) -> None:
    page = app.test_client().get("/", base_url=HERE).text
    assert f"curl -s {HERE}/cds-services/spasticity-order-select" in page
    assert "Bearer" not in page
