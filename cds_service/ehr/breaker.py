"""Leaves an EHR alone that does not answer, and tries it again with one read after a pause."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from enum import StrEnum


class State(StrEnum):
    """Whether reads are let through."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"
    """The pause is over: one read is let through, and its outcome decides."""


class Breaker:
    """The state of one origin; threads share it.

    A call asks for a dozen lists at once, so one short outage must not open it: by default that
    takes more failures in a row than one call has reads.
    """

    def __init__(
        self,
        failures: int = 20,
        pause_s: float = 15.0,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._limit = failures
        self._pause_s = pause_s
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._failures = 0
        self._opened_at: float | None = None
        self._is_trying = False

    @property
    def state(self) -> State:
        """The state at this moment."""
        opened_at = self._opened_at
        if opened_at is None:
            return State.CLOSED
        is_over = self._monotonic() - opened_at >= self._pause_s
        return State.HALF_OPEN if is_over else State.OPEN

    def admits(self) -> bool:
        """Whether a read may start; each that does must report ``succeeded`` or ``failed``."""
        with self._lock:
            state = self.state
            if state is State.HALF_OPEN and not self._is_trying:
                self._is_trying = True
                return True
            return state is State.CLOSED

    def succeeded(self) -> None:
        """The origin answered, whatever it said."""
        with self._lock:
            self._failures = 0
            self._opened_at = None
            self._is_trying = False

    def failed(self) -> None:
        """The origin could not be reached, or not in time, or is out of order."""
        with self._lock:
            self._failures += 1
            self._is_trying = False
            if self._failures >= self._limit:
                self._opened_at = self._monotonic()
