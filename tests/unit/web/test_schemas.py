"""The schemas of the envelope are what the messages are made of."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any

import pytest
from jsonschema import Draft202012Validator

SCHEMAS = sorted(
    (each for each in files("cds_service.web").joinpath("schemas").iterdir()), key=lambda f: f.name
)


@pytest.mark.parametrize("file", SCHEMAS, ids=lambda file: file.name)
def test_every_member_says_what_to_send(file: Any) -> None:
    """A violation is told with the description of its member; one without would be a crash."""
    schema = json.loads(file.read_text(encoding="utf-8"))
    Draft202012Validator.check_schema(schema)
    members = schema["properties"]
    for member in (*members.values(), *(m["items"] for m in members.values() if "items" in m)):
        assert member["description"].startswith("send ")
        assert not member["description"].endswith(".")
    assert set(schema["required"]) <= set(members)


def test_there_is_one_for_every_hook_served() -> None:
    assert [file.name for file in SCHEMAS] == [
        "any-hook.json",
        "feedback.json",
        "medication-prescribe.json",
        "order-select.json",
        "order-sign.json",
        "patient-view.json",
        "request.json",
    ]
