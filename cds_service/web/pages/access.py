"""The operator's password, asked for where a page is reached from another machine."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from http import HTTPStatus
from pathlib import Path
from typing import ParamSpec
from urllib.parse import urlsplit

from flask import Response, request

from cds_service.errors import SettingsError
from cds_service.settings import Settings
from cds_service.settings.tables import is_loopback
from cds_service.web.problems import Issue, IssueType, Refusal

_CHALLENGE = {"WWW-Authenticate": 'Basic realm="cds-service", charset="UTF-8"'}
_PROXY_HEADERS = ("Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Real-Ip", "Via")

View = ParamSpec("View")


@dataclass(frozen=True)
class Operator:
    """Who may see pages that are not for everyone.

    On loopback nobody is asked: whoever is on this machine may read its files anyway. A proxy on
    the same machine lets others in, so a public ``base_url``, a foreign ``Host`` or a header that
    proxies add count as being asked from elsewhere.
    """

    password: str | None
    loopback: bool

    def only(self, view: Callable[View, Response]) -> Callable[View, Response]:
        """The view, for the operator alone: 401 asks for the password, 403 where there is none."""

        @wraps(view)
        def guarded(*arguments: View.args, **named: View.kwargs) -> Response:
            self._check()
            return view(*arguments, **named)

        return guarded

    @property
    def is_asking(self) -> bool:
        """Whether the request comes from this machine, whose user nobody asks for a password."""
        return self.loopback and _asked_from_this_machine()

    def _check(self) -> None:
        if self.is_asking:
            return
        if self.password is None:
            raise _refusal(
                HTTPStatus.FORBIDDEN,
                "CDS-403-password",
                "This page is for the operator, and no password is set: name a file with one in "
                "ui.password_file, or ask on the machine itself.",
            )
        given = request.authorization
        if given is None or given.type != "basic" or not _equal(given.password, self.password):
            raise _refusal(
                HTTPStatus.UNAUTHORIZED,
                "CDS-401-password",
                "This page is for the operator: give the password of ui.password_file; any user "
                "name will do.",
            )


def operator_of(settings: Settings, *, loopback: bool) -> Operator:
    """The operator a site has named; raises ``SettingsError`` for a file without a password.

    ``loopback``: the server listens only to this machine.
    """
    public = settings.server.base_url
    is_public = public is not None and not is_loopback(urlsplit(public).hostname or "")
    return Operator(_read_password(settings.ui.password_file), loopback and not is_public)


def _read_password(file: Path | None) -> str | None:
    if file is None:
        return None
    try:
        password = file.read_text(encoding="utf-8").strip()
    except UnicodeDecodeError:
        raise SettingsError(f"ui.password_file: {file} is not UTF-8") from None
    except OSError as error:
        raise SettingsError(f"ui.password_file: {file} cannot be read: {error.strerror}") from None
    if not password:
        raise SettingsError(f"ui.password_file: {file} is empty: write the password into it")
    return password


def _asked_from_this_machine() -> bool:
    host = urlsplit(f"//{request.host}").hostname or ""
    return is_loopback(host) and not any(name in request.headers for name in _PROXY_HEADERS)


def _equal(given: str | None, wanted: str) -> bool:
    """Compared by digest, so that the time taken tells neither length nor beginning."""
    digests = (hashlib.sha256((each or "").encode()).digest() for each in (given, wanted))
    return hmac.compare_digest(*digests)


def _refusal(status: HTTPStatus, code: str, text: str) -> Refusal:
    headers = _CHALLENGE if status is HTTPStatus.UNAUTHORIZED else {}
    return Refusal(status, (Issue(IssueType.FORBIDDEN, code, text),), headers)
