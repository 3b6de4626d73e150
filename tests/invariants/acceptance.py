"""What must be true of an answer whose suggestions are followed, one by one.

Nothing new, nothing graver, what was answered is gone or lower, and the form of each change.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from flask.testing import FlaskClient

from tests.invariants.accepting import Shape, accepted, problem_as, shape_of
from tests.invariants.told import ranks
from tests.invariants.wire import ask, exactly
from tests.vignettes.cases import Case
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
from tests.vignettes.service_client import ServiceClient
from tests.vignettes.update_form import exact, problems_of_offers

LOINC = "http://loinc.org"


@dataclass(frozen=True, slots=True)
class Told:
    """What the service said to one call, its drafts in one shape."""

    name: str
    version: str
    """The FHIR version in which offered resources have to be valid; empty where none can tell."""
    http: FlaskClient
    service: str
    request: Json
    answer: Json
    chart: frozenset[str]

    def suggestions(self) -> Iterator[tuple[int, Json, Json]]:
        """Number of the card, card and suggestion, for each suggestion."""
        for number, card in enumerate(self.answer["cards"], start=1):
            for suggestion in card.get("suggestions", []):
                yield number, card, suggestion

    @property
    def changes_an_order(self) -> bool:
        """Whether any suggestion changes or removes a draft."""
        return any(changes_an_order(suggestion) for _, _, suggestion in self.suggestions())


def told(client: ServiceClient, name: str, case: Case, shape: Shape, moment: Moment) -> Told:
    """Ask about a case whose drafts have that shape."""
    changed = shape.case(case)
    rendered = shape.rendered(render(changed, moment))
    request: Json = exactly(hook_request(rendered, client.templates[changed.service]))
    # The models know no DSTU2.
    version = {"R4": shape.version, "DSTU2": ""}.get(changed.version, changed.version)
    return Told(
        name=f"{name}, {shape.name}",
        version=version,
        http=client.http,
        service=changed.service,
        request=request,
        answer=ask(client.http, changed.service, request),
        chart=frozenset(reference_to(each) for each in rendered.chart),
    )


def changes_an_order(suggestion: Json) -> bool:
    """Whether the suggestion changes or removes a draft, beyond creating something."""
    return any(action["type"] != "create" for action in suggestion.get("actions", []))


def problems_of_acceptance(told: Told) -> Iterator[str]:
    """All that is wrong with the answer, and with what comes of each of its suggestions."""
    chart = set(told.chart)
    for problem in (
        *problems_of_answer(told.answer, told.request),
        *problems_of_offers(told.answer, told.request, chart),
    ):
        yield f"{told.name}: {problem}"
    for number, (position, card, suggestion) in enumerate(told.suggestions(), start=1):
        found = [*_problems_of_form(told, card, suggestion)]
        after: Json | None = None
        if drafts_of(told.request) is not None and told.request["hook"] != "patient-view":
            request = accepted(told.request, suggestion, number)
            after = ask(told.http, told.service, request)
            found += problems_of_answer(after, request)
            found += problems_of_offers(after, request, chart)
            found += _problems_of_effect(told.answer, card, suggestion, after)
        elif changes_an_order(suggestion):
            found.append("changes an order although the hook carries none")
        if found:
            yield _report(told, position, card, suggestion, after, found)


# --- what became of the findings ------------------------------------------------------------------


def _problems_of_effect(before: Json, card: Json, suggestion: Json, after: Json) -> Iterator[str]:
    had, has = ranks(before), ranks(after)
    for finding in findings_of(after):
        key = finding["key"]
        if key not in had:
            yield f"raises {finding['rule']} ({finding['indicator']}), which was not there"
        elif has[key] > had[key]:
            yield f"raises {finding['rule']} from {INDICATORS[had[key]]} to {finding['indicator']}"
    keys = [finding["key"] for finding in findings_of_card(card)]
    if changes_an_order(suggestion):
        if not any(has.get(key, -1) < had[key] for key in keys):
            yield "no finding of its card is gone or lower"
        if _same(suggestion, after):
            yield "is offered again once it was accepted"
    elif _is_a_test(suggestion) and _same(suggestion, after):
        yield "the test is offered again although it is ordered"


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
    version = told.version or "R4"
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
    else:
        before = {name: value for name, value in draft.items() if name != "note"}
        after = {name: value for name, value in offer.resource.items() if name != "note"}
        if exact(before) != exact(after):
            yield f"{offer}: more than the note changed: {after}, was {before}"
        notes = draft.get("note", [])
        if exact(offer.resource.get("note", [])[: len(notes)]) != exact(notes):
            yield f"{offer}: a note was lost"
    if problem_as(told.version, draft) is None:
        problem = problem_as(told.version, offer.resource)
        if problem is not None:
            yield f"{offer}: invalid in {told.version} though the draft was valid: {problem}"


# --- what a reader needs to repair it -------------------------------------------------------------


def _report(
    told: Told, position: int, card: Json, suggestion: Json, after: Json | None, found: list[str]
) -> str:
    lines = [
        f"{told.name}, card {position} {card['summary']!r}",
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
