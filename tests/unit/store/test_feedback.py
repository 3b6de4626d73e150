"""What is reported of cards: kept as it was said, once, whether the card is known or not."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta, timezone

from cds_service.store.database import Store
from cds_service.store.entries import FeedbackEntry, tenant_of
from tests.unit.store.support import (
    CARD,
    HOUR,
    NOW,
    OTHER_CARD,
    SERVICE,
    SUGGESTION,
    TENANT,
    accepted,
    call,
    card,
    overridden,
)

EVERYTHING = FeedbackEntry(
    card=CARD,
    outcome="overridden",
    outcome_timestamp=NOW - timedelta(minutes=5, microseconds=250_000),
    accepted_suggestions=(SUGGESTION,),
    reason_code="OV-3",
    reason_system="urn:x-cds-service:override-reason",
    reason_display="Benefit outweighs risk",
    user_comment="Zwölf Wörter, “quoted” – und\nzwei Zeilen 💊",
)


def entries(store: Store) -> list[FeedbackEntry]:
    return [each.entry for each in store.stored_feedback()]


def test_everything_that_was_said_is_kept(store: Store) -> None:
    store.add_feedback(SERVICE, TENANT, [EVERYTHING], NOW)
    (stored,) = store.stored_feedback()
    assert stored.entry == EVERYTHING
    assert (stored.service, stored.tenant, stored.received_at) == (SERVICE, TENANT, NOW)


def test_it_outlives_a_restart(database: str) -> None:
    first = Store(database)
    first.add_feedback(SERVICE, TENANT, [EVERYTHING], NOW)
    first.close()
    second = Store(database)
    assert entries(second) == [EVERYTHING]
    second.close()


def test_a_repeat_is_stored_once_as_it_was_first_received(store: Store) -> None:
    """FBK-02: an EHR that got no answer sends it again."""
    elsewhere = EVERYTHING.outcome_timestamp.astimezone(timezone(timedelta(hours=2)))
    again = replace(EVERYTHING, outcome_timestamp=elsewhere)
    store.add_feedback(SERVICE, TENANT, [EVERYTHING, EVERYTHING], NOW)
    store.add_feedback(SERVICE, TENANT, [again], NOW + HOUR)
    (stored,) = store.stored_feedback()
    assert stored.received_at == NOW


def test_what_differs_is_another_report(store: Store) -> None:
    """FBK-02: several reports of one card are legal."""
    different = [
        EVERYTHING,
        replace(EVERYTHING, card=OTHER_CARD),
        replace(EVERYTHING, outcome="accepted"),
        replace(EVERYTHING, outcome_timestamp=NOW),
        replace(EVERYTHING, accepted_suggestions=()),
        replace(EVERYTHING, reason_code="OV-4"),
        replace(EVERYTHING, reason_system=None),
        replace(EVERYTHING, reason_display=None),
        replace(EVERYTHING, user_comment=None),
    ]
    store.add_feedback(SERVICE, TENANT, different, NOW)
    store.add_feedback(SERVICE, "another tenant", [EVERYTHING], NOW)
    assert len(entries(store)) == len(different) + 1


def test_suggestions_have_no_order_and_count_once(store: Store) -> None:
    store.add_feedback(SERVICE, TENANT, [accepted(CARD, "b", "a", "b")], NOW)
    store.add_feedback(SERVICE, TENANT, [accepted(CARD, "a", "b")], NOW)
    assert [each.accepted_suggestions for each in entries(store)] == [("a", "b")]


def test_unknown_cards_are_kept(store: Store) -> None:
    """Clarification 45."""
    store.remember(call([card()]))
    store.add_feedback(SERVICE, TENANT, [overridden(CARD), overridden(OTHER_CARD)], NOW)
    known = {each.entry.card: each.card for each in store.stored_feedback()}
    assert known == {CARD: card(), OTHER_CARD: None}


def test_a_card_becomes_known_later(store: Store) -> None:
    """The card may be stored after its feedback, by another worker."""
    store.add_feedback(SERVICE, TENANT, [overridden()], NOW)
    store.remember(call([card()]))
    (stored,) = store.stored_feedback()
    assert (stored.card, stored.hook, stored.shown_at, stored.rulebook) == (
        card(),
        "order-sign",
        NOW,
        "2026.06",
    )


def test_another_tenants_card_is_unknown(store: Store) -> None:
    store.remember(call([card()]))
    store.add_feedback(SERVICE, "another tenant", [overridden()], NOW)
    (stored,) = store.stored_feedback()
    assert stored.card is None


def test_an_empty_batch_stores_nothing(store: Store) -> None:
    store.add_feedback(SERVICE, TENANT, [], NOW)
    assert entries(store) == []


def test_a_large_batch_is_read_back_page_by_page(store: Store) -> None:
    batch = [accepted(f"card-{number}", f"s-{number}") for number in range(1200)]
    store.add_feedback(SERVICE, TENANT, batch, NOW)
    stored = {each.card: each.accepted_suggestions for each in entries(store)}
    assert stored == {f"card-{number}": (f"s-{number}",) for number in range(1200)}


def test_in_the_order_of_receipt_and_since_a_moment(store: Store) -> None:
    for hours in (2, 0, 1):
        store.add_feedback(SERVICE, TENANT, [overridden(f"card-{hours}")], NOW + hours * HOUR)
    assert [each.card for each in entries(store)] == ["card-0", "card-1", "card-2"]
    since = [each.entry.card for each in store.stored_feedback(NOW + HOUR)]
    assert since == ["card-1", "card-2"]


def test_eight_threads_store_the_same_and_their_own(store: Store) -> None:
    """Nothing is lost, nothing is stored twice, nobody is refused."""

    def report(worker: int) -> None:
        for number in range(10):
            own = overridden(f"worker-{worker}-{number}")
            shared = [overridden(f"shared-{number}"), overridden(f"shared-{number + 1}")]
            batch = [own, *shared] if worker % 2 else [*reversed(shared), own]
            store.add_feedback(SERVICE, TENANT, batch, NOW)

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(report, range(8)))
    expected = {f"worker-{worker}-{number}" for worker in range(8) for number in range(10)}
    expected |= {f"shared-{number}" for number in range(11)}
    found = [each.card for each in entries(store)]
    assert set(found) == expected
    assert len(found) == len(expected)


def test_tenants_never_share_a_text() -> None:
    named = {
        tenant_of(issuer, tenant)
        for issuer in ("https://a.example.org", "https://b.example.org")
        for tenant in (None, "a", "b", "a b")
    }
    assert len(named) == 8
    assert tenant_of(None, None) == ""
