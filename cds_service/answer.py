"""Yes, no or unknown: what a criterion answers, with the reason and the resources seen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import NoReturn


class Verdict(StrEnum):
    """The three answers."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Answer:
    """What was found out about one statement, and from what.

    ``doubt`` is set when the answer rests only on facts that are not certain
    (provisional, on hold, recently stopped ...); a finding that rests on it is one level
    lower. ``values`` are the words a card may quote.
    """

    verdict: Verdict
    reason: str
    evidence: tuple[str, ...] = ()
    doubt: str | None = None
    values: Mapping[str, str] = field(default_factory=dict)

    def __bool__(self) -> NoReturn:
        """Refuse truth testing: *unknown* would silently read as yes."""
        raise TypeError("an Answer is yes, no or unknown: compare .verdict")

    @property
    def is_yes(self) -> bool:
        """Whether the verdict is yes."""
        return self.verdict is Verdict.YES

    @property
    def is_no(self) -> bool:
        """Whether the verdict is no."""
        return self.verdict is Verdict.NO

    @property
    def is_unknown(self) -> bool:
        """Whether the verdict is unknown."""
        return self.verdict is Verdict.UNKNOWN

    def in_full(self) -> Answer:
        """The same answer without its doubt: modifiers and exclusions count in full."""
        return replace(self, doubt=None)


def yes(
    reason: str, *evidence: str, doubt: str | None = None, values: Mapping[str, str] | None = None
) -> Answer:
    """A statement that holds."""
    return Answer(Verdict.YES, reason, tuple(dict.fromkeys(evidence)), doubt, values or {})


def no(reason: str, *evidence: str) -> Answer:
    """A statement that does not hold."""
    return Answer(Verdict.NO, reason, tuple(dict.fromkeys(evidence)))


def unknown(reason: str, *evidence: str) -> Answer:
    """A statement that the data cannot decide."""
    return Answer(Verdict.UNKNOWN, reason, tuple(dict.fromkeys(evidence)))
