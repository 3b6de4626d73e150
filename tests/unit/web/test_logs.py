"""One JSON line an event, its members from a closed list."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest

from cds_service.web.logs import JsonLines


def line(
    formatter: JsonLines, name: str, message: str, *arguments: object, **extra: Any
) -> dict[str, Any]:
    record = logging.getLogger(name).makeRecord(
        name, logging.WARNING, "x.py", 1, message, arguments, None, extra=extra
    )
    written: dict[str, Any] = json.loads(formatter.format(record))
    return written


def test_only_members_on_the_list_are_written() -> None:
    written = line(JsonLines(), "cds_service.web", "call", status=200, patient="Smith")
    assert written["event"] == "call"
    assert written["status"] == 200
    assert set(written) == {"time", "level", "event", "status"}


def test_arguments_of_our_own_messages_are_dropped() -> None:
    assert line(JsonLines(), "cds_service.x", "seen %s", "Smith")["event"] == "seen %s"


def test_libraries_speak_freely_where_no_request_is_handled() -> None:
    assert (
        line(JsonLines(), "gunicorn.error", "Listening at: %s", "x")["event"] == "Listening at: x"
    )


def test_libraries_are_cut_short_in_a_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    """The process that forked the workers has another number than they have."""
    formatter = JsonLines()
    monkeypatch.setattr("os.getpid", lambda: 1)
    assert line(formatter, "gunicorn.error", "Invalid request: Smith")["event"] == "Invalid request"
    assert line(formatter, "gunicorn.error", "Error at %s", "Smith")["event"] == "Error at"
