"""The site's settings: one TOML file, every key typed, every key with a default for a trial.

An unknown key, a wrong type or a value that cannot work stops the start, and the message names
key and file: a misspelt safety setting must not be silently without effect.
"""

from __future__ import annotations

import math
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, tzinfo
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cds_service.cds import Indicator
from cds_service.errors import SettingsError

CONFIG_VARIABLE = "CDS_SERVICE_CONFIG"

_SQLITE = "sqlite:///"
_SECRET_NAME = "feedback.key"  # noqa: S105 (the name of a file)


@dataclass(frozen=True)
class Server:
    """``[server]``."""

    base_url: str | None = None
    """Public URL without a trailing slash; ``None`` is the address that is served."""
    timezone: tzinfo = UTC


@dataclass(frozen=True)
class Client:
    """One of ``[[security.clients]]``: an EHR that signs its calls."""

    issuer: str
    jwks_url: str | None = None
    jwks_file: Path | None = None
    tenants: tuple[str, ...] = ()


@dataclass(frozen=True)
class Security:
    """``[security]``."""

    require_jwt: bool = False
    clients: tuple[Client, ...] = ()


@dataclass(frozen=True)
class Cors:
    """``[cors]``. An origin may end in ``:*`` for any port."""

    origins: tuple[str, ...] = (
        "https://sandbox.cds-hooks.org",
        "http://localhost:*",
        "http://127.0.0.1:*",
    )


@dataclass(frozen=True)
class Fhir:
    """``[fhir]``: the read-back to the EHR."""

    allowed_servers: tuple[str, ...] = ()
    timeout_s: float = 2.0
    max_bytes: int = 20_000_000
    max_pages: int = 10


@dataclass(frozen=True)
class Feedback:
    """``[feedback]``."""

    database_url: str
    secret_file: Path
    silence: bool = True
    silence_days: int = 90


@dataclass(frozen=True)
class Limits:
    """``[limits]``."""

    max_request_bytes: int = 20_000_000


@dataclass(frozen=True)
class Ui:
    """``[ui]``."""

    enabled: bool = True
    password_file: Path | None = None


@dataclass(frozen=True)
class Rules:
    """``[rules]``. Ids are checked against the rulebook when both are there."""

    directory: Path | None = None
    """``None`` is the rulebook that ships with the package."""
    disabled: frozenset[str] = frozenset()
    shadow: frozenset[str] = frozenset()
    minimum_indicator: Mapping[str, Indicator] = field(default_factory=dict)
    """Service id -> the lowest indicator it shows."""
    parameters: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    """Rule id -> parameter -> value."""


@dataclass(frozen=True)
class Settings:
    """Everything a site may choose."""

    server: Server
    security: Security
    cors: Cors
    fhir: Fhir
    feedback: Feedback
    limits: Limits
    ui: Ui
    rules: Rules
    file: Path | None = None
    without_effect: tuple[str, ...] = ()
    """Keys that were set for features this version does not have."""


_LATER_FEATURES = ("security.clients", "fhir", "feedback.database_url", "feedback.silence")
"""Keys that are checked and otherwise without effect, until their feature is there."""


def load_settings(path: Path | str | None = None) -> Settings:
    """The settings of a file, else of the one CDS_SERVICE_CONFIG names, else the defaults.

    Without a file, paths are relative to the working directory. Raises ``SettingsError`` with
    every problem, one a line.
    """
    named = path or os.environ.get(CONFIG_VARIABLE)
    if not named:
        return _read({}, Path.cwd(), None)
    file = Path(named)
    try:
        content = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"{file}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise SettingsError(f"{file}: is not UTF-8") from None
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{file}: is not TOML: {error}") from None
    return _read(content, file.resolve().parent, file)


def _read(content: dict[str, object], base: Path, file: Path | None) -> Settings:
    problems: list[str] = []
    root = _Table(content, "", base, problems)
    limits, ui = root.table("limits"), root.table("ui")
    settings = Settings(
        server=_server(root.table("server")),
        security=_security(root.table("security")),
        cors=_cors(root.table("cors")),
        fhir=_fhir(root.table("fhir")),
        feedback=_feedback(root.table("feedback")),
        limits=Limits(limits.count("max_request_bytes", Limits.max_request_bytes)),
        ui=Ui(ui.flag("enabled", default=Ui.enabled), ui.path("password_file")),
        rules=_rules(root.table("rules")),
        file=file,
        without_effect=tuple(_set_too_early(content)),
    )
    root.refuse_the_rest()
    if problems:
        raise SettingsError("\n".join(f"{file}: {problem}" for problem in problems))
    return settings


def _set_too_early(content: Mapping[str, object]) -> list[str]:
    """The keys of later features that the file sets."""
    keys = {section: table for section, table in content.items() if isinstance(table, dict)}
    return [
        key
        for key in _LATER_FEATURES
        if any(f"{section}.{name}".startswith(key) for section in keys for name in keys[section])
    ]


# --- one function a section -----------------------------------------------------------------------


def _server(table: _Table) -> Server:
    base_url = table.web_address("base_url")
    return Server(base_url and base_url.rstrip("/"), table.timezone("timezone"))


def _security(table: _Table) -> Security:
    require_jwt = table.flag("require_jwt", default=False)
    if require_jwt:
        table.complain(
            "require_jwt",
            "this version cannot verify client tokens yet, so it does not start with true: "
            "remove the key and keep the service on loopback, behind a proxy that authenticates",
        )
    return Security(require_jwt, tuple(_client(each) for each in table.tables("clients")))


def _client(table: _Table) -> Client:
    jwks_url, jwks_file = table.web_address("jwks_url"), table.path("jwks_file")
    client = Client(table.text("issuer") or "", jwks_url, jwks_file, table.texts("tenants", ()))
    if not client.issuer:
        table.complain("issuer", "is missing")
    if (client.jwks_url is None) == (client.jwks_file is None):
        table.complain("jwks_url", "give either jwks_url or jwks_file")
    return client


def _cors(table: _Table) -> Cors:
    origins = table.texts("origins", Cors.origins)
    for origin in origins:
        address = origin.removesuffix(":*")
        if origin != "*" and ("*" in address or not _is_web_address(address, origin_only=True)):
            table.complain(
                "origins",
                'must hold origins such as "https://ehr.example.org" (no path, no slash at the '
                'end; ":*" for any port) or "*"',
            )
    return Cors(origins)


def _fhir(table: _Table) -> Fhir:
    servers = table.texts("allowed_servers", ())
    if not all(map(_is_web_address, servers)):
        table.complain(
            "allowed_servers", "must hold http(s) base URLs without user, query and fragment"
        )
    return Fhir(
        allowed_servers=tuple(server.rstrip("/") for server in servers),
        timeout_s=table.positive("timeout_s", Fhir.timeout_s),
        max_bytes=table.count("max_bytes", Fhir.max_bytes),
        max_pages=table.count("max_pages", Fhir.max_pages),
    )


def _feedback(table: _Table) -> Feedback:
    database_url = table.text("database_url") or "sqlite:///feedback.db"
    if not database_url.startswith(("sqlite:", "postgresql+psycopg:")):
        table.complain("database_url", "must begin with sqlite:/// or postgresql+psycopg://")
    beside = table.base
    if database_url.startswith(_SQLITE) and (name := database_url.removeprefix(_SQLITE)):
        database = table.base / name
        database_url, beside = f"{_SQLITE}{database}", database.parent
    return Feedback(
        database_url=database_url,
        secret_file=table.path("secret_file") or beside / _SECRET_NAME,
        silence=table.flag("silence", default=Feedback.silence),
        silence_days=table.count("silence_days", Feedback.silence_days),
    )


def _rules(table: _Table) -> Rules:
    minimum = {}
    levels = table.table("minimum_indicator")
    for service in list(levels.left):
        level = levels.text(service)
        if level in set(Indicator):
            minimum[service] = Indicator(level)
        elif level is not None:
            levels.complain(service, "must be one of " + ", ".join(Indicator))
    parameters = table.table("parameters")
    return Rules(
        directory=table.path("directory"),
        disabled=frozenset(table.texts("disabled", ())),
        shadow=frozenset(table.texts("shadow", ())),
        minimum_indicator=minimum,
        parameters={rule: parameters.table(rule).rest() for rule in list(parameters.left)},
    )


# --- reading and checking a table -----------------------------------------------------------------

_Value = TypeVar("_Value")


class _Table:
    """A table of the file: hands out each key once, checked, and refuses what is left over."""

    def __init__(
        self, content: Mapping[str, object], name: str, base: Path, problems: list[str]
    ) -> None:
        self.left = dict(content)
        self.base = base
        self._name = name
        self._problems = problems
        self._tables: list[_Table] = []

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

    def table(self, key: str) -> _Table:
        return self._child(self._take(key, dict, "a table") or {}, self._key(key))

    def tables(self, key: str) -> list[_Table]:
        entries: list[object] = self._take(key, list, "an array of tables") or []
        tables = [each for each in entries if isinstance(each, dict)]
        if len(tables) < len(entries):
            self.complain(key, "must be an array of tables")
        return [self._child(each, f"{self._key(key)}[{n}]") for n, each in enumerate(tables)]

    def text(self, key: str) -> str | None:
        return self._take(key, str, "a string")

    def texts(self, key: str, default: tuple[str, ...]) -> tuple[str, ...]:
        values: list[object] | None = self._take(key, list, "an array of strings")
        if values is None:
            return default
        if not all(isinstance(value, str) for value in values):
            self.complain(key, "must be an array of strings")
        return tuple(value for value in values if isinstance(value, str))

    def flag(self, key: str, *, default: bool) -> bool:
        value = self._take(key, bool, "true or false")
        return default if value is None else value

    def count(self, key: str, default: int) -> int:
        value = self._take(key, int, "a whole number")
        if value is not None and value < 1:
            self.complain(key, "must be at least 1")
        return default if value is None else value

    def positive(self, key: str, default: float) -> float:
        kind = float if isinstance(self.left.get(key), float) else int
        value = self._take(key, kind, "a number")
        if value is not None and not 0 < value < math.inf:
            self.complain(key, "must be above 0")
        return default if value is None else float(value)

    def path(self, key: str) -> Path | None:
        value = self._take(key, str, "a path")
        return None if value is None else self.base / value

    def web_address(self, key: str) -> str | None:
        value = self._take(key, str, "a URL")
        if value is not None and not _is_web_address(value):
            self.complain(key, "must be an http(s) URL without user, query and fragment")
        return value

    def timezone(self, key: str) -> tzinfo:
        name = self._take(key, str, "a time zone")
        if name in {None, "UTC"}:  # UTC works where no time zone database is installed
            return UTC
        try:
            return ZoneInfo(str(name))
        except (ZoneInfoNotFoundError, ValueError, OSError):
            self.complain(key, 'must be a time zone of the IANA database, such as "Europe/Berlin"')
            return UTC

    def _child(self, content: Mapping[str, object], name: str) -> _Table:
        table = _Table(content, name, self.base, self._problems)
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


def _is_web_address(text: str, *, origin_only: bool = False) -> bool:
    try:
        parts = urlsplit(text)
        port = parts.port  # a malformed port raises
    except ValueError:
        return False
    plain = parts.scheme in {"http", "https"} and parts.hostname and "@" not in parts.netloc
    if not plain or port == 0 or parts.query or parts.fragment or text != text.strip():
        return False
    return not (origin_only and parts.path)
