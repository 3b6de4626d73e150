"""The page about coverage, and the reasons for what has no case."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path

import yaml

from cds_service.rules.schema import Grade
from tests.coverage_table.cells import ABOVE, BELOW, EXCLUSION, KINDS, Cell, Coverage, coverage
from tests.coverage_table.charts import rulebook
from tests.coverage_table.nudges import calls_of

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "coverage.md"
HOLES = ROOT / "tests" / "coverage_holes.yaml"
COMMAND = "python -m tests.coverage_table"

_INTRODUCTION = f"""# What the clinical cases cover

Made by `{COMMAND}` from the cases in `tests/vignettes/`; do not edit. Each entry is the first case of
its kind, `–` is a hole with a reason (at the end), `**hole**` one without; an empty entry cannot have a case.

| column | a case in which |
| --- | --- |
| fires | this grade is found |
| just below, just above | the finding changes when a limit moves down, or up, by 15 % or by one: the patient lies just on that side |
| exclusion | the finding is absent only because of what excludes it |
| reverse direction | the rule's own drug is taken already and the order is for its partner |
| missing, stale, unit missing | data is not there, too old, or a number without a usable unit, and the rule says so |
| lowered | the finding is one level lower, or has its doubt stated, because a fact is not certain |
| suggestion accepted | the card offers a way out; `tests/invariants` follows every one of them |

A grade of which several limits lie close is counted with any of them; the limits themselves follow below.
"""


@cache
def found() -> Coverage:
    """The coverage as it is now."""
    return coverage()


def reasons() -> dict[str, dict[str, str]]:
    """Rule -> name of a hole -> why there is no case of it."""
    return yaml.safe_load(HOLES.read_text("utf-8")) or {}


def page() -> str:
    """What ``docs/coverage.md`` should hold now."""
    parts = [_INTRODUCTION, "## Rules and grades\n", *_table(), "\n## Limits\n", *_limits()]
    parts += ["\n## Exclusions\n", *_exclusions(), "\n## Holes\n", *_holes()]
    return "\n".join(parts) + "\n"


def problems_of_holes() -> list[str]:
    """Holes without a reason, and reasons without a hole."""
    listed = {(rule, name) for rule, holes in reasons().items() for name in holes}
    holes = {(cell.rule, cell.name) for cell in found().holes}
    return [
        *(f"{rule}: {name}: no case, and no reason" for rule, name in sorted(holes - listed)),
        *(f"{rule}: {name}: a reason, but no such hole" for rule, name in sorted(listed - holes)),
    ]


# --- tables ---------------------------------------------------------------------------------------


def _table() -> Iterator[str]:
    yield f"| rule, grade | {' | '.join(KINDS)} |"
    yield f"| --- | {' | '.join('---' for _ in KINDS)} |"
    for rule in rulebook().rules.values():
        yield _row(f"**{rule.id}**", rule.id, None)
        for number, grade in enumerate(rule.grades, start=1):
            yield _row(f"{number} {grade.indicator}: {_about(grade)}", rule.id, number)


def _row(title: str, rule: str, grade: int | None) -> str:
    entries = []
    for kind in KINDS:
        cells = found().of(rule, grade, kind)
        # What is told for each limit or exclusion is counted here.
        entries.append(_counted(cells) if grade is None and _is_split(kind) else _entry(cells))
    return f"| {title} | {' | '.join(entries)} |"


def _is_split(kind: str) -> bool:
    return kind in (BELOW, ABOVE, EXCLUSION)


def _counted(cells: dict[Cell, str | None]) -> str:
    if not cells:
        return ""
    return f"{sum(case is not None for case in cells.values())} of {len(cells)}"


def _entry(cells: dict[Cell, str | None]) -> str:
    for cell, case in cells.items():
        if case is not None:
            return case
        return "–" if cell.name in reasons().get(cell.rule, {}) else "**hole**"
    return ""


def _about(grade: Grade) -> str:
    """What the grade asks, as the names of its criteria."""
    if grade.datum is not None:
        return grade.datum
    names: list[str] = []
    for node in (*grade.when.all, *grade.when.any):
        names += [call.criterion.name.replace("_", " ") for call in calls_of(node)]
    return ", ".join(dict.fromkeys(names))


def _limits() -> Iterator[str]:
    yield "| rule | limit | just below | just above |"
    yield "| --- | --- | --- | --- |"
    for rule in rulebook().rules.values():
        for cell in found().of(rule.id, None, BELOW):
            below, above = (
                _entry({each: found().cells[each]})
                for each in (cell, Cell(rule.id, None, ABOVE, cell.what))
            )
            yield f"| {rule.id} | {_words(cell.what)} | {below} | {above} |"


def _exclusions() -> Iterator[str]:
    yield "| rule | silent because of | case |"
    yield "| --- | --- | --- |"
    for rule in rulebook().rules.values():
        for cell, case in found().of(rule.id, None, EXCLUSION).items():
            yield f"| {rule.id} | {_words(cell.what)} | {_entry({cell: case})} |"


def _words(name: str) -> str:
    return name.replace("_", " ")


def _holes() -> Iterator[str]:
    yield "| rule | kind of case | why there is none |"
    yield "| --- | --- | --- |"
    for rule in rulebook().rules.values():
        for name, reason in reasons().get(rule.id, {}).items():
            yield f"| {rule.id} | {_words(name)} | {reason} |"
