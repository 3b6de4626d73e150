"""Units of measure: one small exact table, and no guess outside it.

UCUM codes are looked up to the letter, annotation included, so that ``mL/min`` and
``mL/min/{1.73_m2}`` never convert into each other. Printed units, without a UCUM code, go
through a short list of aliases. Milligrams and micrograms can only meet here, exactly.

Source: UCUM 2.1, https://ucum.org/ucum; a test compares every factor with an independent
UCUM implementation.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

UCUM = "http://unitsofmeasure.org"


class Dimension(StrEnum):
    """What a unit measures; each has one base unit."""

    MASS = "mg"
    VOLUME = "mL"
    COUNT = "1"
    MASS_RATE = "mg/d"
    VOLUME_RATE = "mL/d"
    TIME = "h"
    BODY_MASS = "kg"
    LENGTH = "cm"
    MASS_CONCENTRATION = "mg/dL"
    MOLAR_CONCENTRATION = "umol/L"
    INDEXED_CLEARANCE = "mL/min/{1.73_m2}"
    CELL_COUNT = "10*9/L"
    RATIO = "{INR}"
    ENZYME = "U/L"
    UNITS = "[iU]"
    PRESSURE = "mm[Hg]"
    FREQUENCY = "/min"


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit: its dimension and the exact factor into that dimension's base unit."""

    dimension: Dimension
    factor: Decimal


def _unit(dimension: Dimension, factor: str = "1") -> Unit:
    return Unit(dimension, Decimal(factor))


_HOURS_A_DAY = "24"
_D = Dimension
UNITS: dict[str, tuple[Unit, ...]] = {
    # Drug amounts. "g" and "kg" are also body mass: the reader asks for the dimension it needs.
    "ng": (_unit(_D.MASS, "0.000001"),),
    "ug": (_unit(_D.MASS, "0.001"),),
    "mg": (_unit(_D.MASS),),
    "g": (_unit(_D.MASS, "1000"), _unit(_D.BODY_MASS, "0.001")),
    "kg": (_unit(_D.MASS, "1000000"), _unit(_D.BODY_MASS)),
    "[lb_av]": (_unit(_D.BODY_MASS, "0.45359237"),),
    "[oz_av]": (_unit(_D.BODY_MASS, "0.028349523125"),),
    "uL": (_unit(_D.VOLUME, "0.001"),),
    "mL": (_unit(_D.VOLUME),),
    "cL": (_unit(_D.VOLUME, "10"),),
    "dL": (_unit(_D.VOLUME, "100"),),
    "L": (_unit(_D.VOLUME, "1000"),),
    # Units of heparins; never convertible into mass.
    "[iU]": (_unit(_D.UNITS),),
    "[IU]": (_unit(_D.UNITS),),
    "[USP'U]": (_unit(_D.UNITS),),
    "U": (_unit(_D.UNITS),),
    "1": (_unit(_D.COUNT),),
    "{tablet}": (_unit(_D.COUNT),),
    "{tbl}": (_unit(_D.COUNT),),
    "{capsule}": (_unit(_D.COUNT),),
    "{pill}": (_unit(_D.COUNT),),
    "{dose}": (_unit(_D.COUNT),),
    "ug/h": (_unit(_D.MASS_RATE, "0.024"),),
    "mg/h": (_unit(_D.MASS_RATE, _HOURS_A_DAY),),
    "ug/d": (_unit(_D.MASS_RATE, "0.001"),),
    "mg/d": (_unit(_D.MASS_RATE),),
    "ug/min": (_unit(_D.MASS_RATE, "1.44"),),
    "mg/min": (_unit(_D.MASS_RATE, "1440"),),
    "mL/h": (_unit(_D.VOLUME_RATE, _HOURS_A_DAY),),
    "mL/d": (_unit(_D.VOLUME_RATE),),
    "mL/min": (_unit(_D.VOLUME_RATE, "1440"),),
    "s": (Unit(_D.TIME, Decimal(1) / Decimal(3600)),),
    "min": (Unit(_D.TIME, Decimal(1) / Decimal(60)),),
    "h": (_unit(_D.TIME),),
    "d": (_unit(_D.TIME, _HOURS_A_DAY),),
    "wk": (_unit(_D.TIME, "168"),),
    # A UCUM month is a mean Julian month, 30.4375 days; a year 365.25 days.
    "mo": (_unit(_D.TIME, "730.5"),),
    "a": (_unit(_D.TIME, "8766"),),
    "cm": (_unit(_D.LENGTH),),
    "mm": (_unit(_D.LENGTH, "0.1"),),
    "m": (_unit(_D.LENGTH, "100"),),
    "[in_i]": (_unit(_D.LENGTH, "2.54"),),
    "[ft_i]": (_unit(_D.LENGTH, "30.48"),),
    "mg/dL": (_unit(_D.MASS_CONCENTRATION),),
    "mg/L": (_unit(_D.MASS_CONCENTRATION, "0.1"),),
    "umol/L": (_unit(_D.MOLAR_CONCENTRATION),),
    "mmol/L": (_unit(_D.MOLAR_CONCENTRATION, "1000"),),
    "mL/min/{1.73_m2}": (_unit(_D.INDEXED_CLEARANCE),),
    "10*9/L": (_unit(_D.CELL_COUNT),),
    "10*3/uL": (_unit(_D.CELL_COUNT),),
    "10*3/mm3": (_unit(_D.CELL_COUNT),),
    "/uL": (_unit(_D.CELL_COUNT, "0.001"),),
    "{INR}": (_unit(_D.RATIO),),
    "{ratio}": (_unit(_D.RATIO),),
    "U/L": (_unit(_D.ENZYME),),
    # By UCUM an international unit is arbitrary; for transaminases laboratories mean the same.
    "[IU]/L": (_unit(_D.ENZYME),),
    "[iU]/L": (_unit(_D.ENZYME),),
    "mm[Hg]": (_unit(_D.PRESSURE),),
    "/min": (_unit(_D.FREQUENCY),),
    "{beats}/min": (_unit(_D.FREQUENCY),),
}

_ALIASES: dict[str, str] = {
    "unit": "U",
    "units": "U",
    "iu": "[iU]",
    "mcg": "ug",
    "microgram": "ug",
    "micrograms": "ug",
    "milligram": "mg",
    "milligrams": "mg",
    "gram": "g",
    "grams": "g",
    "gm": "g",
    "ml": "mL",
    "milliliter": "mL",
    "millilitre": "mL",
    "milliliters": "mL",
    "millilitres": "mL",
    "l": "L",
    "tab": "{tablet}",
    "tabs": "{tablet}",
    "tablet": "{tablet}",
    "tablets": "{tablet}",
    "tbl": "{tbl}",
    "cap": "{capsule}",
    "caps": "{capsule}",
    "capsule": "{capsule}",
    "capsules": "{capsule}",
    "pill": "{pill}",
    "dose": "{dose}",
    "doses": "{dose}",
    "mcg/h": "ug/h",
    "mcg/hr": "ug/h",
    "mcg/hour": "ug/h",
    "ug/hr": "ug/h",
    "mg/hr": "mg/h",
    "mcg/d": "ug/d",
    "mcg/day": "ug/d",
    "ug/day": "ug/d",
    "mg/day": "mg/d",
    "ml/h": "mL/h",
    "ml/hr": "mL/h",
    "ml/d": "mL/d",
    "ml/day": "mL/d",
    "hr": "h",
    "hour": "h",
    "hours": "h",
    "day": "d",
    "days": "d",
    "week": "wk",
    "weeks": "wk",
    "month": "mo",
    "months": "mo",
    "year": "a",
    "years": "a",
    "minute": "min",
    "minutes": "min",
    "kgs": "kg",
    "lb": "[lb_av]",
    "lbs": "[lb_av]",
    "pound": "[lb_av]",
    "pounds": "[lb_av]",
    "oz": "[oz_av]",
    "in": "[in_i]",
    "inch": "[in_i]",
    "inches": "[in_i]",
    "ft": "[ft_i]",
    "mg/dl": "mg/dL",
    "mg/l": "mg/L",
    "umol/l": "umol/L",
    "micromol/l": "umol/L",
    "mmol/l": "mmol/L",
    "ml/min/1.73m2": "mL/min/{1.73_m2}",
    "ml/min/1.73m²": "mL/min/{1.73_m2}",
    "ml/min/1.73 m2": "mL/min/{1.73_m2}",
    "ml/min/{1.73_m2}": "mL/min/{1.73_m2}",
    "ml/min/{1.73m2}": "mL/min/{1.73_m2}",
    "10*9/l": "10*9/L",
    "10^9/l": "10*9/L",
    "x10^9/l": "10*9/L",
    "x10*9/l": "10*9/L",
    "10*3/ul": "10*3/uL",
    "10^3/ul": "10*3/uL",
    "k/ul": "10*3/uL",
    "thou/ul": "10*3/uL",
    "inr": "{INR}",
    "ratio": "{ratio}",
    "u/l": "U/L",
    "iu/l": "[IU]/L",
    "mmhg": "mm[Hg]",
    "mm hg": "mm[Hg]",
    "mm[hg]": "mm[Hg]",
    "bpm": "/min",
    "beats/min": "/min",
    "beats/minute": "/min",
}

_MICRO_SIGN, _GREEK_MU = "\u00b5", "\u03bc"


def ucum_code(code: str | None, system: str | None, printed: str | None) -> str | None:
    """The table's own code for a coded or printed unit; ``None`` where it is not known."""
    if code and system in (None, "", UCUM):
        exact = _ascii_micro(code)
        if exact in UNITS:
            return exact
        # A code that claims UCUM is taken to the letter: "MG" there is not milligram.
        if system == UCUM:
            return None
    text = printed or (code if system != UCUM else None)
    if not text:
        return None
    plain = _ascii_micro(text.strip())
    if plain in UNITS:
        return plain
    return _ALIASES.get(plain.lower()) or (plain.lower() if plain.lower() in UNITS else None)


def _ascii_micro(text: str) -> str:
    return text.replace(_MICRO_SIGN, "u").replace(_GREEK_MU, "u")


def convert(
    value: Decimal,
    to: Dimension,
    *,
    code: str | None,
    system: str | None,
    printed: str | None,
) -> Decimal | None:
    """The value in the base unit of a dimension, exact; ``None`` where the unit does not fit."""
    known = ucum_code(code, system, printed)
    for unit in UNITS.get(known or "", ()):
        if unit.dimension is to:
            return value * unit.factor
    return None
