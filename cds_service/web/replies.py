"""Answers in JSON, and every error as a FHIR OperationOutcome."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from flask import Flask, Response, g
from werkzeug.exceptions import HTTPException

from cds_service.errors import InvalidRequest, PatientUnobtainable, StoreUnavailable
from cds_service.web import problems
from cds_service.web.problems import IssueType, Refusal
from cds_service.web.wire import encode

log = logging.getLogger(__name__)


def json_reply(
    content: Any, status: HTTPStatus = HTTPStatus.OK, headers: Mapping[str, str] | None = None
) -> Response:
    """A JSON answer."""
    return Response(encode(content), status, headers, content_type="application/json")


def error_reply(refusal: Refusal) -> Response:
    """A refused call. Its code goes to the log line of the call."""
    g.error_code = refusal.issues[0].code if refusal.issues else None
    return json_reply(problems.operation_outcome(refusal.issues), refusal.status, refusal.headers)


def register(app: Flask) -> None:
    """Answer every exception, known or not."""
    app.register_error_handler(Refusal, error_reply)
    app.register_error_handler(InvalidRequest, _core_refusal)
    app.register_error_handler(PatientUnobtainable, _core_refusal)
    app.register_error_handler(StoreUnavailable, _store_unavailable)
    app.register_error_handler(HTTPException, _http_refusal)
    app.register_error_handler(Exception, _failure)


def _core_refusal(error: InvalidRequest | PatientUnobtainable) -> Response:
    return error_reply(problems.as_refusal(error))


def _store_unavailable(error: StoreUnavailable) -> Response:
    return error_reply(problems.store_unavailable(error))


def _http_refusal(error: HTTPException) -> Response:
    """What the framework refuses: no such path, wrong method."""
    status = HTTPStatus(error.code or HTTPStatus.INTERNAL_SERVER_ERROR)
    headers = {}
    if status is HTTPStatus.NOT_FOUND:
        refusal = not_found()
    elif status is HTTPStatus.METHOD_NOT_ALLOWED:
        allowed = ", ".join(sorted(getattr(error, "valid_methods", None) or ()))
        headers = {"Allow": allowed}
        refusal = Refusal(
            status,
            problems.refuse(
                status,
                IssueType.NOT_SUPPORTED,
                "CDS-405",
                f"The method is not allowed at this address: use {allowed}.",
            ).issues,
            headers,
        )
    else:
        refusal = problems.refuse(
            status, IssueType.PROCESSING, f"CDS-{status.value}", f"{status.phrase}."
        )
    return error_reply(refusal)


def not_found() -> Refusal:
    """Nothing is served at this address."""
    return problems.refuse(
        HTTPStatus.NOT_FOUND,
        IssueType.NOT_FOUND,
        "CDS-404",
        "There is no such service or page: GET /cds-services lists the services.",
    )


def _failure(error: Exception) -> Response:
    # The text of an exception may quote the request: only its type and place are logged.
    log.error("failed", exc_info=error)
    return error_reply(problems.internal_error())
