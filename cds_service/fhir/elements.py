"""The FHIR data types that resources share, as far as we read them.

Numbers are exact decimals. A number beyond 30 digits or an exponent beyond 30 is refused:
the resource that holds it is set aside.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import TypeVar

from msgspec import Struct

from cds_service.fhir.units import UCUM, Dimension, convert, ucum_code

T = TypeVar("T")

_MOST_DIGITS = 30
_LARGEST_EXPONENT = 30


def refuse_absurd_number(value: Decimal | None) -> None:
    """Raise ``ValueError`` for a number no clinician ever wrote."""
    if value is None:
        return
    if -_LARGEST_EXPONENT <= value.adjusted() <= _LARGEST_EXPONENT:
        digits = value.as_tuple()
        if len(digits.digits) <= _MOST_DIGITS and isinstance(digits.exponent, int):
            return
    raise ValueError("a number is too long or too large")


class Coding(Struct, frozen=True):
    """One code in one system."""

    system: str | None = None
    code: str | None = None
    display: str | None = None


class CodeableConcept(Struct, frozen=True):
    """Codings with the same meaning, and the words of whoever chose them."""

    coding: list[Coding] | Coding | None = None
    text: str | None = None
    # R5 orders write their code as a reference with a concept inside.
    concept: CodeableConcept | None = None

    @property
    def codings(self) -> list[Coding]:
        """The codings that carry a code."""
        inner = self.concept.codings if self.concept is not None else []
        return [coding for coding in as_list(self.coding) if coding.code] + inner

    @property
    def words(self) -> str:
        """Everything printed in it, for showing and for whole-word search where that is allowed."""
        displays = [coding.display for coding in as_list(self.coding) if coding.display]
        inner = [self.concept.words] if self.concept is not None else []
        printed = [*([self.text] if self.text else []), *displays, *inner]
        return " / ".join(dict.fromkeys(printed))


class Reference(Struct, frozen=True):
    """A pointer to another resource; in R5 also a concept, or a pointer one level down."""

    reference: str | Reference | None = None
    concept: CodeableConcept | None = None
    display: str | None = None

    @property
    def literal(self) -> str | None:
        """The literal reference, on whichever level the version writes it."""
        if isinstance(self.reference, Reference):
            return self.reference.literal
        return self.reference or None

    @property
    def words(self) -> str:
        """The printed name of what it points to."""
        inner = self.reference.words if isinstance(self.reference, Reference) else ""
        return self.display or inner


class Quantity(Struct, frozen=True):
    """A measured amount."""

    value: Decimal | None = None
    unit: str | None = None
    code: str | None = None
    system: str | None = None
    comparator: str | None = None

    def __post_init__(self) -> None:
        """Bound the number."""
        refuse_absurd_number(self.value)

    def to(self, dimension: Dimension) -> Decimal | None:
        """The exact value in the dimension's base unit; ``None`` without value or fitting unit."""
        if self.value is None:
            return None
        return convert(self.value, dimension, code=self.code, system=self.system, printed=self.unit)

    @property
    def ucum(self) -> str | None:
        """The UCUM code of its unit as our table knows it."""
        return ucum_code(self.code, self.system, self.unit)

    @property
    def has_unit(self) -> bool:
        """Whether any unit is stated, known to us or not."""
        return bool(self.unit or (self.code and self.system in (None, "", UCUM)) or self.code)


class Range(Struct, frozen=True):
    """From low to high."""

    low: Quantity | None = None
    high: Quantity | None = None


class Ratio(Struct, frozen=True):
    """Numerator per denominator."""

    numerator: Quantity | None = None
    denominator: Quantity | None = None


class Period(Struct, frozen=True):
    """From start to end, as written."""

    start: str | None = None
    end: str | None = None


def as_list(value: list[T] | T | None) -> list[T]:
    """One, many or none as a list: FHIR versions and real clients differ in this."""
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def concepts_in(value: object) -> Iterator[CodeableConcept]:
    """Every concept in a value that is one, a list of them, or an R5 reference to one."""
    for item in as_list(value):
        if isinstance(item, CodeableConcept):
            yield item
        elif isinstance(item, Reference) and item.concept is not None:
            yield item.concept


def references_in(value: object) -> Iterator[str]:
    """Every literal reference in a value that is one or a list of them."""
    for item in as_list(value):
        if isinstance(item, Reference) and item.literal:
            yield item.literal
