"""What became of the cards, as figures. Nothing in them is about one patient."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from cds_service.store.proportion import wilson_interval

REVIEW_LINE = 0.8
"""A rule that is overridden more often than this is to be reviewed."""

FREE_TEXT = "free-text"
OTHER_CODE = "other-code"
NO_REASON = "none"
"""In the place of a code: what an override gave that is no code of the rulebook."""


class Outcome(StrEnum):
    """What became of a card. The first two are reported; nobody reports the others."""

    ACCEPTED = "accepted"
    OVERRIDDEN = "overridden"
    IGNORED = "ignored"
    WAITING = "waiting"


class Mark(StrEnum):
    """How an override rate stands to the review line."""

    REVIEW = "review"
    """Above it with the whole interval."""
    WATCH = "watch"
    """Above it, perhaps by chance."""


@dataclass(frozen=True, slots=True)
class Scope:
    """What is counted: cards shown between the first and the last of ``edges``.

    ``edges`` are aware moments in rising order, at least two; between each two lies a step of the
    trend. A card without an answer is ignored once it is older than ``ignored_after``.
    """

    edges: Sequence[datetime]
    now: datetime
    service: str | None = None
    rule: str | None = None
    reasons: Collection[str] = ()
    """The codes of the rulebook: other codes are a client's own words, and only counted."""
    ignored_after: timedelta = timedelta(hours=24)


@dataclass(slots=True)
class Tally:
    """How many cards, and what became of them. Each card counts once, by its last answer."""

    outcomes: Counter[Outcome] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    """Overridden cards by code, or by ``FREE_TEXT``, ``OTHER_CODE``, ``NO_REASON``."""
    comments: int = 0
    """Overridden cards with a comment, beside a code or alone."""

    @property
    def shown(self) -> int:
        """All cards."""
        return self.outcomes.total()

    @property
    def answered(self) -> int:
        """Cards that an EHR has reported on."""
        return self.outcomes[Outcome.ACCEPTED] + self.outcomes[Outcome.OVERRIDDEN]

    @property
    def override_rate(self) -> float | None:
        """Overridden cards among those answered: a card nobody answered says nothing."""
        return self.outcomes[Outcome.OVERRIDDEN] / self.answered if self.answered else None

    @property
    def interval(self) -> tuple[float, float] | None:
        """The 95 % interval of the override rate."""
        if not self.answered:
            return None
        return wilson_interval(self.outcomes[Outcome.OVERRIDDEN], self.answered)

    @property
    def mark(self) -> Mark | None:
        """Whether the rate asks for a review."""
        rate, interval = self.override_rate, self.interval
        if rate is None or interval is None or rate <= REVIEW_LINE:
            return None
        return Mark.REVIEW if interval[0] > REVIEW_LINE else Mark.WATCH


@dataclass(slots=True)
class CallCounts:
    """Answered calls, and those among them with a card and with a critical one."""

    calls: int = 0
    with_card: int = 0
    with_critical: int = 0

    def __add__(self, other: CallCounts) -> CallCounts:
        return CallCounts(
            self.calls + other.calls,
            self.with_card + other.with_card,
            self.with_critical + other.with_critical,
        )


@dataclass(slots=True)
class Step:
    """One step of the trend."""

    start: datetime
    end: datetime
    """Not part of it."""
    calls: CallCounts = field(default_factory=CallCounts)
    cards: Tally = field(default_factory=Tally)


@dataclass(slots=True)
class ServiceFigures:
    """The calls of one service, and how long an answer took."""

    hook: str
    calls: CallCounts = field(default_factory=CallCounts)
    median_ms: float = 0.0
    p95_ms: float = 0.0
    """95 of 100 answers took no longer."""


@dataclass(frozen=True, slots=True)
class SlowCall:
    """A call that took long."""

    at: datetime
    service: str
    duration_ms: float
    cards: int


@dataclass(frozen=True, slots=True)
class Unchecked:
    """In how many calls a datum could not be judged for that cause."""

    datum: str
    cause: str
    calls: int


@dataclass(frozen=True, slots=True)
class Insights:
    """All figures of one scope.

    With a rule chosen, cards are those that carry it; ``slowest`` and ``unchecked`` stay those of
    all calls.
    """

    cards: Tally
    """Each card once, however many rules it carries."""
    rules: Mapping[str, Tally]
    """A card counts for every rule on it."""
    steps: Sequence[Step]
    services: Mapping[str, ServiceFigures]
    slowest: Sequence[SlowCall]
    unchecked: Sequence[Unchecked]
    """The most frequent first."""
    strangers: Mapping[str, int]
    """Reports on cards that were not shown by this service to that client, by outcome."""

    @property
    def calls(self) -> CallCounts:
        """Of all services."""
        return sum((each.calls for each in self.services.values()), CallCounts())
