"""Whatever a card suggests can be accepted: nothing new comes of it, and what was told is better.

Each suggestion of each card of each case is followed as a client would, and the same service is
asked again about the same patient.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import pytest

from tests.invariants.accepting import AS_RENDERED, SHAPES, Shape, accepted, problem_as, shape_of
from tests.invariants.wire import ask, exactly
from tests.vignettes.fhir_json import Json, reference_to
from tests.vignettes.hook_request import hook_request
from tests.vignettes.moment import Moment
from tests.vignettes.offers import MEDICATION_ORDERS, Offer, offers_of_card
from tests.vignettes.rendering import render
from tests.vignettes.response_checks import (
    INDICATORS,
    drafts_of,
    findings_of,
    findings_of_card,
    problems_of_answer,
)
from tests.vignettes.service_client import service_client
from tests.vignettes.single_calls import SingleCall, single_calls
from tests.vignettes.update_form import exact, problems_of_offers

CALLS = single_calls()
LOINC = "http://loinc.org"


@dataclass(frozen=True, slots=True)
class Told:
    """What the service said to one call of a case, its drafts in one shape."""

    call: SingleCall
    shape: Shape
    service: str
    request: Json
    answer: Json
    chart: frozenset[str]

    def suggestions(self) -> Iterator[tuple[int, Json, Json]]:
        """Number of the card, card and suggestion, for each suggestion."""
        for number, card in enumerate(self.answer["cards"], start=1):
            for suggestion in card.get("suggestions", []):
                yield number, card, suggestion


@cache
def _told(call_number: int, shape: Shape) -> Told:
    call = CALLS[call_number]
    http, templates = service_client().http, service_client().templates
    case = shape.case(call.case)
    rendered = shape.rendered(render(case, Moment.current()))
    request: Json = exactly(hook_request(rendered, templates[case.service]))
    chart = frozenset(reference_to(each) for each in rendered.chart)
    return Told(call, shape, case.service, request, ask(http, case.service, request), chart)


def _number(call: SingleCall) -> int:
    return next(number for number, each in enumerate(CALLS) if each.id == call.id)


@pytest.mark.parametrize("call", CALLS, ids=[call.id for call in CALLS])
def test_every_suggestion_can_be_accepted(call: SingleCall) -> None:
    """No new finding and no graver one; what was answered is gone or lower; the form is kept."""
    plain = _told(_number(call), AS_RENDERED)
    problems = [*_problems(plain)]
    if any(_changes_an_order(suggestion) for _, _, suggestion in plain.suggestions()):
        for shape in SHAPES:
            if shape.applies(call.case):
                problems += _problems(_told(_number(call), shape))
    assert not problems, "\n\n".join([f"{call.case.source}: {call.case.title}", *problems])


def test_every_shape_carries_suggestions() -> None:
    """A shape in which nothing is ever suggested would prove nothing."""
    for shape in SHAPES:
        assert any(
            [*_told(number, shape).suggestions()]
            for number, call in enumerate(CALLS)
            if shape.applies(call.case)
        ), shape.name


def _problems(told: Told) -> Iterator[str]:
    chart = set(told.chart)
    for problem in (
        *problems_of_answer(told.answer, told.request),
        *problems_of_offers(told.answer, told.request, chart),
    ):
        yield f"{told.call.id}, {told.shape.name}: {problem}"
    for number, (position, card, suggestion) in enumerate(told.suggestions(), start=1):
        found = [*_problems_of_form(told, card, suggestion)]
        after: Json | None = None
        if "context" in told.request and _orders_are_sent(told):
            request = accepted(told.request, suggestion, number)
            after = ask(service_client().http, told.service, request)
            found += problems_of_answer(after, request)
            found += problems_of_offers(after, request, chart)
            found += _problems_of_effect(told.answer, card, suggestion, after)
        elif _changes_an_order(suggestion):
            found.append("changes an order although the hook carries none")
        if found:
            yield _report(told, position, card, suggestion, after, found)


def _orders_are_sent(told: Told) -> bool:
    return drafts_of(told.request) is not None and told.request["hook"] != "patient-view"


def _changes_an_order(suggestion: Json) -> bool:
    return any(action["type"] != "create" for action in suggestion.get("actions", []))


# --- what became of the findings ------------------------------------------------------------------


def _problems_of_effect(
    before: Json, card: Json, suggestion: Json, after: Json
) -> Iterator[str]:
    ranks, ranks_after = _ranks(before), _ranks(after)
    for finding in findings_of(after):
        key = finding["key"]
        if key not in ranks:
            yield f"raises {finding['rule']} ({finding['indicator']}), which was not there"
        elif ranks_after[key] > ranks[key]:
            yield f"raises {finding['rule']} from {INDICATORS[ranks[key]]} to {finding['indicator']}"
    keys = [finding["key"] for finding in findings_of_card(card)]
    if _changes_an_order(suggestion):
        if not any(ranks_after.get(key, -1) < ranks[key] for key in keys):
            yield "no finding of its card is gone or lower"
        if _same(suggestion, after):
            yield "is offered again once it was accepted"
    elif _is_a_test(suggestion) and _same(suggestion, after):
        yield "the test is offered again although it is ordered"


def _ranks(answer: Json) -> dict[str, int]:
    """Key -> the highest indicator of its findings."""
    ranks: dict[str, int] = {}
    for finding in findings_of(answer):
        rank = INDICATORS.index(finding["indicator"])
        ranks[finding["key"]] = max(rank, ranks.get(finding["key"], 0))
    return ranks


def _same(suggestion: Json, answer: Json) -> bool:
    """Whether the answer offers the very same actions."""
    actions = exact(suggestion["actions"])
    return any(
        exact(each["actions"]) == actions
        for card in answer["cards"]
        for each in card.get("suggestions", [])
    )


def _is_a_test(suggestion: Json) -> bool:
    return any(
        coding.get("system") == LOINC
        for action in suggestion["actions"]
        for coding in action.get("resource", {}).get("code", {}).get("coding", [])
    )


# --- the form of what is offered ------------------------------------------------------------------


def _problems_of_form(told: Told, card: Json, suggestion: Json) -> Iterator[str]:
    drafts = drafts_of(told.request) or {}
    own = {"suggestions": [suggestion], "extension": card["extension"]}
    for offer in offers_of_card(own):
        if offer.type == "create":
            yield from _problems_of_create(told, offer)
        elif offer.type == "update":
            yield from _problems_of_update(told, offer, drafts.get(offer.target or "", {}))
        if offer.type == "delete" and offer.target in told.chart:
            yield f"{offer}: removes a resource of the chart"


def _problems_of_create(told: Told, offer: Offer) -> Iterator[str]:
    if offer.resource.get("status") != "draft":
        yield f"{offer}: creates what is no draft but {offer.resource.get('status')!r}"
    if offer.resource.get("intent") not in ("order", "proposal"):
        yield f"{offer}: intent {offer.resource.get('intent')!r}"
    version = _strict_version(told) or "R4"
    if (problem := problem_as(version, offer.resource)) is not None:
        yield f"{offer}: invalid in {version}: {problem}"


def _problems_of_update(told: Told, offer: Offer, draft: Json) -> Iterator[str]:
    if offer.resource.get("status") != "draft":
        yield f"{offer}: leaves the status {offer.resource.get('status')!r}"
    if offer.resource["resourceType"] in MEDICATION_ORDERS:
        had, has = shape_of(draft), shape_of(offer.resource)
        # A dosage without amount says nothing of its version; one that has an amount does.
        if has != had and "doseQuantity" in str(draft):
            yield f"{offer}: written as {has}, the draft was {had}"
    for name, value in draft.items():
        untouched = name not in ("dosageInstruction", "dispenseRequest", "status", "statusReason")
        if untouched and "note" != name and exact(value) != exact(offer.resource.get(name)):
            yield f"{offer}: {name} is {offer.resource.get(name)!r}, was {value!r}"
    version = _strict_version(told)
    if problem_as(version, draft) is None:
        problem = problem_as(version, offer.resource)
        if problem is not None:
            yield f"{offer}: invalid in {version} though the draft was valid: {problem}"


def _strict_version(told: Told) -> str:
    """The version whose models tell what is valid; there are none of DSTU2."""
    if told.shape is not AS_RENDERED:
        return told.shape.version
    return told.call.case.version if told.call.case.version != "DSTU2" else ""


# --- what a reader needs to repair it -------------------------------------------------------------


def _report(
    told: Told, position: int, card: Json, suggestion: Json, after: Json | None, found: list[str]
) -> str:
    lines = [
        f"{told.call.id}, {told.shape.name}, card {position} {card['summary']!r}",
        f"  suggestion {suggestion['label']!r}",
        *(f"  - {problem}" for problem in found),
        f"  before: {_listed(told.answer)}",
    ]
    if after is not None:
        lines.append(f"  after:  {_listed(after)}")
    return "\n".join(lines)


def _listed(answer: Json) -> str:
    names = [
        f"{each['rule']} ({each['indicator']}) on {each.get('order', '-')} [{each['key'][:6]}]"
        for each in findings_of(answer)
    ]
    return "; ".join(names) or "nothing"
