"""The orders as they stand in the form: each a row of fields, or JSON that was written by hand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

MOST_ROWS = 6
PHASES = 4
"""Of one order: the dose itself, and what follows it."""


@dataclass(frozen=True, slots=True)
class Phase:
    """A dose so many times a day, for so many days; texts as they were typed."""

    amount: str = ""
    times: str = ""
    days: str = ""

    @property
    def is_blank(self) -> bool:
        """Whether nothing is written in it."""
        return not (self.amount or self.times or self.days)


@dataclass(frozen=True, slots=True)
class Row:
    """One order. ``written`` is its JSON where that is edited by hand; the fields then rest."""

    choice: str = ""
    """A key of the menu, or ``change:`` or ``stop:`` and the ``Type/id`` in the chart."""
    phases: tuple[Phase, ...] = (Phase(),)
    unit: str = ""
    route: str = ""
    as_needed: bool = False
    most: str = ""
    """The most in a day, in the unit of the dose."""
    written: str | None = None

    @property
    def stops(self) -> str | None:
        """The order of the chart that is stopped."""
        return self.choice.removeprefix("stop:") if self.choice.startswith("stop:") else None

    @property
    def changes(self) -> str | None:
        """The order of the chart that gets a new dose."""
        return self.choice.removeprefix("change:") if self.choice.startswith("change:") else None


@dataclass(frozen=True, slots=True)
class Sheet:
    """The rows, the story they belong to, and the hook that was called last."""

    rows: tuple[Row, ...] = ()
    story: str = ""
    hook: str = ""
    pasted: str = field(default="", repr=False)
    had_file: bool = False
    """The form was made with a file, whether or not it was sent again."""


def read_sheet(form: Mapping[str, str]) -> Sheet:
    """The sheet as it was sent; what is missing or odd counts as blank."""
    count = form.get("rows", "0")
    rows = min(int(count), MOST_ROWS) if count.isdecimal() else 0
    return Sheet(
        rows=tuple(_row(form, number) for number in range(rows)),
        story=form.get("story", ""),
        hook=form.get("hook", ""),
        pasted=form.get("bundle", "").strip(),
        had_file="had-file" in form,
    )


def _row(form: Mapping[str, str], number: int) -> Row:
    def text(name: str, phase: str = "") -> str:
        return form.get(f"{name}-{number}{phase}", "").strip()

    phases = [
        Phase(*(text(name, f"-{phase}") for name in ("amount", "times", "days")))
        for phase in range(PHASES)
    ]
    while len(phases) > 1 and phases[-1].is_blank:
        phases.pop()
    return Row(
        choice=text("choice"),
        phases=tuple(phases),
        unit=text("unit"),
        route=text("route"),
        as_needed=bool(text("as-needed")),
        most=text("most"),
        written=form.get(f"written-{number}"),
    )


def row_of_story(draft: Mapping[str, Any], orders_of_chart: list[str]) -> Row:
    """A row as a story fills it in; ``orders_of_chart`` are what can be changed or stopped."""
    choice = draft.get("item", "")
    for verb in ("change", "stop"):
        if verb in draft:
            choice = f"{verb}:{orders_of_chart[draft[verb] - 1]}"
    return Row(
        choice=choice,
        phases=(Phase(draft.get("amount", ""), draft.get("times", "")),),
        unit=draft.get("unit", ""),
    )
