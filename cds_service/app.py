"""The composition root: settings, rulebook, secret and clock become one Flask application."""

from __future__ import annotations

import logging
import os
import secrets
from collections.abc import Callable, Iterable
from datetime import datetime
from functools import partial
from pathlib import Path

from flask import Flask

import cds_service
from cds_service.consultation import Filters
from cds_service.documentation.material import Material, read_material
from cds_service.ehr import key_sets
from cds_service.ehr.key_sets import Fetch, KeySets, KeyUnavailable
from cds_service.ehr.reading_back import EhrReader
from cds_service.errors import SettingsError, StoreUnavailable
from cds_service.rules.rulebook import Rulebook, load_rulebook
from cds_service.settings import Client, Settings, load_settings
from cds_service.store.database import Store
from cds_service.web import authentication, calls, description, edge, feedback, operations, replies
from cds_service.web.answering import Desk
from cds_service.web.authentication import Authentication
from cds_service.web.metrics import Metrics
from cds_service.web.pages import insights, layout
from cds_service.web.pages import rulebook as rulebook_pages
from cds_service.web.pages.access import operator_of
from cds_service.web.pages.try_it import page as try_it
from cds_service.web.pages.try_it.view import Site

log = logging.getLogger(__name__)

_GUIDELINE = "spasticity"
_SERVICES_FILE = "services.yaml"
_SECRET_BYTES = 32
_LEAST_SECRET_BYTES = 16


def create_app(
    settings: Settings | None = None,
    *,
    rulebook: Rulebook | None = None,
    clock: Callable[[], datetime] | None = None,
    fetch: Fetch | None = None,
    loopback: bool = True,
) -> Flask:
    """Build the application; raises ``SettingsError`` or ``RulebookError``.

    Without settings they are read from the file that CDS_SERVICE_CONFIG names. The clock gives
    aware instants. ``fetch`` stands in for the network that the key sets of clients come by.
    Where the secret file does not exist the keys of findings last as long as this process;
    ``cds-service serve`` makes it first. ``loopback`` says that only this machine can ask; else
    pages that are not public want the operator's password.
    """
    settings = settings or load_settings()
    rulebook = rulebook or load_site_rulebook(settings)
    zone = settings.server.timezone
    now = clock or partial(datetime.now, zone)
    store = open_store(settings)
    most_bytes = settings.limits.max_request_bytes
    metrics = Metrics(rulebook)

    def observe(outcome: str, seconds: float) -> None:
        metrics.ehr_read(outcome, seconds)
        for origin, state in reader.breaker_states().items():
            metrics.breaker(origin, state.value)

    reader = EhrReader(
        settings.fhir.allowed_servers,
        settings.fhir.timeout_s,
        settings.fhir.max_bytes,
        settings.fhir.max_pages,
        observe=observe,
    )
    desk = Desk(
        rulebook=rulebook,
        reader=reader,
        store=store,
        filters=site_filters(settings, rulebook),
        secret=read_secret(settings.feedback.secret_file) or secrets.token_bytes(_SECRET_BYTES),
        now=lambda: now().astimezone(zone),
        silence_days=settings.feedback.silence_days if settings.feedback.silence else None,
    )

    app = Flask(__name__, static_folder=None)
    app.wsgi_app = edge.TolerantSlashes(app.wsgi_app)  # type: ignore[method-assign]
    replies.register(app)
    edge.watch(app, metrics)
    edge.allow_origins(app, settings.cors.origins)
    if settings.security.require_jwt:
        sources = dict(map(key_source, settings.security.clients))
        urls = [source for source in sources.values() if isinstance(source, str)]
        verify = Authentication(
            settings.security.clients,
            str(settings.server.base_url),  # with require_jwt the settings have one
            KeySets(sources, fetch or key_sets.guarded_fetch(urls)),
            store.consume_token,
            now,
        )
        authentication.register(app, verify, most_bytes)
    app.register_blueprint(
        operations.blueprint(rulebook.version, metrics, {"store": store.is_reachable})
    )
    app.register_blueprint(description.blueprint())
    app.register_blueprint(calls.blueprint(rulebook.services, desk, most_bytes))
    keep = feedback.keeper(store, metrics, now)
    app.register_blueprint(feedback.blueprint(rulebook.services, keep, most_bytes))
    if settings.ui.enabled:
        operator = operator_of(settings, loopback=loopback)
        _add_pages(app, settings, rulebook)
        site = Site(
            rulebook,
            desk,
            operator,
            keep,
            most_bytes,
            settings.server.base_url,
            wants_token=settings.security.require_jwt,
        )
        app.register_blueprint(try_it.blueprint(shipped_stories(), site))
        app.register_blueprint(insights.blueprint(store, rulebook, operator, now=desk.now))
    return app


def _add_pages(app: Flask, settings: Settings, rulebook: Rulebook) -> None:
    layout.register(app)
    app.register_blueprint(
        rulebook_pages.blueprint(
            lambda: site_material(settings, rulebook),
            disabled=settings.rules.disabled,
            shadow=settings.rules.shadow,
        )
    )


# --- the clients ----------------------------------------------------------------------------------


def key_source(client: Client) -> tuple[str, str | Path]:
    """The issuer of a client and where its keys are; raises ``SettingsError``.

    A file is looked at now: with keys that nobody can read every call would be refused.
    """
    if client.jwks_file is None:
        return client.issuer, str(client.jwks_url)  # the settings see to it that one is given
    try:
        keys = key_sets.read_keys(client.jwks_file.read_bytes())
    except OSError as error:
        raise SettingsError(
            f"security.clients: {client.jwks_file} cannot be read: {error.strerror}"
        ) from None
    except KeyUnavailable as error:
        raise SettingsError(f"security.clients: {client.jwks_file}: {error}") from None
    if not keys:
        raise SettingsError(
            f"security.clients: {client.jwks_file} holds no public key with a kid for ES384 (EC, "
            "P-384) or RS384 (RSA, at least 2048 bits)"
        )
    return client.issuer, client.jwks_file


# --- the store ------------------------------------------------------------------------------------


def open_store(settings: Settings) -> Store:
    """The store of a site; raises ``SettingsError`` where its schema is not that of this version.

    A store that cannot be used now stops nothing: cards are answered, feedback is not acknowledged
    and ``/readyz`` says so.
    """
    store = Store(settings.feedback.database_url)
    try:
        if store.upgrades_itself:
            store.upgrade()
        else:
            store.require_current()
    except StoreUnavailable as error:
        log.warning("started without its feedback store", extra={"fault": error.fault})
    finally:
        store.close()  # a server forks next
    return store


# --- the rulebook ---------------------------------------------------------------------------------


def load_site_rulebook(settings: Settings) -> Rulebook:
    """The rulebook a site has chosen, with its parameters."""
    return load_rulebook(rulebook_directory(settings.rules.directory), settings.rules.parameters)


def rulebook_directory(chosen: Path | None = None) -> Path:
    """The folder of the guideline: the chosen one or a guideline in it, else what ships."""
    if chosen is None:
        package = Path(cds_service.__file__).parent
        shipped = (package / "hooks", package.parent / "hooks")
        return next(
            (folder / _GUIDELINE for folder in shipped if (folder / _GUIDELINE).is_dir()),
            shipped[0] / _GUIDELINE,
        )
    for folder in (chosen, chosen / _GUIDELINE):
        if (folder / _SERVICES_FILE).is_file():
            return folder
    raise SettingsError(
        f"rules.directory: {chosen} holds no rulebook: there is no {_SERVICES_FILE} in it or in "
        f"its folder {_GUIDELINE}"
    )


def site_material(settings: Settings, rulebook: Rulebook) -> Material:
    """What the pages say about the rulebook; raises ``RulebookError``.

    The cases that ship are those of the rulebook that ships.
    """
    chosen = settings.rules.directory
    return read_material(
        rulebook, rulebook_directory(chosen), shipped_cases() if chosen is None else None
    )


def shipped_cases() -> Path | None:
    """The folder of the cases: inside the installed package, else in the tree."""
    package = Path(cds_service.__file__).parent
    folders = (package / "cases", package.parent / "tests" / "vignettes")
    return next((folder for folder in folders if folder.is_dir()), None)


def shipped_stories() -> Path:
    """The folder of the stories: inside the installed package, else in the tree."""
    package = Path(cds_service.__file__).parent
    shipped = package / "stories"
    return shipped if shipped.is_dir() else package.parent / "fixtures" / "fhir"


def site_filters(settings: Settings, rulebook: Rulebook) -> Filters:
    """What the site hides, after a check that the ids exist: a misspelt one would hide nothing."""
    rules = settings.rules
    problems = [
        *_unknown("rules.disabled", rules.disabled, rulebook.rules),
        *_unknown("rules.shadow", rules.shadow, rulebook.rules),
        *_unknown("rules.minimum_indicator", rules.minimum_indicator, rulebook.services),
    ]
    if problems:
        raise SettingsError("\n".join(f"{settings.file}: {problem}" for problem in problems))
    return Filters(
        disabled=rules.disabled, shadow=rules.shadow, minimum_indicator=rules.minimum_indicator
    )


def _unknown(key: str, ids: Iterable[str], known: Iterable[str]) -> list[str]:
    return [
        f"{key}: {each} is not in the rulebook; it has {', '.join(sorted(known))}"
        for each in sorted(set(ids) - set(known))
    ]


# --- the secret of the finding keys ---------------------------------------------------------------


def read_secret(file: Path) -> bytes | None:
    """The secret in a file, or ``None`` where there is no such file."""
    try:
        secret = file.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise SettingsError(
            f"feedback.secret_file: {file} cannot be read: {error.strerror}"
        ) from None
    if len(secret) < _LEAST_SECRET_BYTES:
        raise SettingsError(
            f"feedback.secret_file: {file} holds {len(secret)} bytes, at least "
            f"{_LEAST_SECRET_BYTES} are needed; remove it, and `cds-service serve` makes a new one"
        )
    return secret


def make_secret(file: Path) -> bool:
    """Make the secret file unless there is one; whether there is one now.

    It appears whole or not at all, and only its owner may read it. A server in a folder that
    cannot be written still starts; its finding keys then change with every start.
    """
    if file.exists():
        return True
    draft = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(secrets.token_bytes(_SECRET_BYTES))
            stream.flush()
            os.fsync(stream.fileno())
        os.link(draft, file)  # unlike a rename it never replaces the file of another process
    except FileExistsError:
        return True
    except OSError:
        return False
    finally:
        draft.unlink(missing_ok=True)
    return True
