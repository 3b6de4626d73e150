"""Servers as processes, for the tests that need a real one."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SMALL = "tests.contract.small_server"
REAL = "cds_service.cli"
JSON = {"Content-Type": "application/json"}


@dataclass
class Served:
    """A running server, its port and the file its log goes to."""

    process: subprocess.Popen[bytes]
    port: int
    folder: Path

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text(encoding="utf-8")

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)

    def send(
        self,
        method: str,
        path: str,
        body: bytes | list[bytes] | None = None,
        headers: dict[str, str] | None = None,
    ) -> tuple[int, bytes, http.client.HTTPMessage]:
        """One request; a list of parts is sent chunked."""
        connection = self.connect()
        chunked = isinstance(body, list)
        connection.request(
            method,
            path,
            body=iter(body) if isinstance(body, list) else body,
            headers=headers or {},
            encode_chunked=chunked,
        )
        response = connection.getresponse()
        content = response.read()
        connection.close()
        return response.status, content, response.headers


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def start(folder: Path, *arguments: str, settings: str = "", program: str = SMALL) -> Served:
    """Start a server in a folder of its own; ``program`` is the module that is the command."""
    (folder / "settings.toml").write_text(settings, encoding="utf-8")
    port = free_port()
    command = [sys.executable, "-m", program, "serve", "--port", str(port)]
    command += ["--config", str(folder / "settings.toml"), *arguments]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stderr=log, stdout=log, cwd=ROOT)
    return Served(process, port, folder)


def start_program(folder: Path, program: str, *, workers: int = 1, **options: int) -> Served:
    """Start a server whose application ``app`` is made by a few lines of Python."""
    port = free_port()
    chosen = "".join(f", {name}={value}" for name, value in options.items())
    lines = [
        "from flask import Flask",
        "from cds_service.web.server import Server",
        program,
        f"Server(app, '127.0.0.1', {port}, {workers}{chosen}).run()",
    ]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-c", "\n".join(lines)], stderr=log, stdout=log, cwd=ROOT
        )
    return Served(process, port, folder)


def workers_of(served: Served) -> set[int]:
    """The process ids of its workers."""
    pid = served.process.pid
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="utf-8")
    return {int(child) for child in children.split()}


@contextmanager
def only(served: Served, worker: int) -> Iterator[None]:
    """What is sent meanwhile is answered by this worker: the others are halted."""
    others = workers_of(served) - {worker}
    for each in others:
        os.kill(each, signal.SIGSTOP)
    try:
        wait_for(lambda: all(map(_is_halted, others)), "the other workers to halt")
        yield
    finally:
        for each in others:
            os.kill(each, signal.SIGCONT)


def _is_halted(process: int) -> bool:
    """All of its threads."""
    tasks = Path(f"/proc/{process}/task").glob("*/stat")
    return all(" T " in task.read_text(encoding="utf-8") for task in tasks)


def wait_for(condition: Callable[[], bool], what: str) -> None:
    """Wait until a condition holds, at most 20 seconds."""
    deadline = time.monotonic() + 20
    while not condition():
        if time.monotonic() > deadline:
            pytest.fail(f"waited in vain: {what}")
        time.sleep(0.02)


def wait_until_ready(served: Served, expected: int = 200) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and served.process.poll() is None:
        try:
            if served.send("GET", "/readyz")[0] == expected:
                return
        except OSError:
            time.sleep(0.05)
    pytest.fail(f"the server did not start: {served.log}")


def stop(served: Served) -> int:
    served.process.send_signal(signal.SIGTERM)
    return served.process.wait(timeout=15)
