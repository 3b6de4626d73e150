"""The content of the rulebook that reading a chart needs: a type here, loaded by the rulebook."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache

from cds_service.chart.drugs import RouteWords
from cds_service.chart.limits import DataAges
from cds_service.chart.services import ServiceKind
from cds_service.fhir.terminology import Terminology


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The content of the rulebook that reading a chart needs."""

    terminology: Terminology
    routes: Mapping[str, RouteWords]
    service_kinds: Mapping[str, ServiceKind]
    data_ages: DataAges
    device_words: tuple[str, ...]
    """Whole words by which a device type says that it is an intrathecal pump."""
    partner_ingredients: Mapping[str, frozenset[str]]
    """Own ingredient -> every ingredient that a rule about it reads, its own included."""
    service_ingredients: frozenset[str]
    """Every ingredient that a rule about pump orders reads."""

    def single_ingredients(self, value_set: str) -> frozenset[str]:
        """The ingredients that alone are in a value set: a combination's other parts are not."""
        return _single_ingredients(self.terminology, value_set)

    @property
    def own_ingredients(self) -> frozenset[str]:
        """The drugs the rulebook is about."""
        return frozenset(self.partner_ingredients)

    def ingredients_read_about(self, ordered: Iterable[str]) -> frozenset[str]:
        """Every ingredient that a rule about an ordered drug reads."""
        found = [self.partner_ingredients.get(name, frozenset()) for name in ordered]
        return frozenset().union(*found)


@lru_cache(maxsize=64)
def _single_ingredients(terminology: Terminology, value_set: str) -> frozenset[str]:
    return frozenset(
        row.ingredients[0]
        for row in terminology.members(value_set)
        if len(row.ingredients) == 1 and not row.ingredients[0].endswith("(class)")
    )
