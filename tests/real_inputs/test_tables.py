"""Whatever others sent, the service answers as it was reviewed: ``python -m tests.real_inputs.pin``
writes the tables again, and the difference shows what changed for whom."""

from __future__ import annotations

from functools import cache

import pytest

from tests.real_inputs.pin import DRAFTED, REQUESTS, RESOURCES, TABLES, Table
from tests.real_inputs.rates import REVIEW, review_with
from tests.real_inputs.tables import Entry

CHANGED = "the answers changed; `python -m tests.real_inputs.pin` writes them again for a review"


@cache
def pinned(table: Table) -> dict[str, Entry]:
    return table.pinned()


def check(table: Table, name: str) -> None:
    assert table.make(name) == pinned(table).get(name), f"{table.file}, {name}: {CHANGED}"


@pytest.mark.parametrize("name", DRAFTED.names())
def test_patient(name: str) -> None:
    """A patient's record raises what was reviewed, when it is opened and for each of our drafts."""
    check(DRAFTED, name)


@pytest.mark.parametrize("name", REQUESTS.names())
def test_request(name: str) -> None:
    """A call of another client is answered or refused as was reviewed, by each service."""
    check(REQUESTS, name)


@pytest.mark.parametrize("name", RESOURCES.names())
def test_resource(name: str) -> None:
    """A single unusual resource adds to the findings what was reviewed."""
    check(RESOURCES, name)


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.file)
def test_table_is_complete(table: Table) -> None:
    """A table has a section for each of its inputs and for nothing else."""
    assert list(pinned(table)) == table.names(), CHANGED


def test_rates_are_counted() -> None:
    """The rates in the review are those of the pinned table."""
    assert review_with(pinned(DRAFTED)) == REVIEW.read_text("utf-8"), CHANGED
