"""Every call of every case with the chart it was decided on, and what was decided."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from unittest.mock import patch

from cds_service.cards.suggestions import Suggestion, build
from cds_service.chart.chart import Chart
from cds_service.rules.engine import Decision, Finding, decide
from cds_service.rules.schema import Rulebook
from tests.invariants.sites import answer_to, site_rulebook
from tests.vignettes.fhir_json import Json
from tests.vignettes.response_checks import findings_of_card
from tests.vignettes.single_calls import single_calls


@dataclass(frozen=True, slots=True)
class Seen:
    """One call: its case, its chart, the decision, and the findings that a suggestion answers."""

    case: str
    chart: Chart
    review: bool
    decision: Decision
    answered: tuple[tuple[Finding, str], ...]
    """Each with the label of a suggestion for it that is on its card."""

    def decide(self, rulebook: Rulebook) -> Decision:
        """The decision another rulebook would make of the same chart."""
        return decide(self.chart, rulebook, review=self.review)


@dataclass(slots=True)
class _Watch:
    decisions: list[tuple[Chart, bool, Decision]] = field(default_factory=list)
    built: list[tuple[Finding, Suggestion]] = field(default_factory=list)


@cache
def seen_calls() -> list[Seen]:
    """All calls, in the order of the cases; a call that fails is left out, its case fails."""
    found = []
    for call in single_calls():
        with _watched() as watch:
            answer = answer_to(call.case)
        chart, review, decision = watch.decisions[0]
        offered = _offered(answer)
        answered = tuple(
            (finding, suggestion.label)
            for finding, suggestion in watch.built
            if (finding.rule.id, finding.order, suggestion.label) in offered
        )
        found.append(Seen(call.id, chart, review, decision, answered))
    return found


def _offered(answer: Json) -> set[tuple[str, str, str]]:
    """Rule and order of each finding with the labels on its card."""
    return {
        (finding["rule"], finding.get("order", ""), suggestion["label"])
        for card in answer["cards"]
        for finding in findings_of_card(card)
        for suggestion in card.get("suggestions", [])
    }


@contextmanager
def _watched() -> Iterator[_Watch]:
    """Look over the shoulder of a consultation; the first decision is the one on the chart."""
    watch = _Watch()

    def watched_decide(chart: Chart, rulebook: Rulebook, *, review: bool = False) -> Decision:
        decision = decide(chart, rulebook, review=review)
        watch.decisions.append((chart, review, decision))
        return decision

    def watched_build(finding: Finding, patient_ref: str) -> list[Suggestion]:
        suggestions = build(finding, patient_ref)
        watch.built += [(finding, suggestion) for suggestion in suggestions]
        return suggestions

    with (
        patch("cds_service.consultation.decide", watched_decide),
        patch("cds_service.cards.cards.build", watched_build),
    ):
        yield watch


def rulebook() -> Rulebook:
    """The rulebook whose coverage it is."""
    return site_rulebook()
