"""Prefetch templates filled with the values of one call.

Source: CDS Hooks 2.0.1, Prefetch tokens; ``today()`` from the 3.0 draft.
"""

from __future__ import annotations

import re
from datetime import date, timedelta
from urllib.parse import quote

from cds_service.cds import TOKEN, HookRequest

_TODAY = re.compile(r"today\(\)(?:\s*(?P<sign>[+-])\s*(?P<days>\d{1,5})\s*days?)?")
_BARE_PATIENT = re.compile(r"([?&](?:patient|subject)=)(?=\{\{\s*context\.patientId\s*\}\})")
_ONLY_DOTS = re.compile(r"\.+")


def fill(template: str, request: HookRequest, today: date) -> str | None:
    """The relative FHIR URL a template stands for; ``None`` where a token has no value.

    A search by the bare id of the patient is sent with the type before it: every server
    understands that, and some find nothing without.
    """
    values = request.tokens
    texts: list[str] = []
    end = 0
    typed = _BARE_PATIENT.sub(r"\1Patient/", template)
    for token in TOKEN.finditer(typed):
        value = _day(token[1], today) or values.get(token[1])
        # ".." in a path would lead out of it; no id is made of dots alone.
        if value is None or any(map(_ONLY_DOTS.fullmatch, value.split("/"))):
            return None
        slash = "/" if token[1] == "context.userId" else ""
        texts += [typed[end : token.start()], quote(value, safe=slash)]
        end = token.end()
    return "".join([*texts, typed[end:]])


def _day(token: str, today: date) -> str | None:
    match = _TODAY.fullmatch(token)
    if match is None:
        return None
    days = int(match["days"] or 0)
    return (today + timedelta(days=-days if match["sign"] == "-" else days)).isoformat()
