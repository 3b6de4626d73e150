"""``db`` and ``feedback``: the operators' commands for the store."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import click

from cds_service.cli.telling import config_option, told_plainly
from cds_service.settings import load_settings


@click.group()
def db() -> None:
    """The database that holds feedback."""


@db.command()
@config_option
def upgrade(config: Path | None) -> None:
    """Make the tables, or bring them to this version."""
    from cds_service.store.database import Store

    with told_plainly():
        store = Store(load_settings(config).feedback.database_url)
        store.upgrade()
        store.close()
    click.echo("the database is up to date")


@click.group()
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
@config_option
def export(form: str, since: datetime | None, config: Path | None) -> None:
    """Write all feedback to standard output."""
    from cds_service.store.database import Store
    from cds_service.store.export import audit_events, csv_lines
    from cds_service.web.wire import encode

    with told_plainly():
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
