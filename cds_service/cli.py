"""The commands of ``cds-service``."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import date, datetime, time, tzinfo
from http import HTTPStatus
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import click

from cds_service import __version__
from cds_service.errors import (
    InvalidRequest,
    PatientUnobtainable,
    RulebookError,
    SettingsError,
    StoreUnavailable,
)
from cds_service.settings import CONFIG_VARIABLE, Settings, load_settings
from cds_service.settings.tables import is_loopback

if TYPE_CHECKING:
    from cds_service.cds import Service
    from cds_service.rules.rulebook import Rulebook

_config = click.option(
    "--config",
    type=click.Path(dir_okay=False, path_type=Path),
    help=f"The settings file (default: the one that {CONFIG_VARIABLE} names, else none).",
)


_CASES = Path("tests/vignettes")


class _Failed(click.ClickException):
    """A failure whose text is complete in itself."""

    def show(self, file: IO[Any] | None = None) -> None:  # noqa: ARG002 (click's signature)
        """Print it, without the word Error before it."""
        click.echo(self.message, err=True)


@contextmanager
def _told_plainly() -> Iterator[None]:
    """Settings, rules, a store that cannot be used: each problem a line, exit 1, no traceback."""
    try:
        yield
    except (SettingsError, RulebookError, StoreUnavailable) as error:
        raise _Failed(str(error)) from None


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="cds-service")
def main() -> None:
    """Clinical decision support for spasticity orders over HL7 CDS Hooks."""


# --- serve ----------------------------------------------------------------------------------------


@main.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen at.")
@click.option("--port", default=8000, show_default=True, type=click.IntRange(1, 65535))
@click.option("--workers", default=2, show_default=True, type=click.IntRange(1, 64))
@_config
@click.option(
    "--insecure",
    is_flag=True,
    help="Listen beyond loopback although clients are not authenticated.",
)
def serve(host: str, port: int, workers: int, config: Path | None, insecure: bool) -> None:  # noqa: FBT001
    """Serve the hooks over HTTP until stopped."""
    from cds_service.app import create_app, make_secret
    from cds_service.web.logs import log_to
    from cds_service.web.metrics import SharedCounts
    from cds_service.web.server import Server

    log_to(sys.stderr)
    try:
        counts = SharedCounts()
    except OSError:
        raise _Failed(
            "no temporary directory can be written: name one in TMPDIR, or mount a tmpfs at /tmp"
        ) from None
    with _told_plainly():
        settings = load_settings(config)
        for warning in _exposure(settings, host, insecure=insecure):
            click.echo(f"warning: {warning}", err=True)
        secret_file = settings.feedback.secret_file
        if not make_secret(secret_file):
            click.echo(
                f"warning: feedback.secret_file {secret_file} cannot be written: the keys of "
                "findings hold only until this server stops",
                err=True,
            )
        app = create_app(settings, loopback=is_loopback(host))
    shown = f"[{host}]" if ":" in host else host
    click.echo(f"starting at http://{shown}:{port}/cds-services, stop with Ctrl-C", err=True)
    Server(app, host, port, workers, **counts.hooks).run()


def _exposure(settings: Settings, host: str, *, insecure: bool) -> Iterator[str]:
    """Refuse to be reached by strangers; what was allowed all the same, as warnings."""
    security = settings.security
    if security.clients and not security.require_jwt:
        yield "security.clients is without effect: security.require_jwt is not true"
    if is_loopback(host):
        return
    sandbox = next((client for client in security.clients if client.is_public_sandbox), None)
    if not security.require_jwt:
        refusal = (
            "clients are not authenticated, so anyone who reaches the port could ask. Set "
            "security.require_jwt = true, server.base_url and [[security.clients]]; or keep "
            "--host 127.0.0.1 behind a proxy that authenticates"
        )
    elif sandbox is not None:
        refusal = (
            f"security.clients lists {sandbox.issuer} with the keys of the public sandbox, whose "
            "private key is published, so anyone could sign a token. Remove it, or keep --host "
            "127.0.0.1"
        )
    else:
        return
    if not insecure:
        raise SettingsError(
            f"refused to listen at {host}: {refusal}; or add --insecure if the network itself is "
            "trusted."
        )
    yield f"listening at {host} because of --insecure, although {refusal}."


# --- the store ------------------------------------------------------------------------------------


@main.group()
def db() -> None:
    """The database that holds feedback."""


@db.command()
@_config
def upgrade(config: Path | None) -> None:
    """Make the tables, or bring them to this version."""
    from cds_service.store.database import Store

    with _told_plainly():
        store = Store(load_settings(config).feedback.database_url)
        store.upgrade()
        store.close()
    click.echo("the database is up to date")


@main.group()
def feedback() -> None:
    """What EHRs reported of cards."""


@feedback.command()
@click.option(
    "--format",
    "form",
    type=click.Choice(["csv", "ndjson"]),
    required=True,
    help="A table with the comments, or FHIR AuditEvents without them.",
)
@click.option(
    "--since",
    type=click.DateTime(["%Y-%m-%d"]),
    metavar="DATE",
    help="Only what was received from that day on, in the site's time zone.",
)
@_config
def export(form: str, since: datetime | None, config: Path | None) -> None:
    """Write all feedback to standard output."""
    from cds_service.store.database import Store
    from cds_service.store.export import audit_events, csv_lines
    from cds_service.web.wire import encode

    with _told_plainly():
        settings = load_settings(config)
        store = Store(settings.feedback.database_url)
        store.require_current()
        found = store.stored_feedback(since and since.replace(tzinfo=settings.server.timezone))
        if form == "csv":
            for line in csv_lines(found):
                click.echo(line, nl=False)
        else:
            for event in audit_events(found):
                click.echo(encode(event))
        store.close()


# --- check ----------------------------------------------------------------------------------------


@main.command()
@click.option(
    "--rules",
    type=click.Path(path_type=Path),
    help="The folder of the rulebook (default: that of the settings, else the one that ships).",
)
@_config
def check(rules: Path | None, config: Path | None) -> None:
    """Load the rulebook and print what is wrong with it, file and field."""
    from cds_service.app import load_site_rulebook, site_filters

    try:
        settings = load_settings(config)
        if rules is not None:
            settings = replace(settings, rules=replace(settings.rules, directory=rules))
        rulebook = load_site_rulebook(settings)
        site_filters(settings, rulebook)
    except RulebookError as error:
        for problem in error.problems:
            click.echo(problem)
        sys.exit(1)
    except SettingsError as error:
        click.echo(str(error))
        sys.exit(1)
    click.echo(f"{_described(rulebook)}: no problems")


def _described(rulebook: Rulebook) -> str:
    terminology = rulebook.vocabulary.terminology
    codes = {(row.system, row.code) for row in terminology.rows}
    return (
        f"rulebook {rulebook.version}: {len(rulebook.rules)} rules, "
        f"{len(terminology.value_sets)} value sets, {len(codes)} codes"
    )


# --- config ---------------------------------------------------------------------------------------


@main.group("config")
def config_group() -> None:
    """The settings of a site."""


@config_group.command("check")
@_config
def check_config(config: Path | None) -> None:
    """Print the settings in force, secrets hidden, and warn of what is unsafe for real patients.

    Exit code 1 if the server would not start with them.
    """
    from cds_service.app import load_site_rulebook, read_secret, site_filters
    from cds_service.settings.report import effective, risks

    with _told_plainly():
        settings = load_settings(config)
        site_filters(settings, load_site_rulebook(settings))
        read_secret(settings.feedback.secret_file)
    click.echo(effective(settings))
    for risk in risks(settings):
        click.echo(f"warning: {risk}", err=True)


# --- docs -----------------------------------------------------------------------------------------


@main.command()
@click.option(
    "--out",
    default=Path("docs/rules"),
    show_default=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="The folder of the pages.",
)
@click.option(
    "--rules",
    type=click.Path(path_type=Path),
    help="The folder of the rulebook (default: the one that ships).",
)
@click.option(
    "--cases",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help=f"The folder of the cases (default: {_CASES} where it exists, else no cases are shown).",
)
@click.option("--check", "only_check", is_flag=True, help="Write nothing; name stale pages.")
def docs(out: Path, rules: Path | None, cases: Path | None, *, only_check: bool) -> None:
    """Write a page about every rule, with the numbers as shipped."""
    from cds_service.app import rulebook_directory
    from cds_service.documentation.material import read_material
    from cds_service.documentation.pages import make_pages, stale_pages, write_pages
    from cds_service.rules.rulebook import load_rulebook

    if cases is None and _CASES.is_dir():
        cases = _CASES
    with _told_plainly():
        directory = rulebook_directory(rules)
        pages = make_pages(read_material(load_rulebook(directory), directory, cases))
    if not only_check:
        write_pages(pages, out)
    elif stale := stale_pages(pages, out):
        for name in stale:
            click.echo(f"{out / name} is stale")
        raise _Failed(f"{len(stale)} of {len(pages)} pages are stale: run `make docs`")


# --- evaluate -------------------------------------------------------------------------------------


@main.command()
@click.argument("request_file", metavar="REQUEST.json", type=click.File("rb"))
@click.option(
    "--as-of",
    metavar="DATE|DATETIME",
    help="The moment of the decision (default: now). A date is the end of that day in the "
    "site's time zone; a date and time needs an offset.",
)
@click.option("--explain", is_flag=True, help="Print every rule and why, in place of the cards.")
@click.option("--service", "service_id", help="The service id (default: by the request's hook).")
@_config
def evaluate(
    request_file: IO[bytes],
    as_of: str | None,
    explain: bool,  # noqa: FBT001
    service_id: str | None,
    config: Path | None,
) -> None:
    """Answer one hook request without a server; - reads standard input."""
    from cds_service.app import load_site_rulebook, read_secret, site_filters
    from cds_service.consultation import consult
    from cds_service.web import envelope, problems, wire

    with _told_plainly():
        settings = load_settings(config)
        now = moment(as_of, settings.server.timezone)
        rulebook = load_site_rulebook(settings)
        filters = site_filters(settings, rulebook)
        # Nothing is written here: without a secret file equal requests still get equal keys.
        secret = read_secret(settings.feedback.secret_file) or b""
    try:
        members = envelope.parse(request_file.read())
        service = _service(rulebook, service_id, envelope.hook_of(members))
        accepted = envelope.read(members, service)
        answer = consult(accepted.request, rulebook, now=now, filters=filters, secret=secret)
    except problems.Refusal as refusal:
        raise _Failed(wire.encode_for_reading(problems.operation_outcome(refusal.issues))) from None
    except (InvalidRequest, PatientUnobtainable) as error:
        issues = problems.as_refusal(error).issues
        raise _Failed(wire.encode_for_reading(problems.operation_outcome(issues))) from None
    for note in accepted.notes:
        click.echo(f"note: {note}", err=True)
    click.echo(wire.encode_for_reading(answer.explanation if explain else answer.response))


def moment(text: str | None, zone: tzinfo) -> datetime:
    """The moment that ``--as-of`` means, in the site's time zone."""
    if text is None:
        return datetime.now(zone)
    try:
        return datetime.combine(date.fromisoformat(text), time.max, zone)
    except ValueError:
        pass
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        raise click.BadParameter(
            "is neither a date such as 2026-06-03 nor a date and time such as "
            "2026-06-03T14:30:00+02:00",
            param_hint="--as-of",
        ) from None
    if instant.tzinfo is None:
        raise click.BadParameter(
            "a date and time needs an offset, such as +02:00 or Z", param_hint="--as-of"
        )
    return instant.astimezone(zone)


def _service(rulebook: Rulebook, service_id: str | None, hook: str | None) -> Service:
    """The service asked for, else the one for the hook of the request."""
    from cds_service.web import problems

    if service_id is not None:
        if service_id not in rulebook.services:
            raise click.BadParameter(
                "is not one of " + ", ".join(rulebook.services), param_hint="--service"
            )
        return rulebook.services[service_id]
    candidates = [each for each in rulebook.services.values() if each.hook == hook]
    if len(candidates) == 1:
        return candidates[0]
    choice = ", ".join(each.id for each in candidates or rulebook.services.values())
    raise problems.refuse(
        HTTPStatus.BAD_REQUEST,
        problems.IssueType.VALUE,
        "CDS-400-hook",
        ("several services answer" if candidates else "no service answers")
        + f" the hook of this request: choose one with --service {choice}.",
        "hook",
    )


if __name__ == "__main__":
    main()
