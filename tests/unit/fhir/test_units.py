"""The unit table against an independent UCUM implementation."""

from __future__ import annotations

from decimal import Decimal

import pytest
from ucumvert import PintUcumRegistry

from cds_service.fhir.elements import Quantity
from cds_service.fhir.units import UCUM, UNITS, Dimension

# Arbitrary units and bare annotations have no conversion in UCUM; ours are stated in the table.
_NOT_COMPARED = {
    Dimension.COUNT, Dimension.RATIO, Dimension.ENZYME, Dimension.UNITS, Dimension.INDEXED_CLEARANCE,
}  # fmt: skip


@pytest.fixture(scope="module", name="registry")
def _registry() -> PintUcumRegistry:
    return PintUcumRegistry()


@pytest.mark.parametrize(
    ("code", "dimension"),
    [
        (code, unit.dimension)
        for code, units in UNITS.items()
        for unit in units
        if unit.dimension not in _NOT_COMPARED and "{" not in code
    ],
)
def test_factor_agrees_with_ucum(
    registry: PintUcumRegistry, code: str, dimension: Dimension
) -> None:
    """Every factor is that of UCUM."""
    ours = Quantity(value=Decimal(1), code=code, system=UCUM).to(dimension)
    theirs = registry.from_ucum(code).to(registry.from_ucum(dimension.value).units).magnitude

    assert ours is not None
    assert float(ours) == pytest.approx(theirs, rel=1e-12)


def test_indexed_and_absolute_clearance_never_convert() -> None:
    """mL/min and mL/min per 1.73 m2 are different quantities."""
    absolute = Quantity(value=Decimal(50), code="mL/min", system=UCUM)
    indexed = Quantity(value=Decimal(50), code="mL/min/{1.73_m2}", system=UCUM)

    assert absolute.to(Dimension.INDEXED_CLEARANCE) is None
    assert indexed.to(Dimension.VOLUME_RATE) is None


def test_a_ucum_code_is_taken_to_the_letter() -> None:
    """ "MG" claims to be UCUM and is megagauss there: it is no milligram."""
    assert Quantity(value=Decimal(1), code="MG", system=UCUM).to(Dimension.MASS) is None
    assert Decimal(1) == Quantity(value=Decimal(1), unit="MG").to(Dimension.MASS)
