"""Feedback on the real server, through kills and a full disk: nothing acknowledged is lost."""

from __future__ import annotations

import csv
import http.client
import io
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from functools import partial
from pathlib import Path

import pytest

from tests.contract.serving import JSON, ROOT, Served, start, stop, wait_until_ready
from tests.contract.support import ORDER_SELECT, order_select

FEEDBACK = ORDER_SELECT + "/feedback"
DEADLINE_S = 30


def body(card: str, comment: str = "seen") -> bytes:
    entry = {
        "card": card,
        "outcome": "overridden",
        "overrideReason": {"userComment": comment},
        "outcomeTimestamp": "2026-06-03T12:00:00Z",
    }
    return json.dumps({"feedback": [entry]}).encode()


def report(served: Served, card: str, comment: str = "seen") -> int | None:
    """The status of the answer; ``None`` where the connection broke."""
    try:
        return served.send("POST", FEEDBACK, body(card, comment), JSON)[0]
    except (OSError, http.client.HTTPException):
        return None


def report_until_taken(served: Served, card: str, comment: str = "seen") -> None:
    """As an EHR does that repeats what was not acknowledged."""
    wait_until(lambda: report(served, card, comment) == 200)


def wait_until(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def call(served: Served) -> int:
    return served.send("POST", ORDER_SELECT, json.dumps(order_select()).encode(), JSON)[0]


def noted(served: Served) -> set[str]:
    """What the log says of calls that were answered without the store."""
    lines = [json.loads(line) for line in served.log.splitlines() if '"notes"' in line]
    return {note for line in lines if line["status"] == 200 for note in line["notes"]}


def workers(served: Served) -> list[int]:
    """The processes that answer, children of the one that was started."""
    process = served.process.pid
    children = Path(f"/proc/{process}/task/{process}/children").read_text(encoding="utf-8")
    return [int(each) for each in children.split()]


def exported(served: Served) -> list[str]:
    """The cards in the export of the command."""
    command = [sys.executable, "-m", "cds_service.cli", "feedback", "export", "--format", "csv"]
    command += ["--config", str(served.folder / "settings.toml")]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    return sorted(row["card"] for row in csv.DictReader(io.StringIO(done.stdout, newline="")))


@contextmanager
def running(folder: Path, *arguments: str, settings: str = "") -> Iterator[Served]:
    served = start(folder, *arguments, settings=settings)
    try:
        wait_until_ready(served)
        yield served
    finally:
        for process in (*workers(served), served.process.pid):
            with_no_mercy(process)
        served.process.wait()


def with_no_mercy(process: int) -> None:
    """As the kernel does when memory runs out; a worker may be gone already."""
    with suppress(ProcessLookupError):
        os.kill(process, signal.SIGKILL)


def test_a_worker_killed_in_the_middle_of_feedback(tmp_path: Path) -> None:
    """It was not acknowledged, so it may be lost; sent again it is there, once."""
    with running(tmp_path, "--workers", "1") as served:
        report_until_taken(served, "before")
        (worker,) = workers(served)
        with (
            closing(sqlite3.connect(tmp_path / "feedback.db", isolation_level=None)) as other,
            ThreadPoolExecutor(1) as threads,
        ):
            other.execute("BEGIN IMMEDIATE")  # the worker reaches its transaction and waits in it
            answer = threads.submit(report, served, "in-the-middle")
            time.sleep(0.5)
            with_no_mercy(worker)
            assert answer.result(timeout=DEADLINE_S) is None
            other.execute("ROLLBACK")
        report_until_taken(served, "in-the-middle")
        assert exported(served) == ["before", "in-the-middle"]


def test_servers_killed_under_load_lose_nothing_acknowledged(tmp_path: Path) -> None:
    """Workers are killed while eight clients report, then the whole server, then it starts again."""
    acknowledged: list[str] = []

    def client(number: int, served: Served) -> None:
        for count in range(25):
            card = f"card-{number}-{count}"
            report_until_taken(served, card)
            acknowledged.append(card)

    def has(taken: int) -> bool:
        return len(acknowledged) >= taken

    with running(tmp_path) as served, ThreadPoolExecutor(8) as threads:
        clients = [threads.submit(client, number, served) for number in range(8)]
        for taken in (20, 60, 100):
            wait_until(partial(has, taken))
            with_no_mercy(workers(served)[0])
        for each in clients:
            each.result(timeout=2 * DEADLINE_S)
    assert len(acknowledged) == 200
    with running(tmp_path) as served:
        assert served.send("GET", "/readyz")[0] == 200
        assert exported(served) == sorted(acknowledged)


def test_a_locked_database(tmp_path: Path) -> None:
    """Feedback answers 503 in a few seconds, cards are answered; then all is as before."""
    with running(tmp_path) as served:
        with closing(sqlite3.connect(tmp_path / "feedback.db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            status, content, headers = served.send("POST", FEEDBACK, body("locked"), JSON)
            assert status == 503
            assert headers["Retry-After"]
            assert json.loads(content)["issue"][0]["diagnostics"] == "CDS-503"
            assert call(served) == 200
            assert served.send("GET", "/readyz")[0] == 503
        assert report(served, "after") == 200
        assert "cards-not-remembered" in noted(served)
        assert exported(served) == ["after"]
        assert '"fault":"SQLITE_BUSY"' in served.log.replace(": ", ":")


def test_a_database_that_is_gone_and_back(tmp_path: Path) -> None:
    """All workers notice, none makes a new one in its place."""
    away = tmp_path / "away"
    away.mkdir()
    with running(tmp_path) as served:
        report_until_taken(served, "before")
        for each in tmp_path.glob("feedback.db*"):
            each.rename(away / each.name)
        assert {report(served, f"lost-{number}") for number in range(8)} == {503}
        assert {call(served) for _ in range(8)} == {200}
        assert noted(served) >= {"overrides-unknown", "cards-not-remembered"}
        assert served.send("GET", "/readyz")[0] == 503
        for each in away.iterdir():
            each.rename(tmp_path / each.name)
        assert {report(served, f"after-{number}") for number in range(8)} == {200}
        assert len(exported(served)) == 9


def test_faults_of_the_database_while_clients_call_and_report(tmp_path: Path) -> None:
    """Locked, then removed, then back: every call has its cards, nothing acknowledged is lost."""
    file, away = tmp_path / "feedback.db", tmp_path / "away"
    away.mkdir()
    ending = threading.Event()
    acknowledged: list[str] = []
    refused: list[str] = []
    calls: list[int] = []

    def client(number: int, served: Served) -> None:
        while not ending.is_set():
            card = f"card-{number}-{len(acknowledged)}-{len(refused)}"
            status, _, headers = served.send("POST", FEEDBACK, body(card), JSON)
            if status == 503 and int(headers["Retry-After"]) > 0:
                refused.append(card)
            else:
                assert status == 200
                acknowledged.append(card)
            calls.append(call(served))

    def wait_for_more(of: list[str]) -> None:
        seen = len(of)
        wait_until(lambda: len(of) >= seen + 4)

    with running(tmp_path) as served, ThreadPoolExecutor(4) as threads:
        clients = [threads.submit(client, number, served) for number in range(4)]
        try:
            wait_for_more(acknowledged)
            with closing(sqlite3.connect(file, isolation_level=None)) as other:
                other.execute("BEGIN IMMEDIATE")
                wait_for_more(refused)
            wait_for_more(acknowledged)
            # In this order nobody ever finds the file without its write-ahead log.
            for part in sorted(tmp_path.glob("feedback.db*")):
                part.rename(away / part.name)
            wait_for_more(refused)
            for part in sorted(away.iterdir(), reverse=True):
                part.rename(tmp_path / part.name)
            wait_for_more(acknowledged)
        finally:
            ending.set()
        for each in clients:
            each.result(timeout=DEADLINE_S)
        assert set(calls) == {200}
        assert set(acknowledged) <= set(exported(served))
        assert '"event": "failed"' not in served.log


@pytest.mark.skipif(os.getuid() != 0, reason="only root can make a small disk")
def test_a_full_disk(tmp_path: Path) -> None:
    """503 until there is space again; what was acknowledged before and after is there."""
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "none", disk], check=False
    ).returncode:
        pytest.skip("this container may not mount")
    try:
        (disk / "ballast").write_bytes(b"x" * 300_000)
        with running(
            tmp_path, settings=f'[feedback]\ndatabase_url = "sqlite:///{disk}/f.db"'
        ) as served:
            statuses: list[int | None] = []
            while 503 not in statuses:
                statuses.append(report(served, f"card-{len(statuses):04}", "x" * 2000))
                assert len(statuses) < 1000
            taken = [f"card-{number:04}" for number, each in enumerate(statuses) if each == 200]
            assert '"SQLITE_FULL"' in served.log
            assert call(served) == 200
            (disk / "ballast").unlink()
            assert report(served, "with-space", "x" * 2000) == 200
            assert exported(served) == sorted([*taken, "with-space"])
    finally:
        # A worker that was killed may hold its files for a moment longer.
        wait_until(lambda: subprocess.run(["umount", disk], check=False).returncode == 0)
        shutil.rmtree(disk)


def test_a_database_that_cannot_be_made(tmp_path: Path) -> None:
    """A folder that cannot be written does not stop the cards."""
    text = '[feedback]\ndatabase_url = "sqlite:////proc/feedback.db"'
    served = start(tmp_path, settings=text)
    try:
        wait_until_ready(served, expected=503)
        assert call(served) == 200
        assert report(served, "lost") == 503
    finally:
        assert stop(served) == 0
    assert "started without its feedback store" in served.log
    assert "Traceback" not in served.log
