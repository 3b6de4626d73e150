"""The rules as entries that can be searched and filtered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cds_service.documentation.material import Material
from cds_service.documentation.subject import short_subject
from cds_service.documentation.value_sets import concepts_of, sets_of
from cds_service.rules.rulefile import TOPICS
from cds_service.rules.schema import Rule

DRUGS: Mapping[str, str] = {
    "oral-baclofen": "Baclofen, oral",
    "intrathecal-baclofen": "Baclofen, intrathecal, and pumps",
    "tizanidine": "Tizanidine",
}
_OF_A_PUMP = ("pump", "screening", "intrathecal")
"""Words in the names of orders that are about intrathecal baclofen."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One rule as the catalogue lists it."""

    rule: Rule
    about: str
    """Drugs or kinds of order in a few words; Markdown."""
    statements: tuple[str, ...]
    drugs: frozenset[str]
    """Keys of ``DRUGS``."""
    text: str
    """What a search looks at, in small letters."""

    @property
    def indicators(self) -> list[str]:
        """The most severe first, each once."""
        found = {grade.indicator for grade in self.rule.grades}
        return [each.value for each in sorted(found, key=lambda each: each.rank, reverse=True)]


@dataclass(frozen=True, slots=True)
class Search:
    """What is looked for; what is empty does not narrow."""

    words: str = ""
    drug: str = ""
    topic: str = ""
    indicator: str = ""

    def finds(self, entry: Entry) -> bool:
        """Whether an entry has every word and is of that drug, topic and indicator."""
        return (
            all(word in entry.text for word in self.words.casefold().split())
            and self.drug in {"", *entry.drugs}
            and self.topic in {"", entry.rule.topic}
            and self.indicator in {"", *entry.indicators}
        )


def entries(material: Material) -> list[Entry]:
    """Every rule, by topic and then in the order of the rulebook."""
    rules = sorted(
        material.rulebook.rules.values(), key=lambda rule: TOPICS.index(rule.topic)
    )  # a stable sort
    ingredients = _ingredients(material)
    return [_entry(rule, material, ingredients) for rule in rules]


def by_topic(found: Sequence[Entry]) -> Mapping[str, list[Entry]]:
    """Topic -> its entries, without topics that have none."""
    groups: dict[str, list[Entry]] = {}
    for entry in found:
        groups.setdefault(entry.rule.topic, []).append(entry)
    return groups


def _entry(rule: Rule, material: Material, ingredients: Mapping[str, frozenset[str]]) -> Entry:
    sets = sets_of(rule, material.rulebook)
    titles = material.rulebook.vocabulary.terminology.value_sets
    statements = material.statements_of(rule.id)
    texts = [
        rule.id,
        rule.title,
        rule.sentence,
        rule.topic,
        *(f"{each.id} {each.claim}" for each in statements),
        *(f"{grade.wording.summary} {grade.wording.detail}" for grade in rule.grades),
        *(offer.label for grade in rule.grades for offer in grade.offers),
        *(parameter.meaning for parameter in rule.parameters.values()),
        *(citation.source.label for citation in rule.citations),
        *rule.not_covered,
        *(f"{name} {titles[name].title}" for name in sets),
        *sorted({each for name in sets for each in ingredients[name]}),
    ]
    return Entry(
        rule=rule,
        about=short_subject(rule, material.rulebook),
        statements=tuple(each.id for each in statements),
        drugs=_drugs(rule, ingredients),
        text=" ".join(texts).casefold(),
    )


def _ingredients(material: Material) -> Mapping[str, frozenset[str]]:
    """Value set -> the ingredients of the code lists it is made of and does not leave out."""
    terminology = material.rulebook.vocabulary.terminology
    of_concept: dict[str, set[str]] = {}
    for row in terminology.rows:
        of_concept.setdefault(row.concept, set()).update(row.ingredients)
    found = {}
    for name, value_set in terminology.value_sets.items():
        named = {each for concept in concepts_of(name, terminology) for each in of_concept[concept]}
        wanted: set[str] = set()
        for part in value_set.parts:
            wanted |= (part.ingredients or named) - part.without_ingredients
        found[name] = frozenset(named & wanted)
    return found


def _drugs(rule: Rule, ingredients: Mapping[str, frozenset[str]]) -> frozenset[str]:
    own = ingredients[rule.subject.drug] if rule.subject.drug is not None else frozenset[str]()
    routes = rule.subject.routes or {"oral", "intrathecal"}
    found = {f"{route}-baclofen" for route in routes if "baclofen" in own}
    if "tizanidine" in own and "oral" in routes:
        found.add("tizanidine")
    if any(word in service for word in _OF_A_PUMP for service in rule.subject.services):
        found.add("intrathecal-baclofen")
    return frozenset(found & DRUGS.keys())
