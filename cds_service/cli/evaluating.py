"""``evaluate``: one hook request without a server."""

from __future__ import annotations

from datetime import date, datetime, time, tzinfo
from http import HTTPStatus
from pathlib import Path
from typing import IO, TYPE_CHECKING

import click

from cds_service.cli.telling import Failed, config_option, told_plainly
from cds_service.errors import InvalidRequest, PatientUnobtainable
from cds_service.settings import load_settings

if TYPE_CHECKING:
    from cds_service.cds import Service
    from cds_service.rules.rulebook import Rulebook


@click.command()
@click.argument("request_file", metavar="REQUEST.json", type=click.File("rb"))
@click.option(
    "--as-of",
    metavar="DATE|DATETIME",
    help="The moment of the decision (default: now). A date is the end of that day in the "
    "site's time zone; a date and time needs an offset.",
)
@click.option("--explain", is_flag=True, help="Print every rule and why, in place of the cards.")
@click.option("--service", "service_id", help="The service id (default: by the request's hook).")
@config_option
def evaluate(
    request_file: IO[bytes],
    as_of: str | None,
    service_id: str | None,
    config: Path | None,
    *,
    explain: bool,
) -> None:
    """Answer one hook request without a server; - reads standard input."""
    from cds_service.app import load_site_rulebook, read_secret, site_filters
    from cds_service.consultation import consult
    from cds_service.web import envelope, problems, wire

    with told_plainly():
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
        raise Failed(wire.encode_for_reading(problems.operation_outcome(refusal.issues))) from None
    except (InvalidRequest, PatientUnobtainable) as error:
        issues = problems.as_refusal(error).issues
        raise Failed(wire.encode_for_reading(problems.operation_outcome(issues))) from None
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
