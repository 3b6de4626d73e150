"""Suggestions in plain words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from string import Formatter
from typing import Any

from cds_service.documentation.conditions import Conditions
from cds_service.documentation.markdown import code, plain, with_gaps
from cds_service.documentation.material import Written
from cds_service.documentation.words import OFFERS, change_names, system_name
from cds_service.fhir.terminology import normal_system
from cds_service.rules.schema import Grade, Offer, Rule

_TOLD = frozenset({"system", "code", "display", "note"})
"""Arguments that have a place of their own in the sentence."""


def written_offers(rule: Rule, file: Written) -> Iterator[tuple[int, Grade, Offer, Written]]:
    """Every suggestion of every grade, with the grade's number and the entry in the file."""
    grades: list[Written] = file["grades"]
    for position, (grade, entry) in enumerate(zip(rule.grades, grades, strict=True), start=1):
        entries = entry["offers"] if "offers" in entry else file.get("offers")
        for offer, source in zip(grade.offers, entries or (), strict=True):
            yield position, grade, offer, source


def label(offer: Offer) -> str:
    """The text of the button."""
    return f"“{plain(with_gaps(offer.label))}”"


def described(offer: Offer, grade: Grade, written: Written, conditions: Conditions) -> str:
    """What one suggestion does, for which changes, and whether it comes first."""
    changes = ""
    if offer.changes != grade.changes:
        changes = f" For: {change_names(offer.changes)}."
    first = " Recommended." if offer.is_recommended else ""
    return f"{label(offer)}: {_deed(offer, written, conditions)}.{changes}{first}"


def _deed(offer: Offer, written: Written, conditions: Conditions) -> str:
    values = {
        name: _argument(name, written[name], value, conditions)
        for name, value in offer.arguments.items()
    }
    words = OFFERS.get(offer.kind, offer.kind)
    text = words.format_map(values)
    if "code" in offer.arguments:
        text += f" ({_coding(offer.arguments)})"
    if "note" in offer.arguments:
        text += f", with the note “{values['note']}”"
    more = values.keys() - _TOLD - {name for _, name, _, _ in Formatter().parse(words)}
    return text + "".join(f", {code(name)} {values[name]}" for name in sorted(more))


def _argument(name: str, written: object, value: object, conditions: Conditions) -> str:
    if isinstance(value, str) and not (isinstance(written, str) and written.startswith("$")):
        return plain(value)
    return conditions.value(written, value, name)


def _coding(arguments: Mapping[str, Any]) -> str:
    system = system_name(normal_system(str(arguments["system"])))
    return f"{system} {arguments['code']}, {plain(str(arguments.get('display', '')))}".rstrip(", ")
