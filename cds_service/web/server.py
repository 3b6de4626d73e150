"""gunicorn, started from our own command: its settings and its log."""

from __future__ import annotations

import socket
import struct
from contextlib import suppress
from http import HTTPStatus
from typing import Any

from flask import Flask
from gunicorn.app.base import BaseApplication
from gunicorn.config import Config
from gunicorn.glogging import Logger
from gunicorn.http.errors import LimitRequestHeaders, LimitRequestLine, ParseException
from gunicorn.workers.gthread import ThreadWorker

from cds_service.web.logs import JsonLines
from cds_service.web.problems import IssueType, Refusal, internal_error, operation_outcome, refuse
from cds_service.web.wire import encode


class _Log(Logger):
    """gunicorn's own messages as JSON lines, without what a client sent."""

    def setup(self, cfg: Config) -> None:
        """Set up as ever, then change the form of a line."""
        super().setup(cfg)
        for handler in self.error_log.handlers:
            handler.setFormatter(JsonLines())


class _Worker(ThreadWorker):
    """Answers what the server itself cannot read as everything else is answered."""

    def handle_error(self, req: Any, client: socket.socket, addr: Any, exc: BaseException) -> None:  # noqa: ARG002 (gunicorn's signature)
        """In place of a page in HTML that quotes the request."""
        if isinstance(exc, ParseException):
            refusal = _unreadable(exc)
            self.log.warning("unreadable HTTP request")
        else:
            refusal = internal_error()
            self.log.error("failed", exc_info=exc)
        content = encode(operation_outcome(refusal.issues))
        head = (
            f"HTTP/1.1 {refusal.status.value} {refusal.status.phrase}\r\n"
            "Connection: close\r\nContent-Type: application/json\r\nCache-Control: no-store\r\n"
            f"X-Content-Type-Options: nosniff\r\nContent-Length: {len(content)}\r\n\r\n"
        )
        with suppress(OSError):
            client.sendall(head.encode("ascii") + content)


def _unreadable(error: ParseException) -> Refusal:
    """What is wrong with a request of which the application never hears."""
    if isinstance(error, LimitRequestLine):
        status, code = HTTPStatus.REQUEST_URI_TOO_LONG, "CDS-414"
        text = "The address is too long: send what belongs to the call in its body."
    elif isinstance(error, LimitRequestHeaders):
        status, code = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "CDS-431"
        text = "There are too many headers, or one is too large: send fewer and shorter ones."
    else:
        status, code = HTTPStatus.BAD_REQUEST, "CDS-400-http"
        text = "This is not HTTP as RFC 9112 has it: check request line, headers and chunks."
    return refuse(status, IssueType.STRUCTURE, code, text)


class Server(BaseApplication):
    """Serves an application that was made before the workers are forked.

    So a rulebook that cannot be served is reported once, and all workers share the secret of the
    finding keys.
    """

    def __init__(
        self,
        app: Flask,
        host: str,
        port: int,
        workers: int,
        *,
        silence_s: int = 30,
        **more: Any,
    ) -> None:
        """Prepare the server; ``more`` are settings of gunicorn, which win over those here."""
        self._app = app
        self._silence_s = silence_s
        self._settings: dict[str, Any] = {
            "bind": f"[{host}]:{port}" if ":" in host else f"{host}:{port}",
            "workers": workers,
            "worker_class": _Worker,
            "threads": 4,
            "timeout": 30,
            "graceful_timeout": 30,
            # A worker is replaced now and then, so that no leak grows for ever.
            "max_requests": 5000,
            "max_requests_jitter": 500,
            "preload_app": True,
            "logger_class": _Log,
            "proc_name": "cds-service",
            # By default it is opened in the home directory, which may be read-only.
            "control_socket_disable": True,
            "when_ready": self._limit_silence,
        } | more
        super().__init__(prog="cds-service serve")

    def load_config(self) -> None:
        """Only our settings: neither a file nor the environment changes what is served."""
        for name, value in self._settings.items():
            self.cfg.set(name, value)

    def load(self) -> Any:
        """The application, the same one for every worker."""
        return self._app

    def _limit_silence(self, arbiter: Any) -> None:
        """Give up on clients that say nothing more in the middle of a request.

        gunicorn would wait for ever: as many lost connections as there are threads, and nobody is
        served. Accepted connections inherit the option from the listening socket.
        """
        for listener in arbiter.LISTENERS:
            limit = struct.pack("ll", self._silence_s, 0)
            listener.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, limit)
