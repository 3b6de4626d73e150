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
        value: object = item.content.get("value")
        if name in site:
            chosen = site[name]
            # The settings file has binary floats and booleans of its own.
            value = Decimal(str(chosen)) if isinstance(chosen, float) else chosen
        number = as_decimal(value)
        choices = item.texts("choices")
        if number is None and not (isinstance(value, str) and value in choices):
            allowed = f"one of {', '.join(choices)}" if choices else "a number"
            item.complain("value", f"must be {allowed}")
            number = Decimal(0)
        elif number is not None and choices:
            item.complain("value", f"must be one of {', '.join(choices)}")
        elif number is not None and number < 0:
            item.complain("value", "must not be negative")
        found[name] = Parameter(
            name=name,
            value=number if number is not None else str(value),
            unit=str(item.content.get("unit") or ""),
            origin=cast(Origin, item.choice("origin", get_args(Origin))),
            meaning=item.text("meaning"),
        )
    for name in site:
        if name not in found:
            problems.add(
                "settings",
                f"rules.parameters.{top.file.stem}.{name}",
                "is no parameter of the rule",
            )
    return found
