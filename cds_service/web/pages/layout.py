"""What all pages share: the frame, the files, the headers, and errors that people can read."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import cache
from http import HTTPStatus
from pathlib import Path
from typing import Any

from flask import (
    Blueprint,
    Flask,
    Response,
    current_app,
    render_template,
    request,
    send_from_directory,
    url_for,
)

from cds_service import __version__
from cds_service.web.edge import HOOKS_PATH
from cds_service.web.pages.markdown import card_html

STATIC = Path(__file__).parent / "static"
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
NAVIGATION = (
    ("Try it", "try_it.page"),
    ("Rulebook", "rulebook.index"),
    ("Insights", "insights.page"),
)
"""Name and endpoint of each page in the head; one that is not there is left out."""

_FOR_PROGRAMS = (HOOKS_PATH, "/healthz", "/readyz", "/metrics")
_A_YEAR = 31_536_000
_AN_HOUR = 3_600
_ERRORS: Mapping[int, tuple[str, str]] = {
    400: ("That could not be read", "Go back, correct what was sent, and send it again."),
    401: ("For the operator", "Give the password of the file ui.password_file; any name will do."),
    403: (
        "For the operator",
        "No password is set: the operator names a file with one in ui.password_file.",
    ),
    404: ("There is no such page", "The address is misspelt, or the page has gone."),
    405: ("That cannot be done here", "This address does not take what was sent."),
    413: ("That is too large", "Send less at a time."),
    503: (
        "The store cannot be used now",
        "Cards are answered all the same. Try again in a minute; the log of the service names why.",
    ),
}
_FAILURE = ("The page could not be made", "The log of the service says where it failed.")


def register(app: Flask) -> None:
    """Serve the files of the pages, and give people an error page where programs get JSON."""
    routes = Blueprint("pages", __name__, template_folder="templates")

    @routes.get("/static/<path:name>")
    def static(name: str) -> Response:
        response = send_from_directory(STATIC, name)
        # An address with a version never changes what it means.
        is_fixed = name.startswith("vendor/") or request.args.get("v") == _fingerprint(name)
        response.headers["Cache-Control"] = (
            f"public, max-age={_A_YEAR}, immutable" if is_fixed else f"public, max-age={_AN_HOUR}"
        )
        return response

    app.register_blueprint(routes)
    app.jinja_env.filters["card_html"] = card_html
    app.jinja_env.globals["static_url"] = static_url
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.after_request(_as_page)


def page(template: str, status: HTTPStatus = HTTPStatus.OK, **values: Any) -> Response:
    """A page for people, with the headers that keep it from doing anything else."""
    html = render_template(template, navigation=_navigation(), version=__version__, **values)
    response = Response(html, status, content_type="text/html; charset=utf-8")
    _protect(response)
    return response


def static_url(name: str) -> str:
    """The address of a file; it changes with the content."""
    if name.startswith("vendor/"):
        return url_for("pages.static", name=name)
    return url_for("pages.static", name=name, v=_fingerprint(name))


@cache
def _fingerprint(name: str) -> str:
    file = STATIC / name
    return hashlib.sha256(file.read_bytes()).hexdigest()[:12] if file.is_file() else ""


def _navigation() -> list[tuple[str, str, bool]]:
    """Name, address and whether it is the page shown, of every page that is there."""
    return [
        (name, url_for(endpoint), endpoint.partition(".")[0] == request.blueprint)
        for name, endpoint in NAVIGATION
        if endpoint in current_app.view_functions
    ]


def _protect(response: Response) -> None:
    response.headers["Content-Security-Policy"] = CONTENT_SECURITY_POLICY
    response.headers["Referrer-Policy"] = "same-origin"
    response.headers["X-Frame-Options"] = "DENY"
    response.headers["Cross-Origin-Opener-Policy"] = "same-origin"


def _as_page(response: Response) -> Response:
    """An error that a browser asked for becomes a page; status and headers stay."""
    if response.mimetype == "application/json" and response.status_code in _error_codes():
        title, text = _ERRORS.get(response.status_code, _FAILURE)
        html = page("error.html", title=title, text=text)
        response.set_data(html.get_data())
        response.content_type = html.content_type
        response.vary.add("Accept")
        _protect(response)
    return response


def _error_codes() -> range:
    """The statuses that are shown as a page: none where a program asks."""
    accepts = request.accept_mimetypes
    is_for_people = not request.path.startswith(_FOR_PROGRAMS) and (
        accepts.quality("text/html") > accepts.quality("application/json")
    )
    return range(400, 600) if is_for_people else range(0)
