"""The checks of answers find each fault that is put into a sound answer."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from tests.vignettes import sample_answer
from tests.vignettes.fhir_json import Json
from tests.vignettes.response_checks import (
    FINDINGS,
    SUMMARY,
    problems_of_answer,
    problems_of_repeat,
    read_answer,
)
from tests.vignettes.update_form import problems_of_offers

Change = Callable[[Json], object]


def _card(answer: Json) -> Json:
    card: Json = answer["cards"][0]
    return card


def _action(answer: Json, suggestion: int = 0) -> Json:
    action: Json = _card(answer)["suggestions"][suggestion]["actions"][0]
    return action


def _finding(answer: Json) -> Json:
    finding: Json = _card(answer)["extension"][FINDINGS][0]
    return finding


def _second_card(answer: Json) -> None:
    answer["cards"].append(json.loads(json.dumps(_card(answer))))


def test_sound_answer_has_no_problem() -> None:
    answer, request = sample_answer.answer(), sample_answer.request()
    assert problems_of_answer(answer, request) == []
    assert problems_of_offers(answer, request, set()) == []


def test_answer_without_cards_is_sound() -> None:
    answer = {**sample_answer.answer(), "cards": []}
    assert problems_of_answer(answer, sample_answer.request()) == []


FAULTS: list[tuple[str, Change, str]] = [
    ("cards-missing", lambda a: a.pop("cards"), "RSP-01"),
    ("cards-object", lambda a: a.update(cards={}), "RSP-01"),
    ("no-summary", lambda a: _card(a).pop("summary"), "RSP-02"),
    ("blank-label", lambda a: _card(a)["source"].update(label="  "), "RSP-02"),
    ("no-source", lambda a: _card(a).pop("source"), "RSP-02"),
    ("long-summary", lambda a: _card(a).update(summary="x" * 140), "RSP-03"),
    ("long-in-utf16", lambda a: _card(a).update(summary="\U0001f600" * 70), "RSP-03"),
    ("hard-stop", lambda a: _card(a).update(indicator="hard-stop"), "RSP-04"),
    ("no-behavior", lambda a: _card(a).pop("selectionBehavior"), "RSP-05"),
    ("behavior-alone", lambda a: _card(a).pop("suggestions"), "RSP-06"),
    ("reason-bare", lambda a: _card(a)["overrideReasons"][0].pop("display"), "RSP-07"),
    ("link-type", lambda a: _card(a)["links"][0].update(type="relative"), "RSP-08"),
    ("app-context", lambda a: _card(a)["links"][0].update(appContext="{}"), "RSP-08"),
    ("link-url", lambda a: _card(a)["links"][0].update(url="/rules/x"), "RSP-09"),
    ("source-url", lambda a: _card(a)["source"].update(url="label"), "RSP-09"),
    ("action-type", lambda a: _action(a).update(type="Update"), "RSP-10"),
    ("no-description", lambda a: _action(a).pop("description"), "RSP-10"),
    ("update-no-id", lambda a: _action(a)["resource"].pop("id"), "RSP-10"),
    ("update-stranger", lambda a: _action(a)["resource"].update(id="z"), "RSP-10"),
    ("create-empty", lambda a: _action(a).update(type="create", resource="x"), "RSP-10"),
    ("delete-bare-id", lambda a: _action(a, 1).update(resourceId="x1-ord1"), "RSP-10"),
    ("delete-resource", lambda a: _action(a, 1).update(resource={"id": "x"}), "RSP-10"),
    ("uuid-twice", _second_card, "RSP-11"),
    ("null", lambda a: _card(a).update(detail=None), "RSP-12"),
    ("empty-list", lambda a: _card(a).update(links=[]), "RSP-12"),
    ("empty-object", lambda a: _action(a).update(extension={}), "RSP-12"),
    ("empty-text", lambda a: _card(a).update(detail=""), "RSP-12"),
    (
        "two-recommended",
        lambda a: _card(a)["suggestions"][1].update(isRecommended=True),
        "RSP-13",
    ),
    ("unknown-member", lambda a: _card(a).update(note="x"), "RSP-14"),
    (
        "action-behavior",
        lambda a: _card(a)["suggestions"][0].update(actionSelectionBehavior="all"),
        "RSP-14",
    ),
    ("no-uuid", lambda a: _card(a).pop("uuid"), "uuid"),
    ("no-findings", lambda a: _card(a).pop("extension"), "no finding"),
    ("other-indicator", lambda a: _card(a).update(indicator="info"), "its findings reach"),
    ("no-key", lambda a: _finding(a).pop("key"), "key"),
    ("no-reason", lambda a: _finding(a).update(reason=" "), "reason"),
    ("topic", lambda a: _card(a)["source"]["topic"].update(code="other"), "topic"),
    ("sums", lambda a: a["extension"][SUMMARY].update(no=5), "add up"),
    ("no-sums", lambda a: a.pop("extension"), SUMMARY),
]


@pytest.mark.parametrize(("change", "named"), [f[1:] for f in FAULTS], ids=[f[0] for f in FAULTS])
def test_fault_is_found(change: Change, named: str) -> None:
    answer = sample_answer.answer()
    change(answer)
    assert any(named in one for one in problems_of_answer(answer, sample_answer.request()))


def test_more_than_four_cards_of_one_order_are_too_many() -> None:
    answer = sample_answer.answer()
    for _ in range(4):
        _second_card(answer)
    assert any("5 cards" in one for one in problems_of_answer(answer))


def test_repeat_has_the_same_keys_and_fresh_uuids() -> None:
    first, second = sample_answer.answer(), sample_answer.answer()
    assert any("uuids" in one for one in problems_of_repeat(first, second))
    _finding(second)["key"] = "k2"
    assert any("keys differ" in one for one in problems_of_repeat(first, second))


def _dosage(answer: Json) -> Json:
    dosage: Json = _action(answer)["resource"]["dosageInstruction"][0]
    return dosage


FORM_FAULTS: list[tuple[str, Change, str]] = [
    ("status", lambda a: _action(a)["resource"].update(status="active"), "instead of draft"),
    ("text", lambda a: _dosage(a).pop("text"), "without text"),
    (
        "unit",
        lambda a: _dosage(a)["doseAndRate"][0]["doseQuantity"].update(code="g", unit="g"),
        "mg",
    ),
    ("frequency", lambda a: _dosage(a)["timing"]["repeat"].pop("frequency"), "frequency"),
    ("unit-of-period", lambda a: _dosage(a)["timing"]["repeat"].pop("periodUnit"), "periodUnit"),
    ("prn", lambda a: _dosage(a).update(asNeededBoolean=True), "asNeededBoolean"),
    ("timing-code", lambda a: _dosage(a)["timing"].update(code={"text": "QID"}), "timing code"),
    ("maximum", lambda a: _dosage(a).update(maxDosePerPeriod={}), "maxDosePerPeriod"),
    (
        "supply",
        lambda a: _action(a)["resource"]["dispenseRequest"].update(quantity={"value": 90}),
        "quantity was kept",
    ),
    (
        "repeats",
        lambda a: _action(a)["resource"].pop("dispenseRequest"),
        "dispenseRequest changed",
    ),
    ("subject", lambda a: _action(a)["resource"].pop("subject"), "subject changed"),
]


@pytest.mark.parametrize(
    ("change", "named"), [f[1:] for f in FORM_FAULTS], ids=[f[0] for f in FORM_FAULTS]
)
def test_fault_in_the_form_of_an_update_is_found(change: Change, named: str) -> None:
    answer = sample_answer.answer()
    change(answer)
    problems = problems_of_offers(answer, sample_answer.request(), set())
    assert any(named in one for one in problems), problems


def test_decimals_must_come_back_as_written() -> None:
    request = sample_answer.request()
    draft = request["context"]["draftOrders"]["entry"][0]["resource"]
    draft["dispenseRequest"]["extension"] = [{"url": "u", "valueDecimal": 1.0}]
    answer = sample_answer.answer()
    dispense = _action(answer)["resource"]["dispenseRequest"]
    dispense["extension"] = [{"url": "u", "valueDecimal": 1}]
    assert any(
        "dispenseRequest changed" in one for one in problems_of_offers(answer, request, set())
    )


def test_chart_and_replacing_drafts_are_not_removed() -> None:
    answer, request = sample_answer.answer(), sample_answer.request()
    assert any("chart" in one for one in problems_of_offers(answer, request, {sample_answer.ORDER}))
    draft = request["context"]["draftOrders"]["entry"][0]["resource"]
    draft["priorPrescription"] = {"reference": "MedicationRequest/x1-rx1"}
    assert any("replaces" in one for one in problems_of_offers(answer, request, set()))


class _Reply:
    status_code = 200
    mimetype = "application/json"

    def __init__(self, data: bytes, **changes: object) -> None:
        self.data = data
        vars(self).update(changes)


def test_answer_is_read_strictly() -> None:
    assert read_answer(_Reply(b'{"cards": []}')) == {"cards": []}
    for reply in (
        _Reply(b'{"cards": [], "cards": []}'),
        _Reply(b'{"cards": [NaN]}'),
        _Reply(b"[]"),
        _Reply(b"{}", status_code=500),
        _Reply(b"{}", mimetype="text/html"),
    ):
        with pytest.raises(AssertionError):
            read_answer(reply)
