"""Reading rulebook files strictly, and telling everything that is wrong with them at once.

Duplicate keys are refused, decimals stay exact, and each complaint names file and field.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import yaml

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _StrictLoader(_Loader):  # type: ignore[misc] # the C loader is only known at run time
    """YAML with unique keys and exact decimals; dates stay text."""


def _unique_mapping(loader: Any, node: yaml.MappingNode) -> dict[Any, Any]:
    seen: set[Any] = set()
    for key_node, _ in node.value:
        key = loader.construct_object(key_node, deep=True)
        if key in seen:
            line = key_node.start_mark.line + 1
            raise yaml.constructor.ConstructorError(
                None, None, f"the key {key!r} stands twice (line {line})", key_node.start_mark
            )
        seen.add(key)
    loader.flatten_mapping(node)
    return {
        loader.construct_object(key, deep=True): loader.construct_object(value, deep=True)
        for key, value in node.value
    }


def _exact_decimal(loader: Any, node: yaml.ScalarNode) -> Decimal:
    text = loader.construct_scalar(node).replace("_", "")
    try:
        return Decimal(text)
    except InvalidOperation:
        raise yaml.constructor.ConstructorError(
            None, None, f"{text} is not a decimal number", node.start_mark
        ) from None


_StrictLoader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _unique_mapping)
_StrictLoader.add_constructor("tag:yaml.org,2002:float", _exact_decimal)
_StrictLoader.add_constructor(
    "tag:yaml.org,2002:timestamp", lambda loader, node: loader.construct_scalar(node)
)


@dataclass
class Problems:
    """Everything wrong with a rulebook, in the order it was met."""

    root: Path
    found: list[str] = field(default_factory=list)

    def add(self, file: Path | str, where: str, message: str) -> None:
        """Note one problem."""
        name = file.relative_to(self.root).as_posix() if isinstance(file, Path) else file
        self.found.append(f"{name}: {where}: {message}" if where else f"{name}: {message}")

    def load(self, file: Path) -> Any:
        """The content of a YAML file; ``None`` (and a problem) where it cannot be read."""
        text = self.text(file)
        if text is None:
            return None
        try:
            content = yaml.load(text, Loader=_StrictLoader)  # noqa: S506 - a SafeLoader
        except yaml.YAMLError as error:
            problem = getattr(error, "problem", None) or str(error)
            mark = getattr(error, "problem_mark", None)
            self.add(file, f"line {mark.line + 1}" if mark else "", str(problem))
            return None
        if content is None:
            self.add(file, "", "is empty")
        return content

    def text(self, file: Path) -> str | None:
        """The text of a file; ``None`` (and a problem) where it cannot be read."""
        try:
            return file.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            self.add(file, "", "cannot be read as UTF-8: save it in that encoding")
        except OSError as error:
            self.add(file, "", f"cannot be read: {error.strerror}")
        return None


class Fields:
    """The members of one mapping of a file, asked for by name and type."""

    def __init__(self, content: object, file: Path, where: str, problems: Problems) -> None:
        self.file, self.where, self.problems = file, where, problems
        self.content: dict[str, Any] = {}
        if isinstance(content, dict):
            self.content = {str(key): value for key, value in content.items()}
        else:
            self.complain("", "must be a mapping of names to values")

    def complain(self, name: str, message: str) -> None:
        """Note a problem with one member."""
        where = ".".join(part for part in (self.where, name) if part)
        self.problems.add(self.file, where, message)

    def only(self, allowed: Iterable[str]) -> None:
        """Refuse members with other names: a misspelt one would be silently without effect."""
        known = sorted(allowed)
        for name in self.content:
            if name not in known:
                self.complain(name, f"is not known here; known are {', '.join(known)}")

    def text(self, name: str, *, required: bool = True) -> str:
        """A text that is not blank."""
        value = self.content.get(name)
        if value is None and not required:
            return ""
        if not isinstance(value, str) or not value.strip():
            self.complain(name, "must be a text (quote it if it looks like a number)")
            return ""
        return value.strip()

    def choice(self, name: str, allowed: Iterable[str]) -> str:
        """One of some words."""
        value = self.content.get(name)
        known = list(allowed)
        if value not in known:
            self.complain(name, f"must be one of {', '.join(known)}")
            return known[0]
        return str(value)

    def texts(self, name: str, *, required: bool = False) -> tuple[str, ...]:
        """A list of texts, each once."""
        value = self.content.get(name)
        if value is None and not required:
            return ()
        if not isinstance(value, list) or not value:
            self.complain(name, "must be a list of texts")
            return ()
        bad = [item for item in value if not isinstance(item, str)]
        if bad:
            self.complain(name, f"{bad[0]!r} must be a quoted text")
        found = tuple(str(item) for item in value)
        for each in dict.fromkeys(each for each in found if found.count(each) > 1):
            self.complain(name, f"{each} stands twice: take one away")
        return found

    def flag(self, name: str) -> bool:
        """True or false; absent is false."""
        value = self.content.get(name, False)
        if not isinstance(value, bool):
            self.complain(name, "must be true or false")
            return False
        return value

    def day(self, name: str) -> str:
        """A date, as text."""
        text = self.text(name)
        try:
            return date.fromisoformat(text).isoformat()
        except ValueError:
            if text:
                self.complain(name, "must be a date, such as 2026-11-24")
            return text

    def mapping(self, name: str, *, required: bool = False) -> Fields:
        """A nested mapping; absent is empty."""
        value = self.content.get(name)
        if value is None and not required:
            value = {}
        return Fields(value, self.file, self._inner(name), self.problems)

    def items(self, name: str, *, required: bool = False) -> list[Fields]:
        """A list of mappings; absent is empty."""
        value = self.content.get(name)
        if value is None and not required:
            return []
        if not isinstance(value, list) or not value:
            self.complain(name, "must be a list")
            return []
        return [
            Fields(item, self.file, self._inner(f"{name}[{position}]"), self.problems)
            for position, item in enumerate(value)
        ]

    def _inner(self, name: str) -> str:
        return f"{self.where}.{name}" if self.where else name


def as_decimal(value: object) -> Decimal | None:
    """A number of a YAML file; ``None`` where it is none, or endless."""
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        return None
    number = Decimal(value)
    return number if number.is_finite() else None


def named(items: Iterable[Fields], key: str) -> Mapping[str, Fields]:
    """Items by their name; a name that stands twice is a problem."""
    found: dict[str, Fields] = {}
    for item in items:
        name = item.text(key)
        if name in found:
            item.complain(key, f"{name} stands twice")
        elif name:
            found[name] = item
    return found
