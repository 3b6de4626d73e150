"""The commands of ``cds-service``."""

from __future__ import annotations

import click

from cds_service import __version__
from cds_service.cli.evaluating import evaluate
from cds_service.cli.rulebook import check, docs
from cds_service.cli.serving import config_group, serve
from cds_service.cli.storing import db, feedback


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="cds-service")
def main() -> None:
    """Clinical decision support for spasticity orders over HL7 CDS Hooks."""


for command in (serve, check, evaluate, docs, config_group, db, feedback):
    main.add_command(command)
