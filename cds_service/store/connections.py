"""Connections to the database: one engine a process, and every failure as ``StoreUnavailable``."""

from __future__ import annotations

import logging
import os
import sqlite3
import threading
import time
import weakref
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import Connection, Engine, QueuePool, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, DisconnectionError
from sqlalchemy.exc import TimeoutError as PoolExhausted

from cds_service.errors import SettingsError, StoreUnavailable

log = logging.getLogger(__name__)

_SQLITE = "sqlite:///"
WAIT_MS = 2000
"""How long a statement waits for a lock that another connection holds."""


class Connections:
    """Connections to one database, made when they are first needed.

    A forked worker makes an engine of its own: connections do not survive a fork. The one of the
    parent stays referenced and untouched, because closing an inherited SQLite connection would
    drop the parent's locks.
    """

    def __init__(self, database_url: str) -> None:
        self.file = (
            Path(database_url.removeprefix(_SQLITE)) if database_url.startswith(_SQLITE) else None
        )
        """The file of a SQLite database; ``None`` for PostgreSQL."""
        self._database_url = database_url
        self._engines: dict[int, Engine] = {}
        self._making = threading.Lock()
        weakref.finalize(self, _close, self._engines).atexit = False
        if self.file is None:
            self.engine()  # a URL that cannot be used stops the start

    def engine(self) -> Engine:
        """The engine of this process."""
        process = os.getpid()
        with self._making:
            if process not in self._engines:
                self._engines[process] = (
                    _postgresql(self._database_url) if self.file is None else _sqlite(self.file)
                )
            return self._engines[process]

    def close(self) -> None:
        """Close what this process holds; the next use connects again."""
        _close(self._engines)

    @contextmanager
    def transaction(self, *, writes: bool = True, wait_ms: int = WAIT_MS) -> Iterator[Connection]:
        """One transaction, committed when the block ends; raises ``StoreUnavailable``."""
        options = {"writes": writes, "wait_ms": wait_ms}
        try:
            with (
                self.engine().connect().execution_options(**options) as connection,
                connection.begin(),
            ):
                yield connection
        except (DBAPIError, PoolExhausted) as error:
            # The text of the cause may quote the address, the statement and its values.
            raise _unavailable(getattr(error, "orig", None) or error) from None


def _close(engines: dict[int, Engine]) -> None:
    if (engine := engines.pop(os.getpid(), None)) is not None:
        engine.dispose()


def _unavailable(cause: BaseException) -> StoreUnavailable:
    """Named by SQLITE_FULL, an SQLSTATE or the kind of error, never by a text."""
    codes = (getattr(cause, name, None) for name in ("sqlite_errorname", "sqlstate"))
    fault = next((code for code in codes if code), type(cause).__name__)
    log.warning("store unavailable", extra={"fault": fault})
    return StoreUnavailable(fault)


# --- SQLite ---------------------------------------------------------------------------------------


def create_file(file: Path) -> None:
    """Make the file of a SQLite database, for its owner alone, with a write-ahead log.

    Raises ``StoreUnavailable``.
    """
    try:
        with suppress(FileExistsError):
            os.close(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        with closing(_connect(file)) as connection:
            _keep_a_write_ahead_log(connection)
    except (OSError, sqlite3.Error) as error:
        raise _unavailable(error) from None


def _sqlite(file: Path) -> Engine:
    engine = create_engine(
        "sqlite://",
        creator=lambda: _connect(file),
        poolclass=QueuePool,
        pool_timeout=WAIT_MS / 1000,
    )

    @event.listens_for(engine, "connect")
    def remember_the_file(dbapi_connection: Any, record: Any) -> None:
        record.info["file"] = _identity(file)

    @event.listens_for(engine, "checkout")
    def refuse_another_file(dbapi_connection: Any, record: Any, proxy: Any) -> None:
        # What is written to a file that was removed or replaced is lost without an error.
        if record.info["file"] != _identity(file):
            raise DisconnectionError

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        options = connection.get_execution_options()
        connection.exec_driver_sql(f"PRAGMA busy_timeout={options['wait_ms']:d}")
        # A transaction that reads first and writes later is refused at once where it has to wait.
        connection.exec_driver_sql("BEGIN IMMEDIATE" if options["writes"] else "BEGIN")

    return engine


def _connect(file: Path) -> sqlite3.Connection:
    """Open a file that exists: a new, empty one in its place would hide that it is gone."""
    connection = sqlite3.connect(
        f"file:{quote(str(file))}?mode=rw",
        uri=True,
        timeout=WAIT_MS / 1000,
        isolation_level=None,  # transactions begin where the engine says so
        check_same_thread=False,  # the pool lends a connection to one thread at a time
    )
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("PRAGMA foreign_keys=ON")
    return connection


def _identity(file: Path) -> tuple[int, int] | None:
    try:
        status = file.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _keep_a_write_ahead_log(connection: sqlite3.Connection) -> None:
    """Set it once, the file remembers. While another process does the same it is refused."""
    deadline = time.monotonic() + WAIT_MS / 1000
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            busy = getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_BUSY
            if not busy or time.monotonic() > deadline:
                raise
            time.sleep(0.02)


# --- PostgreSQL -----------------------------------------------------------------------------------


def _postgresql(database_url: str) -> Engine:
    try:
        url = make_url(database_url)
        engine = create_engine(
            url,
            pool_pre_ping=True,
            pool_timeout=WAIT_MS / 1000,
            connect_args={"connect_timeout": max(WAIT_MS // 1000, 1)},
            hide_parameters=True,
        )
    except ModuleNotFoundError:
        raise SettingsError(
            "feedback.database_url: PostgreSQL needs psycopg: install cds-service[postgres]"
        ) from None
    except (ArgumentError, ValueError):
        raise SettingsError(
            "feedback.database_url: cannot be read: write "
            "postgresql+psycopg://user:password@host:5432/database, with special characters of "
            "the password percent-encoded"
        ) from None

    @event.listens_for(engine, "connect")
    def set_up(dbapi_connection: Any, record: Any) -> None:
        # Acknowledged means on the disk, whatever the server's default.
        with dbapi_connection.cursor() as cursor:
            cursor.execute("SET synchronous_commit = on")
            cursor.execute(f"SET lock_timeout = {WAIT_MS:d}")
            cursor.execute(f"SET statement_timeout = {5 * WAIT_MS:d}")
        dbapi_connection.commit()

    return engine
