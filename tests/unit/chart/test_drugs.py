"""The strength a product states."""

from __future__ import annotations

from decimal import Decimal

import pytest

from cds_service.chart.dose import Strength
from cds_service.chart.drugs import ratio_strength
from cds_service.fhir.elements import Quantity, Ratio


def milligrams(value: int) -> Quantity:
    return Quantity(value=Decimal(value), unit="mg")


@pytest.mark.parametrize(
    ("ratio", "strength"),
    [
        (None, None),
        (Ratio(), None),
        (Ratio(denominator=milligrams(1)), None),
        (Ratio(numerator=Quantity(value=Decimal(10), unit="{tablet}")), None),
        (Ratio(numerator=milligrams(10)), Strength(Decimal(10), per_millilitre=False)),
        (
            Ratio(numerator=milligrams(10), denominator=Quantity(value=Decimal(20), unit="mL")),
            Strength(Decimal("0.5"), per_millilitre=True),
        ),
    ],
)
def test_strength_of_a_ratio(ratio: Ratio | None, strength: Strength | None) -> None:
    assert ratio_strength(ratio) == strength
