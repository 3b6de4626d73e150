"""The reference examples of the kidney formulas, to four significant digits."""

from __future__ import annotations

from decimal import Decimal

import pytest

from cds_service.chart.renal_formulas import (
    UMOL_PER_MG,
    adjusted_weight,
    bedside_schwartz,
    body_mass_index,
    body_surface_mosteller,
    ckd_epi_2021,
    cockcroft_gault,
    ideal_weight,
    not_indexed,
    shown_beside,
)

D = Decimal


def four_digits(value: Decimal) -> str:
    """A number as the reference table prints it."""
    return f"{value:.4g}"


@pytest.mark.parametrize(
    ("example", "age", "weight", "creatinine", "sex", "expected"),
    [
        ("R01", 70, D(75), D("1.0"), "male", "72.92"),
        ("R02", 65, D(70), D("1.4"), "male", "52.08"),
        ("R03", 45, D(60), D("0.9"), "female", "74.77"),
        ("R03b", 45, D(65), D("0.9"), "female", "81.00"),
        ("R04", 80, D(72), D("2.4"), "male", "25.00"),
        ("R05", 80, D("71.9"), D("2.4"), "male", "24.97"),
        ("R06", 72, D(58), D(150) / UMOL_PER_MG, "female", "27.44"),
        ("R08 actual", 60, D(120), D("1.2"), "female", "94.44"),
        ("R12", 82, D(48), D("1.3"), "female", "25.28"),
        ("R15", 58, D(154) * D("0.45359237"), D("1.6"), "male", "49.72"),
        ("R16", 88, D(41), D("0.6"), "female", "41.95"),
    ],
)
def test_cockcroft_gault(
    example: str, age: int, weight: Decimal, creatinine: Decimal, sex: str, expected: str
) -> None:
    """Creatinine clearance is as in the reference table."""
    assert expected == four_digits(cockcroft_gault(age, weight, creatinine, sex)), example


def test_exactly_25_is_not_below_25() -> None:
    """R04 is 25 exactly, however the arithmetic is ordered."""
    assert Decimal(25) == cockcroft_gault(80, D(72), D("2.4"), "male")


def test_one_constant_decides_a_boundary_case() -> None:
    """R07: with 88.4 umol/L to the mg/dL the clearance lies just below 25."""
    clearance = cockcroft_gault(80, D(72), D("212.2") / UMOL_PER_MG, "male")

    assert f"{clearance:.4f}" == "24.9953"
    assert shown_beside(clearance, D(25)) == "24.995"


def test_adjusted_weight_from_a_body_mass_index_of_30() -> None:
    """R08: ideal and adjusted weight, and the clearance by them."""
    assert four_digits(body_mass_index(D(120), D(160))) == "46.88"
    assert four_digits(ideal_weight(D(160), "female")) == "52.38"
    adjusted = adjusted_weight(D(120), D(160), "female")
    assert four_digits(adjusted) == "79.43"
    assert four_digits(cockcroft_gault(60, adjusted, D("1.2"), "female")) == "62.51"
    surface = body_surface_mosteller(D(120), D(160))
    assert four_digits(surface) == "2.309"
    egfr = ckd_epi_2021(60, D("1.2"), "female")
    assert four_digits(not_indexed(egfr, surface)) == "69.18"


@pytest.mark.parametrize(
    ("example", "age", "creatinine", "sex", "expected"),
    [
        ("R08", 60, D("1.2"), "female", "51.82"),
        ("R09", 50, D("1.1"), "male", "81.78"),
        ("R10", 55, D("0.9"), "female", "75.50"),
        ("R11 male", 40, D("0.8"), "male", "114.7"),
        ("R11 female", 40, D("0.6"), "female", "116.3"),
        ("R12", 82, D("1.3"), "female", "41.06"),
        ("R13 male", 75, D("1.25"), "male", "60.05"),
        ("R13 female", 78, D("0.97"), "female", "59.81"),
        ("R13 second", 78, D("1.0"), "female", "57.66"),
    ],
)
def test_ckd_epi_2021(example: str, age: int, creatinine: Decimal, sex: str, expected: str) -> None:
    """eGFR is as in the reference table."""
    assert expected == four_digits(ckd_epi_2021(age, creatinine, sex)), example


@pytest.mark.parametrize(
    ("height", "creatinine", "expected"),
    [(D(100), D("0.5"), "82.60"), (D(128), D("44.2") / UMOL_PER_MG, "105.7")],
)
def test_bedside_schwartz(height: Decimal, creatinine: Decimal, expected: str) -> None:
    """R14: a child's eGFR is as in the reference table."""
    assert expected == four_digits(bedside_schwartz(height, creatinine))


@pytest.mark.parametrize(
    ("value", "limit", "expected"),
    [
        (D("21.4"), D(25), "21.4"),
        (D("24.97"), D(25), "24.97"),
        (D("24.9953"), D(25), "24.995"),
        (D("25.04"), D(25), "25.04"),
        (D(25), D(25), "25.0"),
        (D("59.96"), D(60), "59.96"),
    ],
)
def test_a_value_is_shown_on_its_side_of_the_limit(
    value: Decimal, limit: Decimal, expected: str
) -> None:
    """One decimal, or as many as show the side; never a number on the wrong side."""
    assert expected == shown_beside(value, limit)
