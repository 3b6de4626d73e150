"""The settings file, read and checked: every problem is told at once, with key and file."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path

from cds_service.cds import Indicator
from cds_service.errors import SettingsError
from cds_service.settings.sections import (
    Client,
    Cors,
    Feedback,
    Fhir,
    Limits,
    Rules,
    Security,
    Server,
    Settings,
    Ui,
)
from cds_service.settings.tables import Table, is_web_address

CONFIG_VARIABLE = "CDS_SERVICE_CONFIG"

_SQLITE = "sqlite:///"
_SECRET_NAME = "feedback.key"  # noqa: S105 (the name of a file)


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
    root = Table(content, "", base, problems)
    limits, ui = root.table("limits"), root.table("ui")
    server = _server(root.table("server"))
    settings = Settings(
        server=server,
        security=_security(root.table("security"), server.base_url),
        cors=_cors(root.table("cors")),
        fhir=_fhir(root.table("fhir")),
        feedback=_feedback(root.table("feedback")),
        limits=Limits(limits.count("max_request_bytes", Limits.max_request_bytes)),
        ui=Ui(ui.flag("enabled", default=Ui.enabled), ui.path("password_file")),
        rules=_rules(root.table("rules")),
        file=file,
    )
    root.refuse_the_rest()
    if problems:
        raise SettingsError("\n".join(f"{file}: {problem}" for problem in problems))
    return settings


# --- one function a section -----------------------------------------------------------------------


def _server(table: Table) -> Server:
    base_url = table.web_address("base_url")
    return Server(base_url and base_url.rstrip("/"), table.timezone("timezone"))


def _security(table: Table, base_url: str | None) -> Security:
    clients = tuple(_client(each) for each in table.tables("clients"))
    issuers = [client.issuer for client in clients]
    if len(set(issuers)) < len(issuers):
        table.complain("clients", "an issuer is listed twice: name each once, with all its tenants")
    require_jwt = table.flag("require_jwt", default=False)
    if require_jwt and base_url is None:
        table.complain(
            "require_jwt",
            "needs server.base_url: tokens are made out to the public URL of this service",
        )
    if require_jwt and not clients:
        table.complain(
            "require_jwt", "needs [[security.clients]]: without one every call is refused"
        )
    return Security(require_jwt, clients)


def _client(table: Table) -> Client:
    jwks_url = table.web_address("jwks_url", encrypted=True)
    jwks_file = table.path("jwks_file")
    client = Client(table.text("issuer") or "", jwks_url, jwks_file, table.texts("tenants", ()))
    if not client.issuer:
        table.complain("issuer", "is missing")
    if (client.jwks_url is None) == (client.jwks_file is None):
        table.complain("jwks_url", "give either jwks_url or jwks_file")
    return client


def _cors(table: Table) -> Cors:
    origins = table.texts("origins", Cors.origins)
    for origin in origins:
        address = origin.removesuffix(":*")
        if origin != "*" and ("*" in address or not is_web_address(address, origin_only=True)):
            table.complain(
                "origins",
                'must hold origins such as "https://ehr.example.org" (no path, no slash at the '
                'end; ":*" for any port) or "*"',
            )
    return Cors(origins)


def _fhir(table: Table) -> Fhir:
    servers = table.texts("allowed_servers", ())
    if not all(map(is_web_address, servers)):
        table.complain(
            "allowed_servers", "must hold http(s) base URLs without user, query and fragment"
        )
    return Fhir(
        allowed_servers=tuple(server.rstrip("/") for server in servers),
        timeout_s=table.positive("timeout_s", Fhir.timeout_s),
        max_bytes=table.count("max_bytes", Fhir.max_bytes),
        max_pages=table.count("max_pages", Fhir.max_pages),
    )


def _feedback(table: Table) -> Feedback:
    database_url = table.text("database_url") or "sqlite:///feedback.db"
    if database_url == _SQLITE or not database_url.startswith((_SQLITE, "postgresql+psycopg://")):
        table.complain("database_url", "must be sqlite:///PATH or a postgresql+psycopg:// URL")
    beside = table.base
    if database_url.startswith(_SQLITE):
        database = table.base / database_url.removeprefix(_SQLITE)
        database_url, beside = f"{_SQLITE}{database}", database.parent
    return Feedback(
        database_url=database_url,
        secret_file=table.path("secret_file") or beside / _SECRET_NAME,
        silence=table.flag("silence", default=Feedback.silence),
        silence_days=table.count("silence_days", Feedback.silence_days),
    )


def _rules(table: Table) -> Rules:
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
