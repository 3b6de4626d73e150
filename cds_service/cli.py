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
from cds_service.errors import InvalidRequest, PatientUnobtainable, RulebookError, SettingsError
from cds_service.settings import CONFIG_VARIABLE, load_settings

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
    """Settings or rules that cannot be used: each problem a line, exit code 1, no traceback."""
    try:
        yield
    except (SettingsError, RulebookError) as error:
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
    from cds_service.web.pages.access import is_loopback
    from cds_service.web.server import Server

    if not insecure and not is_loopback(host):
        raise _Failed(
            f"refused to listen at {host}: this version does not authenticate clients, so anyone "
            "who reaches the port could ask. Keep --host 127.0.0.1 behind a proxy that "
            "authenticates, or add --insecure if the network itself is trusted."
        )
    log_to(sys.stderr)
    with _told_plainly():
        settings = load_settings(config)
        secret_file = settings.feedback.secret_file
        if not make_secret(secret_file):
            click.echo(
                f"warning: feedback.secret_file {secret_file} cannot be written: the keys of "
                "findings hold only until this server stops",
                err=True,
            )
        app = create_app(settings, loopback=is_loopback(host))
    for key in settings.without_effect:
        click.echo(f"warning: {key} is without effect in this version", err=True)
    shown = f"[{host}]" if ":" in host else host
    click.echo(f"starting at http://{shown}:{port}/cds-services, stop with Ctrl-C", err=True)
    Server(app, host, port, workers).run()


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
def docs(out: Path, rules: Path | None, cases: Path | None, only_check: bool) -> None:  # noqa: FBT001
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
