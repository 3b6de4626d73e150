"""Figures about cards, read from the store in one transaction.

The databases count calls; cards are read one by one, because what stands on a card is JSON.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import (
    ColumnElement,
    Connection,
    Exists,
    FromClause,
    Integer,
    Select,
    Text,
    and_,
    cast,
    column,
    exists,
    func,
    select,
    true,
    tuple_,
    values,
)

from cds_service.cards.cards import OVERRIDE_SYSTEM
from cds_service.cds import Indicator
from cds_service.store.figures import (
    FREE_TEXT,
    NO_REASON,
    OTHER_CODE,
    Insights,
    Outcome,
    Scope,
    ServiceFigures,
    SlowCall,
    Step,
    Tally,
    Unchecked,
)
from cds_service.store.tables import Instant, calls, feedback, shown_cards

_PAGE = 2000
_SLOWEST = 20
_MEDIAN = 0.5
_P95 = 0.95


class _Finding(msgspec.Struct):
    """As much of a finding as is counted."""

    rule: str
    indicator: str


_findings = msgspec.json.Decoder(list[_Finding])


def read_insights(connection: Connection, scope: Scope) -> Insights:
    """All figures of a scope."""
    steps = [Step(*each) for each in zip(scope.edges, scope.edges[1:], strict=False)]
    services = _count_calls(connection, scope, steps)
    counted = _count_cards(connection, scope, steps, services)
    return Insights(
        cards=counted.cards,
        rules=counted.rules,
        steps=steps,
        services=services,
        slowest=_slowest(connection, scope),
        unchecked=_unchecked(connection, scope),
        strangers=_strangers(connection, scope),
    )


def _in_scope(scope: Scope) -> ColumnElement[bool]:
    in_period = and_(calls.c.at >= scope.edges[0], calls.c.at < scope.edges[-1])
    return and_(in_period, _of_service(scope))


def _of_service(scope: Scope) -> ColumnElement[bool]:
    return true() if scope.service is None else calls.c.service == scope.service


# --- calls ----------------------------------------------------------------------------------------


def _count_calls(
    connection: Connection, scope: Scope, steps: Sequence[Step]
) -> dict[str, ServiceFigures]:
    """Calls by step and by service. The days of a site begin where no database knows."""
    step = (
        values(column("number", Integer), column("since", Instant), column("until", Instant))
        .data([(number, each.start, each.end) for number, each in enumerate(steps)])
        .cte("step")
    )
    found: dict[str, ServiceFigures] = {}
    for number, service, hook, count in connection.execute(
        select(step.c.number, calls.c.service, calls.c.hook, func.count())
        .join(calls, and_(calls.c.at >= step.c.since, calls.c.at < step.c.until))
        .where(_of_service(scope))
        .group_by(step.c.number, calls.c.service, calls.c.hook)
        .order_by(calls.c.service)
    ):
        steps[number].calls.calls += count
        found.setdefault(service, ServiceFigures(hook)).calls.calls += count
    _time_calls(connection, scope, found)
    return found


def _time_calls(
    connection: Connection, scope: Scope, services: Mapping[str, ServiceFigures]
) -> None:
    """Medians and 95th percentiles, to the millisecond."""
    took = func.round(calls.c.duration_ms)
    passed: Counter[str] = Counter()
    for service, duration, count in connection.execute(
        select(calls.c.service, took, func.count())
        .where(_in_scope(scope))
        .group_by(calls.c.service, took)
        .order_by(took)
    ):
        figures = services[service]
        if passed[service] < _MEDIAN * figures.calls.calls:
            figures.median_ms = duration
        if passed[service] < _P95 * figures.calls.calls:
            figures.p95_ms = duration
        passed[service] += count


def _slowest(connection: Connection, scope: Scope) -> list[SlowCall]:
    on_it = select(func.count()).where(shown_cards.c.call == calls.c.id).scalar_subquery()
    rows = connection.execute(
        select(calls.c.at, calls.c.service, calls.c.duration_ms, on_it)
        .where(_in_scope(scope))
        .order_by(calls.c.duration_ms.desc(), calls.c.at.desc())
        .limit(_SLOWEST)
    )
    return [SlowCall(*row) for row in rows]


def _unchecked(connection: Connection, scope: Scope) -> list[Unchecked]:
    """A call counts once for a datum and a cause, however many orders lacked it."""
    text = cast(calls.c.unknowns, Text)
    counted: Counter[tuple[str, str]] = Counter()
    for unknowns, count in connection.execute(
        select(text, func.count()).where(_in_scope(scope), text != "[]").group_by(text)
    ):
        for pair in {(each["datum"], each["cause"]) for each in msgspec.json.decode(unknowns)}:
            counted[pair] += count
    most = sorted(counted.items(), key=lambda item: (-item[1], item[0]))
    return [Unchecked(datum, cause, count) for (datum, cause), count in most]


# --- cards ----------------------------------------------------------------------------------------


class _Answer(NamedTuple):
    """What was reported of a card; ``outcome`` is ``None`` where nothing was."""

    outcome: str | None
    reason_code: str | None
    reason_system: str | None
    has_comment: bool


@dataclass
class _Counted:
    cards: Tally = field(default_factory=Tally)
    rules: defaultdict[str, Tally] = field(default_factory=lambda: defaultdict(Tally))
    with_card: set[str] = field(default_factory=set)
    with_critical: set[str] = field(default_factory=set)


def _count_cards(
    connection: Connection,
    scope: Scope,
    steps: Sequence[Step],
    services: Mapping[str, ServiceFigures],
) -> _Counted:
    """Cards with the last answer to each, and the calls they were shown in."""
    counted = _Counted()
    starts = [step.start for step in steps]
    rows = connection.execution_options(yield_per=_PAGE).execute(_shown(scope))
    for call, at, service, text, *answer in rows:
        findings = _findings.decode(text)
        if scope.rule is not None:
            findings = [each for each in findings if each.rule == scope.rule]
            if not findings:
                continue
        step = steps[bisect_right(starts, at) - 1]
        of_rules = [counted.rules[rule] for rule in {each.rule for each in findings}]
        _count([counted.cards, step.cards, *of_rules], _Answer(*answer), at, scope)
        in_calls = (step.calls, services[service].calls)
        if call not in counted.with_card:
            counted.with_card.add(call)
            for each in in_calls:
                each.with_card += 1
        is_critical = any(each.indicator == Indicator.CRITICAL for each in findings)
        if is_critical and call not in counted.with_critical:
            counted.with_critical.add(call)
            for each in in_calls:
                each.with_critical += 1
    return counted


def _count(tallies: Sequence[Tally], answer: _Answer, at: datetime, scope: Scope) -> None:
    if answer.outcome is not None:
        outcome = Outcome(answer.outcome)
    else:
        is_old = at <= scope.now - scope.ignored_after
        outcome = Outcome.IGNORED if is_old else Outcome.WAITING
    for tally in tallies:
        tally.outcomes[outcome] += 1
        if outcome is Outcome.OVERRIDDEN:
            tally.reasons[_reason(answer, scope)] += 1
            tally.comments += answer.has_comment


def _reason(answer: _Answer, scope: Scope) -> str:
    if answer.reason_code is None:
        return FREE_TEXT if answer.has_comment else NO_REASON
    is_ours = answer.reason_system == OVERRIDE_SYSTEM and answer.reason_code in scope.reasons
    return answer.reason_code if is_ours else OTHER_CODE


def _shown(scope: Scope) -> Select[Any]:
    """Call, its moment, its service, the findings as JSON, and the columns of ``_Answer``."""
    answer = feedback.alias("answer")
    of_the_card = and_(answer.c.card == shown_cards.c.uuid, answer.c.tenant == calls.c.tenant)
    return (
        select(
            shown_cards.c.call,
            calls.c.at,
            calls.c.service,
            cast(shown_cards.c.findings, Text),
            answer.c.outcome,
            answer.c.reason_code,
            answer.c.reason_system,
            answer.c.user_comment.is_not(None),
        )
        .join_from(calls, shown_cards, shown_cards.c.call == calls.c.id)
        .join(answer, and_(of_the_card, ~_later_than(answer)), isouter=True)
        .where(_in_scope(scope))
    )


def _later_than(answer: FromClause) -> Exists:
    """Whether the clinician did something else with the card later, by the client's clock."""
    later = feedback.alias("later")
    return exists().where(
        later.c.card == answer.c.card,
        later.c.tenant == answer.c.tenant,
        tuple_(later.c.outcome_timestamp, later.c.received_at, later.c.id)
        > tuple_(answer.c.outcome_timestamp, answer.c.received_at, answer.c.id),
    )


def _strangers(connection: Connection, scope: Scope) -> dict[str, int]:
    """Reports received in the period on cards that were not shown to their tenant."""
    known = (
        select(shown_cards.c.uuid)
        .join(calls, calls.c.id == shown_cards.c.call)
        .where(shown_cards.c.uuid == feedback.c.card, calls.c.tenant == feedback.c.tenant)
    )
    received = and_(
        feedback.c.received_at >= scope.edges[0], feedback.c.received_at < scope.edges[-1]
    )
    query = select(feedback.c.outcome, func.count()).where(received, ~known.exists())
    if scope.service is not None:
        query = query.where(feedback.c.service == scope.service)
    rows = connection.execute(query.group_by(feedback.c.outcome).order_by(feedback.c.outcome))
    return dict(map(tuple, rows))
