"""The interface as an OpenAPI document, kept by hand in ``openapi.yaml``."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import Any

import yaml
from flask import Blueprint, Response

_MEDIA_TYPE = "application/yaml"
_SCHEMA_FILES = "schemas/"


def blueprint() -> Blueprint:
    """``/openapi.yaml``."""
    routes = Blueprint("description", __name__)

    @routes.get("/openapi.yaml")
    def description() -> Response:
        return Response(_text(), content_type=_MEDIA_TYPE)

    return routes


@cache
def _text() -> str:
    return yaml.dump(document(), Dumper=_Plain, sort_keys=False, allow_unicode=True, width=100)


class _Plain(yaml.SafeDumper):
    """Writes every part out: not all readers of OpenAPI know the aliases of YAML."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 (the library's signature)
        return True


def document() -> dict[str, Any]:
    """The description as one document, with the schemas of requests that calls are checked by."""
    folder = files("cds_service.web")
    described: dict[str, Any] = yaml.safe_load(folder.joinpath("openapi.yaml").read_text("utf-8"))
    schemas = described["components"]["schemas"]
    for name, schema in schemas.items():
        file = schema.get("$ref", "")
        if file.startswith(_SCHEMA_FILES):
            schemas[name] = json.loads(folder.joinpath(file).read_text("utf-8"))
    return described
