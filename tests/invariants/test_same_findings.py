"""The same facts in another form give the same findings, with the same keys."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cache

import pytest

from tests.invariants.variations import VARIATIONS, Variation
from tests.vignettes.cases import Case, load_cases, reason_not_to_run
from tests.vignettes.expectations import Pair, comparison, pairs_of
from tests.vignettes.fhir_json import Json
from tests.vignettes.hook_request import hook_request
from tests.vignettes.moment import Moment
from tests.vignettes.rendering import render
from tests.vignettes.response_checks import findings_of, keys_of, problems_of_answer, read_answer
from tests.vignettes.service_client import service_client

RUNNING = [case for case in load_cases().values() if reason_not_to_run(case, feedback=True) is None]
FEW = RUNNING[:: max(1, len(RUNNING) // 10)]
"""About ten cases from all sections, for what takes long."""
ORDER_SELECT = [case for case in RUNNING if case.hook == "order-select"]


@dataclass(frozen=True, slots=True)
class Told:
    """What the service said about a case, and to which request."""

    moment: Moment
    request: Json
    answer: Json

    @property
    def pairs(self) -> Counter[Pair]:
        return pairs_of(self.answer)

    @property
    def keys(self) -> set[str]:
        return set(keys_of(self.answer))


def _ask(case: Case, moment: Moment, variation: Variation) -> Told | None:
    """The answer to the varied request; ``None`` where it is the plain one, not asked again."""
    request = _request(case, moment, variation)
    if variation is not PLAIN and request == _plain(case.id).request:
        return None
    service = variation.case(case).service
    return Told(moment, request, read_answer(service_client().call(service, request)))


def _request(case: Case, moment: Moment, variation: Variation) -> Json:
    varied = variation.case(case)
    rendered = variation.rendered(render(varied, moment))
    return variation.request(hook_request(rendered, service_client().templates[varied.service]))


PLAIN = Variation("plain")


@cache
def _plain(case_id: str) -> Told:
    told = _ask(load_cases()[case_id], Moment.current(), PLAIN)
    assert told is not None
    return told


@pytest.mark.parametrize(
    ("case", "variation"),
    [
        pytest.param(case, variation, id=f"{variation.name}-{case.id}")
        for variation in VARIATIONS
        for case in (FEW if variation.few else RUNNING)
        if variation.applies(case)
    ],
)
def test_findings_stay_the_same(case: Case, variation: Variation) -> None:
    plain = _plain(case.id)
    varied = _ask(case, plain.moment, variation)
    if varied is None:
        return
    report = (
        f"{case.id}, {variation.name}\n--- plain\n{comparison(plain.answer, {})}"
        f"\n--- {variation.name}\n{comparison(varied.answer, {})}"
    )
    assert varied.pairs == plain.pairs, report
    assert varied.keys == plain.keys, report
    assert problems_of_answer(varied.answer, varied.request) == [], report


def test_each_variation_changes_some_request() -> None:
    """A variation without effect would prove nothing."""
    if not RUNNING:
        pytest.skip("no case runs yet: no rules are shipped")
    moment = Moment.current()
    for variation in VARIATIONS:
        assert any(
            _request(case, moment, variation) != _request(case, moment, PLAIN) for case in RUNNING
        ), variation.name


@pytest.mark.parametrize("case", ORDER_SELECT, ids=[case.id for case in ORDER_SELECT])
def test_signing_shows_the_same_warnings(case: Case) -> None:
    """order-sign may leave information out, and nothing else."""
    plain = _plain(case.id)
    signing = _ask(case, plain.moment, Variation("order-sign", case=_signed))
    assert signing is not None
    for wanted, found in ((plain, signing), (signing, plain)):
        grave = {
            (one["rule"], one["indicator"], one["key"])
            for one in findings_of(wanted.answer)
            if one["indicator"] != "info"
        }
        all_found = {
            (one["rule"], one["indicator"], one["key"]) for one in findings_of(found.answer)
        }
        assert grave <= all_found, comparison(found.answer, {})
    assert problems_of_answer(signing.answer, signing.request) == []


def _signed(case: Case) -> Case:
    return case.changed({"hook": "order-sign"})
