"""The conditions of a rule file: criteria with their arguments, read and checked."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from cds_service.fhir.terminology import Terminology
from cds_service.rules.criteria.registry import Criterion, ValueSetName, all_criteria
from cds_service.rules.reading import Fields, as_decimal
from cds_service.rules.schema import Call, Group, Parameter, When


class ConditionReader:
    """Reads the conditions of one rule; what is wrong is noted with the file's problems."""

    def __init__(
        self,
        rule_id: str,
        terminology: Terminology,
        parameters: Mapping[str, Mapping[str, Parameter]],
    ) -> None:
        self.rule_id = rule_id
        self.about: str | None = None
        self.terminology = terminology
        self.parameters = parameters
        self.criteria = all_criteria()

    def when(self, item: Fields) -> When:
        """The criteria under ``all``, ``any``, ``none`` and ``given``."""
        return When(
            all=self._nodes(item, "all"),
            any=self._nodes(item, "any"),
            none=self._nodes(item, "none"),
            given=self._nodes(item, "given"),
        )

    def _nodes(self, item: Fields, name: str) -> tuple[Call | Group, ...]:
        content = item.content.get(name)
        if content is None:
            return ()
        if not isinstance(content, list) or not content:
            item.complain(name, "must be a list of criteria")
            return ()
        found = [self._node(item, name, node) for node in content]
        return tuple(node for node in found if node is not None)

    def _node(self, item: Fields, where: str, node: object) -> Call | Group | None:
        if isinstance(node, dict) and len(node) == 1:
            (kind, members) = next(iter(node.items()))
            if kind in ("all", "any", "none"):
                if not isinstance(members, list) or not members:
                    item.complain(f"{where}.{kind}", "must be a list of criteria")
                    return None
                calls = [self._call(item, f"{where}.{kind}", member) for member in members]
                return Group(kind, tuple(call for call in calls if call is not None))
        return self._call(item, where, node)

    def _call(self, item: Fields, where: str, node: object) -> Call | None:
        if isinstance(node, str):
            name, arguments = node, {}
        elif isinstance(node, dict) and len(node) == 1:
            name, content = next(iter(node.items()))
            arguments = content if isinstance(content, dict) else {}
            if content is not None and not isinstance(content, dict):
                item.complain(f"{where}.{name}", "arguments must be named")
        else:
            item.complain(where, "must be a criterion, or one criterion with its arguments")
            return None
        found = self.criteria.get(str(name))
        if found is None:
            item.complain(where, f"{name} is no criterion")
            return None
        if found.about is not None and found.about != self.about:
            item.complain(where, f"{name} is asked only by rules about: {found.about}")
        return Call(found, self._arguments(item, f"{where}.{name}", found, arguments))

    def _arguments(
        self, item: Fields, where: str, criterion: Criterion, given: Mapping[str, object]
    ) -> Mapping[str, Any]:
        for name in given:
            if name not in criterion.parameters:
                known = ", ".join(criterion.parameters) or "none"
                item.complain(f"{where}.{name}", f"is no argument of it; known: {known}")
        for name in criterion.required - set(given):
            item.complain(where, f"needs the argument {name}")
        return {
            name: self._argument(item, f"{where}.{name}", value, criterion.parameters[name])
            for name, value in given.items()
            if name in criterion.parameters
        }

    def _argument(self, item: Fields, where: str, value: object, kind: object) -> object:
        if kind == tuple[Decimal, ...] and isinstance(value, list):
            return tuple(self._argument(item, where, each, Decimal) for each in value)
        if kind is bool and isinstance(value, bool):
            return value
        value = self.resolve(item, where, value)
        number = as_decimal(value)
        if kind is Decimal and number is not None:
            return number
        if kind is int and number is not None and number == int(number):
            return int(number)
        if kind is ValueSetName and isinstance(value, str):
            if value not in self.terminology.value_sets:
                item.complain(where, f"{value} is no value set")
            return value
        if kind is str and isinstance(value, str):
            return value
        if kind == tuple[str, ...] and isinstance(value, list):
            return tuple(str(each) for each in value)
        item.complain(where, f"{value!r} has the wrong type")
        return Decimal(0) if kind is Decimal else 0 if kind is int else ""

    def resolve(self, item: Fields, where: str, value: object) -> object:
        """``$name`` is a parameter of this rule, ``$rule-id.name`` one of another."""
        if not isinstance(value, str) or not value.startswith("$"):
            return value
        rule_id, _, name = value[1:].rpartition(".")
        parameter = self.parameters.get(rule_id or self.rule_id, {}).get(name)
        if parameter is None:
            item.complain(where, f"{value} is no parameter")
            return Decimal(0)
        return parameter.value
