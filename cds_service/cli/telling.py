"""What the commands share: where the settings are, and how a failure is told."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import click

from cds_service.errors import RulebookError, SettingsError, StoreUnavailable
from cds_service.settings import CONFIG_VARIABLE

config_option = click.option(
    "--config",
    type=click.Path(dir_okay=False, path_type=Path),
    help=f"The settings file (default: the one that {CONFIG_VARIABLE} names, else none).",
)


class Failed(click.ClickException):
    """A failure whose text is complete in itself."""

    def show(self, file: IO[Any] | None = None) -> None:  # noqa: ARG002 (click's signature)
        """Print it, without the word Error before it."""
        click.echo(self.message, err=True)


@contextmanager
def told_plainly() -> Iterator[None]:
    """Settings, rules, a store that cannot be used: each problem a line, exit 1, no traceback."""
    try:
        yield
    except (SettingsError, RulebookError, StoreUnavailable) as error:
        raise Failed(str(error)) from None
