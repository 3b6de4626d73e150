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
        path = re.sub("/{2,}", "/", environ.get("PATH_INFO", ""))
        environ["PATH_INFO"] = path.rstrip("/") or "/"
        return self._application(environ, start_response)


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
            metrics.refused(g.error_code)
        if request.path.startswith(HOOKS_PATH):
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
        "code": g.get("error_code"),
        "hookInstance": g.get("hook_instance"),
        "notes": g.get("notes"),
    }
    known = {name: value for name, value in fields.items() if value not in (None, ())}
    log.log(logging.WARNING if "notes" in known else logging.INFO, "call", extra=known)
