"""What the pages are made of: the rulebook, its files as they were written, and the cases."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, cast, get_args

from cds_service.documentation import case_words
from cds_service.errors import RulebookError
from cds_service.rules.reading import Fields, Problems, named
from cds_service.rules.schema import Rulebook

Role = Literal["rule", "quoted", "background"]
Written = Mapping[str, Any]
"""Content of a YAML file, or of a part of it."""


@dataclass(frozen=True, slots=True)
class Statement:
    """One claim of the guideline, and what became of it."""

    id: str
    sentence: str
    claim: str
    role: Role
    rules: tuple[str, ...]
    reason: str


@dataclass(frozen=True, slots=True)
class CaseRow:
    """One case as a row: what it shows, and which findings must come of it."""

    id: str
    title: str
    source: str
    """The name of its file; for our own cases the rule."""
    calls: tuple[Written, ...]
    """What each of its calls must find."""
    who: str = ""
    record: str = ""
    orders: str = ""

    @property
    def rules(self) -> frozenset[str]:
        """Every rule that it expects or excludes, and the rule its file is about."""
        names = {self.source}
        for expect in self.calls:
            names |= {finding["rule"] for finding in expect.get("findings") or ()}
            names |= set(expect.get("absent") or ())
        return frozenset(names)


@dataclass(frozen=True, slots=True)
class RulebookChange:
    """One entry of the rulebook's history. ``rules`` is empty where it is about all of them."""

    date: str
    text: str
    rules: tuple[str, ...] = ()


@dataclass(frozen=True)
class Material:
    """Everything that the pages say."""

    rulebook: Rulebook
    statements: tuple[Statement, ...] = ()
    rule_files: Mapping[str, Written] = field(default_factory=dict)
    """Rule id -> its file as it was written: it says which arguments are parameters."""
    value_sets: Mapping[str, Written] = field(default_factory=dict)
    """Value set -> its entry as it was written, with note and codes spelt with their dots."""
    cases: tuple[CaseRow, ...] = ()
    changes: tuple[RulebookChange, ...] = ()
    """The newest first."""

    def changes_of(self, rule: str) -> list[RulebookChange]:
        """What has changed about one rule, the newest first."""
        return [each for each in self.changes if not each.rules or rule in each.rules]

    def statements_of(self, rule: str) -> list[Statement]:
        """The claims that a rule carries or quotes, by its own file or by the list of claims."""
        named_by_rule = self.rulebook.rules[rule].statements
        return [each for each in self.statements if rule in each.rules or each.id in named_by_rule]

    def planned(self) -> list[str]:
        """Rules that claims name and the rulebook does not have yet."""
        wanted = {rule for statement in self.statements for rule in statement.rules}
        return sorted(wanted - self.rulebook.rules.keys())


def read_material(rulebook: Rulebook, directory: Path, cases: Path | None = None) -> Material:
    """Read what the pages say beyond the loaded rulebook.

    ``directory`` is the folder the rulebook was loaded from, ``cases`` the folder of cases
    where there is one. Raises ``RulebookError`` with every problem of the files.
    """
    problems = Problems(directory)
    statements = _statements(directory / "statements.yaml", problems)
    files = {file.stem: problems.load(file) or {} for file in (directory / "rules").rglob("*.yaml")}
    entries = problems.load(directory / "value_sets.yaml") or []
    changes = _changes(directory / "changes.yaml", rulebook, problems)
    rows: tuple[CaseRow, ...] = ()
    if cases is not None:
        case_problems = Problems(cases)
        rows = tuple(_cases(cases, case_problems))
        problems.found += case_problems.found
    if problems.found:
        raise RulebookError(problems.found)
    return Material(
        rulebook=rulebook,
        statements=statements,
        rule_files=files,
        value_sets={entry["name"]: entry for entry in entries},
        cases=rows,
        changes=changes,
    )


def _statements(file: Path, problems: Problems) -> tuple[Statement, ...]:
    top = Fields({"statements": problems.load(file)}, file, "", problems)
    found = []
    for name, item in named(top.items("statements", required=True), "id").items():
        item.where = name
        item.only({"id", "sentence", "references", "topic", "statement", "role", "rules", "reason"})
        role = cast(Role, item.choice("role", get_args(Role)))
        rules = item.texts("rules") if item.content.get("rules") else ()
        if bool(rules) is (role == "background"):
            item.complain("rules", "must be named, unless the role is background")
        found.append(
            Statement(
                id=name,
                sentence=item.text("sentence"),
                claim=item.text("statement"),
                role=role,
                rules=rules,
                reason=item.text("reason"),
            )
        )
    return tuple(found)


def _changes(file: Path, rulebook: Rulebook, problems: Problems) -> tuple[RulebookChange, ...]:
    if not file.exists():
        return ()
    top = Fields({"changes": problems.load(file)}, file, "", problems)
    found = []
    for item in top.items("changes", required=True):
        item.only({"date", "change", "rules"})
        rules = item.texts("rules")
        unknown = sorted(set(rules) - rulebook.rules.keys())
        if unknown:
            item.complain("rules", f"{', '.join(unknown)} is not in the rulebook")
        found.append(RulebookChange(item.text("date"), item.text("change"), rules))
    return tuple(sorted(found, key=lambda each: each.date, reverse=True))


def _cases(folder: Path, problems: Problems) -> Iterator[CaseRow]:
    """Every case of a folder; a file that is no list of cases holds something else."""
    for file in sorted(folder.rglob("*.yaml"), key=lambda path: path.relative_to(folder).parts):
        content = problems.load(file)
        for entry in content if isinstance(content, list) else ():
            if not isinstance(entry, dict) or not {"expect", "steps"} & entry.keys():
                continue
            steps = entry.get("steps") or [{"expect": entry.get("expect")}]
            yield CaseRow(
                id=str(entry["id"]),
                title=str(entry["title"]),
                source=file.stem,
                calls=tuple(step["expect"] or {} for step in steps if "expect" in step),
                who=case_words.who(entry),
                record=case_words.record(entry),
                orders="; ".join([case_words.orders(entry), *case_words.later_calls(entry)]),
            )
