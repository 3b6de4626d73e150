"""What is read beside the rulebook: claims of the guideline and cases, each checked."""

from __future__ import annotations

from pathlib import Path

import pytest

from cds_service.documentation.material import read_material
from cds_service.errors import RulebookError
from cds_service.rules.rulebook import Rulebook

STATEMENT = """
- id: S-01
  sentence: A sentence.
  references: []
  topic: dose
  statement: A claim.
  role: {role}
  rules: [{rules}]
  reason: A reason.
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "value_sets.yaml").write_text("[]\n", encoding="utf-8")
    return tmp_path


def write(folder: Path, role: str, rules: str = "") -> None:
    text = STATEMENT.format(role=role, rules=rules)
    (folder / "statements.yaml").write_text(text, encoding="utf-8")


@pytest.mark.parametrize(
    ("role", "rules"), [("background", ""), ("rule", "some-rule"), ("quoted", "some-rule")]
)
def test_a_claim_is_carried_or_background(
    folder: Path, rulebook: Rulebook, role: str, rules: str
) -> None:
    write(folder, role, rules)
    (statement,) = read_material(rulebook, folder).statements
    assert statement.rules == ((rules,) if rules else ())


@pytest.mark.parametrize(
    ("role", "rules"), [("background", "some-rule"), ("rule", ""), ("sum", "")]
)
def test_a_claim_that_is_neither_is_refused(
    folder: Path, rulebook: Rulebook, role: str, rules: str
) -> None:
    write(folder, role, rules)
    with pytest.raises(RulebookError, match=r"^statements\.yaml: S-01\.r(ole|ules): "):
        read_material(rulebook, folder)


def test_a_file_that_is_no_list_of_cases_holds_none(folder: Path, rulebook: Rulebook) -> None:
    write(folder, "background")
    cases = folder / "cases"
    cases.mkdir()
    (cases / "concepts.yaml").write_text("stroke: {}\n", encoding="utf-8")
    (cases / "not_yet.yaml").write_text("- {id: A1, reason: later}\n", encoding="utf-8")
    (cases / "some-rule.yaml").write_text(
        "- {id: A1, title: One call., expect: {findings: []}}\n"
        "- id: A2\n  title: Three steps.\n  steps:\n"
        "    - {call: {}, expect: {findings: [{rule: r, indicator: info}]}}\n"
        "    - {feedback: r}\n"
        "    - {call: {}, expect: {absent: [r]}}\n",
        encoding="utf-8",
    )
    one, two = read_material(rulebook, folder, cases).cases
    assert (one.id, len(one.calls), one.rules) == ("A1", 1, frozenset({"some-rule"}))
    assert (two.id, len(two.calls), two.rules) == ("A2", 2, frozenset({"some-rule", "r"}))


def test_a_case_file_that_cannot_be_read_is_named(folder: Path, rulebook: Rulebook) -> None:
    write(folder, "background")
    (folder / "cases").mkdir()
    (folder / "cases" / "some-rule.yaml").write_text("- {id: A1, id: A2}\n", encoding="utf-8")
    with pytest.raises(RulebookError, match=r"^some-rule\.yaml: line 1: "):
        read_material(rulebook, folder, folder / "cases")


# --- changes --------------------------------------------------------------------------------------


def test_changes_are_of_one_rule_or_of_all_the_newest_first(
    folder: Path, rulebook: Rulebook
) -> None:
    write(folder, "background")
    (folder / "changes.yaml").write_text(
        '- {date: "2026-01-02", change: All new.}\n'
        "- {date: 2026-03-04, change: A higher limit., rules: [baclofen-child]}\n",
        encoding="utf-8",
    )
    material = read_material(rulebook, folder)
    assert [each.text for each in material.changes_of("baclofen-child")] == [
        "A higher limit.",
        "All new.",
    ]
    assert [each.text for each in material.changes_of("tizanidine-child")] == ["All new."]


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        ("{date: 2026-01-02, change: x, rules: [no-such-rule]}", r"changes\[0\]\.rules: no-such-rule is not"),
        ("{date: 2026-01-02}", r"changes\[0\]\.change: must be a text"),
        ("{date: 2026-01-02, change: x, rule: y}", r"changes\[0\]\.rule: is not known"),
    ],
)  # fmt: skip
def test_a_change_that_is_not_complete_is_named(
    folder: Path, rulebook: Rulebook, entry: str, problem: str
) -> None:
    write(folder, "background")
    (folder / "changes.yaml").write_text(f"- {entry}\n", encoding="utf-8")
    with pytest.raises(RulebookError, match=rf"^changes\.yaml: {problem}"):
        read_material(rulebook, folder)
