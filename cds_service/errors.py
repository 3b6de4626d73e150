"""The closed tree of errors this service raises on purpose, each with a stable code.

Messages name a field and what to do; they never quote patient data.
"""

from __future__ import annotations

from collections.abc import Sequence


class CdsServiceError(Exception):
    """Root of the tree. ``code`` is stable and safe to search for."""

    code = "CDS-000"


class InvalidRequest(CdsServiceError):
    """The hook call breaks a rule of its envelope (HTTP 400)."""

    code = "CDS-400"

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.field = field
        self.message = message


class PatientUnobtainable(CdsServiceError):
    """The one indispensable resource is missing or is another patient's (HTTP 412)."""

    code = "CDS-412"

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.field = field
        self.message = message


class StoreUnavailable(CdsServiceError):
    """The database cannot be used now (HTTP 503); nothing of what was asked has been stored.

    ``fault`` is the database's own word for it, such as SQLITE_FULL; the text names neither the
    database nor a statement, which may hold a password or what a clinician wrote.
    """

    code = "CDS-503"

    def __init__(self, fault: str) -> None:
        super().__init__(f"the feedback store cannot be used now: {fault}")
        self.fault = fault


class SettingsError(CdsServiceError):
    """The settings file cannot be used; the message names the key."""

    code = "CDS-510"


class RulebookError(CdsServiceError):
    """The rulebook cannot be served; ``problems`` lists all of them, file and field."""

    code = "CDS-520"

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)
