"""Hold an answer against what a case expects."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from tests.vignettes.checks import problems_of_check
from tests.vignettes.fhir_json import Json
from tests.vignettes.response_checks import findings_of, findings_of_card

Pair = tuple[str, str]
"""Rule and indicator."""


def pairs_of(answer: Json) -> Counter[Pair]:
    """How often each rule was found with which indicator."""
    return Counter((finding["rule"], finding["indicator"]) for finding in findings_of(answer))


def problems_of_expectation(answer: Json, expect: Json, names: Mapping[str, str]) -> list[str]:
    """All expectations an answer does not meet; ``names`` resolves ``order1``, ``home`` ..."""
    return [*_problems(answer, expect, names)]


def _problems(answer: Json, expect: Json, names: Mapping[str, str]) -> Iterator[str]:
    found = set(pairs_of(answer))
    if "findings" in expect:
        yield from _exactly(found, expect)
    rules = {rule for rule, _ in found}
    for rule in expect.get("absent") or []:
        if rule in rules:
            yield f"{rule} must not appear"
    yield from _grouping(answer, expect)
    counted = Counter(finding["rule"] for finding in findings_of(answer))
    for rule, times in (expect.get("count") or {}).items():
        if counted[rule] != times:
            yield f"{rule} appears {counted[rule]} times instead of {times}"
    for rule, order in (expect.get("order") or {}).items():
        named = [one.get("order") for one in findings_of(answer) if one["rule"] == rule]
        if names[order] not in named:
            yield f"{rule} names {named} instead of {order} ({names[order]})"
    for check in expect.get("checks") or []:
        for kind, wanted in check.items():
            for problem in problems_of_check(kind, wanted, answer, names):
                yield f"check {kind}: {problem}"


def _exactly(found: set[Pair], expect: Json) -> Iterator[str]:
    wanted = {(one["rule"], one["indicator"]) for one in expect["findings"] or []}
    optional = list(expect.get("optional") or [])
    for rule, indicator in sorted(wanted - found):
        yield f"missing: {rule} ({indicator})"
    for rule, indicator in sorted(found - wanted):
        if not any(_allows(one, rule, indicator) for one in optional):
            yield f"unexpected: {rule} ({indicator})"


def _allows(optional: Any, rule: str, indicator: str) -> bool:
    if isinstance(optional, str):
        return optional == rule
    return bool(optional["rule"] == rule and optional.get("indicator", indicator) == indicator)


def _grouping(answer: Json, expect: Json) -> Iterator[str]:
    cards = [
        {finding["rule"] for finding in findings_of_card(card)} for card in answer.get("cards", [])
    ]
    for group in expect.get("merged") or []:
        if not any(set(group) <= rules for rules in cards):
            yield f"not on one card: {', '.join(group)}"
    for group in expect.get("separate") or []:
        for rules in cards:
            if len(shared := rules & set(group)) > 1:
                yield f"on one card: {', '.join(sorted(shared))}"


def comparison(answer: Json, expect: Json) -> str:
    """Expected and found side by side, for the reader of a failure."""
    lines = ["expected:"]
    for one in expect.get("findings") or []:
        lines.append(f"  {one['rule']} ({one['indicator']})")
    if not expect.get("findings"):
        lines.append("  nothing")
    for one in expect.get("optional") or []:
        lines.append(f"  perhaps {one}")
    lines.append("found:")
    for number, card in enumerate(answer.get("cards", []), start=1):
        lines.append(f"  card {number} [{card.get('indicator')}] {card.get('summary')}")
        for finding in findings_of_card(card):
            lines.append(
                f"    {finding['rule']} ({finding['indicator']}) on {finding.get('order')}: "
                f"{finding['reason']}"
            )
        for suggestion in card.get("suggestions", []):
            kinds = [action.get("type") for action in suggestion.get("actions", [])]
            lines.append(f"    suggests {suggestion.get('label')!r} {kinds}")
    if not answer.get("cards"):
        lines.append("  nothing")
    return "\n".join(lines)
