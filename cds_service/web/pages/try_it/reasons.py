"""The explanation of a call as people read it: by order, what spoke first, what was silent last."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cds_service.rules.rulebook import Rulebook

Json = Mapping[str, Any]

_RANK = {"yes": 0, "unknown": 1, "no": 2}


@dataclass(frozen=True, slots=True)
class Reason:
    """What one rule said about one order."""

    rule: str
    title: str
    verdict: str
    indicator: str | None
    reason: str
    parts: Sequence[Json]
    note: str


@dataclass(frozen=True, slots=True)
class OrderReasons:
    """Everything that was said about one order; an empty name is about the patient."""

    order: str
    spoken: Sequence[Reason]
    silent: Sequence[Reason]


def reasons(explanation: Json, rulebook: Rulebook) -> list[OrderReasons]:
    """By order, in the order of the explanation."""
    carded = {
        (finding["rule"], finding.get("order"))
        for card in explanation.get("cards", ())
        for finding in card["extension"]["org.cds-service.findings"]
    }
    silenced = {(each["rule"], each.get("order")) for each in explanation.get("silenced", ())}
    by_order: dict[str, list[Reason]] = {}
    for each in explanation.get("rules", ()):
        key = (each["rule"], each.get("order"))
        note = ""
        if key in silenced:
            note = "not shown: an earlier card was overridden with a reason"
        elif each["verdict"] == "yes" and key not in carded:
            note = "not shown: another card says more, or this hook leaves it out"
        by_order.setdefault(each.get("order", ""), []).append(
            Reason(
                rule=each["rule"],
                title=rulebook.rules[each["rule"]].title,
                verdict=each["verdict"],
                indicator=each.get("indicator"),
                reason=each.get("reason", ""),
                parts=each.get("parts", ()),
                note=note,
            )
        )
    return [
        OrderReasons(
            order,
            spoken=[each for each in found if each.verdict == "yes"],
            silent=sorted(
                (each for each in found if each.verdict != "yes"),
                key=lambda each: (_RANK[each.verdict], each.title),
            ),
        )
        for order, found in by_order.items()
    ]
