"""Arguments of criteria and suggestions: each has a declared type, some are named parameters."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Literal, NewType, get_args, get_origin

from cds_service.fhir.terminology import Terminology
from cds_service.rules.criteria.registry import ValueSetName
from cds_service.rules.reading import Fields, as_decimal
from cds_service.rules.schema import Parameter

Amount = NewType("Amount", Decimal)
"""A number above 0."""
Count = NewType("Count", int)
"""A whole number, 1 or more."""

_MUST_BE: Mapping[object, str] = {
    Decimal: "a number",
    Amount: "a number above 0",
    int: "a whole number",
    Count: "a whole number, 1 or more",
    bool: "true or false",
    str: "a text (quote it if it looks like a number)",
    ValueSetName: "the name of a value set",
}


class Arguments:
    """Reads the arguments of one rule; what is wrong is noted with the file's problems."""

    def __init__(
        self,
        rule_id: str,
        terminology: Terminology,
        parameters: Mapping[str, Mapping[str, Parameter]],
    ) -> None:
        self.rule_id = rule_id
        self.terminology = terminology
        self.parameters = parameters

    def value(self, item: Fields, where: str, written: object, kind: Any) -> Any:
        """An argument as the type it is declared with; ``None`` (and a problem) where it is not."""
        if get_origin(kind) is tuple:
            if not isinstance(written, list) or not written:
                item.complain(where, "must be a list")
                return None
            return tuple(self.value(item, where, each, get_args(kind)[0]) for each in written)
        given, shown = written, f"{written}"
        if is_reference(written):
            given = self.referred(item, where, str(written))
            shown = f"{written}, which is {given},"
            if given is None:
                return None
        value = _as(kind, given)
        if value is None:
            item.complain(where, f"{shown} must be {_described(kind)}")
        elif kind is ValueSetName and value not in self.terminology.value_sets:
            item.complain(where, f"{value} is no value set")
        return value

    def referred(self, item: Fields, where: str, reference: str) -> Decimal | str | None:
        """``$name`` is a parameter of this rule, ``$rule-id.name`` one of another."""
        rule_id, _, name = reference[1:].rpartition(".")
        parameter = self.parameters.get(rule_id or self.rule_id, {}).get(name)
        if parameter is None:
            item.complain(where, f"{reference} is no parameter")
            return None
        return parameter.value


def is_reference(written: object) -> bool:
    """Whether a text stands for a parameter."""
    return isinstance(written, str) and written.startswith("$")


def _as(kind: Any, value: object) -> object:
    """A value as a declared type; ``None`` where it is not of it."""
    if get_origin(kind) is Literal:
        return value if value in get_args(kind) else None
    if kind is bool:
        return value if isinstance(value, bool) else None
    if kind in (str, ValueSetName):
        return value if isinstance(value, str) and value.strip() else None
    number = as_decimal(value)
    if number is None or (kind in (Amount, Count) and number <= 0):
        return None
    if kind in (int, Count):
        return int(number) if number == int(number) else None
    return number


def _described(kind: Any) -> str:
    if get_origin(kind) is Literal:
        return f"one of {', '.join(get_args(kind))}"
    return _MUST_BE[kind]
