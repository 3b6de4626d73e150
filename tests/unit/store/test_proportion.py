"""The interval of a share, against values from elsewhere."""

from __future__ import annotations

import pytest

from cds_service.store.figures import Mark, Outcome, Tally
from cds_service.store.proportion import wilson_interval


def tally(overridden: int, accepted: int, ignored: int = 0) -> Tally:
    made = Tally()
    made.outcomes.update(
        {
            Outcome.OVERRIDDEN: overridden,
            Outcome.ACCEPTED: accepted,
            Outcome.IGNORED: ignored,
        }
    )
    return made


@pytest.mark.parametrize(
    ("hits", "trials", "low", "high"),
    [
        # Newcombe, Statistics in Medicine 1998;17:857-872, table I, method 3.
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
        # By symmetry.
        (20, 20, 0.8389, 1.0),
        (28, 29, 0.8282, 0.9939),
    ],
)
def test_the_interval_is_the_published_one(hits: int, trials: int, low: float, high: float) -> None:
    assert wilson_interval(hits, trials) == pytest.approx((low, high), abs=5e-5)


def test_the_interval_holds_the_share_and_stays_within_0_and_1() -> None:
    for trials in (1, 2, 10, 1000):
        for hits in range(trials + 1):
            low, high = wilson_interval(hits, trials)
            assert 0 <= low <= hits / trials <= high <= 1


@pytest.mark.parametrize(
    ("overridden", "accepted", "mark"),
    [
        (0, 0, None),
        (80, 20, None),
        (0, 10, None),
        (81, 19, Mark.WATCH),
        (5, 0, Mark.WATCH),
        (15, 0, Mark.WATCH),
        (16, 0, Mark.REVIEW),
        (87, 13, Mark.WATCH),
        (88, 12, Mark.REVIEW),
    ],
)
def test_a_rule_is_to_be_reviewed_only_where_chance_cannot_explain_it(
    overridden: int, accepted: int, mark: Mark | None
) -> None:
    """The lower end above 80 %: 16 of 16 suffice, 15 of 15 do not."""
    assert tally(overridden, accepted).mark is mark


def test_a_card_without_an_answer_is_no_part_of_the_rate() -> None:
    assert tally(3, 1, ignored=96).override_rate == 0.75
    assert tally(3, 1, ignored=96).interval == wilson_interval(3, 4)
    assert tally(0, 0, ignored=5).override_rate is None
    assert tally(0, 0, ignored=5).interval is None
