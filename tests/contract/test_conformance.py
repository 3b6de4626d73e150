"""Every numbered row of the specification that binds a service is held by a test."""

from __future__ import annotations

from tests.contract.conformance import COMMAND, PAGE, page, pending, problems, rows

SERIES = {
    "GEN": 10, "DIS": 10, "CALL": 29, "PRE": 7, "FP": 7, "PFS": 6, "RSP": 15, "ACT": 5, "FBK": 8,
    "HK": 8, "SEC": 10, "EXT": 5, "VER": 2, "PERF": 3, "CAP": 1, "SBX": 7,
}  # fmt: skip
"""How far each series is numbered; SBX-7 are the slashes of 10.5."""


def test_every_row_is_listed_once() -> None:
    """The table is complete."""
    expected = [f"{name}-{n:02}" for name, last in SERIES.items() for n in range(1, last + 1)]
    listed = [row.id for row in rows()]
    assert len(listed) == len(set(listed))
    assert {_padded(each) for each in listed} == set(expected)


def _padded(id: str) -> str:
    name, _, number = id.partition("-")
    return f"{name}-{int(number):02}"


def test_every_row_is_held() -> None:
    """By a test that exists, or there is a reason why none can."""
    assert [*problems()] == []


def test_the_page_is_up_to_date() -> None:
    """After a new row or another test the page is written again."""
    assert PAGE.read_text("utf-8") == page(), f"{PAGE.name} is out of date; run `{COMMAND}`"


PENDING = 26
"""Rows whose tests come with the read-back, client tokens, feedback and metrics: to become 0."""


def test_rows_that_wait_for_a_feature() -> None:
    """Their number only falls."""
    assert len(pending()) == PENDING, "\n".join(pending())
