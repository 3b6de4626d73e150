"""``serve`` and ``config check``: the server, and what it would be told by its settings."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import click

from cds_service.cli.telling import Failed, config_option, told_plainly
from cds_service.errors import SettingsError
from cds_service.settings import Settings, load_settings
from cds_service.settings.tables import is_loopback


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen at.")
@click.option("--port", default=8000, show_default=True, type=click.IntRange(1, 65535))
@click.option("--workers", default=2, show_default=True, type=click.IntRange(1, 64))
@config_option
@click.option(
    "--insecure",
    is_flag=True,
    help="Listen beyond loopback although clients are not authenticated.",
)
def serve(host: str, port: int, workers: int, config: Path | None, *, insecure: bool) -> None:
    """Serve the hooks over HTTP until stopped."""
    from cds_service.app import create_app, make_secret
    from cds_service.web.logs import log_to
    from cds_service.web.metrics import SharedCounts
    from cds_service.web.server import Server

    log_to(sys.stderr)
    try:
        counts = SharedCounts()
    except OSError:
        raise Failed(
            "no temporary directory can be written: name one in TMPDIR, or mount a tmpfs at /tmp"
        ) from None
    with told_plainly():
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


@click.group("config")
def config_group() -> None:
    """The settings of a site."""


@config_group.command("check")
@config_option
def check_config(config: Path | None) -> None:
    """Print the settings in force, secrets hidden, and warn of what is unsafe for real patients.

    Exit code 1 if the server would not start with them.
    """
    from cds_service.app import load_site_rulebook, read_secret, site_filters
    from cds_service.settings.report import effective, risks

    with told_plainly():
        settings = load_settings(config)
        site_filters(settings, load_site_rulebook(settings))
        read_secret(settings.feedback.secret_file)
    click.echo(effective(settings))
    for risk in risks(settings):
        click.echo(f"warning: {risk}", err=True)
