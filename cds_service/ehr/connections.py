"""Connections whose timeout is a deadline for the whole answer, and whom they trust."""

from __future__ import annotations

import http.client
import io
import ssl
import time
from typing import Any

from requests.adapters import HTTPAdapter
from requests.utils import DEFAULT_CA_BUNDLE_PATH
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager
from urllib3.connection import HTTPConnection, HTTPSConnection


class _TimedReader(io.RawIOBase):
    """Reads from a socket whose timeout counts for the whole answer, not for every byte of it.

    A server that sends a byte now and then would otherwise hold a thread for as long as it likes.
    """

    def __init__(self, raw: io.RawIOBase, sock: Any) -> None:
        self._raw = raw
        self._sock = sock
        self._until = time.monotonic() + sock.gettimeout()

    def readable(self) -> bool:
        """Yes."""
        return True

    def readinto(self, buffer: Any, /) -> int | None:
        """Fill the buffer with what comes in time."""
        left = self._until - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self._sock.settimeout(left)
        return self._raw.readinto(buffer)

    def close(self) -> None:
        """Let go of the socket."""
        self._raw.close()
        super().close()


class _TimedResponse(http.client.HTTPResponse):
    def __init__(self, sock: Any, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self.fp = io.BufferedReader(_TimedReader(self.fp.detach(), sock))


class _Connection(HTTPConnection):
    response_class = _TimedResponse


class _SecureConnection(HTTPSConnection):
    response_class = _TimedResponse


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


class TimedAdapter(HTTPAdapter):
    """One TLS context for all connections.

    It trusts the store of the system, where a hospital's own certificate authority stands, and
    the list that comes with requests. By itself the adapter would load that list again for each
    connection, which costs a hook most of its time.
    """

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Make the pools, with our connections in them."""
        context = ssl.create_default_context()
        context.load_verify_locations(DEFAULT_CA_BUNDLE_PATH)
        super().init_poolmanager(*args, ssl_context=context, **kwargs)
        manager: PoolManager = self.poolmanager
        manager.pool_classes_by_scheme = {"http": _Pool, "https": _SecurePool}

    def cert_verify(self, conn: Any, *_: Any) -> None:
        """Require a certificate; the context knows by whom."""
        conn.cert_reqs = "CERT_REQUIRED"
