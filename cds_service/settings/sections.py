"""What a site may choose: one frozen class for each section of the settings file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, tzinfo
from pathlib import Path

from cds_service.cds import Indicator

PUBLIC_SANDBOX = "https://sandbox.cds-hooks.org"


@dataclass(frozen=True)
class Server:
    """``[server]``."""

    base_url: str | None = None
    """Public URL without a trailing slash; ``None`` is the address that is served."""
    timezone: tzinfo = UTC


@dataclass(frozen=True)
class Client:
    """One of ``[[security.clients]]``: an EHR that signs its calls."""

    issuer: str
    """``iss`` of its tokens, to the letter."""
    jwks_url: str | None = None
    """Where its keys are fetched, and the only ``jku`` its tokens may carry."""
    jwks_file: Path | None = None
    """Its keys in a file; its tokens then carry no ``jku``."""
    tenants: tuple[str, ...] = ()
    """The tenants it may call for; none named is any, and a token without one."""

    @property
    def is_public_sandbox(self) -> bool:
        """Whether anyone can sign as this client: the sandbox's private key is published."""
        keys = (self.jwks_url or "").lower()
        return self.issuer.rstrip("/") == PUBLIC_SANDBOX or keys.startswith(f"{PUBLIC_SANDBOX}/")


@dataclass(frozen=True)
class Security:
    """``[security]``. With ``require_jwt`` there are clients, and a ``server.base_url``."""

    require_jwt: bool = False
    clients: tuple[Client, ...] = ()


@dataclass(frozen=True)
class Cors:
    """``[cors]``. An origin may end in ``:*`` for any port."""

    origins: tuple[str, ...] = (
        PUBLIC_SANDBOX,
        "http://localhost:*",
        "http://127.0.0.1:*",
    )


@dataclass(frozen=True)
class Fhir:
    """``[fhir]``: the read-back to the EHR."""

    allowed_servers: tuple[str, ...] = ()
    timeout_s: float = 2.0
    max_bytes: int = 20_000_000
    max_pages: int = 10


@dataclass(frozen=True)
class Feedback:
    """``[feedback]``."""

    database_url: str
    secret_file: Path
    silence: bool = True
    silence_days: int = 90


@dataclass(frozen=True)
class Limits:
    """``[limits]``."""

    max_request_bytes: int = 20_000_000


@dataclass(frozen=True)
class Ui:
    """``[ui]``."""

    enabled: bool = True
    password_file: Path | None = None


@dataclass(frozen=True)
class Rules:
    """``[rules]``. Ids are checked against the rulebook when both are there."""

    directory: Path | None = None
    """``None`` is the rulebook that ships with the package."""
    disabled: frozenset[str] = frozenset()
    shadow: frozenset[str] = frozenset()
    minimum_indicator: Mapping[str, Indicator] = field(default_factory=dict)
    """Service id -> the lowest indicator it shows."""
    parameters: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    """Rule id -> parameter -> value."""


@dataclass(frozen=True)
class Settings:
    """Everything a site may choose."""

    server: Server
    security: Security
    cors: Cors
    fhir: Fhir
    feedback: Feedback
    limits: Limits
    ui: Ui
    rules: Rules
    file: Path | None = None
