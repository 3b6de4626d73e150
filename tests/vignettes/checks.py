"""The named checks of a case on cards and suggestions."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from fractions import Fraction
from typing import Any

from tests.vignettes.fhir_json import Json
from tests.vignettes.offers import (
    MEDICATION_ORDERS,
    Dose,
    Offer,
    doses_of,
    offers_of,
    offers_of_card,
)
from tests.vignettes.response_checks import findings_of_card

Names = Mapping[str, str]

_MOST_MG_A_STEP = Fraction(10)
_MOST_SHARE_A_STEP = Fraction(1, 4)


def problems_of_check(kind: str, wanted: Any, answer: Json, names: Names) -> list[str]:
    """What an answer lacks of one check."""
    return [*_CHECKS[kind](answer, wanted, names)]


def cards_with(answer: Json, rule: str) -> list[Json]:
    """The cards that carry a finding of the rule."""
    return [
        card
        for card in answer.get("cards", [])
        if any(finding["rule"] == rule for finding in findings_of_card(card))
    ]


def _first_suggestion(answer: Json, wanted: Json, names: Names) -> Iterator[str]:
    cards = cards_with(answer, wanted["rule"])
    if not cards:
        yield f"no card of {wanted['rule']}"
        return
    suggestions = cards[0].get("suggestions", [])
    first = suggestions[0] if suggestions else {}
    kinds = [action.get("type") for action in first.get("actions", [])]
    if wanted["type"] not in kinds:
        yield f"the first suggestion ({first.get('label')!r}) has {kinds}, not {wanted['type']}"


def _offers_only(answer: Json, wanted: Json, names: Names) -> Iterator[str]:
    for offer in _updates_of(answer, names[wanted["order"]]):
        for dose in doses_of(offer.resource)[:1]:
            if not _is_one_of(dose, wanted):
                yield f"offers {offer}"


def _is_one_of(dose: Dose, wanted: Json) -> bool:
    amounts = [Fraction(str(amount)) for amount in wanted["amounts"]]
    per_day = [Fraction(str(times)) for times in wanted.get("per_day", [])]
    return dose.amount in amounts and (not per_day or dose.per_day in per_day)


def _has_delete(answer: Json, order: str, names: Names) -> Iterator[str]:
    targets = [offer.target for offer in offers_of(answer) if offer.type == "delete"]
    if names[order] not in targets:
        yield f"nothing removes {names[order]}; removed would be {targets}"


def _no_delete(answer: Json, wanted: bool, names: Names) -> Iterator[str]:
    for offer in offers_of(answer):
        if wanted and offer.type == "delete":
            yield str(offer)


def _no_update(answer: Json, order: str, names: Names) -> Iterator[str]:
    for offer in _updates_of(answer, names[order]):
        yield str(offer)


def _no_action_on(answer: Json, name: str, names: Names) -> Iterator[str]:
    target = names[name]
    for offer in offers_of(answer):
        prior = (offer.resource.get("priorPrescription") or {}).get("reference")
        if target in (offer.target, prior):
            yield str(offer)


def _has_update(answer: Json, wanted: Json, names: Names) -> Iterator[str]:
    offers = _updates_of(answer, names[wanted["order"]])
    amount = Fraction(str(wanted["amount"]))
    per_day = Fraction(str(wanted["per_day"]))
    for offer in offers:
        for dose in doses_of(offer.resource)[:1]:
            if (dose.amount, dose.unit, dose.per_day) == (amount, wanted["unit"], per_day):
                return
    yield f"no such update among {[str(offer) for offer in offers]}"


def _creates(answer: Json, wanted: Json, names: Names) -> Iterator[str]:
    made = [offer for offer in offers_of(answer) if offer.type == "create"]
    for offer in made:
        text = json.dumps(offer.resource, ensure_ascii=False, default=str)
        is_kind = offer.resource.get("resourceType") == wanted["resource"]
        if is_kind and re.search(wanted.get("matches", ""), text):
            return
    yield f"no such create among {[str(offer) for offer in made]}"


def _taper(answer: Json, wanted: Json, names: Names) -> Iterator[str]:
    start = Fraction(str(wanted["from"]))
    seen: list[str] = []
    for offer in offers_of(answer):
        doses = doses_of(offer.resource)
        if offer.resource.get("resourceType") in MEDICATION_ORDERS and len(doses) > 1:
            fault = _fault_of_taper(start, doses)
            if fault is None:
                return
            seen.append(f"{fault}: {offer}")
    yield f"no taper from {wanted['from']} mg a day; offered: {seen}"


def _fault_of_taper(start: Fraction, doses: list[Dose]) -> str | None:
    before = start
    for dose in doses:
        if dose.daily is None:
            return "a phase without a daily dose"
        step = before - dose.daily
        if step > _MOST_MG_A_STEP and step > before * _MOST_SHARE_A_STEP:
            return f"a step of {float(step):g} from {float(before):g} mg a day"
        if step < 0:
            return f"a rise from {float(before):g} to {float(dose.daily):g} mg a day"
        before = dose.daily
    return None if before < start else "no fall at all"


def _no_drug_offered(answer: Json, wanted: bool, names: Names) -> Iterator[str]:
    for offer in offers_of(answer):
        is_drug = offer.resource.get("resourceType") in MEDICATION_ORDERS
        if wanted and offer.type == "create" and is_drug:
            yield str(offer)


def _text(answer: Json, pattern: str, names: Names) -> Iterator[str]:
    if not re.search(pattern, visible_text(answer)):
        yield f"{pattern!r} does not occur in: {visible_text(answer)}"


def _text_absent(answer: Json, pattern: str, names: Names) -> Iterator[str]:
    for found in re.finditer(pattern, visible_text(answer)):
        yield f"{pattern!r} occurs: {found.group(0)!r}"


def _first_card(answer: Json, rule: str, names: Names) -> Iterator[str]:
    cards = answer.get("cards", [])
    rules = [finding["rule"] for finding in findings_of_card(cards[0])] if cards else []
    if rule not in rules:
        yield f"the first card carries {rules}"


def _updates_of(answer: Json, target: str) -> list[Offer]:
    return [one for one in offers_of(answer) if one.type == "update" and one.target == target]


def visible_text(answer: Json) -> str:
    """All a clinician reads on the cards."""
    parts: list[str] = []
    for card in answer.get("cards", []):
        parts += [card.get("summary", ""), card.get("detail", "")]
        parts += [suggestion.get("label", "") for suggestion in card.get("suggestions", [])]
        parts += [offer.action.get("description", "") for offer in offers_of_card(card)]
        parts += [link.get("label", "") for link in card.get("links", [])]
    return "\n".join(part for part in parts if part)


_CHECKS: dict[str, Callable[[Json, Any, Names], Iterator[str]]] = {
    "first_suggestion": _first_suggestion,
    "offers_only": _offers_only,
    "has_delete": _has_delete,
    "no_delete": _no_delete,
    "no_update": _no_update,
    "no_action_on": _no_action_on,
    "has_update": _has_update,
    "creates": _creates,
    "taper": _taper,
    "no_drug_offered": _no_drug_offered,
    "text": _text,
    "text_absent": _text_absent,
    "first_card": _first_card,
}
