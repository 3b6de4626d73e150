"""The conditions of a rule file: criteria with their arguments, read and checked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cds_service.rules.arguments import Arguments
from cds_service.rules.criteria.registry import Criterion, all_criteria
from cds_service.rules.reading import Fields
from cds_service.rules.schema import Call, Group, When


class ConditionReader:
    """Reads the conditions of one rule; what is wrong is noted with the file's problems."""

    def __init__(self, about: str, arguments: Arguments) -> None:
        self.about = about
        self.arguments = arguments
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
            name: self.arguments.value(item, f"{where}.{name}", value, criterion.parameters[name])
            for name, value in given.items()
            if name in criterion.parameters
        }
