"""The log: one JSON line an event, its members from a closed list, never patient data.

What is not on the list cannot be written, whoever logs it. An exception is written as its type
and place: its text may quote what it was given.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import traceback
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, TextIO

ALLOWED = (
    "service",
    "hook",
    "action",
    "method",
    "status",
    "duration_ms",
    "cards",
    "stored",
    "refused",
    "code",
    "hookInstance",
    "notes",
    "auth",
    "issuer",
    "rulebook",
    "rule",
    "fault",
    "type",
)
"""Members of a line beside time, level, event and failure. ``hookInstance`` only as a UUID,
``service`` and ``hook`` only as the rulebook has them, ``issuer`` only as the settings have it,
``code``, ``notes`` and ``auth`` (why a token was refused) fixed words."""

_OWN = "cds_service"
_PACKAGE = Path(__file__).parents[1]


class JsonLines(logging.Formatter):
    """Writes a record as one line of JSON.

    Messages of our own code are constants. Those of libraries are written out only in the
    process that made this formatter: a worker of the server handles requests, and its libraries
    may quote them, so there only the part up to the first argument or colon is kept.
    """

    def __init__(self) -> None:
        super().__init__()
        self._process = os.getpid()

    def format(self, record: logging.LogRecord) -> str:
        """The line, without its end."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "event": self._event(record),
        }
        line |= {name: record.__dict__[name] for name in ALLOWED if name in record.__dict__}
        if record.exc_info and record.exc_info[0] is not None:
            line["failure"] = failure(record.exc_info[0], record.exc_info[2])
        return json.dumps(line, ensure_ascii=False)

    def _event(self, record: logging.LogRecord) -> str:
        template = str(record.msg)
        if record.name.partition(".")[0] == _OWN:
            return template
        if os.getpid() == self._process and not record.exc_info:
            return record.getMessage()
        return template.partition(": ")[0].partition("%")[0].rstrip()


def failure(kind: type[BaseException], trace: TracebackType | None) -> dict[str, Any]:
    """An exception as its type and the places it passed in our code, innermost last."""
    places = [
        (Path(frame.filename), frame.lineno, frame.name) for frame in traceback.extract_tb(trace)
    ]
    ours = [place for place in places if place[0].is_relative_to(_PACKAGE)]
    return {
        "type": f"{kind.__module__}.{kind.__qualname__}",
        "places": [
            f"{path.relative_to(_PACKAGE.parent)}:{line} {name}" for path, line, name in ours
        ],
        "raised_in": f"{places[-1][0].name}:{places[-1][1]}" if places else None,
    }


def log_to(stream: TextIO = sys.stderr) -> logging.Handler:
    """Send our own log to a stream; returns the handler, for others to share."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonLines())
    logger = logging.getLogger(_OWN)
    logger.handlers = [handler]
    logger.setLevel(logging.INFO)
    logger.propagate = False
    return handler
