"""Reading a TOML table: each key handed out once, checked, and what is left over refused."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, tzinfo
from ipaddress import ip_address
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

_Value = TypeVar("_Value")


class Table:
    """A table of the file: hands out each key once, checked, and refuses what is left over."""

    def __init__(
        self, content: Mapping[str, object], name: str, base: Path, problems: list[str]
    ) -> None:
        self.left = dict(content)
        self.base = base
        self._name = name
        self._problems = problems
        self._tables: list[Table] = []

    def complain(self, key: str, message: str) -> None:
        """Note a problem; the start is stopped when all are known."""
        self._problems.append(f"{self._key(key)}: {message}")

    def refuse_the_rest(self) -> None:
        """Complain of every key that nobody asked for, here and below."""
        for key in self.left:
            self.complain(key, "is not a setting of this service")
        for table in self._tables:
            table.refuse_the_rest()

    def rest(self) -> Mapping[str, object]:
        """All keys that are left, as they are."""
        rest, self.left = self.left, {}
        return rest

    def table(self, key: str) -> Table:
        """The table under a key; an empty one where there is none."""
        return self._child(self._take(key, dict, "a table") or {}, self._key(key))

    def tables(self, key: str) -> list[Table]:
        """The tables of an array."""
        entries: list[object] = self._take(key, list, "an array of tables") or []
        tables = [each for each in entries if isinstance(each, dict)]
        if len(tables) < len(entries):
            self.complain(key, "must be an array of tables")
        return [self._child(each, f"{self._key(key)}[{n}]") for n, each in enumerate(tables)]

    def text(self, key: str) -> str | None:
        """A string."""
        return self._take(key, str, "a string")

    def texts(self, key: str, default: tuple[str, ...]) -> tuple[str, ...]:
        """An array of strings."""
        values: list[object] | None = self._take(key, list, "an array of strings")
        if values is None:
            return default
        if not all(isinstance(value, str) for value in values):
            self.complain(key, "must be an array of strings")
        return tuple(value for value in values if isinstance(value, str))

    def flag(self, key: str, *, default: bool) -> bool:
        """True or false."""
        value = self._take(key, bool, "true or false")
        return default if value is None else value

    def count(self, key: str, default: int) -> int:
        """A whole number of at least 1."""
        value = self._take(key, int, "a whole number")
        if value is not None and value < 1:
            self.complain(key, "must be at least 1")
        return default if value is None else value

    def positive(self, key: str, default: float) -> float:
        """A number above 0."""
        kind = float if isinstance(self.left.get(key), float) else int
        value = self._take(key, kind, "a number")
        if value is not None and not 0 < value < math.inf:
            self.complain(key, "must be above 0")
        return default if value is None else float(value)

    def path(self, key: str) -> Path | None:
        """A path; a relative one starts at the settings file."""
        value = self._take(key, str, "a path")
        return None if value is None else self.base / value

    def web_address(self, key: str, *, encrypted: bool = False) -> str | None:
        """An http(s) URL without user, query and fragment; https only, if it must be encrypted.

        To an address of this machine http is always enough.
        """
        value = self._take(key, str, "a URL")
        if value is None:
            return None
        if not is_web_address(value):
            self.complain(key, "must be an http(s) URL without user, query and fragment")
        elif encrypted and not _is_encrypted(value):
            self.complain(key, "must begin with https://, unless it is an address of this machine")
        return value

    def timezone(self, key: str) -> tzinfo:
        """A time zone by its IANA name; UTC where none is given."""
        name = self._take(key, str, "a time zone")
        if name in {None, "UTC"}:  # UTC works where no time zone database is installed
            return UTC
        try:
            return ZoneInfo(str(name))
        except (ZoneInfoNotFoundError, ValueError, OSError):
            self.complain(key, 'must be a time zone of the IANA database, such as "Europe/Berlin"')
            return UTC

    def _child(self, content: Mapping[str, object], name: str) -> Table:
        table = Table(content, name, self.base, self._problems)
        self._tables.append(table)
        return table

    def _take(self, key: str, kind: type[_Value], words: str) -> _Value | None:
        value = self.left.pop(key, None)
        if value is None:
            return None
        if isinstance(value, kind) and isinstance(value, bool) == (kind is bool):
            return value
        self.complain(key, f"must be {words}")
        return None

    def _key(self, key: str) -> str:
        return f"{self._name}.{key}" if self._name else key


def is_web_address(text: str, *, origin_only: bool = False) -> bool:
    """Whether a text is an http(s) URL without user, query and fragment."""
    try:
        parts = urlsplit(text)
        port = parts.port  # a malformed port raises
    except ValueError:
        return False
    plain = parts.scheme in {"http", "https"} and parts.hostname and "@" not in parts.netloc
    if not plain or port == 0 or parts.query or parts.fragment or text != text.strip():
        return False
    return not (origin_only and parts.path)


def _is_encrypted(address: str) -> bool:
    parts = urlsplit(address)
    return parts.scheme == "https" or is_loopback(parts.hostname or "")


def is_loopback(host: str) -> bool:
    """Whether a host name or address is this machine's own, and only its own."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"
