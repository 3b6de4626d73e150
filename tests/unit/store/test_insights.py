"""What became of the cards is counted alike on both databases."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

from cds_service.cards.history import ShownCard, ShownFinding
from cds_service.cds import Indicator
from cds_service.store.database import Store
from cds_service.store.figures import (
    FREE_TEXT,
    NO_REASON,
    OTHER_CODE,
    CallCounts,
    Insights,
    Outcome,
    Scope,
    SlowCall,
    Unchecked,
)
from tests.seeding import fill, seed
from tests.unit.store.support import HOUR, NOW, SERVICE, TENANT, accepted, call, overridden

DAY = timedelta(days=1)
NEW = ShownFinding("k", "baclofen-high-starting-dose", Indicator.WARNING)
SEVERE = ShownFinding("k", "tizanidine-strong-cyp1a2-inhibitor", Indicator.CRITICAL)
PATIENT_VIEW: dict[str, Any] = {"service": "spasticity-patient-view", "hook": "patient-view"}


def shown(uuid: str, *findings: ShownFinding) -> ShownCard:
    found = findings or (NEW,)
    return ShownCard(uuid, max((each.indicator for each in found), key=lambda it: it.rank), found)


def show(store: Store, *uuids: str, at: datetime = NOW - 2 * DAY, **members: Any) -> None:
    """A call for each card."""
    for uuid in uuids:
        store.remember(call([shown(uuid)], at=at, **members))


def counted(store: Store, edges: Sequence[datetime] = (NOW - 7 * DAY, NOW), **how: Any) -> Insights:
    return store.insights(Scope(edges, NOW, **{"reasons": {"OV-1", "OV-2"}} | how))


def outcomes(found: Insights) -> dict[str, int]:
    return {name: count for name, count in found.cards.outcomes.items() if count}


# --- cards ----------------------------------------------------------------------------------------


def test_an_empty_store_has_no_figures(store: Store) -> None:
    found = counted(store)
    assert (found.cards.shown, found.cards.override_rate) == (0, None)
    assert (found.rules, found.services, found.slowest) == ({}, {}, [])
    assert (found.unchecked, found.strangers) == ([], {})
    assert [step.calls for step in found.steps] == [CallCounts()]


def test_each_card_is_accepted_overridden_ignored_or_waiting(store: Store) -> None:
    show(store, "a", "b", "c", "d", "e")
    show(store, "f", at=NOW - HOUR)
    store.add_feedback(SERVICE, TENANT, [accepted("a")], NOW)
    store.add_feedback(SERVICE, TENANT, [overridden(each) for each in "bcd"], NOW)
    found = counted(store)
    assert outcomes(found) == {"accepted": 1, "overridden": 3, "ignored": 1, "waiting": 1}
    assert (found.cards.shown, found.cards.answered) == (6, 4)
    assert found.cards.override_rate == 0.75


def test_a_card_is_ignored_once_a_day_has_passed(store: Store) -> None:
    show(store, "a", at=NOW - DAY)
    show(store, "b", at=NOW - DAY + timedelta(seconds=1))
    assert outcomes(counted(store)) == {"ignored": 1, "waiting": 1}


def test_overrides_are_counted_by_reason_and_no_words_of_a_client_are_told(store: Store) -> None:
    show(store, *"abcdefg")
    entries = [
        overridden("a"),
        overridden("b", reason_code="OV-2", user_comment="Mrs Smith asked for it"),
        overridden("c", reason_code="OV-2"),
        overridden("d", reason_code="secret words"),
        overridden("e", reason_system="urn:of-another"),
        overridden("f", reason_code=None, reason_system=None, user_comment="Mrs Smith"),
        overridden("g", reason_code=None, reason_system=None),
    ]
    store.add_feedback(SERVICE, TENANT, entries, NOW)
    found = counted(store)
    assert found.cards.reasons == {"OV-1": 1, "OV-2": 2, OTHER_CODE: 2, FREE_TEXT: 1, NO_REASON: 1}
    assert found.cards.comments == 2
    assert "Smith" not in repr(found)
    assert "secret" not in repr(found)


def test_a_card_counts_once_by_its_last_answer(store: Store) -> None:
    """The later by the client's clock, in whatever order they came."""
    show(store, "a", "b")
    later = {"outcome_timestamp": NOW + HOUR}
    store.add_feedback(SERVICE, TENANT, [overridden("a", **later)], NOW)
    store.add_feedback(SERVICE, TENANT, [accepted("a"), overridden("b")], NOW + HOUR)
    store.add_feedback(SERVICE, TENANT, [overridden("b", reason_code="OV-2", **later)], NOW + HOUR)
    found = counted(store)
    assert outcomes(found) == {"overridden": 2}
    assert found.cards.reasons == {"OV-1": 1, "OV-2": 1}


def test_a_card_counts_for_each_rule_on_it_and_once_in_all(store: Store) -> None:
    store.remember(call([shown("a", NEW, SEVERE, SEVERE), shown("b", NEW)], at=NOW - DAY))
    store.add_feedback(SERVICE, TENANT, [overridden("a")], NOW)
    found = counted(store)
    assert found.cards.shown == 2
    assert {rule: tally.shown for rule, tally in found.rules.items()} == {
        NEW.rule: 2,
        SEVERE.rule: 1,
    }
    assert found.rules[SEVERE.rule].override_rate == 1


def test_cards_and_answers_of_all_tenants_are_counted_and_none_is_named(store: Store) -> None:
    show(store, "a", tenant="north")
    show(store, "b", tenant="")
    store.add_feedback(SERVICE, "north", [accepted("a")], NOW)
    store.add_feedback(SERVICE, "", [overridden("b")], NOW)
    found = counted(store)
    assert outcomes(found) == {"accepted": 1, "overridden": 1}
    assert "north" not in repr(found)


def test_nobody_answers_the_card_of_another_tenant(store: Store) -> None:
    show(store, "a", tenant="north")
    reports = [overridden("a"), accepted("unknown")]
    store.add_feedback(SERVICE, "south", reports, NOW - HOUR)
    found = counted(store)
    assert outcomes(found) == {"ignored": 1}
    assert found.strangers == {"accepted": 1, "overridden": 1}
    assert counted(store, service="spasticity-order-select").strangers == {}
    assert counted(store, [NOW - 7 * DAY, NOW - DAY]).strangers == {}


# --- scope ----------------------------------------------------------------------------------------


def test_the_first_moment_counts_and_the_last_does_not(store: Store) -> None:
    show(store, "a", at=NOW - 7 * DAY)
    show(store, "b", at=NOW)
    show(store, "c", at=NOW - 7 * DAY - timedelta(microseconds=1))
    found = counted(store)
    assert found.cards.shown == 1
    assert found.services[SERVICE].calls.calls == 1


def test_the_trend_has_each_card_in_the_step_it_was_shown_in(store: Store) -> None:
    edges = [NOW - 3 * DAY, NOW - 2 * DAY, NOW - DAY, NOW]
    show(store, "a", at=edges[0])
    show(store, "b", at=edges[1] - timedelta(microseconds=1))
    show(store, "c", at=edges[2])
    store.remember(call(at=edges[2]))
    store.add_feedback(SERVICE, TENANT, [overridden("a")], NOW)
    steps = counted(store, edges).steps
    assert [(step.start, step.end) for step in steps] == list(pairwise(edges))
    assert [step.calls for step in steps] == [
        CallCounts(2, 2),
        CallCounts(),
        CallCounts(2, 1),
    ]
    assert [step.cards.shown for step in steps] == [2, 0, 1]
    assert [step.cards.override_rate for step in steps] == [1, None, None]


def test_one_service_may_be_chosen(store: Store) -> None:
    show(store, "a")
    show(store, "b", **PATIENT_VIEW)
    found = counted(store, service=SERVICE)
    assert (found.cards.shown, list(found.services)) == (1, [SERVICE])
    assert [each.service for each in found.slowest] == [SERVICE]
    assert found.unchecked == [Unchecked("weight", "missing", 1)]


def test_one_rule_may_be_chosen(store: Store) -> None:
    """Its cards are counted; the calls stay all calls."""
    show(store, "a")
    store.remember(call([shown("b", SEVERE)], at=NOW - DAY))
    found = counted(store, rule=SEVERE.rule)
    assert found.cards.shown == 1
    assert list(found.rules) == [SEVERE.rule]
    assert found.services[SERVICE].calls == CallCounts(2, 1, 1)


# --- calls ----------------------------------------------------------------------------------------


def test_calls_are_counted_by_service_with_a_card_and_with_a_critical_one(store: Store) -> None:
    two = [shown("a", SEVERE), shown("b", NEW), shown("c", SEVERE)]
    store.remember(call(two, at=NOW - DAY))
    store.remember(call([shown("d")], at=NOW - DAY))
    store.remember(call(at=NOW - DAY))
    store.remember(call(at=NOW - DAY, **PATIENT_VIEW))
    services = counted(store).services
    assert {name: each.calls for name, each in services.items()} == {
        SERVICE: CallCounts(3, 2, 1),
        "spasticity-patient-view": CallCounts(1),
    }
    assert services["spasticity-patient-view"].hook == "patient-view"


def test_times_are_told_to_the_millisecond(store: Store) -> None:
    fill(store, [call(at=NOW - DAY, duration_ms=each + 0.2) for each in range(1, 101)], [])
    figures = counted(store).services[SERVICE]
    assert (figures.median_ms, figures.p95_ms) == (50, 95)


def test_the_slowest_calls_come_first_and_are_no_more_than_20(store: Store) -> None:
    fill(store, [call(at=NOW - DAY, duration_ms=float(each)) for each in range(25)], [])
    store.remember(call([shown("a"), shown("b")], at=NOW - HOUR, duration_ms=99.5))
    slowest = counted(store).slowest
    assert slowest[0] == SlowCall(NOW - HOUR, SERVICE, 99.5, 2)
    assert [each.duration_ms for each in slowest[1:]] == [float(each) for each in range(24, 5, -1)]


def test_what_could_not_be_checked_is_counted_by_datum_and_cause_once_a_call(store: Store) -> None:
    stale = ("creatinine", "stale")
    store.remember(call(at=NOW - DAY, unknowns=[stale, stale, ("weight", "absent")]))
    store.remember(call(at=NOW - DAY, unknowns=[stale]))
    store.remember(call(at=NOW - DAY, unknowns=[("creatinine", "absent")]))
    store.remember(call(at=NOW - DAY, unknowns=()))
    assert counted(store).unchecked == [
        Unchecked("creatinine", "stale", 2),
        Unchecked("creatinine", "absent", 1),
        Unchecked("weight", "absent", 1),
    ]


# --- together -------------------------------------------------------------------------------------


def test_the_figures_of_a_filled_store_add_up(store: Store) -> None:
    """Steps, services and outcomes are counted on different ways to the same sums."""
    seed(store, NOW, calls_a_day=8, ages=range(1, 40))
    edges = [NOW - each * 7 * DAY for each in range(6, -1, -1)]
    found = counted(store, edges)
    assert found.cards.shown > 30
    assert found.cards.outcomes[Outcome.OVERRIDDEN] == found.cards.reasons.total()
    assert sum(step.cards.shown for step in found.steps) == found.cards.shown
    of_steps = sum((step.calls for step in found.steps), CallCounts())
    of_services = sum((each.calls for each in found.services.values()), CallCounts())
    assert of_steps == of_services == found.calls


def test_a_store_may_be_filled_with_nothing(store: Store) -> None:
    fill(store, [], [])
    assert counted(store).cards.shown == 0
