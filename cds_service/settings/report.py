"""The settings that are in force, as TOML without secrets, and what is risky about them."""

from __future__ import annotations

import ipaddress
import json
import stat
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from datetime import tzinfo
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from cds_service.settings.sections import Cors, Settings

_HIDDEN = "********"
_SANDBOX = "https://sandbox.cds-hooks.org"
_BARE_KEY_SIGNS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_")


def effective(settings: Settings) -> str:
    """Every key with the value in force. A key without a value is a comment."""
    sections = {
        field.name: getattr(settings, field.name)
        for field in fields(settings)
        if is_dataclass(getattr(settings, field.name))
    }
    return "\n".join(line for name in sections for line in _table(name, _members(sections[name])))


def _members(section: Any) -> dict[str, Any]:
    return {field.name: getattr(section, field.name) for field in fields(section)}


def _table(name: str, members: Mapping[str, Any]) -> Iterator[str]:
    """A table, then the tables in it."""
    yield f"[{name}]"
    tables: dict[str, Mapping[str, Any]] = {}
    arrays: dict[str, tuple[Any, ...]] = {}
    for key, value in members.items():
        if isinstance(value, Mapping):
            tables[key] = value
        elif isinstance(value, tuple) and value and is_dataclass(value[0]):
            arrays[key] = value
        elif value is None:
            yield f"# {key} is not set"
        else:
            yield f"{_key(key)} = {_value(_without_password(key, value))}"
    for key, value in tables.items():
        if value:
            yield from _table(f"{name}.{_key(key)}", value)
    for key, entries in arrays.items():
        for entry in entries:
            _, *lines = _table(f"{name}.{key}", _members(entry))
            yield f"[[{name}.{key}]]"
            yield from lines
    if "." not in name:
        yield ""


def _key(text: str) -> str:
    return text if text and set(text) <= _BARE_KEY_SIGNS else json.dumps(text)


def _value(value: Any) -> str:
    match value:
        case bool():
            return str(value).lower()
        case int() | float():
            return str(value)
        case frozenset():
            return _value(sorted(value))
        case list() | tuple():
            return "[" + ", ".join(map(_value, value)) + "]"
        case Path() | tzinfo():
            return json.dumps(str(value))
        case _:
            return json.dumps(str(value), ensure_ascii=False)


def _without_password(key: str, value: Any) -> Any:
    if key != "database_url" or not _password(value):
        return value
    parts = urlsplit(value)
    user, _, host = parts.netloc.rpartition("@")
    return parts._replace(netloc=f"{user.partition(':')[0]}:{_HIDDEN}@{host}").geturl()


def _password(url: str) -> str | None:
    return urlsplit(url).password


# --- what is risky --------------------------------------------------------------------------------


def risks(settings: Settings) -> Iterator[str]:
    """What works and is unsafe for real patients, each with its key and what to do."""
    base_url = settings.server.base_url
    if base_url is not None and not _is_loopback(base_url):
        yield from _risks_beyond_loopback(settings, base_url)
    if "*" in settings.cors.origins:
        yield 'cors.origins: "*" lets pages of every site read the answers: list the EHR\'s origin'
    for client in settings.security.clients:
        if client.issuer == _SANDBOX:
            yield (
                "security.clients: the private key of the public sandbox is published, so anyone "
                "can sign as it: take it out before real use"
            )
    for server in settings.fhir.allowed_servers:
        if _is_plain_http(server):
            yield f"fhir.allowed_servers: {server} is read without TLS: use https"
    for key, file in _confidential(settings):
        if _is_open_to_others(file):
            yield f"{key}: {file} can be read by other users of this machine: chmod 600 {file}"


def _risks_beyond_loopback(settings: Settings, base_url: str) -> Iterator[str]:
    if base_url.startswith("http:"):
        yield "server.base_url: is not https: patients' data would travel unprotected"
    if not settings.security.require_jwt:
        yield (
            "security.require_jwt: is false though server.base_url is not of this machine: whoever "
            "reaches the service may ask; set it to true and list security.clients"
        )
    if settings.cors.origins == Cors.origins:
        yield (
            "cors.origins: still lets the public sandbox and pages on users' own machines call: "
            "list the EHR's origin, or none: origins = []"
        )


def _confidential(settings: Settings) -> Iterator[tuple[str, Path]]:
    feedback = settings.feedback
    yield "feedback.secret_file", feedback.secret_file
    if feedback.database_url.startswith("sqlite:///"):
        yield "feedback.database_url", Path(feedback.database_url.removeprefix("sqlite:///"))
    if settings.ui.password_file is not None:
        yield "ui.password_file", settings.ui.password_file
    if settings.file is not None and _password(feedback.database_url):
        yield "feedback.database_url", settings.file


def _is_open_to_others(file: Path) -> bool:
    try:
        return bool(file.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO))
    except OSError:
        return False  # made at the first start, for its owner alone


def _is_plain_http(url: str) -> bool:
    return url.startswith("http:") and not _is_loopback(url)


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
