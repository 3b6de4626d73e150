"""A database that fails: everything is told, nothing is acknowledged, the next use works."""

from __future__ import annotations

import logging
import os
import shutil
import sqlite3
import stat
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import event, text

from cds_service.errors import SettingsError, StoreUnavailable
from cds_service.store.database import Store
from tests.postgres import PostgreSQL, postgresql
from tests.unit.store.support import (
    HOUR,
    NOW,
    PATIENT,
    SERVICE,
    TENANT,
    call,
    card,
    overridden,
)


def add(store: Store, *cards: str, comment: str | None = None) -> None:
    entries = [overridden(each, user_comment=comment) for each in cards]
    store.add_feedback(SERVICE, TENANT, entries, NOW)


def cards(store: Store) -> list[str]:
    return sorted(each.entry.card for each in store.stored_feedback())


def fault(store: Store, card: str = "lost", comment: str | None = None) -> str:
    """Why this feedback is not stored."""
    with pytest.raises(StoreUnavailable) as caught:
        add(store, card, comment=comment)
    return caught.value.fault


# --- a file ---------------------------------------------------------------------------------------


def test_the_file_is_for_its_owner_and_survives_a_crash(sqlite_store: Store, file: Path) -> None:
    """Acknowledged means on the disk: write-ahead log, synchronised at each commit."""
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    with sqlite_store._connections.transaction() as connection:
        asked = ("journal_mode", "synchronous", "foreign_keys")
        values = [connection.execute(text(f"PRAGMA {each}")).scalar() for each in asked]
    assert values == ["wal", 2, 1]


def test_a_file_is_made_when_it_is_first_needed(file: Path) -> None:
    store = Store(f"sqlite:///{file}")
    assert not file.exists()
    add(store, "first")
    assert cards(store) == ["first"]
    store.close()


@pytest.mark.parametrize("name", ["a b", "50%", "wo?mode=memory", "#1", "ö"])
def test_a_file_may_have_any_name(tmp_path: Path, name: str) -> None:
    store = Store(f"sqlite:///{tmp_path}/{name}")
    add(store, "first")
    store.close()
    assert (tmp_path / name).exists()


def test_a_locked_file(sqlite_store: Store, file: Path) -> None:
    """Reading goes on, so that calls are answered; writing waits, then says so."""
    sqlite_store.remember(call([card("shown")]))
    add(sqlite_store, "shown")
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        started = time.monotonic()
        assert fault(sqlite_store) == "SQLITE_BUSY"
        waited = time.monotonic() - started
        with pytest.raises(StoreUnavailable):
            sqlite_store.remember(call())
        assert time.monotonic() - started < 2 * waited  # a call is kept waiting for less
        assert not sqlite_store.is_reachable()
        assert len(sqlite_store.overrides(TENANT, PATIENT, NOW)) == 1
        other.execute("ROLLBACK")
    add(sqlite_store, "after")
    assert sqlite_store.is_reachable()
    assert cards(sqlite_store) == ["after", "shown"]


def test_a_short_lock_is_waited_for(sqlite_store: Store, file: Path) -> None:
    hold = (
        "import sqlite3, sys, time\n"
        "other = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
        "other.execute('BEGIN IMMEDIATE')\n"
        "print('locked', flush=True)\n"
        "time.sleep(0.3)\n"
    )
    command = [sys.executable, "-c", hold, str(file)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"locked\n"
        add(sqlite_store, "waited")
    assert cards(sqlite_store) == ["waited"]


def test_a_full_disk(sqlite_store: Store) -> None:
    """What does not fit is refused whole; with space again it is stored."""
    add(sqlite_store, "before")

    @event.listens_for(sqlite_store._connections.engine(), "checkout")
    def fill(connection: sqlite3.Connection, *_: object) -> None:
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
        connection.execute(f"PRAGMA max_page_count={pages}")

    assert fault(sqlite_store, comment="x" * 50_000) == "SQLITE_FULL"
    assert cards(sqlite_store) == ["before"]
    sqlite_store.close()  # its limit goes with the connection
    add(sqlite_store, "lost", comment="x" * 50_000)
    assert cards(sqlite_store) == ["before", "lost"]


def test_a_file_that_is_gone_and_back(sqlite_store: Store, file: Path, tmp_path: Path) -> None:
    """No new, empty file is made in its place: that would hide the loss."""
    add(sqlite_store, "before")
    away = tmp_path / "away"
    away.mkdir()
    for each in tmp_path.glob("feedback.db*"):
        each.rename(away / each.name)
    assert fault(sqlite_store) == "SQLITE_CANTOPEN"
    assert not sqlite_store.is_reachable()
    assert not file.exists()
    for each in away.iterdir():
        each.rename(tmp_path / each.name)
    add(sqlite_store, "after")
    assert cards(sqlite_store) == ["after", "before"]
    assert sqlite_store.is_reachable()


def test_a_file_that_was_replaced(sqlite_store: Store, file: Path, tmp_path: Path) -> None:
    """A copy that was brought back is written to, never the deleted file."""
    add(sqlite_store, "before")
    sqlite_store.close()
    shutil.copy(file, tmp_path / "copy")
    add(sqlite_store, "not in the copy")
    for each in tmp_path.glob("feedback.db-*"):
        each.unlink()
    (tmp_path / "copy").replace(file)
    add(sqlite_store, "after")
    other = Store(f"sqlite:///{file}")
    assert cards(other) == ["after", "before"]
    other.close()


@pytest.mark.parametrize("path", ["/proc/feedback.db", "/no-such-folder/feedback.db"])
def test_a_file_that_cannot_be_made(path: str) -> None:
    store = Store(f"sqlite:///{path}")
    assert not store.is_reachable()
    with pytest.raises(StoreUnavailable):
        store.upgrade()
    with pytest.raises(StoreUnavailable):
        store.remember(call())


def test_a_file_that_another_program_is_reading(file: Path) -> None:
    """The log cannot be changed to write-ahead before it ends: told, not waited for without end."""
    store = Store(f"sqlite:///{file}")
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("CREATE TABLE something (a)")
        other.execute("BEGIN")
        other.execute("SELECT * FROM something")
        other.execute("SAVEPOINT reading")
        other.execute("INSERT INTO something VALUES (1)")
        assert fault(store) == "SQLITE_BUSY"
    add(store, "after")
    assert cards(store) == ["after"]
    store.close()


def test_a_file_that_can_be_made_later(tmp_path: Path) -> None:
    """No restart is needed."""
    store = Store(f"sqlite:///{tmp_path}/data/feedback.db")
    assert fault(store) == "FileNotFoundError"
    (tmp_path / "data").mkdir()
    add(store, "after")
    assert cards(store) == ["after"]
    store.close()


def test_a_file_that_is_no_database(file: Path) -> None:
    file.write_bytes(b"something else, and long enough to be read as a header" * 20)
    store = Store(f"sqlite:///{file}")
    assert fault(store) == "SQLITE_NOTADB"
    assert not store.is_reachable()
    store.close()


def test_a_forked_worker_has_connections_of_its_own(sqlite_store: Store) -> None:
    add(sqlite_store, "parent")
    child = os.fork()
    if child == 0:
        status = 1
        try:
            add(sqlite_store, "child")
            status = 0
        finally:
            os._exit(status)
    assert os.waitpid(child, 0)[1] == 0
    add(sqlite_store, "parent again")
    assert cards(sqlite_store) == ["child", "parent", "parent again"]


# --- a server -------------------------------------------------------------------------------------


def test_a_server_that_is_gone_and_back() -> None:
    with postgresql() as own:
        store = Store(own.database())
        store.upgrade()
        add(store, "before")
        own.stop()
        assert fault(store)
        assert not store.is_reachable()
        own.start()
        add(store, "after")
        assert store.is_reachable()
        assert cards(store) == ["after", "before"]
        store.close()


def test_a_server_that_ends_the_connection(server: PostgreSQL) -> None:
    """As at a failover; the connections that are left in the pool are found dead and replaced."""
    store = Store(server.database())
    store.upgrade()
    add(store, "before")
    end = (
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    other = Store(store._connections._database_url)
    with other._connections.transaction() as connection:
        connection.execute(text(end))
    other.close()
    add(store, "after")
    assert cards(store) == ["after", "before"]
    store.close()


def test_a_server_that_may_only_be_read(server: PostgreSQL) -> None:
    store = Store(server.database())
    store.upgrade()
    with store._connections.transaction() as connection:
        (name,) = connection.execute(text("SELECT current_database()")).one()
        connection.execute(text(f"ALTER DATABASE {name} SET default_transaction_read_only = on"))
    store.close()
    assert not store.is_reachable()
    assert fault(store) == "25006"
    store.close()


def test_acknowledged_is_on_the_disk_of_the_server(server: PostgreSQL) -> None:
    """Whatever the server's default."""
    store = Store(server.database())
    with store._connections.transaction() as connection:
        assert connection.execute(text("SHOW synchronous_commit")).scalar() == "on"
    store.close()


# --- what is told ---------------------------------------------------------------------------------


def test_no_address_password_or_comment_is_told(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither in the error nor in the log."""
    caplog.set_level(logging.DEBUG, "cds_service")
    with store._connections.transaction() as connection:
        connection.execute(text("DROP TABLE accepted_suggestions"))
        connection.execute(text("DROP TABLE feedback"))
    with pytest.raises(StoreUnavailable) as first:
        add(store, "xMARKERx", comment="xMARKERx")
    nowhere = Store("postgresql+psycopg://xMARKERx:xMARKERx@127.0.0.1:9/xMARKERx")
    with pytest.raises(StoreUnavailable) as second:
        nowhere.consume_token("xMARKERx", "xMARKERx", NOW + HOUR, NOW)
    nowhere.close()
    for caught in (first, second):
        assert caught.value.__cause__ is None
        assert "MARKER" not in str(caught.value)
        assert "feedback" not in caught.value.fault
    assert len(caplog.records) == 2
    assert "MARKER" not in "".join(str(vars(record)) for record in caplog.records)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql+psycopg://user:xMARKERx@host:port/name",
        "postgresql+psycopg:xMARKERx",
    ],
)
def test_an_address_that_cannot_be_read_stops_the_start(url: str) -> None:
    with pytest.raises(SettingsError, match=r"feedback\.database_url: cannot be read") as caught:
        Store(url)
    assert "MARKER" not in str(caught.value)


def test_a_missing_driver_stops_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """psycopg is an extra."""
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(SettingsError, match=r"install cds-service\[postgres\]"):
        Store("postgresql+psycopg://user@host/name")
