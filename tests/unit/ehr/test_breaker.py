"""When an EHR is left alone, and when it is asked again."""

from __future__ import annotations

from cds_service.ehr.breaker import Breaker, State


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def opened(clock: Clock) -> Breaker:
    breaker = Breaker(failures=3, pause_s=10, monotonic=clock)
    for _ in range(3):
        assert breaker.admits()
        breaker.failed()
    return breaker


def test_it_opens_after_failures_in_a_row() -> None:
    breaker = opened(Clock())
    assert breaker.state is State.OPEN
    assert not breaker.admits()


def test_an_answer_in_between_starts_the_count_again() -> None:
    breaker = Breaker(failures=2, pause_s=10, monotonic=Clock())
    breaker.failed()
    breaker.succeeded()
    breaker.failed()
    assert breaker.state is State.CLOSED
    assert breaker.admits()


def test_after_the_pause_one_read_is_let_through() -> None:
    clock = Clock()
    breaker = opened(clock)
    clock.now = 9.9
    assert not breaker.admits()
    clock.now = 10
    assert breaker.state is State.HALF_OPEN
    assert breaker.admits()
    assert not breaker.admits()


def test_an_answer_to_that_read_closes_it() -> None:
    clock = Clock()
    breaker = opened(clock)
    clock.now = 10
    assert breaker.admits()
    breaker.succeeded()
    assert breaker.state is State.CLOSED
    breaker.failed()
    assert breaker.state is State.CLOSED


def test_a_failure_of_that_read_opens_it_for_another_pause() -> None:
    clock = Clock()
    breaker = opened(clock)
    clock.now = 10
    assert breaker.admits()
    breaker.failed()
    assert breaker.state is State.OPEN
    clock.now = 19.9
    assert not breaker.admits()
    clock.now = 20
    assert breaker.admits()


def test_by_default_one_call_does_not_open_it() -> None:
    """A call asks for fourteen lists; an outage of one call must not cost the next ones."""
    breaker = Breaker()
    for _ in range(16):
        breaker.failed()
    assert breaker.state is State.CLOSED
