"""How values are written in reasons and on cards."""

from __future__ import annotations

import re
from decimal import Decimal

from cds_service.chart.results import plain_number

NAME_LENGTH = 48
"""The longest name of a diagnosis or drug a summary may quote; longer ones are cut."""
DOSE_LENGTH = len("100000 mg/day")
RESULT_LENGTH = len("> 1000 µmol/L preliminary on 2026-11-21")
NUMBER_LENGTH = len("100.123456")


_ITS_OWN_CODE = re.compile(r" \(ICD-10[^)]*\)$")


def name_of(display: str) -> str:
    """A diagnosis as a card names it: without the code that some displays end with."""
    return cut(_ITS_OWN_CODE.sub("", display))


def cut(text: str, length: int = NAME_LENGTH) -> str:
    """A text within a length; what is cut shows."""
    if len(text) <= length:
        return text
    whole_words = text[: length - 1].rpartition(" ")[0]
    return (whole_words if len(whole_words) > length // 2 else text[: length - 1]).rstrip() + "…"


def milligrams(value: Decimal) -> str:
    """An amount in mg."""
    return f"{plain_number(round(value, 3))} mg"


def milligrams_a_day(value: Decimal) -> str:
    """A daily dose in mg."""
    return cut(f"{milligrams(value)}/day", DOSE_LENGTH)
