"""The named numbers and words of a rule file, as the site has set them."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import cast, get_args

from cds_service.rules.reading import Fields, Problems, as_decimal, named
from cds_service.rules.schema import Origin, Parameter


def read_parameters(
    top: Fields, site: Mapping[str, object], problems: Problems
) -> Mapping[str, Parameter]:
    """The named numbers and words of a rule, as the site has set them."""
    found: dict[str, Parameter] = {}
    for name, item in named(top.items("parameters"), "name").items():
        item.only({"name", "value", "unit", "origin", "meaning", "choices"})
        choices = item.texts("choices")
        value = item.content.get("value")
        fault = _fault(value, choices)
        if fault is not None:
            item.complain("value", fault)
        if name in site:
            value = site[name]
            if isinstance(value, float):
                # The settings file has binary floats.
                value = Decimal(str(value))
            fault = _fault(value, choices)
            if fault is not None:
                problems.add(*setting(top.file.stem, name), fault)
        number = as_decimal(value)
        unit = item.content.get("unit", "")
        if not isinstance(unit, str):
            item.complain("unit", "must be a text, which may be empty")
        found[name] = Parameter(
            name=name,
            value=number if number is not None else str(value),
            unit=str(unit),
            origin=cast(Origin, item.choice("origin", get_args(Origin))),
            meaning=item.text("meaning"),
        )
    for name in site:
        if name not in found:
            problems.add(*setting(top.file.stem, name), "is no parameter of the rule")
    return found


def setting(rule_id: str, name: str) -> tuple[str, str]:
    """File and field of a number that the site has set."""
    return "settings", f"rules.parameters.{rule_id}.{name}"


def _fault(value: object, choices: tuple[str, ...]) -> str | None:
    """What is wrong with the value of a parameter, and what it must be."""
    if choices:
        return None if value in choices else f"must be one of {', '.join(choices)}"
    number = as_decimal(value)
    if number is None:
        return "must be a number"
    return "must not be negative" if number < 0 else None
