"""What is refused before a request is made, and what no error tells."""

from __future__ import annotations

import pytest

from cds_service.ehr.breaker import State
from cds_service.ehr.guarded import Budget, Cause, GuardedClient, ReadFailed, origin_of

BASE = "https://ehr.example.org/fhir"


@pytest.mark.parametrize(
    "url",
    [
        "https://other.example.org/fhir/Patient/1",
        "http://ehr.example.org/fhir/Patient/1",
        "https://ehr.example.org:8443/fhir/Patient/1",
    ],
)
def test_another_origin_is_never_asked(url: str) -> None:
    with pytest.raises(ReadFailed) as failure:
        GuardedClient([BASE]).get(url, token="secret", budget=Budget(2, 1000))
    assert failure.value.cause is Cause.NOT_ALLOWED
    assert str(failure.value) == "not-allowed"


def test_nothing_is_asked_after_the_deadline_and_nobody_is_blamed() -> None:
    client = GuardedClient([BASE])
    for _ in range(30):
        with pytest.raises(ReadFailed, match="timeout"):
            client.get(f"{BASE}/Patient/1", budget=Budget(0, 1000))
    assert client.breaker_states() == {"https://ehr.example.org": State.CLOSED}


def test_the_budget_counts_down_and_never_below_zero() -> None:
    moments = iter([10.0, 11.5, 20.0])
    budget = Budget(2, 1000, monotonic=lambda: next(moments))
    assert budget.seconds_left() == 0.5
    assert budget.seconds_left() == 0


def test_bytes_may_be_given_back() -> None:
    budget = Budget(2, 10)
    assert budget.take(10)
    assert not budget.take(1)
    assert budget.take(-5)


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://EHR.example.org:443/fhir", "https://ehr.example.org"),
        ("http://ehr.example.org:8080", "http://ehr.example.org:8080"),
        ("http://[::1]:80/fhir", "http://[::1]"),
    ],
)
def test_an_origin_is_spelt_one_way(url: str, origin: str) -> None:
    assert origin_of(url) == origin


@pytest.mark.parametrize(
    "url", ["ftp://a/b", "https:///fhir", "https://user@a/fhir", "https://a:x/", "fhir"]
)
def test_what_has_no_origin(url: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        origin_of(url)
