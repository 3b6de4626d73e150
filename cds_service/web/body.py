"""The bytes of a request: right media type, not compressed, not larger than allowed, complete."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from http import HTTPStatus

from flask import Request

from cds_service.web.problems import IssueType, Refusal, refuse

MEDIA_TYPES = ("application/json", "application/fhir+json", "application/json+fhir")
_CHUNK = 1 << 20


def read_body(request: Request, max_bytes: int) -> bytes:
    """The whole body; raises a ``Refusal`` with 415, 413 or 400."""
    _check_media_type(request)
    length = request.content_length
    read = request.environ["wsgi.input"].read
    if length is not None and length > max_bytes:
        if "Expect" not in request.headers:
            _discard(read, length, max_bytes)
        raise _too_large(max_bytes)
    if length is None and not request.environ.get("wsgi.input_terminated"):
        return b""
    # The framework's own limit cuts a chunked body short in silence under gunicorn, so the
    # server's stream is read here, to one byte past the limit.
    wanted = max_bytes + 1 if length is None else length
    try:
        body = _read(read, wanted)
    except Exception:  # noqa: BLE001 (each server has its own for a broken chunk, a lost client)
        body = None
    if body is None or (length is not None and len(body) < length):
        raise refuse(
            HTTPStatus.BAD_REQUEST,
            IssueType.STRUCTURE,
            "CDS-400-body",
            "The body ended before it was complete: send it again.",
        )
    if len(body) > max_bytes:
        _discard(read, max_bytes, max_bytes)
        raise _too_large(max_bytes)
    return body


def discard_body(request: Request, max_bytes: int) -> None:
    """Take in the body of a call that is refused unread, so that its sender sees the answer."""
    length = request.content_length
    if length is None and request.environ.get("wsgi.input_terminated"):
        length = max_bytes
    if "Expect" not in request.headers:
        _discard(request.environ["wsgi.input"].read, length or 0, max_bytes)


def _discard(read: Callable[[int], bytes], length: int, max_bytes: int) -> None:
    """Take in what a client sends too much, within reason.

    The server closes a connection with much of a body left unread; a client that is still sending
    then sees a broken connection in place of the answer.
    """
    left = min(length, 2 * max_bytes)
    with suppress(Exception):
        while left > 0 and (part := read(min(left, _CHUNK))):
            left -= len(part)


def _read(read: Callable[[int], bytes], wanted: int) -> bytes:
    parts = []
    while wanted > 0:
        part = read(min(wanted, _CHUNK))
        if not part:
            break
        parts.append(part)
        wanted -= len(part)
    return b"".join(parts)


def _too_large(max_bytes: int) -> Refusal:
    return refuse(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        IssueType.TOO_LONG,
        "CDS-413",
        f"The body is larger than the {max_bytes} bytes this service accepts: send less "
        "prefetch, or ask the operator to raise limits.max_request_bytes.",
    )


def _check_media_type(request: Request) -> None:
    encoding = request.headers.get("Content-Encoding", "").strip().lower()
    if encoding not in {"", "identity"}:
        raise refuse(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            IssueType.NOT_SUPPORTED,
            "CDS-415-encoding",
            "Compressed bodies are not accepted: send the JSON as it is, without Content-Encoding.",
        )
    if request.mimetype not in MEDIA_TYPES:
        raise refuse(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            IssueType.NOT_SUPPORTED,
            "CDS-415",
            "The Content-Type is missing or not one of " + ", ".join(MEDIA_TYPES) + ": send "
            "application/json.",
        )
