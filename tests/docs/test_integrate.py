"""docs/integrate.md and deploy/: commands run, settings load, tables are those of the code."""

from __future__ import annotations

import configparser
import json
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

sys.path.insert(0, str(Path(__file__).parents[2]))
from cds_service.app import create_app
from cds_service.cli import main
from cds_service.settings import load_settings
from cds_service.settings.report import risks
from cds_service.store.database import Store
from cds_service.web import logs
from tests.contract.serving import REAL, Served, start, stop, wait_until_ready
from tests.docs.integrate import PAGE, ROOT, with_table

DEPLOY = ROOT / "deploy"
TEXT = PAGE.read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    """The contents of the fenced blocks of a language."""
    return re.findall(rf"```{language}\n(.*?)```", TEXT, re.DOTALL)


def commands(program: str) -> list[str]:
    lines = [line for block in blocks("sh") for line in block.splitlines()]
    return [line for line in lines if line.startswith(program)]


def table_after(heading: str) -> list[list[str]]:
    """The rows of the first table below a heading, their cells without back quotes."""
    below = TEXT.partition(f"{heading}\n")[2]
    table = re.search(r"(?:^\|.*\n)+", below, re.MULTILINE)
    assert table is not None
    rows = table[0].splitlines()[2:]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]


def named(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


# --- the page -------------------------------------------------------------------------------------


def test_the_prefetch_table_is_that_of_discovery() -> None:
    """Run ``python -m tests.docs.integrate`` after a change of the queries."""
    assert with_table(TEXT) == TEXT


def test_every_error_code_has_a_row() -> None:
    source = "".join(
        file.read_text(encoding="utf-8") for file in (ROOT / "cds_service").rglob("*.py")
    )
    of_the_service = set(re.findall(r'"(CDS-[0-9]{3}(?:-[a-z]+)?)"', source)) - {"CDS-000"}
    rows = {code: row for row in table_after("## 3. Errors") for code in named(row[0])}
    assert of_the_service - set(rows) == {"CDS-510", "CDS-520"}, "these two stop the start"
    for code, row in rows.items():
        assert code[4:7] == row[1], "a code begins with its status"


def test_every_metric_has_a_row_with_its_labels() -> None:
    text = create_app().test_client().get("/metrics").get_data(as_text=True)
    told = {
        name if kind != "counter" else f"{name.removesuffix('_total')}_total"
        for name, kind in re.findall(r"^# TYPE (\S+) (\S+)$", text, re.MULTILINE)
    }
    rows = {row[0].strip("`"): row[1] for row in table_after("### Metrics and alerts")}
    assert set(rows) == told


def test_alerts_use_metrics_that_exist() -> None:
    (block,) = blocks("yaml")
    (group,) = yaml.safe_load(block)["groups"]
    rows = {row[0].strip("`"): row[1].split(", ") for row in table_after("### Metrics and alerts")}
    for rule in group["rules"]:
        names = re.findall(r"cds_\w+", rule["expr"])
        assert {name.removesuffix("_bucket") for name in names} <= set(rows)
        labels = {label for name in names for label in rows[name.removesuffix("_bucket")]} | {"le"}
        used = re.findall(r'(\w+)=~?"', rule["expr"]) + re.findall(r"by \((\w+)\)", rule["expr"])
        assert set(used) <= labels
        assert rule["annotations"]["summary"]


def test_every_member_of_a_log_line_has_a_row() -> None:
    told = {member for row in table_after("### Logs") for member in named(row[0])}
    assert set(logs.ALLOWED) <= told


@pytest.mark.parametrize("block", blocks("toml"))
def test_settings_of_the_page_load(block: str, tmp_path: Path) -> None:
    file = tmp_path / "site.toml"
    file.write_text(block, encoding="utf-8")
    assert load_settings(file).file == file


def test_json_of_the_page_is_json() -> None:
    for block in blocks("json"):
        json.loads(block)


def test_links_of_the_page_lead_somewhere() -> None:
    anchors = {
        re.sub(r"[^a-z0-9 -]", "", heading.lower()).replace(" ", "-")
        for heading in re.findall(r"^#+ (.*)$", TEXT, re.MULTILINE)
    }
    for target in re.findall(r"\]\(([^)]+)\)", TEXT):
        if target.startswith("#"):
            assert target[1:] in anchors, target
        elif not target.startswith("https:"):
            assert (PAGE.parent / target).exists(), target


# --- its commands ---------------------------------------------------------------------------------


def test_there_are_no_other_commands() -> None:
    """``make serve`` is tried elsewhere."""
    every = [line for block in blocks("sh") for line in block.splitlines()]
    assert every == [
        line for line in every if line.startswith(("make serve", "curl ", ".venv/bin/cds-service "))
    ]


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A folder with the trees that commands name, and the page's own settings as site.toml."""
    (tmp_path / "fixtures").symlink_to(ROOT / "fixtures")
    (settings,) = [block for block in blocks("toml") if block.startswith("# site.toml")]
    (tmp_path / "site.toml").write_text(settings, encoding="utf-8")
    Store(f"sqlite:///{tmp_path / 'feedback.db'}").upgrade()
    return tmp_path


@pytest.mark.parametrize("command", commands(".venv/bin/cds-service"))
def test_commands_of_the_service_run(command: str, site: Path) -> None:
    _, *words = shlex.split(command)
    done = subprocess.run(
        [sys.executable, "-m", "cds_service.cli", *words],
        cwd=site,
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    server = start(tmp_path_factory.mktemp("served"), "--workers", "1", program=REAL)
    try:
        wait_until_ready(server)
        yield server
    finally:
        stop(server)


@pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl")
@pytest.mark.parametrize("command", commands("curl"))
def test_commands_with_curl_run(command: str, served: Served) -> None:
    words = shlex.split(command.replace("127.0.0.1:8000", f"127.0.0.1:{served.port}"))
    done = subprocess.run(words, cwd=ROOT, capture_output=True, check=False)
    assert done.returncode == 0
    answer = json.loads(done.stdout)
    if command.endswith("order-sign.json") and "/explain" not in command:
        assert answer["cards"][0]["indicator"] == "critical"


# --- deploy ---------------------------------------------------------------------------------------


def parsed(words: list[str]) -> dict[str, Any]:
    """The options of a command line of the service; refused if one does not exist."""
    command: click.Command = main
    while isinstance(command, click.Group) and words[0] in command.commands:
        command, words = command.commands[words[0]], words[1:]
    return command.make_context("cds-service", words).params


def test_the_sample_settings_are_sound(tmp_path: Path) -> None:
    """They load, and nothing in them is warned of once tokens are asked for."""
    text = (DEPLOY / "settings.example.toml").read_text(encoding="utf-8")
    assert "require_jwt = true" in text
    file = tmp_path / "settings.toml"
    file.write_text(text, encoding="utf-8")
    settings = load_settings(file)
    assert settings.feedback.database_url == "sqlite:////var/lib/cds-service/feedback.db"
    assert [risk for risk in risks(settings) if not risk.startswith("security.require_jwt")] == []
    postgres = text.replace('database_url = "sqlite', '# "sqlite').replace(
        '# database_url = "postgresql', 'database_url = "postgresql'
    )
    file.write_text(postgres, encoding="utf-8")
    assert load_settings(file).feedback.database_url == "postgresql+psycopg://cds@db/cds"


def test_the_unit_starts_the_server_and_gives_it_time_to_stop() -> None:
    unit = configparser.RawConfigParser(strict=False)
    unit.optionxform = str  # type: ignore[method-assign,assignment] # as the library documents it
    unit.read(DEPLOY / "cds-service.service", encoding="utf-8")
    service = unit["Service"]
    program, command, *words = service["ExecStart"].split()
    assert Path(program).name == "cds-service"
    assert command == "serve"
    options = parsed(["serve", *words])
    assert options["host"] == "127.0.0.1"
    assert options["config"] == Path("/etc/cds-service/settings.toml")
    assert int(service["TimeoutStopSec"]) > 30
    assert service["UMask"] == "0077"


def test_compose_runs_commands_that_exist() -> None:
    compose = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))
    service = compose["services"]["cds-service"]
    options = parsed(service["command"])
    assert options["host"] == "0.0.0.0"
    assert service["ports"] == [f"127.0.0.1:8000:{options['port']}"]
    assert service["read_only"]
    assert service["tmpfs"] == ["/tmp"]
    upgrade = compose["services"]["upgrade"]["command"]
    assert upgrade[:2] == ["db", "upgrade"]
    if "db" in main.commands:
        parsed(upgrade)


def test_the_image_is_made_of_files_that_exist() -> None:
    text = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
    copied = [
        word
        for line in text.splitlines()
        if line.startswith("COPY ") and "--from" not in line
        for word in line.split()[1:-1]
    ]
    let_in = (DEPLOY / "Dockerfile.dockerignore").read_text(encoding="utf-8").splitlines()
    for name in copied:
        assert (ROOT / name).exists()
        assert f"!{name}" in let_in
    command = re.search(r"^CMD (.*)$", text, re.MULTILINE)
    assert command is not None
    assert parsed(json.loads(command[1]))["host"] == "0.0.0.0"
    assert re.search(r"^USER \d+:\d+$", text, re.MULTILINE)


def test_the_proxy_publishes_the_hooks_alone_and_lets_bodies_through() -> None:
    text = (DEPLOY / "nginx.conf").read_text(encoding="utf-8")
    locations = dict(re.findall(r"location (.+?) \{(.*?)\}", text, re.DOTALL))
    published = [path for path, content in locations.items() if "proxy_pass" in content]
    assert all("/cds-services" in path for path in published)
    assert "return 404" in locations["/"]
    size = re.search(r"client_max_body_size (\d+)m;", text)
    assert size is not None
    assert int(size[1]) * 2**20 > load_settings().limits.max_request_bytes
