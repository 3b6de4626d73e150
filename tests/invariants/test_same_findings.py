"""The same facts in another form give the same findings, with the same keys."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
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
from tests.vignettes.response_checks import keys_of, problems_of_answer, read_answer
from tests.vignettes.service_client import service_client

RUNNING = [case for case in load_cases().values() if reason_not_to_run(case, feedback=True) is None]
FEW = RUNNING[:: max(1, len(RUNNING) // 10)]
"""About ten cases from all sections, for what takes long."""


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
    client = service_client()
    rendered = variation.rendered(render(variation.case(case), moment))
    request = variation.request(hook_request(rendered, client.templates[case.service]))
    if variation is not PLAIN and request == _plain(case.id).request:
        return None
    return Told(moment, request, read_answer(client.call(case.service, request)))


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
    templates = service_client().templates
    for variation in VARIATIONS:
        assert any(
            _request(case, moment, variation, templates[case.service])
            != _request(case, moment, PLAIN, templates[case.service])
            for case in RUNNING
        ), variation.name


def _request(
    case: Case, moment: Moment, variation: Variation, templates: Mapping[str, str]
) -> Json:
    rendered = variation.rendered(render(variation.case(case), moment))
    return variation.request(hook_request(rendered, templates))
