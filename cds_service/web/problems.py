"""What went wrong with a call, as the FHIR OperationOutcome that the client reads.

An issue names the field and the remedy and never repeats a value of the request: error bodies
end up in logs of other people's systems. ``diagnostics`` holds a stable code to search for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from http import HTTPStatus
from typing import Any

from cds_service.errors import (
    CdsServiceError,
    InvalidRequest,
    PatientUnobtainable,
    StoreUnavailable,
)

_RETRY_SECONDS = "10"


class IssueType(StrEnum):
    """The codes of http://hl7.org/fhir/issue-type that are used here."""

    STRUCTURE = "structure"
    REQUIRED = "required"
    VALUE = "value"
    INVALID = "invalid"
    DUPLICATE = "duplicate"
    TOO_LONG = "too-long"
    NOT_FOUND = "not-found"
    NOT_SUPPORTED = "not-supported"
    PROCESSING = "processing"
    TRANSIENT = "transient"
    EXCEPTION = "exception"
    LOGIN = "login"
    FORBIDDEN = "forbidden"


@dataclass(frozen=True, slots=True)
class Issue:
    """One thing that is wrong. ``field`` is a path such as ``context.patientId``."""

    type: IssueType
    code: str
    text: str
    field: str | None = None


class Refusal(CdsServiceError):
    """A call that is answered with an error status and these issues."""

    def __init__(
        self, status: HTTPStatus, issues: Sequence[Issue], headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__("; ".join(issue.text for issue in issues))
        self.status = status
        self.issues = tuple(issues)
        self.headers = dict(headers or {})


def refuse(
    status: HTTPStatus, type: IssueType, code: str, text: str, field: str | None = None
) -> Refusal:
    """A refusal with a single issue."""
    return Refusal(status, (Issue(type, code, text, field),))


def as_refusal(error: InvalidRequest | PatientUnobtainable) -> Refusal:
    """What the core found wrong, in the words of HTTP."""
    text = f"{error.field}: {error.message}"
    if isinstance(error, PatientUnobtainable):
        status, type = HTTPStatus.PRECONDITION_FAILED, IssueType.NOT_FOUND
    else:
        status, type = HTTPStatus.BAD_REQUEST, IssueType.INVALID
    return refuse(status, type, error.code, text, error.field)


def store_unavailable(error: StoreUnavailable) -> Refusal:
    """The answer where something could not be stored; what the database said is in the log."""
    issue = Issue(
        IssueType.TRANSIENT,
        error.code,
        "The service cannot use its store now and has stored nothing of this request: send it "
        "again later.",
    )
    return Refusal(HTTPStatus.SERVICE_UNAVAILABLE, (issue,), {"Retry-After": _RETRY_SECONDS})


def internal_error() -> Refusal:
    """The answer to an error of our own: it tells nothing, the log tells where."""
    return refuse(
        HTTPStatus.INTERNAL_SERVER_ERROR,
        IssueType.EXCEPTION,
        "CDS-500",
        "The service failed on this request; its log says where. The same request may be sent "
        "again, but will probably fail again.",
    )


def unauthenticated() -> Refusal:
    """The answer to every caller that did not prove who it is: always the same."""
    return Refusal(
        HTTPStatus.UNAUTHORIZED,
        (
            Issue(
                IssueType.LOGIN,
                "CDS-401",
                "The call carries no token that this service accepts: send a new one as "
                "Authorization: Bearer. The log of the service says what was wrong.",
            ),
        ),
        {"WWW-Authenticate": "Bearer"},
    )


def operation_outcome(issues: Sequence[Issue]) -> dict[str, Any]:
    """The issues as a FHIR OperationOutcome."""
    return {"resourceType": "OperationOutcome", "issue": [_issue(each) for each in issues]}


def _issue(issue: Issue) -> dict[str, Any]:
    content: dict[str, Any] = {
        "severity": "error",
        "code": issue.type.value,
        "details": {"text": issue.text},
        "diagnostics": issue.code,
    }
    if issue.field is not None:
        content["expression"] = [issue.field]
    return content
