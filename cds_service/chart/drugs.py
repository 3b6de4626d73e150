"""Which drug a record means: ingredients, strength and route, from codes and never from text.

Text may say the route and the form, as whole words of the rulebook's own lists; it never
says the drug.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from cds_service.chart.dose import Strength
from cds_service.fhir.drug_records import DrugHead, Ingredient, Medication
from cds_service.fhir.elements import CodeableConcept, Ratio
from cds_service.fhir.references import ReferenceIndex
from cds_service.fhir.terminology import CodeRow, Match, Terminology
from cds_service.fhir.units import Dimension

CodedRow = tuple[CodeRow, str, str]
"""A row of the terminology with the normal system and code it was found by."""

_STRENGTH = re.compile(r"^(?P<amount>[0-9]+([.][0-9]+)?) mg(?P<per>/mL)?$")


@dataclass(frozen=True, slots=True)
class RouteWords:
    """How one route is recognised: its code set, words, and dose forms."""

    name: str
    code_set: str | None
    words: tuple[str, ...]
    forms: tuple[str, ...]
    is_systemic: bool


@dataclass(frozen=True, slots=True)
class Drug:
    """One drug as far as its codes tell."""

    rows: tuple[CodedRow, ...]
    words: str
    form_words: str
    strength: Strength | None
    is_known: bool
    """Whether any code of it is in our tables."""

    @property
    def ingredients(self) -> frozenset[str]:
        """The active ingredients its codes name; class rows name none."""
        return frozenset(
            name
            for row, _, _ in self.rows
            for name in row.ingredients
            if not name.endswith("(class)")
        )

    @property
    def product_forms(self) -> frozenset[str]:
        """The dose forms its product codes carry."""
        return frozenset(row.form for row, _, _ in self.rows if row.form)

    def match(self, value_set: str, terminology: Terminology) -> Match | None:
        """Why it belongs to a value set."""
        return terminology.match(value_set, self.rows)

    def mentions(self, ingredients: Iterable[str]) -> bool:
        """Whether its printed words name one of the ingredients, as whole words."""
        return names_a_word(self.words, ingredients)


def names_a_word(text: str, words: Iterable[str]) -> bool:
    """Whether any of the words stands in the text as a whole word (or phrase)."""
    lowered = text.lower()
    return any(
        re.search(rf"(?<![a-z0-9]){re.escape(word.lower())}(?![a-z0-9])", lowered) for word in words
    )


def read_drug(record: DrugHead, index: ReferenceIndex, terminology: Terminology) -> Drug:
    """Resolve the drug of a request, statement, administration or dispense."""
    rows = terminology.rows_of(record.concept)
    words = [record.concept.words] if record.concept is not None else []
    form_words = ""
    strength: Strength | None = None
    pointer = record.pointer
    if pointer is not None:
        words.append(pointer.words)
        product = index.find(pointer.literal, record)
        if isinstance(product, Medication):
            rows += terminology.rows_of(product.code)
            words.append(product.code.words if product.code is not None else "")
            form_words = product.dose_form.words if product.dose_form is not None else ""
            for ingredient in product.ingredients:
                rows += _ingredient_rows(ingredient, product, index, terminology)
                words.append(ingredient.concept.words if ingredient.concept is not None else "")
            strength = _stated_strength(product.ingredients)
    return Drug(
        rows=tuple(rows),
        words=" / ".join(dict.fromkeys(word for word in words if word)),
        form_words=form_words,
        strength=strength or _product_strength(rows),
        is_known=bool(rows),
    )


def _ingredient_rows(
    ingredient: Ingredient, product: Medication, index: ReferenceIndex, terminology: Terminology
) -> list[CodedRow]:
    concept: CodeableConcept | None = ingredient.concept
    pointer = ingredient.itemReference or ingredient.item
    if concept is None and pointer is not None:
        inner = index.find(pointer.literal, product)
        concept = inner.code if isinstance(inner, Medication) else None
    return terminology.rows_of(concept)


def _stated_strength(ingredients: list[Ingredient]) -> Strength | None:
    """The strength a product states, where it has one ingredient and so one strength."""
    if len(ingredients) != 1:
        return None
    return ratio_strength(ingredients[0].ratio)


def ratio_strength(ratio: Ratio | None) -> Strength | None:
    """Milligrams per millilitre or per piece, from a FHIR ratio."""
    if ratio is None or ratio.numerator is None:
        return None
    milligrams = ratio.numerator.to(Dimension.MASS)
    if milligrams is None:
        return None
    denominator = ratio.denominator
    if denominator is None or denominator.value is None:
        return Strength(milligrams, per_millilitre=False)
    volume = denominator.to(Dimension.VOLUME)
    if volume:
        return Strength(milligrams / volume, per_millilitre=True)
    pieces = denominator.to(Dimension.COUNT)
    if pieces is None and not denominator.has_unit:
        pieces = denominator.value
    return Strength(milligrams / pieces, per_millilitre=False) if pieces else None


def _product_strength(rows: Iterable[CodedRow]) -> Strength | None:
    """The strength of the verified product table; none where its codes disagree."""
    found = set()
    for row, _, _ in rows:
        strength = read_strength(row.strength or "")
        if strength is not None:
            found.add(strength)
    return found.pop() if len(found) == 1 else None


def read_strength(text: str) -> Strength | None:
    """A strength as the code lists write it, such as ``10 mg`` or ``2 mg/mL``."""
    stated = _STRENGTH.match(text)
    if stated is None:
        return None
    return Strength(Decimal(stated["amount"]), stated["per"] is not None)


def read_route(
    concept: CodeableConcept | None,
    drug: Drug,
    routes: Mapping[str, RouteWords],
    terminology: Terminology,
) -> str | None:
    """The route by its code, its words, the form's words, the product's form; else ``None``."""
    if concept is not None:
        rows = terminology.rows_of(concept)
        for route in routes.values():
            if route.code_set is not None and any(
                row.concept == route.code_set for row, _, _ in rows
            ):
                return route.name
        for route in routes.values():
            if names_a_word(concept.words, route.words):
                return route.name
    for route in routes.values():
        if drug.form_words and names_a_word(drug.form_words, route.forms):
            return route.name
    for route in routes.values():
        if drug.product_forms & frozenset(route.forms):
            return route.name
    if concept is not None and concept.words:
        return "other"
    return None
