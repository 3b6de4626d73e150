"""Value sets and products as types: which sets a code belongs to, and what a product contains.

They are loaded by the rulebook and passed down; nothing here reads a file. Codes are
compared as their system demands: ICD codes without dot and case, NDC codes with and without
hyphens, everything else to the letter. A code that is in no table is *unknown*: never
"not baclofen".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from cds_service.fhir.elements import CodeableConcept, Coding

RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
SNOMED_CT = "http://snomed.info/sct"
LOINC = "http://loinc.org"
ICD10_CM = "http://hl7.org/fhir/sid/icd-10-cm"
ICD10 = "http://hl7.org/fhir/sid/icd-10"
ICD10_PCS = "http://www.cms.gov/Medicare/Coding/ICD10"
NDC = "http://hl7.org/fhir/sid/ndc"
ATC = "http://www.whocc.no/atc"

SYSTEMS = frozenset({RXNORM, SNOMED_CT, LOINC, ICD10_CM, ICD10, ICD10_PCS, NDC, ATC})

_OTHER_NAMES = {
    "urn:oid:2.16.840.1.113883.6.88": RXNORM,
    "urn:oid:2.16.840.1.113883.6.96": SNOMED_CT,
    "urn:oid:2.16.840.1.113883.6.1": LOINC,
    "urn:oid:2.16.840.1.113883.6.90": ICD10_CM,
    "urn:oid:2.16.840.1.113883.6.3": ICD10,
    "urn:oid:2.16.840.1.113883.6.69": NDC,
    "urn:oid:2.16.840.1.113883.6.73": ATC,
}
_DOTTED = frozenset({ICD10_CM, ICD10})
_SPELLED_OUT = frozenset({ICD10_CM, ICD10, ICD10_PCS, ATC})
SHORTEST_PREFIX = 3
"""A shorter prefix is never looked for."""


@lru_cache(maxsize=512)
def normal_system(system: str | None) -> str:
    """The one name we use for a code system."""
    plain = (system or "").strip().rstrip("/")
    if plain.startswith(SNOMED_CT):
        # Editions are named by a module behind the system.
        return SNOMED_CT
    if plain.startswith("https://"):
        insecure = "http://" + plain.removeprefix("https://")
        if insecure in (RXNORM, LOINC, ICD10_CM, ICD10, NDC, ATC, ICD10_PCS):
            return insecure
    return _OTHER_NAMES.get(plain, plain)


def normal_code(system: str, code: str) -> str:
    """A code as it is compared within its (normal) system."""
    plain = code.strip()
    if system in _DOTTED:
        return plain.replace(".", "").upper()
    if system == NDC:
        return _eleven_digits(plain)
    return plain.upper() if system in (ATC, ICD10_PCS) else plain


def _eleven_digits(code: str) -> str:
    """NDC as 5-4-2 without hyphens; other shapes as they are."""
    parts = code.split("-")
    if len(parts) == 3:  # noqa: PLR2004 - labeler, product, package
        return parts[0].zfill(5) + parts[1].zfill(4) + parts[2].zfill(2)
    return code


@dataclass(frozen=True, slots=True)
class CodeRow:
    """One code of one concept, as the rulebook holds it."""

    concept: str
    system: str
    code: str
    is_prefix: bool
    display: str
    ingredients: tuple[str, ...] = ()
    strength: str | None = None
    form: str | None = None


@dataclass(frozen=True, slots=True)
class CodeRule:
    """Codes by which a value set is narrowed: ``*`` is the whole system.

    In systems whose codes spell out a hierarchy (ICD, ATC) a code stands for all below it.
    """

    system: str
    codes: tuple[str, ...]

    def covers(self, system: str, code: str) -> bool:
        """Whether a normal code falls under it."""
        if system != self.system:
            return False
        if "*" in self.codes:
            return True
        return code.startswith(self.codes) if system in _SPELLED_OUT else code in self.codes


@dataclass(frozen=True, slots=True)
class Part:
    """Concepts, narrowed by ingredient or code."""

    concepts: frozenset[str]
    ingredients: frozenset[str] = frozenset()
    without_ingredients: frozenset[str] = frozenset()
    only_codes: tuple[CodeRule, ...] = ()
    without_codes: tuple[CodeRule, ...] = ()

    def takes(self, row: CodeRow, system: str, code: str) -> bool:
        """Whether a code found as this row belongs to the part."""
        if row.concept not in self.concepts:
            return False
        if self.only_codes and not any(rule.covers(system, code) for rule in self.only_codes):
            return False
        if any(rule.covers(system, code) for rule in self.without_codes):
            return False
        named = set(row.ingredients)
        if self.ingredients and not named & self.ingredients:
            return False
        return not named or bool(named - self.without_ingredients)


@dataclass(frozen=True, slots=True)
class ValueSet:
    """Codes with one meaning for a rule: parts joined.

    ``unless`` names guard concepts: a resource that also carries a code of one of them is a
    near miss and no member.
    """

    name: str
    title: str
    parts: tuple[Part, ...]
    unless: frozenset[str] = frozenset()

    def takes(self, row: CodeRow, system: str, code: str) -> bool:
        """Whether a code found as this row is in the set."""
        return any(part.takes(row, system, code) for part in self.parts)


@dataclass(frozen=True, slots=True)
class Match:
    """Why a resource is in a value set."""

    value_set: str
    system: str
    code: str
    display: str
    ingredients: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Terminology:
    """Every code the rulebook knows."""

    rows: tuple[CodeRow, ...]
    value_sets: Mapping[str, ValueSet]
    _exact: dict[tuple[str, str], list[CodeRow]] = field(default_factory=dict, repr=False)
    _prefix: dict[tuple[str, str], list[CodeRow]] = field(default_factory=dict, repr=False)
    _prefixed_systems: set[str] = field(default_factory=set, repr=False)
    _concepts: dict[str, list[CodeRow]] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        """Index the rows."""
        for row in self.rows:
            index = self._prefix if row.is_prefix else self._exact
            index.setdefault((row.system, row.code), []).append(row)
            self._concepts.setdefault(row.concept, []).append(row)
            if row.is_prefix:
                self._prefixed_systems.add(row.system)

    def lookup(self, coding: Coding) -> tuple[CodeRow, ...]:
        """The rows of a coding; none for a code we do not hold."""
        if not coding.code:
            return ()
        system = normal_system(coding.system)
        code = normal_code(system, coding.code)
        key = (system, code)
        found = list(self._exact.get(key, ()))
        if system in self._prefixed_systems:
            for length in range(min(SHORTEST_PREFIX, len(code)), len(code) + 1):
                found += self._prefix.get((system, code[:length]), ())
        return tuple(found)

    def rows_of(self, concept: CodeableConcept | None) -> list[tuple[CodeRow, str, str]]:
        """The rows of every coding of a concept, each with the normal system and code."""
        if concept is None:
            return []
        found = []
        for coding in concept.codings:
            system = normal_system(coding.system)
            code = normal_code(system, coding.code or "")
            found += [(row, system, code) for row in self.lookup(coding)]
        return found

    def match(self, value_set: str, rows: Iterable[tuple[CodeRow, str, str]]) -> Match | None:
        """Why rows found for one resource put it into a value set; ``None`` if they do not."""
        wanted = self.value_sets[value_set]
        rows = list(rows)
        if wanted.unless and any(row.concept in wanted.unless for row, _, _ in rows):
            return None
        for row, system, code in rows:
            if wanted.takes(row, system, code):
                return Match(value_set, system, code, row.display, row.ingredients)
        return None

    def rows_for(self, concept: str) -> Sequence[CodeRow]:
        """The rows of a concept; none for one that is not held."""
        return self._concepts.get(concept, ())

    def members(self, value_set: str) -> list[CodeRow]:
        """The rows of a value set, concept by concept."""
        wanted = self.value_sets[value_set]
        concepts = {concept for part in wanted.parts for concept in part.concepts}
        return [
            row
            for concept in sorted(concepts)
            for row in self.rows_for(concept)
            if wanted.takes(row, row.system, row.code)
        ]

    def codes_of(self, value_set: str, system: str) -> list[str]:
        """The codes of a value set in one system, in order; for prefetch and documentation."""
        return sorted(row.code for row in self.members(value_set) if row.system == system)
