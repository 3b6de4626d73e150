"""What was told about a case, in forms that can be compared."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from tests.vignettes.fhir_json import Json
from tests.vignettes.response_checks import INDICATORS, findings_of

Subject = tuple[str, str]
"""Rule and order; an order that is not named is empty."""

SWALLOWED_BY: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "baclofen-high-starting-dose": {"baclofen-renal-impairment": INDICATORS},
    "baclofen-dose-above-60": {
        "baclofen-dose-above-80": INDICATORS,
        "baclofen-high-starting-dose": ("warning", "critical"),
    },
    "intrathecal-screening-dose": {"intrathecal-unit-error": INDICATORS},
    "intrathecal-dose-range": {"intrathecal-unit-error": INDICATORS},
}
"""The closed list: a finding -> the rules that hide it, and at which of their indicators."""


def full(answer: Json) -> Counter[tuple[str, str, str, str]]:
    """Every finding with all that makes it the same one: rule, indicator, order and key."""
    return Counter(
        (each["rule"], each["indicator"], each.get("order", ""), each["key"])
        for each in findings_of(answer)
    )


def ranks(answer: Json) -> dict[str, int]:
    """Key -> the highest rank of its findings."""
    found: dict[str, int] = {}
    for each in findings_of(answer):
        rank = INDICATORS.index(each["indicator"])
        found[each["key"]] = max(rank, found.get(each["key"], 0))
    return found


def highest(answer: Json) -> int:
    """The rank of the gravest card; -1 where there is none."""
    return max(ranks(answer).values(), default=-1)


def highest_by_subject(answer: Json) -> dict[Subject, str]:
    """Rule and order -> the gravest indicator of their findings on the cards."""
    found: dict[Subject, str] = {}
    for each in findings_of(answer):
        subject = (each["rule"], each.get("order", ""))
        known = found.get(subject)
        if known is None or INDICATORS.index(known) < INDICATORS.index(each["indicator"]):
            found[subject] = each["indicator"]
    return found


def yes_rules(explanation: Json) -> dict[Subject, str]:
    """Rule and order -> indicator of every rule that the explanation says yes to."""
    return {
        (each["rule"], each.get("order", "")): each["indicator"]
        for each in explanation.get("rules", [])
        if each["verdict"] == "yes" and "indicator" in each
    }


def swallowed(found: Mapping[Subject, str], without: Iterable[str] = ()) -> set[Subject]:
    """Which of these findings are hidden by another, rules ``without`` not being asked.

    A finding that is graver than what would hide it stays.
    """
    silent = set(without)
    return {
        (rule, order)
        for (rule, order), indicator in found.items()
        for other, indicators in SWALLOWED_BY.get(rule, {}).items()
        if other not in silent
        and (hiding := found.get((other, order))) in indicators
        and INDICATORS.index(str(hiding)) >= INDICATORS.index(indicator)
    }


def swallowers(found: Mapping[Subject, str]) -> set[str]:
    """The rules that hide one of these findings."""
    hidden = swallowed(found)
    return {rule for rule, _ in found if hidden - swallowed(found, without=[rule])}


def listed(answer: Json) -> str:
    """The findings in one line, for a message."""
    names = [
        f"{each['rule']} ({each['indicator']}) on {each.get('order', '-')}: {each['reason']}"
        for each in findings_of(answer)
    ]
    return "\n    ".join(names) or "nothing"
