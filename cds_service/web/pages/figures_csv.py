"""The figures as tables for a spreadsheet (RFC 4180). Shares are between 0 and 1."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta, tzinfo

from cds_service.store.export import csv_line
from cds_service.store.figures import Insights, Outcome, Tally

_CARDS = (
    "shown",
    *Outcome,
    "answered",
    "override_rate",
    "override_rate_low",
    "override_rate_high",
)

Words = Mapping[str, str]
"""Titles of rules and texts of reasons, by id and code."""


def _rules(found: Insights, words: Words, zone: tzinfo | None) -> Iterator[str]:
    yield csv_line(("rule", "title", *_CARDS, "review", "comments"))
    for rule, tally in sorted(found.rules.items()):
        about = (rule, words.get(rule), *_cells(tally), tally.mark, str(tally.comments))
        yield csv_line(about)


def _reasons(found: Insights, words: Words, zone: tzinfo | None) -> Iterator[str]:
    yield csv_line(("rule", "title", "reason", "text", "overridden"))
    for rule, tally in sorted(found.rules.items()):
        for reason, count in tally.reasons.most_common():
            yield csv_line((rule, words.get(rule), reason, words[reason], str(count)))


def _trend(found: Insights, words: Words, zone: tzinfo | None) -> Iterator[str]:
    yield csv_line(("first_day", "last_day", "calls", "with_card", "with_critical", *_CARDS))
    for step in found.steps:
        last = step.end - timedelta(days=1)
        calls = (step.calls.calls, step.calls.with_card, step.calls.with_critical)
        days = (step.start.date().isoformat(), last.date().isoformat())
        yield csv_line((*days, *map(str, calls), *_cells(step.cards)))


def _services(found: Insights, words: Words, zone: tzinfo | None) -> Iterator[str]:
    yield csv_line(
        ("service", "hook", "calls", "with_card", "with_critical", "median_ms", "p95_ms")
    )
    for service, figures in found.services.items():
        calls = figures.calls
        counts = (calls.calls, calls.with_card, calls.with_critical)
        times = (f"{figures.median_ms:.0f}", f"{figures.p95_ms:.0f}")
        yield csv_line((service, figures.hook, *map(str, counts), *times))


def _slowest(found: Insights, words: Words, zone: tzinfo | None) -> Iterator[str]:
    yield csv_line(("at", "service", "duration_ms", "cards"))
    for each in found.slowest:
        at = each.at.astimezone(zone).isoformat(timespec="minutes")
        yield csv_line((at, each.service, f"{each.duration_ms:.1f}", str(each.cards)))


def _unknowns(found: Insights, words: Words, zone: tzinfo | None) -> Iterator[str]:
    yield csv_line(("datum", "cause", "calls", "share_of_calls"))
    for each in found.unchecked:
        share = _share(each.calls / found.calls.calls)
        yield csv_line((each.datum, each.cause, str(each.calls), share))


TABLES: Mapping[str, Callable[[Insights, Words, tzinfo | None], Iterator[str]]] = {
    "rules": _rules,
    "reasons": _reasons,
    "trend": _trend,
    "services": _services,
    "slowest": _slowest,
    "unknowns": _unknowns,
}
"""Name -> the lines of that table, its heading first."""


def _cells(tally: Tally) -> tuple[str | None, ...]:
    interval = tally.interval or (None, None)
    return (
        str(tally.shown),
        *(str(tally.outcomes[each]) for each in Outcome),
        str(tally.answered),
        *(_share(each) for each in (tally.override_rate, *interval)),
    )


def _share(share: float | None) -> str | None:
    return None if share is None else f"{share:.4f}"
