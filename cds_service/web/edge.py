"""What every answer carries, and what every path forgives: slashes, headers, CORS, the log line."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from flask import Flask, Response, g, request
from flask_cors import CORS

from cds_service.web.metrics import Metrics

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

log = logging.getLogger(__name__)

HOOKS_PATH = "/cds-services"
PATH_AS_SENT = "cds_service.path"
"""The key of the WSGI environment that holds the path before its slashes were straightened."""

_PREFLIGHT_SECONDS = 600

_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
}
"""On every answer that does not say otherwise itself."""


class TolerantSlashes:
    """Takes doubled and trailing slashes out of the path before routing.

    A discovery address typed with a trailing slash makes clients call
    ``/cds-services//{id}``; a redirect would lose the body of a POST and fails a preflight.
    """

    def __init__(self, application: WSGIApplication) -> None:
        self._application = application

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request, its path set straight."""
        path = environ.get("PATH_INFO", "")
        environ[PATH_AS_SENT] = path
        environ["PATH_INFO"] = straightened(path)
        return self._application(environ, start_response)


def straightened(path: str) -> str:
    """A path without doubled and trailing slashes."""
    return re.sub("/{2,}", "/", path).rstrip("/") or "/"


def is_hooks_path(path: str) -> bool:
    """Whether a path belongs to the hooks, served or not."""
    return path == HOOKS_PATH or path.startswith(f"{HOOKS_PATH}/")


def allow_origins(app: Flask, origins: Sequence[str]) -> None:
    """Let browser pages of these origins call the hooks.

    A trailing ``:*`` allows every port, and none. Credentials are never allowed: clients prove
    themselves with a token that no browser adds on its own.
    """
    CORS(
        app,
        resources=rf"{HOOKS_PATH}(/.*)?$",
        origins=[_origin(each) for each in origins],
        methods=["GET", "POST", "OPTIONS"],
        allow_headers=["Authorization", "Content-Type"],
        supports_credentials=False,
        send_wildcard=True,
        always_send=False,
        max_age=_PREFLIGHT_SECONDS,
    )


def _origin(origin: str) -> str | re.Pattern[str]:
    """An origin as a pattern: the library guesses from its characters whether a text is one."""
    if origin == "*":
        return origin
    port = r"(:\d+)?" if origin.endswith(":*") else ""
    return re.compile(re.escape(origin.removesuffix(":*")) + port + r"\Z", re.IGNORECASE)


def watch(app: Flask, metrics: Metrics, monotonic: Callable[[], float] = time.monotonic) -> None:
    """Add the common headers to every answer; log and count every call."""

    @app.before_request
    def start() -> None:
        g.started = monotonic()

    @app.after_request
    def finish(response: Response) -> Response:
        for name, value in _HEADERS.items():
            response.headers.setdefault(name, value)
        if "error_code" in g:
            # Callers are told one code whatever was wrong with their token; operators see which.
            cause = f"-{g.auth}" if "auth" in g else ""
            metrics.refused(f"{g.error_code}{cause}")
        if is_hooks_path(request.path):
            response.vary.add("Origin")
            if request.method != "OPTIONS":
                seconds = monotonic() - g.started
                metrics.call(g.get("service"), g.get("action"), response.status_code, seconds)
                if "consultation" in g:
                    metrics.consulted(g.service, g.consultation)
                _log_call(response, round(seconds * 1000, 1))
        return response


def _log_call(response: Response, duration_ms: float) -> None:
    """Only what is on the allow-list of ``logs``, and of that only what this service made."""
    fields = {
        "action": g.get("action"),
        "service": g.get("service"),
        "hook": g.get("hook"),
        "method": request.method if request.method in {"GET", "HEAD", "POST"} else "other",
        "status": response.status_code,
        "duration_ms": duration_ms,
        "cards": g.get("cards"),
        "stored": g.get("stored"),
        "refused": g.get("refused"),
        "code": g.get("error_code"),
        "hookInstance": g.get("hook_instance"),
        "notes": g.get("notes"),
        "auth": g.get("auth"),
        "issuer": g.get("issuer"),
    }
    known = {name: value for name, value in fields.items() if value not in (None, (), [])}
    noteworthy = "notes" in known or "auth" in known
    log.log(logging.WARNING if noteworthy else logging.INFO, "call", extra=known)
