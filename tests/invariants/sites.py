"""The service as one site or another has set it, at one fixed instant, with one secret."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache

from cds_service.app import create_app, load_site_rulebook
from cds_service.cds import Indicator
from cds_service.rules.schema import Rulebook
from cds_service.settings import Rules, Settings
from tests.invariants.wire import ask, ask_why
from tests.temporary import temporary_settings
from tests.vignettes.cases import Case
from tests.vignettes.fhir_json import Json
from tests.vignettes.hook_request import hook_request
from tests.vignettes.moment import Moment
from tests.vignettes.rendering import Rendered, render
from tests.vignettes.service_client import ServiceClient

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
MOMENT = Moment(NOW)


@cache
def site(
    disabled: frozenset[str] = frozenset(),
    shadow: frozenset[str] = frozenset(),
    minimum: tuple[tuple[str, Indicator], ...] = (),
) -> ServiceClient:
    """A service with these settings; keys of findings are the same at every site."""
    rules = Rules(disabled=disabled, shadow=shadow, minimum_indicator=dict(minimum))
    app = create_app(replace(_settings(), rules=rules), rulebook=site_rulebook(), clock=lambda: NOW)
    return ServiceClient(app.test_client(), _templates())


@cache
def site_rulebook() -> Rulebook:
    """The rulebook that ships."""
    return load_site_rulebook(_settings())


@cache
def _settings() -> Settings:
    settings = temporary_settings()
    settings.feedback.secret_file.write_bytes(b"the same secret everywhere")
    return settings


@cache
def _templates() -> Mapping[str, Mapping[str, str]]:
    return {name: service.prefetch for name, service in site_rulebook().services.items()}


def request_of(case: Case, rendered: Rendered | None = None) -> Json:
    """The hook call of a case at the fixed instant."""
    return hook_request(rendered or render(case, MOMENT), _templates()[case.service])


def answer_to(case: Case, client: ServiceClient | None = None) -> Json:
    """What a site, the plain one by default, says to a case."""
    return ask((client or site()).http, case.service, request_of(case))


def explanation_of(case: Case, client: ServiceClient | None = None) -> Json:
    """What the site looked at in a case."""
    return ask_why((client or site()).http, case.service, request_of(case))
