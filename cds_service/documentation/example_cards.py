"""The cards of a rule as they look, with gaps for the values of a patient."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cds_service.documentation.markdown import with_gaps
from cds_service.rules.schema import Grade, Rule, Rulebook


def example_cards(rule: Rule, rulebook: Rulebook) -> list[Mapping[str, Any]]:
    """One CDS Hooks card for each grade, in the order of the page."""
    return [_card(grade, rule, rulebook) for grade in rule.grades]


def _card(grade: Grade, rule: Rule, rulebook: Rulebook) -> Mapping[str, Any]:
    leading = rule.citations[0].source
    cited = "; ".join(f"{each.source.label} ({each.strength})" for each in rule.citations)
    return {
        "summary": with_gaps(grade.wording.summary),
        "detail": (
            f"{with_gaps(grade.wording.detail).strip()}\n\nEvidence: {cited}. Rule `{rule.id}`."
        ),
        "indicator": grade.indicator.value,
        "source": {"label": leading.label} | ({"url": leading.url} if leading.url else {}),
        "suggestions": [
            {"label": with_gaps(offer.label)}
            | ({"isRecommended": True} if offer.is_recommended else {})
            for offer in grade.offers
        ],
        "overrideReasons": [
            {"code": code, "display": rulebook.override_reasons[code].display}
            for code in rule.override_reasons
        ],
    }
