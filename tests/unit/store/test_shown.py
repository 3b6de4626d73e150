"""What was shown is remembered, so that an override can keep the same finding silent."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from cds_service.cards.history import Override
from cds_service.errors import StoreUnavailable
from cds_service.store.database import Store
from tests.unit.store.support import (
    CARD,
    HOUR,
    NOW,
    OTHER_CARD,
    PATIENT,
    SERVICE,
    TENANT,
    accepted,
    call,
    card,
    overridden,
)

LONG_AGO = NOW - timedelta(days=90)


def overrides(store: Store, tenant: str = TENANT, patient: str = PATIENT) -> list[str]:
    return [each.card.uuid for each in store.overrides(tenant, patient, LONG_AGO)]


def test_an_override_brings_back_what_was_shown(store: Store) -> None:
    """Decimals digit for digit, dates as dates, absent as absent."""
    store.remember(call([card(suggestions=("s-1", "s-2"))]))
    store.add_feedback(SERVICE, TENANT, [overridden()], NOW + HOUR)
    assert store.overrides(TENANT, PATIENT, LONG_AGO) == [Override(NOW + HOUR, card())]
    (override,) = store.overrides(TENANT, PATIENT, LONG_AGO)
    assert str(override.card.findings[0].daily_mg) == "30.0"


def test_a_call_without_cards_is_remembered(store: Store) -> None:
    store.remember(call())
    store.remember(call(unknowns=()))
    assert overrides(store) == []


@pytest.mark.parametrize(
    ("entry", "counts"),
    [
        (overridden(), True),
        (overridden(reason_code=None, reason_system=None, user_comment="seen, wanted"), True),
        (overridden(reason_code=None, reason_system=None), False),
        (accepted(), False),
        (accepted(reason_code="OV-1"), False),
        (overridden(OTHER_CARD), False),
    ],
)
def test_only_an_override_with_a_reason_counts(store: Store, entry: object, counts: bool) -> None:
    """Clarification 42: coded or in words."""
    store.remember(call([card()]))
    store.add_feedback(SERVICE, TENANT, [entry], NOW)  # type: ignore[list-item]  # of the table
    assert overrides(store) == ([CARD] if counts else [])


def test_the_newest_override_comes_first(store: Store) -> None:
    store.remember(call([card(CARD), card(OTHER_CARD)]))
    store.add_feedback(SERVICE, TENANT, [overridden(CARD)], NOW)
    store.add_feedback(SERVICE, TENANT, [overridden(OTHER_CARD)], NOW + HOUR)
    assert overrides(store) == [OTHER_CARD, CARD]


def test_overrides_before_the_moment_do_not_count(store: Store) -> None:
    store.remember(call([card()]))
    store.add_feedback(SERVICE, TENANT, [overridden()], NOW)
    assert len(store.overrides(TENANT, PATIENT, NOW)) == 1
    assert store.overrides(TENANT, PATIENT, NOW + timedelta(microseconds=1)) == []


def test_a_repeated_override_prolongs_nothing(store: Store) -> None:
    """A client that sends the same again with a new timestamp must not silence it for ever."""
    store.remember(call([card()]))
    store.add_feedback(SERVICE, TENANT, [overridden()], NOW)
    later = replace(overridden(), outcome_timestamp=NOW + 5 * HOUR)
    store.add_feedback(SERVICE, TENANT, [later], NOW + 5 * HOUR)
    assert [each.at for each in store.overrides(TENANT, PATIENT, LONG_AGO)] == [NOW]
    assert store.overrides(TENANT, PATIENT, NOW + HOUR) == []


def test_patients_and_tenants_are_apart(store: Store) -> None:
    """Clarification 42: any user of the same tenant, nobody else."""
    store.remember(call([card()]))
    store.add_feedback(SERVICE, TENANT, [overridden()], NOW)
    assert overrides(store, patient="patient-key-2") == []
    assert overrides(store, tenant="another tenant") == []
    assert overrides(store, tenant="") == []


def test_nobody_overrides_the_card_of_another_tenant(store: Store) -> None:
    store.remember(call([card()]))
    store.add_feedback(SERVICE, "another tenant", [overridden()], NOW)
    assert overrides(store) == []
    assert overrides(store, tenant="another tenant") == []


def test_a_call_is_remembered_whole_or_not_at_all(store: Store) -> None:
    """A card cannot be shown twice, so the second call fails, and leaves nothing behind."""
    store.remember(call([card(CARD)]))
    with pytest.raises(StoreUnavailable):
        store.remember(call([card(OTHER_CARD), card(CARD)]))
    store.add_feedback(SERVICE, TENANT, [overridden(OTHER_CARD)], NOW)
    assert overrides(store) == []
