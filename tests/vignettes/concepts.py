"""Concept names of the cases and the codes they stand for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from tests.vignettes.fhir_json import SYSTEMS, Json, coded, coding

HERE = Path(__file__).parent
CONCEPT_FILES = (HERE / "public" / "concepts.yaml", HERE / "concepts-own.yaml")
"""The second is optional and adds to, or replaces entries of, the first."""

UNKNOWN_CODE = "99999999"
"""An RxNorm-like number that no table holds."""


@dataclass(frozen=True, slots=True)
class Concepts:
    """Sections (conditions, drugs, tests ...) of named concepts."""

    sections: Mapping[str, Mapping[str, Json]]

    def entry(self, section: str, name: str) -> Json:
        """The raw entry; a name that is not there is an error in the case."""
        try:
            return self.sections[section][name]
        except KeyError:
            raise LookupError(f"no concept {name!r} under {section!r}") from None

    def has(self, section: str, name: str) -> bool:
        """Whether there is such a concept."""
        return name in self.sections.get(section, {})

    def find(self, name: str, *sections: str) -> Json:
        """The entry in the first of these sections that has the name."""
        for section in sections:
            if self.has(section, name):
                return self.entry(section, name)
        raise LookupError(f"no concept {name!r} under any of {sections}")


@cache
def load_concepts() -> Concepts:
    """All concept files, merged entry by entry."""
    merged: dict[str, dict[str, Json]] = {}
    for path in CONCEPT_FILES:
        if not path.exists():
            continue
        for section, entries in (yaml.safe_load(path.read_text("utf-8")) or {}).items():
            merged.setdefault(section, {}).update(entries)
    return Concepts(merged)


def systems_of(entry: Json) -> list[str]:
    """The coding systems an entry has codes in, its own order kept."""
    return [key for key in entry if key in SYSTEMS]


def codings_of(entry: Json, choice: Any = None) -> list[Json]:
    """The codings a case asks for by ``as``: nothing, one system, several, or ``text``."""
    if choice == "text":
        return []
    if choice is None:
        wanted = systems_of(entry)[:1]
    else:
        wanted = choice if isinstance(choice, list) else [choice]
    codings = []
    for system in wanted:
        if system not in systems_of(entry):
            raise LookupError(f"{entry.get('text')!r} has no code in {system!r}")
        codings.append(coding(system, entry[system], entry["text"]))
    return codings


def concept_of(
    entry: Json, choice: Any = None, *, text: str | None = None, text_only: bool = False
) -> Json:
    """The CodeableConcept of an entry; ``text`` replaces its own words."""
    codings = [] if text_only else codings_of(entry, choice)
    return coded(codings, text or entry["text"])


@dataclass(frozen=True, slots=True)
class DrugCoding:
    """A drug as one case wants it coded."""

    concept: Json
    """What goes into ``medicationCodeableConcept`` or ``Medication.code``."""
    ingredient: Json
    """The bare ingredient, always by its first system."""
    strength: list[Any] | None
    """``[n, unit, per, unit]`` of a product."""
    default_route: str | None


def drug_coding(
    concepts: Concepts, name: str, choice: Any = None, text: str | None = None
) -> DrugCoding:
    """Code a drug by ``as``: system keys, a product key, ``text`` or ``unknown-code``."""
    entry = concepts.entry("drugs", name)
    ingredient = concept_of(entry)
    route = entry.get("route")
    products = entry.get("products", {})
    if isinstance(choice, str) and choice in products:
        product = products[choice]
        system, code = product.get("system", "rxn"), product[product.get("system", "rxn")]
        made = coded([coding(system, code, product["text"])], text or product["text"])
        return DrugCoding(made, ingredient, product.get("strength"), product.get("route", route))
    if choice == "unknown-code":
        made = coded([coding("rxn", UNKNOWN_CODE, entry["text"])], text or entry["text"])
        return DrugCoding(made, ingredient, None, route)
    return DrugCoding(concept_of(entry, choice, text=text), ingredient, None, route)


def route_concept(concepts: Concepts, name: str | None) -> Json | None:
    """A route by name; one that has no concept is given in words; ``none`` is no route."""
    if name is None or name == "none":
        return None
    if concepts.has("routes", name):
        return concept_of(concepts.entry("routes", name))
    return coded([], f"{name.capitalize()} route")
