"""What the service says of itself in ``openapi.yaml``, and answers held against it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from flask.testing import FlaskClient
from jsonschema import Draft202012Validator
from referencing import Registry
from referencing.jsonschema import DRAFT202012
from werkzeug.test import TestResponse

from cds_service.web.description import document

METHODS = {"get", "post"}
_BASE = "urn:openapi"


@cache
def description() -> dict[str, Any]:
    """The whole document."""
    return document()


def operation(method: str, path: str) -> dict[str, Any] | None:
    """What is described of a method at a path; stray slashes are forgiven as the service does."""
    straight = re.sub("/{2,}", "/", path.partition("?")[0]).rstrip("/") or "/"
    found: dict[str, Any] | None = description()["paths"].get(straight, {}).get(method.lower())
    return found


@cache
def _registry() -> Any:
    return Registry().with_resource(_BASE, DRAFT202012.create_resource(description()))


def _violations(schema: Mapping[str, Any], instance: Any) -> list[str]:
    """``schema`` may refer to the components of the description."""
    document = json.loads(json.dumps(schema).replace('"#/', f'"{_BASE}#/'))
    validator = Draft202012Validator(document, registry=_registry())
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(instance)]


def violations(name: str, instance: Any) -> list[str]:
    """Where an instance breaks a component schema, and how."""
    return _violations({"$ref": f"#/components/schemas/{name}"}, instance)


def problems_of_reply(
    method: str, path: str, status: int, headers: Mapping[str, str], body: Any
) -> list[str]:
    """What of an answer is not described; ``body`` is decoded JSON, or ``None`` without one."""
    described = operation(method, path)
    if described is None:
        return _problems_elsewhere(method, status, body)
    if str(status) not in described["responses"]:
        return [f"{method} {path}: status {status} is not described"]
    return [*_problems(described["responses"][str(status)], headers, body)]


def _problems_elsewhere(method: str, status: int, body: Any) -> list[str]:
    """Where nothing is described: preflights are answered, all else is a proper refusal."""
    if method in {"OPTIONS", "HEAD"} and body is None and status < 500:
        return []
    if status not in {401, 404, 405}:  # who is not known is not told what is there
        return [f"status {status} where nothing is described"]
    return violations("OperationOutcome", body)


def _problems(reply: Mapping[str, Any], headers: Mapping[str, str], body: Any) -> Iterator[str]:
    if "$ref" in reply:
        reply = description()["components"]["responses"][reply["$ref"].rpartition("/")[2]]
    for name, header in reply.get("headers", {}).items():
        if name not in headers:
            yield f"header {name} is missing"
        elif headers[name] != header["schema"].get("const", headers[name]):
            yield f"header {name}: {headers[name]!r}"
    content = reply.get("content", {})
    media_type = headers.get("Content-Type", "").partition(";")[0]
    if content and media_type not in content:
        yield f"media type {media_type!r}"
    elif media_type == "application/json":
        yield from _violations(content[media_type]["schema"], body)


class CheckedClient(FlaskClient):
    """A test client of which every answer must be as described."""

    def open(self, *args: Any, **kwargs: Any) -> TestResponse:
        """Ask, and hold the answer against the description."""
        response = super().open(*args, **kwargs)
        body = response.get_json() if response.is_json and response.data else None
        problems = problems_of_reply(
            response.request.method,
            response.request.path,
            response.status_code,
            dict(response.headers),
            body,
        )
        assert not problems, "\n".join(["not as openapi.yaml describes it:", *problems])
        return response
