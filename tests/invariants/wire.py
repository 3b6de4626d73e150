"""Ask the service with every digit as written, and watch that no rule fails unseen."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from traceback import format_exception
from typing import Any

import msgspec
from flask.testing import FlaskClient

from tests.vignettes.fhir_json import Json
from tests.vignettes.response_checks import read_answer

_ENCODER = msgspec.json.Encoder(decimal_format="number")


def ask(http: FlaskClient, service: str, request: Json) -> Json:
    """The answer to a hook call; a rule that fails is an ``AssertionError``."""
    return _post(http, f"/cds-services/{service}", request)


def ask_why(http: FlaskClient, service: str, request: Json) -> Json:
    """The explanation of the same call."""
    return _post(http, f"/cds-services/{service}/explain", request)


def _post(http: FlaskClient, path: str, request: Json) -> Json:
    with no_failed_rule():
        response = http.post(path, data=_ENCODER.encode(request), content_type="application/json")
    return read_answer(response)


@contextmanager
def no_failed_rule() -> Iterator[None]:
    """A fault inside a rule costs only that rule its card and is logged: here it is an error."""
    failures: list[str] = []
    handler = _Failures(failures)
    logger = logging.getLogger("cds_service")
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
    assert not failures, f"rules failed: {', '.join(failures)}"


class _Failures(logging.Handler):
    def __init__(self, failures: list[str]) -> None:
        super().__init__(logging.ERROR)
        self.failures = failures

    def emit(self, record: logging.LogRecord) -> None:
        rule, fault = getattr(record, "rule", "?"), getattr(record, "fault", "?")
        error = record.exc_info[1] if record.exc_info else None
        trace = "\n" + "".join(format_exception(error)) if error else ""
        self.failures.append(f"{record.getMessage()} ({rule}, {fault}){trace}")


def exactly(value: Any) -> Any:
    """The JSON with decimals in place of floats: the digits that were written."""
    if isinstance(value, dict):
        return {key: exactly(below) for key, below in value.items()}
    if isinstance(value, list):
        return [exactly(below) for below in value]
    return Decimal(repr(value)) if isinstance(value, float) else value


def plainly(value: Any) -> Any:
    """The JSON with floats in place of decimals, as models of FHIR read it."""
    if isinstance(value, dict):
        return {key: plainly(below) for key, below in value.items()}
    if isinstance(value, list):
        return [plainly(below) for below in value]
    return float(value) if isinstance(value, Decimal) else value
