"""A real PostgreSQL for the tests: the machine's own, else that of the ``pgserver`` wheel."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from pwd import getpwnam

import psycopg
import pytest

_OPTIONS = (
    "-c fsync=off -c listen_addresses='' -c unix_socket_directories={folder} -c max_connections=60"
)
_NOWHERE = "there is no PostgreSQL: neither initdb on this machine nor the pgserver wheel"


@dataclass
class PostgreSQL:
    """A server of our own."""

    programs: Path
    folder: Path
    user: str | None
    """Who runs it: PostgreSQL refuses to be root."""
    _numbers: Iterator[int] = field(default_factory=lambda: count(1))

    def start(self) -> None:
        options = _OPTIONS.format(folder=self.folder)
        self._run("pg_ctl", "start", "--wait", "--options", options, "--log", self.folder / "log")

    def stop(self) -> None:
        self._run("pg_ctl", "stop", "--wait", "--mode", "immediate")

    def database(self) -> str:
        """The URL of an empty database; the one before it is gone."""
        number = next(self._numbers)
        with psycopg.connect(self._address("postgres"), autocommit=True) as connection:
            connection.execute(f"DROP DATABASE IF EXISTS test_{number - 1} WITH (FORCE)")
            connection.execute(f"CREATE DATABASE test_{number}")
        return f"postgresql+psycopg://postgres@/test_{number}?host={self.folder}"

    def make(self) -> None:
        self._run("initdb", "--username", "postgres", "--no-sync", "--encoding", "UTF8")

    def _address(self, name: str) -> str:
        return f"host={self.folder} user=postgres dbname={name}"

    def _run(self, program: str, *arguments: str | Path) -> None:
        command = [self.programs / program, "--pgdata", self.folder / "data", *arguments]
        with (self.folder / "commands").open("ab") as log:  # a pipe would stay open in the server
            subprocess.run(
                command, check=True, user=self.user, cwd=self.folder, stdout=log, stderr=log
            )


@contextmanager
def postgresql() -> Iterator[PostgreSQL]:
    """A running server; without PostgreSQL the test is skipped, in CI it fails."""
    programs = _programs()
    if programs is None and os.environ.get("CI"):
        pytest.fail(_NOWHERE)
    if programs is None:
        pytest.skip(_NOWHERE)
    # Short, because the name of a socket has a limit; open, because another user works in it.
    folder = Path(tempfile.mkdtemp(prefix="postgres"))
    user = _other_user() if os.getuid() == 0 else None
    if user is not None:
        shutil.chown(folder, user)
    server = PostgreSQL(programs, folder, user)
    try:
        server.make()
        server.start()
        yield server
        server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _programs() -> Path | None:
    """The folder of initdb and pg_ctl."""
    candidates = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    if (found := shutil.which("initdb")) is not None:
        candidates.insert(0, Path(found).resolve().parent)
    if (wheel := find_spec("pgserver")) is not None and wheel.origin is not None:
        candidates.append(Path(wheel.origin).parent / "pginstall" / "bin")
    return next((each for each in candidates if (each / "pg_ctl").exists()), None)


def _other_user() -> str:
    for name in ("postgres", "nobody"):
        try:
            return getpwnam(name).pw_name
        except KeyError:
            continue
    pytest.fail("PostgreSQL does not run as root, and there is no user postgres or nobody")
