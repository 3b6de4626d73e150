"""What leaves this tree: the wheel, the lock files, and no trace of anyone's machine."""

from __future__ import annotations

import os
import re
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hatchling.builders.wheel import WheelBuilder

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
LOCKS = [
    "requirements.lock",
    "requirements-build.lock",
    "requirements-dev.lock",
    "requirements-fhir-server.lock",
]

NOT_OURS = {".cache", ".git", ".hypothesis", ".venv", "__pycache__", "build", "dist", "real_inputs"}
"""Made by tools, or copied byte by byte from others."""

MACHINE_PATH = re.compile(r"(?<![\w.-])/(?:farm|home/\w+|root|work)/|\.\./shared\b")


def pins(lock: str) -> dict[str, set[str]]:
    """Name -> versions pinned; more than one where Python versions need different ones."""
    found: dict[str, set[str]] = {}
    for line in (ROOT / lock).read_text("utf-8").splitlines():
        if match := re.match(r"([a-z0-9-]+)(?:\[[a-z,]+\])?==([^\s;]+)", line):
            found.setdefault(match[1], set()).add(match[2])
    return found


def names(requirements: list[str]) -> set[str]:
    """The names in a list of requirements, as a lock file spells them."""
    found = {re.split(r"[<>=!~\[; ]", requirement, maxsplit=1)[0] for requirement in requirements}
    return {re.sub(r"[-_.]+", "-", name).lower() for name in found}


def own_text_files() -> Iterator[tuple[str, str]]:
    """Path and text of every file of this project that is text."""
    for folder, folders, files in os.walk(ROOT):
        folders[:] = [name for name in folders if name not in NOT_OURS]
        for path in (Path(folder, name) for name in files):
            try:
                text = path.read_text("utf-8")
            except UnicodeDecodeError:
                continue
            yield path.relative_to(ROOT).as_posix(), text


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """The names of the files in the wheel."""
    folder = tmp_path_factory.mktemp("wheel")
    (built,) = WheelBuilder(str(ROOT)).build(directory=str(folder), versions=["standard"])
    with zipfile.ZipFile(built) as archive:
        return set(archive.namelist())


def test_the_wheel_carries_the_rulebook(wheel: set[str]) -> None:
    rulebook = {
        f"cds_service/{path.relative_to(ROOT).as_posix()}"
        for path in (ROOT / "hooks").rglob("*")
        if path.is_file()
    }
    assert rulebook
    assert rulebook - wheel == set()


def test_the_wheel_carries_every_module_and_nothing_of_the_tests(wheel: set[str]) -> None:
    modules = {path.relative_to(ROOT).as_posix() for path in (ROOT / "cds_service").rglob("*.py")}
    assert modules - wheel == set()
    assert {name.partition("/")[0] for name in wheel if ".dist-info/" not in name} == {
        "cds_service"
    }


def test_the_wheel_carries_what_the_pages_are_made_of(wheel: set[str]) -> None:
    pages = ROOT / "cds_service" / "web" / "pages"
    files = [path for path in pages.rglob("*") if path.is_file() and path.suffix != ".pyc"]
    assert {path.relative_to(ROOT).as_posix() for path in files} - wheel == set()
    cases = ROOT / "tests" / "vignettes"
    wanted = {path.relative_to(cases).as_posix() for path in cases.rglob("*.yaml")}
    shipped = {name.removeprefix("cds_service/cases/") for name in wheel if "/cases/" in name}
    assert shipped == wanted


def test_the_wheel_carries_the_stories(wheel: set[str]) -> None:
    stories = {path.name for path in (ROOT / "fixtures" / "fhir").iterdir()}
    assert {f"cds_service/stories/{name}" for name in stories} - wheel == set()


def test_the_wheel_carries_licence_and_notices(wheel: set[str]) -> None:
    assert {name.rpartition("/")[2] for name in wheel} >= {"LICENSE", "NOTICE"}


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_names_no_place_to_fetch_from(lock: str) -> None:
    lines = (ROOT / lock).read_text("utf-8").splitlines()
    assert [line for line in lines if re.search(r"://|\s@\s|^--|^-[a-z]|file:", line)] == []


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_gives_a_hash_for_every_version(lock: str) -> None:
    text = (ROOT / lock).read_text("utf-8")
    entries = re.findall(r"^[a-z0-9].*?(?=^[a-z0-9]|\Z)", text, re.MULTILINE | re.DOTALL)
    assert len(entries) >= len(pins(lock))
    assert [entry.split()[0] for entry in entries if "--hash=sha256:" not in entry] == []


def test_every_dependency_is_locked() -> None:
    groups = PROJECT["dependency-groups"]
    assert names(PROJECT["project"]["dependencies"]) - pins("requirements.lock").keys() == set()
    assert names(groups["build"]) - pins("requirements-build.lock").keys() == set()
    assert names(groups["fhir-server"]) - pins("requirements-fhir-server.lock").keys() == set()
    assert names(groups["dev"]) - pins("requirements-dev.lock").keys() == set()


@pytest.mark.parametrize("lock", ["requirements.lock", "requirements-build.lock"])
def test_developers_run_the_versions_that_are_served(lock: str) -> None:
    develop = pins("requirements-dev.lock")
    assert {name: develop.get(name) for name in pins(lock)} == pins(lock)


def test_no_file_names_a_path_of_somebodys_machine() -> None:
    found = {
        f"{path}: {match[0]}"
        for path, text in own_text_files()
        for match in MACHINE_PATH.finditer(text)
    }
    assert found == set()
