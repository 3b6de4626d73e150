"""Which kinds of case there are of each rule and of each of its grades."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace

from cds_service.answer import Verdict
from cds_service.rules.case import Case
from cds_service.rules.engine import Decision, Finding
from cds_service.rules.schema import Grade, Rule
from cds_service.rules.subjects import cases
from tests.coverage_table.charts import Seen, rulebook, seen_calls
from tests.coverage_table.nudges import Exclusion, Limit, Nudge, calls_of, exclusions_of, limits_of

FIRES = "fires"
BELOW = "just below"
ABOVE = "just above"
LOWERED = "lowered"
ACCEPTED = "suggestion accepted"
EXCLUSION = "exclusion"
REVERSE = "reverse direction"
MISSING = "missing"
STALE = "stale"
UNIT = "unit missing"
KINDS = (FIRES, BELOW, ABOVE, EXCLUSION, REVERSE, MISSING, STALE, UNIT, LOWERED, ACCEPTED)

_STALE = re.compile(r"is older than|within \d+ days")
_UNIT = re.compile(r"\bunit\b")
_NOT_MEASURED = {"pregnancy-status"}
_Subject = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Cell:
    """One kind of case of a rule, or of one of its grades."""

    rule: str
    grade: int | None
    """From 1; ``None`` for what holds of the whole rule."""
    kind: str
    what: str = ""
    """The limit or the exclusion it is about."""

    @property
    def name(self) -> str:
        """As the file of holes names it."""
        where = f"grade {self.grade}: " if self.grade is not None else ""
        return f"{where}{self.kind}{f' ({self.what})' if self.what else ''}"


@dataclass(slots=True)
class Coverage:
    """Every cell that can have a case, with the first case that is one."""

    cells: dict[Cell, str | None] = field(default_factory=dict)

    def wants(self, cell: Cell) -> None:
        """Such a case can be: without one there is a hole."""
        self.cells.setdefault(cell, None)

    def has(self, cell: Cell, case: str) -> None:
        """A case of that kind was seen; only the first counts."""
        if self.cells.get(cell) is None:
            self.cells[cell] = case

    def of(self, rule: str, grade: int | None, kind: str) -> dict[Cell, str | None]:
        """The cells of one place of the table."""
        return {
            cell: case
            for cell, case in self.cells.items()
            if (cell.rule, cell.grade, cell.kind) == (rule, grade, kind)
        }

    @property
    def holes(self) -> list[Cell]:
        """Where no case is."""
        return [cell for cell, case in self.cells.items() if case is None]


def coverage() -> Coverage:
    """Run every case and look what it was a case of."""
    found = Coverage()
    calls = seen_calls()
    doubted = _ever_doubted(calls)
    for rule in rulebook().rules.values():
        _wanted(found, rule, doubted)
        about = [_looked(seen, rule) for seen in calls if _looked_at(seen, rule)]
        for looked in about:
            _of_findings(found, rule, looked.seen)
            _of_data(found, rule, looked.seen)
        for limit in limits_of(rule):
            _of_limit(found, rule, limit, about)
        for exclusion in exclusions_of(rule):
            _of_exclusion(found, rule, exclusion, about)
    return found


def _wanted(found: Coverage, rule: Rule, doubted: AbstractSet[str]) -> None:
    for number, grade in enumerate(rule.grades, start=1):
        found.wants(Cell(rule.id, number, FIRES))
        if rule.subject.about == "pair" or _triggers(grade) & doubted:
            found.wants(Cell(rule.id, number, LOWERED))
        if grade.offers:
            found.wants(Cell(rule.id, number, ACCEPTED))
    found.wants(Cell(rule.id, None, MISSING))
    results = {name for call in rule.calls() for name in call.criterion.observations}
    if results - _NOT_MEASURED:
        found.wants(Cell(rule.id, None, STALE))
        found.wants(Cell(rule.id, None, UNIT))
    if rule.subject.partner is not None and rule.subject.drug is not None:
        found.wants(Cell(rule.id, None, REVERSE))


def _triggers(grade: Grade) -> set[str]:
    """The criteria whose doubt is the doubt of the finding."""
    nodes = (*grade.when.all, *grade.when.any)
    return {call.criterion.name for node in nodes for call in calls_of(node)}


def _ever_doubted(calls: Iterable[Seen]) -> set[str]:
    """The criteria that some case has answered with a doubt."""
    return {
        part.criterion
        for seen in calls
        for evaluation in seen.decision.evaluations
        for part in evaluation.parts
        if part.answer.doubt is not None
    }


@dataclass(frozen=True, slots=True)
class Looked:
    """A call, and what the rule looked at in it."""

    seen: Seen
    cases: tuple[Case, ...]


def _looked(seen: Seen, rule: Rule) -> Looked:
    """What a rule is about in a call; of pairs without a partner there is nothing to judge."""
    subjects = tuple(
        case
        for case in cases(rule, seen.chart, review=seen.review)
        if case.is_answered and (rule.subject.about != "pair" or case.partner is not None)
    )
    return Looked(seen, subjects)


def _looked_at(seen: Seen, rule: Rule) -> bool:
    return any(
        each.rule == rule.id and (each.parts or each.verdict is not Verdict.NO)
        for each in seen.decision.evaluations
    )


# --- what was found, and on what ------------------------------------------------------------------


def _of_findings(found: Coverage, rule: Rule, seen: Seen) -> None:
    for finding in seen.decision.findings:
        if finding.rule.id != rule.id:
            continue
        number = _number(rule, finding.grade) + 1
        found.has(Cell(rule.id, number, FIRES), seen.case)
        if finding.answer.doubt is not None:
            found.has(Cell(rule.id, number, LOWERED), seen.case)
        if finding.case.established is not None:
            found.has(Cell(rule.id, None, REVERSE), seen.case)
    for finding, _ in seen.answered:
        if finding.rule.id == rule.id:
            number = _number(rule, finding.grade) + 1
            found.has(Cell(rule.id, number, ACCEPTED), seen.case)


def _of_data(found: Coverage, rule: Rule, seen: Seen) -> None:
    for evaluation in seen.decision.evaluations:
        if evaluation.rule != rule.id:
            continue
        unknown = [each.answer for each in evaluation.parts if each.answer.is_unknown]
        reasons = [each.reason for each in unknown]
        if evaluation.verdict is Verdict.UNKNOWN:
            reasons.append(evaluation.reason)
        if rule.subject.about == "datum":
            reasons += [each.answer.reason for each in evaluation.parts if each.answer.is_yes]
        for reason in reasons:
            kind = STALE if _STALE.search(reason) else UNIT if _UNIT.search(reason) else MISSING
            cell = Cell(rule.id, None, kind)
            if cell in found.cells:
                found.has(cell, seen.case)


def _number(rule: Rule, grade: Grade) -> int:
    return next(number for number, each in enumerate(rule.grades) if each is grade)


# --- what a changed rule would say ----------------------------------------------------------------


def _of_limit(found: Coverage, rule: Rule, limit: Limit, about: Sequence[Looked]) -> None:
    for kind, nudge in ((BELOW, limit.down), (ABOVE, limit.up)):
        found.wants(Cell(rule.id, None, kind, limit.name))
        for number in _grades_of(nudge):
            found.wants(Cell(rule.id, number + 1, kind))
        for seen, grades in _changes(rule, nudge, about):
            found.has(Cell(rule.id, None, kind, limit.name), seen.case)
            for number in grades & _grades_of(nudge):
                found.has(Cell(rule.id, number + 1, kind), seen.case)


def _grades_of(nudge: Nudge) -> set[int]:
    """The grades that a change stands in; what stands above all of them is no grade's own."""
    return {number for number in nudge.grades if number is not None}


def _of_exclusion(
    found: Coverage, rule: Rule, exclusion: Exclusion, about: Sequence[Looked]
) -> None:
    cell = Cell(rule.id, None, EXCLUSION, exclusion.name)
    found.wants(cell)
    for seen, _ in _changes(rule, exclusion.without, about):
        found.has(cell, seen.case)


def _changes(rule: Rule, nudge: Nudge, about: Iterable[Looked]) -> Iterator[tuple[Seen, set[int]]]:
    """The calls that the changed rule judges otherwise, with the grades found or lost by it."""
    book = replace(rulebook(), rules={rule.id: nudge.rule})
    for looked in about:
        if not any(nudge.may_matter(case) for case in looked.cases):
            continue
        before = _grades(rule, looked.seen.decision)
        after = _grades(nudge.rule, looked.seen.decide(book))
        differing = {*before.items()} ^ {*after.items()}
        if differing:
            yield looked.seen, {grade for _, grade in differing}


def _grades(rule: Rule, decision: Decision) -> dict[_Subject, int]:
    """Order, partner and datum of each finding -> number of its grade."""
    return {
        _subject(finding): _number(rule, finding.grade)
        for finding in decision.findings
        if finding.rule.id == rule.id
    }


def _subject(finding: Finding) -> _Subject:
    partner = finding.case.partner
    return (finding.order, partner.ingredient if partner else "", finding.case.datum or "")
