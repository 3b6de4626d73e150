"""``check`` and ``docs``: the rulebook, checked and written out."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cds_service.cli.telling import Failed, config_option, told_plainly
from cds_service.errors import RulebookError, SettingsError
from cds_service.settings import load_settings

if TYPE_CHECKING:
    from cds_service.rules.rulebook import Rulebook

_CASES = Path("tests/vignettes")


@click.command()
@click.option(
    "--rules",
    type=click.Path(path_type=Path),
    help="The folder of the rulebook (default: that of the settings, else the one that ships).",
)
@config_option
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


@click.command()
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
    with told_plainly():
        directory = rulebook_directory(rules)
        pages = make_pages(read_material(load_rulebook(directory), directory, cases))
    if not only_check:
        write_pages(pages, out)
    elif stale := stale_pages(pages, out):
        for name in stale:
            click.echo(f"{out / name} is stale")
        raise Failed(f"{len(stale)} of {len(pages)} pages are stale: run `make docs`")
