"""The expectations of a case tell a right answer from a wrong one."""

from __future__ import annotations

from typing import Any

import pytest

from tests.vignettes import sample_answer
from tests.vignettes.expectations import comparison, problems_of_expectation
from tests.vignettes.fhir_json import Json, quantity

RULE = "baclofen-dose-above-80"
FOUND = [{"rule": RULE, "indicator": "warning"}]
NAMES = {
    "order1": sample_answer.ORDER,
    "order2": "MedicationRequest/x1-ord2",
    "home": "MedicationRequest/x1-rx1",
}


def _problems(expect: Json, answer: Json | None = None) -> list[str]:
    return problems_of_expectation(answer or sample_answer.answer(), expect, NAMES)


@pytest.mark.parametrize(
    "expect",
    [
        {"findings": FOUND},
        {"findings": [], "optional": FOUND},
        {"findings": [], "optional": [RULE]},
        {"findings": FOUND, "absent": ["missing-data"]},
        {"separate": [[RULE, "missing-data"]]},
        {"count": {RULE: 1}},
        {"order": {RULE: "order1"}},
    ],
)
def test_met(expect: Json) -> None:
    assert _problems(expect) == []


@pytest.mark.parametrize(
    ("expect", "named"),
    [
        ({"findings": []}, "unexpected"),
        ({"findings": [{"rule": RULE, "indicator": "info"}]}, "missing"),
        ({"findings": [*FOUND, {"rule": "other", "indicator": "info"}]}, "missing: other"),
        ({"absent": [RULE]}, "must not appear"),
        ({"merged": [[RULE, "other"]]}, "not on one card"),
        ({"count": {RULE: 2}}, "1 times instead of 2"),
        ({"order": {RULE: "order2"}}, "instead of order2"),
    ],
)
def test_not_met(expect: Json, named: str) -> None:
    assert any(named in problem for problem in _problems(expect))


CHECKS: list[tuple[Json, bool]] = [
    ({"first_suggestion": {"rule": RULE, "type": "update"}}, True),
    ({"first_suggestion": {"rule": RULE, "type": "delete"}}, False),
    ({"first_suggestion": {"rule": "other", "type": "delete"}}, False),
    ({"offers_only": {"order": "order1", "amounts": [20], "per_day": [4]}}, True),
    ({"offers_only": {"order": "order1", "amounts": [20], "per_day": [3]}}, False),
    ({"offers_only": {"order": "order1", "amounts": [5, 10]}}, False),
    ({"offers_only": {"order": "order2", "amounts": [5]}}, True),
    ({"has_delete": "order1"}, True),
    ({"has_delete": "order2"}, False),
    ({"no_delete": True}, False),
    ({"no_update": "order1"}, False),
    ({"no_update": "order2"}, True),
    ({"no_action_on": "home"}, True),
    ({"no_action_on": "order1"}, False),
    ({"has_update": {"order": "order1", "amount": 20, "unit": "mg", "per_day": 4}}, True),
    ({"has_update": {"order": "order1", "amount": 20, "unit": "mg", "per_day": 3}}, False),
    ({"creates": {"resource": "ServiceRequest"}}, False),
    ({"taper": {"from": 90}}, False),
    ({"no_drug_offered": True}, True),
    ({"text": "(?i)label gives 80"}, True),
    ({"text": "contraindicat"}, False),
    ({"text_absent": "contraindicat"}, True),
    ({"text_absent": "(?i)LABEL"}, False),
    ({"first_card": RULE}, True),
    ({"first_card": "other"}, False),
]


@pytest.mark.parametrize(("check", "is_met"), CHECKS)
def test_check(check: Json, *, is_met: bool) -> None:
    assert (_problems({"checks": [check]}) == []) is is_met


def _phase(amount: int, per_day: int) -> Json:
    return {
        "timing": {"repeat": {"frequency": per_day, "period": 1, "periodUnit": "d"}},
        "doseAndRate": [{"doseQuantity": quantity(amount, "mg")}],
    }


@pytest.mark.parametrize(
    ("phases", "is_taper"),
    [
        ([(25, 2), (20, 2), (10, 3), (10, 2), (5, 2)], True),
        ([(15, 3), (10, 3)], False),
        ([(20, 3), (10, 1)], False),
        ([(20, 3), (20, 3)], False),
        ([(50, 1)], False),
    ],
    ids=["steps-of-10", "step-of-a-third", "big-step", "no-fall", "one-phase"],
)
def test_taper(phases: list[tuple[int, int]], *, is_taper: bool) -> None:
    answer = sample_answer.answer()
    instructions: list[Any] = [
        {"sequence": number, **_phase(*phase)} for number, phase in enumerate(phases, start=1)
    ]
    action = answer["cards"][0]["suggestions"][0]["actions"][0]
    action["resource"]["dosageInstruction"] = instructions
    assert (_problems({"checks": [{"taper": {"from": 60}}]}, answer) == []) is is_taper


def test_creates() -> None:
    answer = sample_answer.answer()
    action = answer["cards"][0]["suggestions"][0]["actions"][0]
    action["type"] = "create"
    action["resource"] = {"resourceType": "ServiceRequest", "code": {"text": "Creatinine"}}
    wanted = {"resource": "ServiceRequest", "matches": "(?i)creatinine"}
    assert _problems({"checks": [{"creates": wanted}]}, answer) == []
    assert _problems({"checks": [{"creates": {**wanted, "matches": "INR"}}]}, answer) != []


def test_comparison_shows_rule_indicator_and_reason() -> None:
    text = comparison(sample_answer.answer(), {"findings": []})
    assert "expected:\n  nothing" in text
    assert f"{RULE} (warning) on {sample_answer.ORDER}: Daily dose 90 mg" in text
