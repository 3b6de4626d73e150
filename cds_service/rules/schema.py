"""The rulebook as frozen types: what the rule files say, checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Literal

from cds_service.cds import Indicator, Service
from cds_service.chart.intrathecal import ORDER_KINDS
from cds_service.chart.orders import Change
from cds_service.chart.vocabulary import Vocabulary
from cds_service.rules.criteria.registry import Criterion

About = Literal["order", "change", "pair", "service", "datum", "patient"]
Origin = Literal["label", "literature", "guideline", "proposed"]


@dataclass(frozen=True, slots=True)
class Source:
    """A document that is cited."""

    id: str
    label: str
    title: str
    kind: str
    url: str | None
    last_reviewed: str


@dataclass(frozen=True, slots=True)
class Citation:
    """A source as one rule rests on it."""

    source: Source
    strength: str


@dataclass(frozen=True, slots=True)
class Parameter:
    """A number or word of a rule that has an origin; *proposed* ones await a pharmacist."""

    name: str
    value: Decimal | str
    unit: str
    origin: Origin
    meaning: str


@dataclass(frozen=True, slots=True)
class Call:
    """One criterion with its arguments."""

    criterion: Criterion
    arguments: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Group:
    """``all``, ``any`` or ``none`` of some calls: the second level, and the last."""

    kind: Literal["all", "any", "none"]
    members: tuple[Call, ...]


@dataclass(frozen=True, slots=True)
class When:
    """All of ``all``, one of ``any``, none of ``none``, and all of ``given``.

    What stands under ``none`` and ``given`` excludes or modifies: there a doubtful fact
    counts in full.
    """

    all: tuple[Call | Group, ...] = ()
    any: tuple[Call | Group, ...] = ()
    none: tuple[Call | Group, ...] = ()
    given: tuple[Call | Group, ...] = ()


@dataclass(frozen=True, slots=True)
class Wording:
    """The words of a card; ``{name}`` stands for a value of a criterion or of the subject."""

    summary: str
    detail: str


@dataclass(frozen=True, slots=True)
class Offer:
    """One suggestion: which builder makes it, under which label, for which changes."""

    kind: str
    label: str
    changes: frozenset[Change]
    arguments: Mapping[str, Any]
    is_recommended: bool = False


@dataclass(frozen=True, slots=True)
class Aside:
    """What a rule that stays silent still has to say inside another card of the order."""

    when: When
    text: str


@dataclass(frozen=True, slots=True)
class Grade:
    """One degree of a rule."""

    indicator: Indicator
    when: When
    changes: frozenset[Change]
    wording: Wording
    offers: tuple[Offer, ...]
    datum: str | None = None
    """For the rule about missing data: which datum this grade asks for."""


@dataclass(frozen=True, slots=True)
class Subject:
    """Which orders, pairs or changes a rule is about."""

    about: About
    drug: str | None = None
    routes: frozenset[str] = frozenset()
    partner: str | None = None
    washout_days: Mapping[str, int] = field(default_factory=dict)
    """Ingredient (or ``default``) -> days after its stop for which a partner still counts."""
    services: frozenset[str] = frozenset()
    partner_by_any_route: bool = False
    """Its value set tells the forms apart already; else only systemic partners count."""
    washout_is_certain: bool = False
    """A partner inside its window counts in full, and one whose end is not known is taken."""

    @property
    def can_be_a_drug_order(self) -> bool:
        """Whether drafts that are all drug orders can bring it up: by drug, or as a pump order."""
        return self.drug is not None or not self.services or bool(self.services & ORDER_KINDS)


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule file."""

    id: str
    file: str
    title: str
    sentence: str
    statements: tuple[str, ...]
    topic: str
    citations: tuple[Citation, ...]
    last_reviewed: str
    subject: Subject
    changes: Mapping[Change, Literal["full", "new-facts"]]
    when: When
    parameters: Mapping[str, Parameter]
    grades: tuple[Grade, ...]
    selection: str | None
    override_reasons: tuple[str, ...]
    aside: Aside | None
    swallowed_by: Mapping[str, frozenset[Indicator]]
    """Rule id -> the indicators at which that rule hides a finding of this one."""
    in_patient_view: bool
    in_order_hooks: bool
    not_covered: tuple[str, ...]

    @property
    def most_severe(self) -> Indicator:
        """The highest indicator the rule can give."""
        return max((grade.indicator for grade in self.grades), key=lambda each: each.rank)

    @property
    def reads(self) -> frozenset[str]:
        """The kinds of data its criteria read."""
        return frozenset(kind for call in self.calls() for kind in call.criterion.reads)

    def calls(self) -> list[Call]:
        """Every criterion call of the rule."""
        found: list[Call] = []
        conditions = [self.when, *(grade.when for grade in self.grades)]
        if self.aside is not None:
            conditions.append(self.aside.when)
        for when in conditions:
            for node in (*when.all, *when.any, *when.none, *when.given):
                found += node.members if isinstance(node, Group) else (node,)
        return found


@dataclass(frozen=True, slots=True)
class OverrideReason:
    """A coded reason for not following a card."""

    code: str
    display: str


@dataclass(frozen=True, slots=True)
class Merge:
    """Rules whose findings about one order share a card."""

    rules: frozenset[str]
    same_partner: bool
    """Only where both rest on the same one drug."""


@dataclass(frozen=True, slots=True)
class SilenceLimits:
    """How long an override may silence what is dangerous, whatever the site chooses."""

    short_hours: int
    """For critical findings and for the rules below."""
    short_rules: frozenset[str]


@dataclass(frozen=True)
class Rulebook:
    """Everything the service knows, loaded once and frozen."""

    version: str
    services: Mapping[str, Service]
    rules: Mapping[str, Rule]
    vocabulary: Vocabulary
    sources: Mapping[str, Source]
    override_reasons: Mapping[str, OverrideReason]
    merges: tuple[Merge, ...]
    silence: SilenceLimits
