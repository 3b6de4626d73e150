"""Daily doses from instructions: what an order allows at most on one day."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from msgspec import Raw

from cds_service.chart.dose import Regimen, Strength, read_regimen
from cds_service.fhir.dosage import read_dosages
from cds_service.fhir.units import UCUM

D = Decimal
FIVE_MG_PER_ML = Strength(D(5), per_millilitre=True)
HALF_MG_PER_ML = Strength(D("0.5"), per_millilitre=True)
TEN_MG_TABLET = Strength(D(10), per_millilitre=False)

Json = dict[str, Any]


def dose(value: object, unit: str, **members: object) -> Json:
    """An instruction with one amount."""
    quantity = {"value": value, "unit": unit, "code": unit, "system": UCUM}
    return {"doseAndRate": [{"doseQuantity": quantity}]} | members


def repeat(**members: object) -> Json:
    """A timing."""
    return {"timing": {"repeat": members}}


def a_day(times: int) -> Json:
    """So many times a day."""
    return repeat(frequency=times, period=1, periodUnit="d")


def regimen(*instructions: Json, strength: Strength | None = None) -> Regimen:
    """The regimen of instructions as they come on the wire."""
    return read_regimen(read_dosages(Raw(json.dumps(instructions).encode())), strength)


RANGE = {
    "doseAndRate": [
        {
            "doseRange": {
                "low": {"value": 10, "unit": "mg", "code": "mg", "system": UCUM},
                "high": {"value": 20, "unit": "mg", "code": "mg", "system": UCUM},
            }
        }
    ]
}


@pytest.mark.parametrize(
    ("instructions", "strength", "daily_mg"),
    [
        ([dose(20, "mg") | a_day(3)], None, "60"),
        ([dose(10, "mg", asNeededBoolean=True) | repeat(frequency=1, period=4, periodUnit="h")],
         None, "60"),
        ([RANGE | repeat(frequency=1, period=6, periodMax=8, periodUnit="h")], None, "80"),
        ([dose(5, "mg") | repeat(timeOfDay=["08:00:00", "12:00:00"]),
          dose(10, "mg") | repeat(timeOfDay=["20:00:00"])], None, "20"),
        ([dose(15, "mg", sequence=1) | a_day(3), dose(10, "mg", sequence=2) | a_day(3)],
         None, "45"),
        ([dose(5, "mL") | a_day(4)], FIVE_MG_PER_ML, "100"),
        ([{"doseAndRate": [{"rateQuantity": {"value": 8, "unit": "\u03bcg/h"}}]}], None, "0.192"),
        ([{"doseAndRate": [{"rateQuantity": {"value": 0.35, "unit": "mL/d", "code": "mL/d",
                                             "system": UCUM}}]}], HALF_MG_PER_ML, "0.175"),
        ([dose(4, "mg") | repeat(frequency=3, period=1, periodUnit="d",
                                 dayOfWeek=["mon", "wed", "fri"])], None, "12"),
        ([dose(4, "mg", asNeededBoolean=True, maxDosePerPeriod={
            "numerator": {"value": 3}, "denominator": {"value": 1, "code": "d", "system": UCUM}})],
         None, "12"),
        ([dose(4, "mg", asNeededBoolean=True, maxDosePerPeriod={
            "numerator": {"value": 24, "unit": "mg"},
            "denominator": {"value": 1, "code": "d", "system": UCUM}})], None, "24"),
        ([dose(2, "{tablet}") | a_day(2)], TEN_MG_TABLET, "40"),
        ([dose(10, "mg", timing={"code": {"coding": [{"code": "TID"}]}})], None, "30"),
        ([dose(10, "mg", timing={"code": {"text": "Q6H PRN"}})], None, "40"),
        ([dose(10, "mg") | repeat(when=["MORN", "NOON", "EVE"])], None, "30"),
        ([dose(10, "mg") | repeat(frequency=1, period=1, periodUnit="wk")], None, "10"),
        ([dose(10, "mg") | repeat(frequency=1, period=5, periodUnit="h")], None, "50"),
        ([dose(50, "ug") | repeat(count=1)], None, "0.05"),
        ([dose("0.35", "mg") | a_day(1)], None, "0.35"),
    ],
)  # fmt: skip
def test_daily_dose(instructions: list[Json], strength: Strength | None, daily_mg: str) -> None:
    """The highest daily dose is the exact number of the reference table."""
    assert D(daily_mg) == regimen(*instructions, strength=strength).peak_daily_mg


@pytest.mark.parametrize(
    ("instructions", "problem"),
    [
        ([], "no dosage is given"),
        ([dose(5, "mL") | a_day(4)], "concentration is not known"),
        ([dose(2, "{tablet}") | a_day(2)], "strength is not known"),
        ([dose(20, "mg", asNeededBoolean=True)], "without interval or maximum"),
        ([dose(20, "mg")], "how often"),
        ([{"doseAndRate": [{"doseQuantity": {"value": 20}}]} | a_day(3)], "unit is missing"),
        ([dose(20, "MG") | a_day(3)], "unit is not one"),
        ([dose(20, "[drp]") | a_day(3)], "unit is not one"),
        ([{"text": "one tablet three times daily"}], "no amount"),
        ([{"timing": "three times daily"}], "cannot be read"),
        ([dose("1e40", "mg") | a_day(3)], "cannot be read"),
    ],
)
def test_a_dose_that_cannot_be_computed_says_why(instructions: list[Json], problem: str) -> None:
    """Nothing is guessed: the dose is unknown, and the reason names what is missing."""
    read = regimen(*instructions)

    assert read.peak_daily_mg is None
    assert read.problem is not None
    assert problem in read.problem


def test_milligrams_and_micrograms_are_never_confused() -> None:
    """Every spelling of microgram is a thousandth of a milligram."""
    for unit in ("ug", "mcg", "\u00b5g", "\u03bcg", "micrograms"):
        quantity = {"doseAndRate": [{"doseQuantity": {"value": 50, "unit": unit}}]}

        assert D("0.05") == regimen(quantity | a_day(1)).peak_daily_mg, unit


def test_a_last_phase_without_bounds_stays() -> None:
    """A titration whose last phase is open-ended does not end."""
    week = {"value": 7, "code": "d", "system": UCUM}
    bounded = dose(5, "mg", sequence=1) | repeat(
        frequency=3, period=1, periodUnit="d", boundsDuration=week
    )

    assert not regimen(bounded, dose(10, "mg", sequence=2) | a_day(3)).ends
    assert regimen(dose(10, "mg", sequence=1) | a_day(3), bounded | {"sequence": 2}).ends


@pytest.mark.parametrize(
    ("code", "doses"),
    [
        *[(each, 1) for each in ("QD", "DAILY", "QAM", "QPM", "QHS", "BED", "AM", "PM", "QOD")],
        *[("BID", 2), ("TID", 3), ("QID", 4)],
        *[("Q1H", 24), ("Q2H", 12), ("Q3H", 8), ("Q4H", 6), ("Q6H", 4), ("Q8H", 3), ("Q12H", 2)],
    ],
)
def test_a_timing_code_means_so_many_doses_on_its_busiest_day(code: str, doses: int) -> None:
    """HL7 GTSAbbreviation; every other day still takes a whole dose on the day it is taken."""
    read = regimen(dose(1, "mg", timing={"code": {"coding": [{"code": code}]}}))
    assert read.peak_daily_mg == doses


@pytest.mark.parametrize("denominator", [{}, {"value": 1}, {"value": 1, "unit": "moon"}])
def test_a_maximum_for_a_period_nobody_can_read_limits_nothing(denominator: Json) -> None:
    limit = {"numerator": {"value": 1}, "denominator": denominator}
    read = regimen(dose(10, "mg", maxDosePerPeriod=limit) | a_day(3))
    assert read.peak_daily_mg == 30


def test_a_maximum_of_doses_counts_the_single_dose() -> None:
    limit = {"numerator": {"value": 2}, "denominator": {"value": 1, "unit": "d"}}
    read = regimen(dose("2.5", "mg", asNeededBoolean=True, maxDosePerPeriod=limit))
    assert read.peak_daily_mg == 5
