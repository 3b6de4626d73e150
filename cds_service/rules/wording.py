"""Checks on the words of a rule file: every placeholder is given, and no summary is too long."""

from __future__ import annotations

import string
from collections.abc import Iterable, Mapping, Sequence

from cds_service.cds import SUMMARY_LIMIT
from cds_service.rules.reading import Fields
from cds_service.rules.schema import Call, Group, When, Wording

_FORMATTER = string.Formatter()


def check_wording(item: Fields, wording: Wording, values: Mapping[str, int]) -> None:
    """Note what is wrong with summary and detail, given the values that are always there."""
    check_placeholders(item, "detail", wording.detail, values)
    if not check_placeholders(item, "summary", wording.summary, values):
        return
    longest = len(wording.summary)
    for name in _placeholders(wording.summary):
        longest += values.get(name, 0) - len(name) - 2
    if longest >= SUMMARY_LIMIT:
        item.complain(
            "summary",
            f"can reach {longest} characters with the longest values; it must stay below "
            f"{SUMMARY_LIMIT}",
        )


def check_placeholders(item: Fields, where: str, text: str, values: Mapping[str, int]) -> bool:
    """Note every placeholder of a text that is not given whenever its grade holds.

    Returns whether the text could be read at all.
    """
    try:
        names = _placeholders(text)
    except ValueError:
        item.complain(where, "has an unpaired brace, or more than a name between braces")
        return False
    for name in names:
        if name not in values:
            known = ", ".join(sorted(values)) or "none"
            item.complain(where, f"{{{name}}} is not given whenever it holds; given: {known}")
    return True


def _placeholders(text: str) -> list[str]:
    names = []
    for _, name, width, conversion in _FORMATTER.parse(text):
        if width or conversion:
            raise ValueError(text)
        if name is not None:
            names.append(name)
    return names


def guaranteed(when: When) -> dict[str, int]:
    """Values that are there whenever the conditions hold, with the longest text of each."""
    values: dict[str, int] = {}
    for node in (*when.all, *when.given):
        values |= _node_values(node)
    if when.any:
        values |= _common([_node_values(node) for node in when.any])
    return values


def _node_values(node: Call | Group) -> dict[str, int]:
    if isinstance(node, Call):
        return dict(node.criterion.values)
    members = [_node_values(call) for call in node.members]
    if node.kind == "all":
        return _union(members)
    return _common(members) if node.kind == "any" else {}


def _union(members: Iterable[Mapping[str, int]]) -> dict[str, int]:
    joined: dict[str, int] = {}
    for member in members:
        joined |= member
    return joined


def _common(members: Sequence[Mapping[str, int]]) -> dict[str, int]:
    shared = set(members[0]).intersection(*members[1:]) if members else set()
    return {name: max(member[name] for member in members) for name in shared}
