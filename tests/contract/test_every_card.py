"""What is said to every call of every case: valid for CDS Hooks 2.0.1 and for the draft of 3.0."""

from __future__ import annotations

from typing import Any

import pytest

from tests.contract.description import violations
from tests.invariants.sites import answer_to, explanation_of, request_of
from tests.vignettes.cases import load_cases
from tests.vignettes.response_checks import problems_of_answer
from tests.vignettes.single_calls import SingleCall, single_calls

CHUNKS = 6
TOLD_TWICE = 25
"""One call in so many is asked twice and explained."""


def chunk(number: int, step: int = CHUNKS) -> tuple[SingleCall, ...]:
    return single_calls()[number::step]


def uuids_of(answer: dict[str, Any]) -> list[str]:
    return [
        bearer["uuid"]
        for card in answer["cards"]
        for bearer in (card, *card.get("suggestions", []))
    ]


@pytest.mark.parametrize("number", range(CHUNKS))
def test_every_answer_is_valid(number: int) -> None:
    """RSP-01 to RSP-14, ACT-01, ACT-02, ACT-04, GEN-03 to GEN-06: by the published schema and by
    the rules that no schema can say: UTF-16 units, unique uuids, updates and deletes of drafts."""
    seen: set[str] = set()
    for call in chunk(number):
        answer = answer_to(call.case)
        problems = violations("CardsResponse", answer)
        problems += problems_of_answer(answer, request_of(call.case))
        assert not problems, "\n".join([call.id, *problems])
        uuids = uuids_of(answer)
        assert len(uuids) == len(set(uuids) - seen), call.id
        seen.update(uuids)


def test_the_wording_of_the_draft_of_3_0() -> None:
    """5.3, 5.4: what only 3.0 knows is not sent, and what only 2.0.1 asks for is there."""
    actions = 0
    for call in chunk(0, TOLD_TWICE):
        for card in answer_to(call.case)["cards"]:
            for suggestion in card.get("suggestions", []):
                assert "actionSelectionBehavior" not in suggestion
                for action in suggestion.get("actions", []):
                    assert action["description"].strip()
                    actions += 1
    assert actions


def test_clients_of_1_0_get_at_most_one_only() -> None:
    """5.2: they take a card with another selectionBehavior for an error, and only the deprecated
    hook tells that a client speaks 1.0. Of several suggestions only the first is recommended."""
    two_laboratory_orders = load_cases()["MD-65"]
    found = {}
    for hook in ("order-select", "order-sign", "medication-prescribe"):
        (card,) = answer_to(two_laboratory_orders.changed({"hook": hook}))["cards"]
        recommended = [each.get("isRecommended", False) for each in card["suggestions"]]
        found[hook] = card["selectionBehavior"], recommended
    assert found == {
        "order-select": ("any", [True, True]),
        "order-sign": ("any", [True, True]),
        "medication-prescribe": ("at-most-one", [True, False]),
    }


def test_any_is_said_only_beside_several_suggestions() -> None:
    """5.2: a client of 1.0 may call order-select too, so `any` is rare: of one suggestion both
    words say the same."""
    for call in chunk(3, TOLD_TWICE):
        for card in answer_to(call.case)["cards"]:
            if len(card.get("suggestions", [])) == 1:
                assert card["selectionBehavior"] == "at-most-one", call.id


def test_the_same_call_again_says_the_same() -> None:
    """CALL-29, RSP-11: equal but for the uuids, which are fresh on each answer."""
    for call in chunk(1, TOLD_TWICE):
        first, second = answer_to(call.case), answer_to(call.case)
        assert not set(uuids_of(first)) & set(uuids_of(second)), call.id
        for answer in (first, second):
            for card in answer["cards"]:
                for bearer in (card, *card.get("suggestions", [])):
                    del bearer["uuid"]
        assert first == second, call.id


def test_every_explanation_is_as_described() -> None:
    """Contract section 2: closed objects, as the schema has them."""
    for call in chunk(2, TOLD_TWICE):
        assert violations("Explanation", explanation_of(call.case)) == [], call.id
