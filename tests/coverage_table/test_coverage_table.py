"""The page about coverage is what the cases cover, and every hole in it has its reason."""

from __future__ import annotations

from tests.coverage_table.page import COMMAND, PAGE, page, problems_of_holes


def test_every_hole_has_a_reason() -> None:
    """Each kind of case of each grade is there, or tests/coverage_holes.yaml says why not."""
    problems = problems_of_holes()
    assert not problems, "\n".join(["write a case, or a reason:", *problems])


def test_the_page_is_up_to_date() -> None:
    """After a new case or a changed rule the page is written again."""
    assert PAGE.read_text("utf-8") == page(), f"docs/coverage.md is out of date; run `{COMMAND}`"
