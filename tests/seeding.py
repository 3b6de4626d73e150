"""A store with months of cards and answers in it, made up and the same every time."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from cds_service.cards.cards import OVERRIDE_SYSTEM
from cds_service.cards.history import ShownCard, ShownFinding
from cds_service.cds import Indicator
from cds_service.store.database import Store
from cds_service.store.entries import AnsweredCall, FeedbackEntry
from cds_service.store.rows import call_row, card_row, feedback_row
from cds_service.store.tables import calls, feedback, shown_cards

SELECT, SIGN, VIEW = (
    "spasticity-order-select",
    "spasticity-order-sign",
    "spasticity-patient-view",
)
HOOKS = {SELECT: "order-select", SIGN: "order-sign", VIEW: "patient-view"}

# Rule, its indicator, how often it is shown, answered, and overridden among the answers.
RULES = (
    ("baclofen-cns-depressants", Indicator.INFO, 9, 0.7, 0.93),
    ("baclofen-high-starting-dose", Indicator.WARNING, 6, 0.8, 0.55),
    ("tizanidine-low-creatinine-clearance", Indicator.WARNING, 4, 0.85, 0.35),
    ("baclofen-renal-impairment", Indicator.WARNING, 4, 0.8, 0.42),
    ("tizanidine-hormonal-contraceptive", Indicator.WARNING, 3, 0.7, 0.72),
    ("baclofen-psychiatric-illness", Indicator.WARNING, 2, 0.6, 0.84),
    ("tizanidine-strong-cyp1a2-inhibitor", Indicator.CRITICAL, 1, 0.95, 0.08),
    ("baclofen-abrupt-withdrawal", Indicator.CRITICAL, 1, 0.95, 0.2),
    ("missing-data", Indicator.INFO, 4, 0.3, 0.5),
)
_REASONS = (("OV-3", 8), ("OV-2", 6), ("OV-1", 4), ("OV-4", 2), (None, 3))
_UNKNOWNS = (
    ((), 60),
    ((("weight", "absent"),), 16),
    ((("creatinine", "stale"),), 9),
    ((("creatinine", "absent"), ("weight", "absent")), 5),
    ((("medications", "not obtained"),), 3),
    ((("dose", "unusable"),), 4),
)
_AGES = [*range(1, 6), *range(8, 29), *range(32, 89), *range(92, 360)]
"""Days back; none at the edge of a period, so that midnight during a test changes nothing."""


def seed(
    store: Store, now: datetime, *, calls_a_day: int = 24, ages: Sequence[int] = _AGES
) -> None:
    """Fill a store with made-up calls of up to a year before ``now``, and answers to their cards.

    They lie around noon UTC.
    """
    chance = random.Random(20260603)
    noon = now.replace(hour=12, minute=0, second=0, microsecond=0)
    answered = [
        _call(noon - timedelta(days=age, minutes=chance.randrange(120)), chance)
        for age in ages
        for _ in range(max(1, calls_a_day + chance.randrange(-2, 3) - age // 60))
    ]
    fill(store, answered, _answers(answered, chance))


def fill(
    store: Store, answered: Iterable[AnsweredCall], reports: Iterable[tuple[str, FeedbackEntry]]
) -> None:
    """Store calls, and reports of a service, in one transaction; each is received when it is made."""
    known = list(answered)
    rows = [call_row(each, f"call-{number}") for number, each in enumerate(known)]
    cards = [
        card_row(card, f"call-{number}") for number, each in enumerate(known) for card in each.cards
    ]
    said = [feedback_row(entry, service, "", entry.outcome_timestamp) for service, entry in reports]
    with store._connections.transaction() as connection:
        for table, content in ((calls, rows), (shown_cards, cards), (feedback, said)):
            if content:
                connection.execute(table.insert(), content)


def _call(at: datetime, chance: random.Random) -> AnsweredCall:
    service = chance.choices((SELECT, SIGN, VIEW), (5, 4, 6))[0]
    shown = chance.random() < (0.03 if service == VIEW else 0.22)
    (unknowns,) = chance.choices([each for each, _ in _UNKNOWNS], [many for _, many in _UNKNOWNS])
    return AnsweredCall(
        at=at,
        service=service,
        hook=HOOKS[service],
        tenant="",
        patient_key=f"patient-{chance.randrange(300)}",
        rulebook="2026.11",
        duration_ms=round(chance.lognormvariate(3.2, 0.7), 1),
        unknowns=() if service == VIEW else unknowns,
        cards=[_card(chance) for _ in range(chance.choices((1, 2), (5, 1))[0])] if shown else [],
    )


def _card(chance: random.Random) -> ShownCard:
    rules = chance.choices(RULES, [many for _, _, many, _, _ in RULES], k=chance.choice((1, 1, 2)))
    findings = tuple(
        ShownFinding(f"key-{chance.randrange(10**9)}", rule, indicator)
        for rule, indicator, *_ in dict.fromkeys(rules)
    )
    highest = max((each.indicator for each in findings), key=lambda each: each.rank)
    return ShownCard(str(UUID(int=chance.getrandbits(128), version=4)), highest, findings)


def _answers(
    answered: Iterable[AnsweredCall], chance: random.Random
) -> Iterable[tuple[str, FeedbackEntry]]:
    habits = {rule: (answers, overrides) for rule, _, _, answers, overrides in RULES}
    for call in answered:
        for card in call.cards:
            answers, overrides = habits[card.findings[0].rule]
            if chance.random() >= answers:
                continue
            moment = call.at + timedelta(minutes=1)
            if chance.random() >= overrides:
                yield call.service, FeedbackEntry(card.uuid, "accepted", moment, ("s-1",))
                continue
            (code,) = chance.choices([each for each, _ in _REASONS], [many for _, many in _REASONS])
            yield (
                call.service,
                FeedbackEntry(
                    card.uuid,
                    "overridden",
                    moment,
                    reason_code=code,
                    reason_system=OVERRIDE_SYSTEM if code else None,
                    user_comment="see note" if code is None and chance.random() < 0.5 else None,
                ),
            )
