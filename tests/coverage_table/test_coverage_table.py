"""The page about coverage is what the cases cover, and every hole in it has its reason."""

from __future__ import annotations

import re

from tests.coverage_table.charts import rulebook, seen_calls
from tests.coverage_table.page import COMMAND, PAGE, page, problems_of_holes


def test_every_hole_has_a_reason() -> None:
    """Each kind of case of each grade is there, or tests/coverage_holes.yaml says why not."""
    problems = problems_of_holes()
    assert not problems, "\n".join(["write a case, or a reason:", *problems])


def test_every_offer_stands_on_some_card() -> None:
    """A suggestion that leaves its finding as it is, is never shown: then no rule file offers it."""
    shown: dict[tuple[str, int], set[str]] = {}
    for seen in seen_calls():
        for finding, label in seen.answered:
            shown.setdefault((finding.rule.id, id(finding.grade)), set()).add(label)
    never = [
        f"{rule.id}: grade {number}: {offer.label}"
        for rule in rulebook().rules.values()
        for number, grade in enumerate(rule.grades, start=1)
        for offer in grade.offers
        if not any(_is_made_of(offer.label, each) for each in shown.get((rule.id, id(grade)), ()))
    ]
    assert never == [], "\n".join(["write a case in which it shows, or delete the offer:", *never])


def _is_made_of(template: str, label: str) -> bool:
    """Whether a label is the template with its values put in."""
    words = re.split(r"\{\w+\}", template)
    return re.fullmatch(".+".join(re.escape(each) for each in words), label) is not None


def test_the_page_is_up_to_date() -> None:
    """After a new case or a changed rule the page is written again."""
    assert PAGE.read_text("utf-8") == page(), f"docs/coverage.md is out of date; run `{COMMAND}`"
