"""The composition root: settings, rulebook, secret and clock become one Flask application."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterable
from datetime import datetime
from functools import partial
from pathlib import Path

from flask import Flask

import cds_service
from cds_service import consultation
from cds_service.consultation import Filters
from cds_service.errors import SettingsError
from cds_service.rules.rulebook import Rulebook, load_rulebook
from cds_service.settings import Settings, load_settings
from cds_service.web import calls, description, edge, operations, replies

_GUIDELINE = "spasticity"
_SERVICES_FILE = "services.yaml"
_SECRET_BYTES = 32
_LEAST_SECRET_BYTES = 16


def create_app(
    settings: Settings | None = None,
    *,
    rulebook: Rulebook | None = None,
    clock: Callable[[], datetime] | None = None,
) -> Flask:
    """Build the application; raises ``SettingsError`` or ``RulebookError``.

    Without settings they are read from the file that CDS_SERVICE_CONFIG names. The clock gives
    aware instants. Where the secret file does not exist the keys of findings last as long as this
    process; ``cds-service serve`` makes the file first.
    """
    settings = settings or load_settings()
    rulebook = rulebook or load_site_rulebook(settings)
    zone = settings.server.timezone
    now = clock or partial(datetime.now, zone)
    advise = partial(
        consultation.consult,
        rulebook=rulebook,
        filters=site_filters(settings, rulebook),
        secret=read_secret(settings.feedback.secret_file) or secrets.token_bytes(_SECRET_BYTES),
    )

    app = Flask(__name__, static_folder=None)
    app.wsgi_app = edge.TolerantSlashes(app.wsgi_app)  # type: ignore[method-assign]
    replies.register(app)
    edge.watch(app)
    edge.allow_origins(app, settings.cors.origins)
    app.register_blueprint(operations.blueprint(rulebook.version))
    app.register_blueprint(description.blueprint())
    app.register_blueprint(
        calls.blueprint(
            rulebook.services,
            lambda request: advise(request, now=now().astimezone(zone)),
            settings.limits.max_request_bytes,
        )
    )
    return app


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
