"""Plays the steps of a case against the service and judges every answer."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Protocol

from tests.vignettes.cases import SERVICE_OF_HOOK, Case
from tests.vignettes.checks import cards_with
from tests.vignettes.expectations import comparison, problems_of_expectation
from tests.vignettes.fhir_json import Json, reference_to
from tests.vignettes.hook_request import ORDERS_OF_HOOK, hook_request
from tests.vignettes.moment import Moment
from tests.vignettes.offers import offers_of
from tests.vignettes.rendering import Rendered, render
from tests.vignettes.resource_validity import problem_of_resource
from tests.vignettes.response_checks import (
    Response,
    problems_of_answer,
    problems_of_repeat,
    read_answer,
)
from tests.vignettes.update_form import problems_of_offers


class Client(Protocol):
    """The service, as a conversation needs it."""

    @property
    def templates(self) -> Mapping[str, Mapping[str, str]]: ...

    def call(self, service: str, request: Json) -> Response: ...

    def feedback(self, service: str, entries: list[Json]) -> Response: ...


@dataclass(slots=True)
class Conversation:
    """One run of one case; ``problems`` fills up as the steps are played."""

    case: Case
    client: Client
    patient_suffix: str = ""
    problems: list[str] = field(default_factory=list)
    calls: int = 0
    rendered: Rendered | None = None
    request: Json = field(default_factory=dict)
    answer: Json = field(default_factory=dict)

    def play(self) -> list[str]:
        """All steps; what is wrong with the answers."""
        for number, step in enumerate(self.case.steps, start=1):
            before = len(self.problems)
            self._step(step)
            expect = step.get("expect") or {}
            if self.rendered is not None and "feedback" not in step:
                names = self.rendered.names
                self.problems += problems_of_expectation(self.answer, expect, names)
            if len(self.problems) > before:
                where = f"step {number}: " if "steps" in self.case.data else ""
                fresh = "\n".join(f"- {problem}" for problem in self.problems[before:])
                self.problems[before:] = [f"{where}{fresh}\n{comparison(self.answer, expect)}"]
        return self.problems

    def _step(self, step: Json) -> None:
        if "accept" in step:
            self._accept(step["accept"])
        elif "feedback" in step:
            self._feedback(step["feedback"])
        else:
            self._call(step.get("call") or {})

    def _call(self, call: Json) -> None:
        case = self.case.changed(call.get("with") or {})
        if "hook" in call:
            case = case.changed({"hook": call["hook"]})
        self.rendered = render(case, Moment.current(), self.patient_suffix)
        previous = self.answer
        self.calls += 1
        self._ask(hook_request(self.rendered, self.client.templates[case.service], self.calls))
        if call.get("same_keys"):
            self.problems += problems_of_repeat(previous, self.answer)

    def _ask(self, request: Json) -> None:
        """Post the call and judge what holds for every answer."""
        self.request = request
        response = self.client.call(SERVICE_OF_HOOK[request["hook"]], request)
        self.answer = read_answer(response)
        self.problems += problems_of_answer(self.answer, request)
        assert self.rendered is not None
        chart = {reference_to(resource) for resource in self.rendered.chart}
        self.problems += problems_of_offers(self.answer, request, chart)
        if self.rendered.case.version == "R4":
            self.problems += self._invalid_resources()

    def _invalid_resources(self) -> list[str]:
        """Offered resources that are no valid R4 where the draft they change was."""
        assert self.rendered is not None
        drafts = {reference_to(draft): draft for draft in self.rendered.drafts}
        problems = []
        for offer in offers_of(self.answer):
            draft = drafts.get(offer.target or "")
            if not offer.resource or (draft is not None and problem_of_resource(draft)):
                continue
            if (problem := problem_of_resource(_plain(offer.resource))) is not None:
                problems.append(f"{offer}: invalid FHIR: {problem}")
        return problems

    def _accept(self, asked: Any) -> None:
        """Apply a suggestion of the card with that rule and ask again.

        ``asked`` is the rule, or a map of ``rule`` and, to choose among the suggestions,
        ``suggestion`` (its number) or ``type`` (of one of its actions).
        """
        wanted = asked if isinstance(asked, dict) else {"rule": asked}
        suggestion = self._suggestion(wanted)
        if suggestion is None:
            self.problems.append(f"no suggestion to accept: {wanted}")
            return
        request = json.loads(json.dumps(self.request, default=float))
        context = request["context"]
        bundle = context[ORDERS_OF_HOOK[request["hook"]]]
        resources = [entry["resource"] for entry in bundle.get("entry", [])]
        for action in suggestion.get("actions", []):
            resources = _applied(resources, _plain(action), self.case.slug)
        bundle["entry"] = [{"resource": resource} for resource in resources]
        if not resources:
            del bundle["entry"]
        if "selections" in context:
            orders = [one for one in resources if one["resourceType"] != "Medication"]
            context["selections"] = [reference_to(one) for one in orders]
        self.calls += 1
        self._ask(request)

    def _suggestion(self, wanted: Json) -> Json | None:
        for card in cards_with(self.answer, wanted["rule"]):
            suggestions: list[Json] = card.get("suggestions", [])
            if "suggestion" in wanted:
                suggestions = suggestions[wanted["suggestion"] - 1 : wanted["suggestion"]]
            if "type" in wanted:
                kind = wanted["type"]
                suggestions = [
                    one
                    for one in suggestions
                    if kind in {action["type"] for action in one.get("actions", [])}
                ]
            if suggestions:
                return suggestions[0]
        return None

    def _feedback(self, asked: Any) -> None:
        """Override the card with that rule, with a reason unless the case says ``null``."""
        wanted = asked if isinstance(asked, dict) else {"rule": asked}
        cards = cards_with(self.answer, wanted["rule"])
        if not cards:
            self.problems.append(f"no card to override: {wanted}")
            return
        reasons = cards[0].get("overrideReasons", [])
        code = wanted["reason"] if "reason" in wanted else _first_code(reasons)
        entry: Json = {
            "card": cards[0]["uuid"],
            "outcome": "overridden",
            "outcomeTimestamp": Moment.current().instant(0, hours_ago=0),
        }
        chosen = next((one for one in reasons if one["code"] == code), None)
        if chosen is not None:
            reason = {key: chosen[key] for key in ("code", "system")}
            entry["overrideReason"] = {"reason": reason}
        elif code is not None:
            offered = [one["code"] for one in reasons]
            self.problems.append(f"override reason {code} is not among {offered}")
        if wanted.get("comment"):
            entry.setdefault("overrideReason", {})["userComment"] = wanted["comment"]
        response = self.client.feedback(SERVICE_OF_HOOK[self.request["hook"]], [entry])
        if response.status_code != 200:
            self.problems.append(f"feedback answers {response.status_code}: {response.data!r}")


def _first_code(reasons: list[Json]) -> str | None:
    return str(reasons[0]["code"]) if reasons else None


def _plain(value: Any) -> Any:
    """The JSON with floats for decimals, as FHIR models read it."""
    if isinstance(value, dict):
        return {key: _plain(below) for key, below in value.items()}
    if isinstance(value, list):
        return [_plain(below) for below in value]
    return float(value) if isinstance(value, Decimal) else value


def _applied(resources: list[Json], action: Json, slug: str) -> list[Json]:
    """The drafts after one action."""
    if action["type"] == "create":
        created = dict(action["resource"])
        created.setdefault("id", f"{slug}-new{len(resources) + 1}")
        return [*resources, created]
    if action["type"] == "delete":
        return [one for one in resources if reference_to(one) != action["resourceId"]]
    changed = action["resource"]
    target = reference_to(changed)
    return [changed if reference_to(one) == target else one for one in resources]
