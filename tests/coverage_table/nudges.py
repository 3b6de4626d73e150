"""Rules with one thing changed: a limit moved a little, or an exclusion taken out.

A case that is judged otherwise by the changed rule lies close to that limit, or rests on that
exclusion; a case that does not notice proves nothing about it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from cds_service.answer import Verdict
from cds_service.rules.case import Case
from cds_service.rules.schema import Call, Group, Rule, When

Node = Call | Group

_PARTS = ("all", "any", "none", "given")
_SHARE = Decimal("0.15")
_AT_LEAST = {"days": 2, "hours": 20, "washout_hours": 36}
"""How far some arguments move at least: dates are whole days, and other counts move by one."""
_LONG_HOURS = 48
_COUNTED = {"years", "count", "times", "times_a_day", "gap_days", "step_days"}
_FLAGS = {"or_more"}
"""Arguments that are no numbers, though they are written as one."""


@dataclass(frozen=True, slots=True)
class Nudge:
    """A changed rule, and whether a subject could notice the change at all."""

    rule: Rule
    grades: frozenset[int | None]
    """Where the change is: grades by number from 0, ``None`` for the whole rule."""
    may_matter: Callable[[Case], bool]


@dataclass(frozen=True, slots=True)
class Limit:
    """One number of a rule, wherever it stands in it, moved down and up."""

    name: str
    down: Nudge
    up: Nudge


@dataclass(frozen=True, slots=True)
class Exclusion:
    """One thing that keeps a rule silent, taken out wherever it stands in the rule."""

    name: str
    without: Nudge


def limits_of(rule: Rule) -> Iterator[Limit]:
    """Every number that the criteria of the rule compare with."""
    seen: dict[tuple[str, str, Any], None] = {}
    for _, when in _conditions(rule):
        for call in _calls(when):
            for name, value in call.arguments.items():
                is_number = isinstance(value, (int, Decimal)) and not isinstance(value, bool)
                if is_number and name not in _FLAGS:
                    seen.setdefault((call.criterion.name, name, value))
    for criterion, name, value in seen:
        margin = _margin(name, value)
        down, up = (
            _moved(rule, criterion, name, value, to) for to in (value - margin, value + margin)
        )
        yield Limit(f"{criterion}: {name} {value}", down, up)


def exclusions_of(rule: Rule) -> Iterator[Exclusion]:
    """Everything under ``none``."""
    seen: dict[str, None] = {}
    for _, when in _conditions(rule):
        for node in _excluding(when):
            seen.setdefault(_named(node))
    for name in seen:
        yield Exclusion(name, _without(rule, name))


# --- limits ---------------------------------------------------------------------------------------


def _margin(name: str, value: Any) -> Any:
    kind = "washout_hours" if name == "hours" and value > _LONG_HOURS else name
    if isinstance(value, int):
        return max(_AT_LEAST.get(kind, 1), round(value * _SHARE))
    least = _AT_LEAST.get(kind, 1) if name in _AT_LEAST or name in _COUNTED else 0
    return max(value * _SHARE, Decimal(least))


def _moved(rule: Rule, criterion: str, name: str, value: Any, to: Any) -> Nudge:
    touched: list[Call] = []

    def changed(call: Call) -> Call:
        if call.criterion.name != criterion or call.arguments.get(name) != value:
            return call
        touched.append(call)
        return replace(call, arguments={**call.arguments, name: to})

    made, grades = _rebuilt(rule, lambda node: _each_call(node, changed))
    distinct = list({id(call): call for call in touched}.values())

    def may_matter(case: Case) -> bool:
        return any(
            _verdict(call, case, call.arguments)
            is not _verdict(call, case, changed(call).arguments)
            for call in distinct
        )

    return Nudge(made, grades, may_matter)


def _verdict(call: Call, case: Case, arguments: Any) -> Verdict:
    verdict: Verdict = call.criterion.function(case, **arguments).verdict
    return verdict


def _each_call(node: Node, changed: Callable[[Call], Call]) -> Node:
    if isinstance(node, Group):
        members = tuple(changed(each) for each in node.members)
        is_same = all(new is old for new, old in zip(members, node.members, strict=True))
        return node if is_same else replace(node, members=members)
    return changed(node)


# --- exclusions -----------------------------------------------------------------------------------


def _excluding(when: When) -> Iterator[Node]:
    yield from when.none
    for part in _PARTS:
        for node in getattr(when, part):
            if isinstance(node, Group) and node.kind == "none":
                yield node


def _without(rule: Rule, name: str) -> Nudge:
    removed: list[Node] = []

    def kept(node: Node, *, excludes: bool) -> bool:
        if not excludes or _named(node) != name:
            return True
        removed.append(node)
        return False

    def changed(when: When) -> When:
        parts = {
            part: tuple(
                node
                for node in getattr(when, part)
                if kept(node, excludes=part == "none" or getattr(node, "kind", "") == "none")
            )
            for part in _PARTS
        }
        is_same = all(len(parts[part]) == len(getattr(when, part)) for part in _PARTS)
        return when if is_same else replace(when, **parts)

    made, grades = _rebuilt_whens(rule, changed)
    calls = [call for node in removed for call in calls_of(node)]

    def may_matter(case: Case) -> bool:
        return any(_verdict(call, case, call.arguments) is not Verdict.NO for call in calls)

    return Nudge(made, grades, may_matter)


def calls_of(node: Node) -> tuple[Call, ...]:
    """The criteria of one node of a condition."""
    return node.members if isinstance(node, Group) else (node,)


def _named(node: Node) -> str:
    if isinstance(node, Group):
        return ", ".join(_named(each) for each in node.members)
    words = [f"{value}" for value in node.arguments.values() if isinstance(value, str)]
    return " ".join([node.criterion.name, *words])


# --- taking a rule apart and putting it together --------------------------------------------------


def _conditions(rule: Rule) -> Iterator[tuple[int | None, When]]:
    yield None, rule.when
    for number, grade in enumerate(rule.grades):
        yield number, grade.when


def _calls(when: When) -> Iterator[Call]:
    for part in _PARTS:
        for node in getattr(when, part):
            yield from calls_of(node)


def _rebuilt(rule: Rule, changed: Callable[[Node], Node]) -> tuple[Rule, frozenset[int | None]]:
    def of_when(when: When) -> When:
        parts = {part: tuple(changed(node) for node in getattr(when, part)) for part in _PARTS}
        is_same = all(
            new is old
            for part in _PARTS
            for new, old in zip(parts[part], getattr(when, part), strict=True)
        )
        return when if is_same else replace(when, **parts)

    return _rebuilt_whens(rule, of_when)


def _rebuilt_whens(
    rule: Rule, changed: Callable[[When], When]
) -> tuple[Rule, frozenset[int | None]]:
    """The rule with changed conditions, and where they are others than before."""
    whens = {where: changed(when) for where, when in _conditions(rule)}
    touched = frozenset(where for where, when in _conditions(rule) if whens[where] is not when)
    grades = tuple(replace(grade, when=whens[number]) for number, grade in enumerate(rule.grades))
    return replace(rule, when=whens[None], grades=grades), touched
