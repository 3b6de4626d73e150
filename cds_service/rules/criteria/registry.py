"""Named criteria: what a rule file may ask, with the data each one reads.

A criterion is a plain function from a case (and arguments from the rule file) to an answer.
Registering it states which resource types it reads and which values it can put on a card,
each with the longest text it can have, so that the loader can refuse what cannot work.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NewType, get_type_hints

from cds_service.answer import Answer

ValueSetName = NewType("ValueSetName", str)
"""An argument that names a value set; the loader checks that it exists."""

MEDICATIONS = "medications"
CONDITIONS = "conditions"
ALLERGIES = "allergies"
PROCEDURES = "procedures"
LABORATORY = "laboratory"
"""What a criterion reads, in the words of missing data; the loader maps them to queries."""

READS: Mapping[str, tuple[str, ...]] = {
    MEDICATIONS: ("MedicationRequest",),
    CONDITIONS: ("Condition",),
    ALLERGIES: ("AllergyIntolerance",),
    PROCEDURES: ("Procedure",),
    LABORATORY: ("Observation",),
    "devices": ("Device",),
    "services": ("ServiceRequest",),
    "encounters": ("Encounter",),
    "patient": ("Patient",),
}
"""The resource types behind each kind of data."""


@dataclass(frozen=True, slots=True)
class Criterion:
    """A criterion as the loader and the engine know it."""

    name: str
    function: Callable[..., Answer]
    reads: tuple[str, ...]
    observations: tuple[str, ...]
    """Value sets of the results it reads."""
    values: Mapping[str, int]
    """Values it can put on a card -> the longest text of each."""
    parameters: Mapping[str, Any]
    """Argument name -> its type."""
    required: frozenset[str]
    summary: str
    about: str | None = None
    """The only kind of subject it can be asked of; ``None``: any."""


_CRITERIA: dict[str, Criterion] = {}


def criterion(
    *,
    reads: tuple[str, ...] = (),
    observations: tuple[str, ...] = (),
    values: Mapping[str, int] | None = None,
    about: str | None = None,
) -> Callable[[Callable[..., Answer]], Callable[..., Answer]]:
    """Register a function as a criterion under its own name."""

    def register(function: Callable[..., Answer]) -> Callable[..., Answer]:
        hints = get_type_hints(function)
        arguments = list(inspect.signature(function).parameters.values())[1:]
        _CRITERIA[function.__name__] = Criterion(
            name=function.__name__,
            function=function,
            reads=reads,
            observations=observations,
            values=values or {},
            parameters={each.name: hints[each.name] for each in arguments},
            required=frozenset(
                each.name for each in arguments if each.default is inspect.Parameter.empty
            ),
            summary=inspect.getdoc(function) or "",
            about=about,
        )
        return function

    return register


def all_criteria() -> Mapping[str, Criterion]:
    """Every registered criterion by name."""
    return _CRITERIA
