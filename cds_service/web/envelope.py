"""A hook call from bytes to ``HookRequest``: strict where a mistake could hurt, else lenient.

The FHIR inside stays JSON bytes: the core decodes what it reads, resource by resource, and
decimals arrive there as they were written. The JSON Schemas stop at ``prefetch`` and at the
entries of the orders. Nothing here knows Flask; ``cds-service evaluate`` reads requests by the
same code.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from http import HTTPStatus
from importlib.resources import files
from itertools import islice
from typing import Any

import msgspec
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError
from msgspec import Raw

from cds_service.cds import HookRequest, Service
from cds_service.web.problems import Issue, IssueType, Refusal, refuse

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_WEB_ADDRESS = re.compile(r"https?://[^\s/]", re.IGNORECASE)
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_ORDERS = {
    "order-select": "draftOrders",
    "order-sign": "draftOrders",
    "medication-prescribe": "medications",
}
"""Hook -> the context field that holds its orders."""

_MOST_ISSUES = 50
_TOKEN_MEMBERS = ("access_token", "token_type", "expires_in", "scope", "subject")

_NULL = Raw(b"null")
_BUNDLE = Raw(b'"Bundle"')

_members = msgspec.json.Decoder(dict[str, Raw])
_elements = msgspec.json.Decoder(list[Raw])


@dataclass(frozen=True, slots=True)
class Envelope:
    """A call that may be answered.

    ``notes`` are departures from the standard that were tolerated, each a fixed word for the
    log; none repeats anything of the request.
    """

    request: HookRequest
    notes: tuple[str, ...]


def is_uuid(text: str) -> bool:
    """Whether a text has the shape of a UUID."""
    return _UUID.fullmatch(text) is not None


def parse(body: bytes) -> Mapping[str, Raw]:
    """The members of the JSON object in a request body, each still JSON; or a refusal."""
    body = body.removeprefix(_BYTE_ORDER_MARK)
    if not body.strip():
        raise _unreadable("The request has no body: send one JSON object.")
    try:
        body.decode()  # the decoder does not look at UTF-8 inside a raw value
        return _members.decode(body)
    except UnicodeDecodeError:
        raise _unreadable("The body is not valid UTF-8: send JSON in UTF-8.") from None
    except RecursionError:
        raise nested_too_deeply() from None
    except msgspec.ValidationError:
        raise _unreadable("The body is not a JSON object: send one JSON object.") from None
    except msgspec.DecodeError:
        raise _unreadable(
            "The body is not valid JSON (RFC 8259): check for a cut body, NaN or Infinity, "
            "comments, trailing commas and broken escapes."
        ) from None


def nested_too_deeply() -> Refusal:
    """The refusal of JSON that no FHIR resource needs."""
    return _unreadable("The JSON is nested too deeply to be read.")


def hook_of(members: Mapping[str, Raw]) -> str | None:
    """The hook a request says it was triggered by."""
    hook = _outline(members["hook"]) if "hook" in members else None
    return hook if isinstance(hook, str) else None


def read(members: Mapping[str, Raw], service: Service) -> Envelope:
    """The checked call to one service; raises a ``Refusal`` that names everything wrong."""
    context = _context(members)
    outline = {name: _outline(members[name]) for name in _properties("request") if name in members}
    issues = [*violations("request", outline)]
    if context is not None:
        issues += violations(_schema_name(service.hook), context, "context")
    if outline.get("hook") != service.hook and not any(each.field == "hook" for each in issues):
        issues.append(
            Issue(
                IssueType.VALUE,
                "CDS-400-hook",
                f"hook is not the hook of this service: send {service.hook}, or call the "
                "service that discovery lists for your hook.",
                "hook",
            )
        )
    if issues or context is None:
        raise Refusal(HTTPStatus.BAD_REQUEST, issues)
    return Envelope(
        _hook_request(service, outline, context, members), tuple(_notes(service, outline, context))
    )


def _unreadable(text: str) -> Refusal:
    return refuse(HTTPStatus.BAD_REQUEST, IssueType.STRUCTURE, "CDS-400-json", text)


# --- what the schemas look at ---------------------------------------------------------------------


def _outline(raw: Raw) -> Any:
    """One level of a JSON value, which is all that the schema of the envelope looks at.

    Members stay raw, arrays are empty and numbers are 0: nothing there may cost time.
    """
    content = bytes(raw)
    match content[:1]:
        case b"{":
            return _members.decode(content)
        case b"[":
            return []
        case b'"' | b"t" | b"f" | b"n":
            return msgspec.json.decode(content)
        case _:
            return 0


class _Repeated(Exception):
    """A JSON object in ``context`` has a member twice."""


def _each_member_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise _Repeated
    return members


def _context(members: Mapping[str, Raw]) -> dict[str, Any] | None:
    """The decoded ``context``, or ``None`` where it is missing or not an object.

    Which of two ``dosageInstruction`` is meant cannot be known, so a repeated member anywhere in
    the context is refused. Numbers are not read: the schemas do not look at them, and an
    exponent of 999 999 999 would be worked out.
    """
    raw = members.get("context")
    if raw is None:
        return None
    try:
        context = json.loads(
            bytes(raw),
            object_pairs_hook=_each_member_once,
            parse_float=lambda _: 0.0,
            parse_int=lambda _: 0,
        )
    except RecursionError:
        raise nested_too_deeply() from None
    except _Repeated:
        raise refuse(
            HTTPStatus.BAD_REQUEST,
            IssueType.DUPLICATE,
            "CDS-400-duplicate",
            "An object in context has the same member twice, so what is meant is not certain: "
            "send each member once.",
            "context",
        ) from None
    return context if isinstance(context, dict) else None


@cache
def _document(name: str) -> dict[str, Any]:
    source = files("cds_service.web").joinpath("schemas", f"{name}.json")
    document: dict[str, Any] = json.loads(source.read_text(encoding="utf-8"))
    return document


def _properties(name: str) -> Mapping[str, Any]:
    properties: dict[str, Any] = _document(name)["properties"]
    return properties


@cache
def _validator(name: str) -> Draft202012Validator:
    document = _document(name)
    Draft202012Validator.check_schema(document)
    return Draft202012Validator(document)


def _schema_name(hook: str) -> str:
    return hook if hook == "patient-view" or hook in _ORDERS else "any-hook"


def violations(schema: str, instance: Any, parent: str = "") -> Iterator[Issue]:
    """One issue for each field that breaks the schema, up to as many as a reader can use."""
    seen: set[str | None] = set()
    for error in islice(_validator(schema).iter_errors(instance), _MOST_ISSUES):
        for issue in _issues(error, parent):
            if issue.field not in seen:
                seen.add(issue.field)
                yield issue


def _issues(error: ValidationError, parent: str) -> Iterable[Issue]:
    """An error in our words: those of the library quote the value."""
    field = _path(parent, error.absolute_path)
    schema: Any = error.schema
    if error.validator == "required":
        instance: Any = error.instance
        missing = [name for name in schema["required"] if name not in instance]
        return [
            Issue(
                IssueType.REQUIRED,
                "CDS-400-missing",
                f"{_path(field, [name])} is missing: {schema['properties'][name]['description']}.",
                _path(field, [name]),
            )
            for name in missing
        ]
    remedy = schema["description"]
    if error.validator == "type":
        text = f"{field} has the wrong type: {remedy}."
        return [Issue(IssueType.STRUCTURE, "CDS-400-type", text, field)]
    text = f"{field} cannot be used: {remedy}."
    return [Issue(IssueType.VALUE, "CDS-400-value", text, field)]


def _path(parent: str, steps: Iterable[str | int]) -> str:
    path = parent
    for step in steps:
        path += f"[{step}]" if isinstance(step, int) else f".{step}"
    return path.removeprefix(".")


# --- what goes on to the core ---------------------------------------------------------------------


def _hook_request(
    service: Service,
    outline: Mapping[str, Any],
    context: Mapping[str, Any],
    members: Mapping[str, Raw],
) -> HookRequest:
    prefetch: Mapping[str, Raw] = outline.get("prefetch") or {}
    field = _ORDERS.get(service.hook)
    return HookRequest(
        service=service.id,
        hook=service.hook,
        hook_instance=outline["hookInstance"].strip(),
        patient_id=context["patientId"].strip().removeprefix("Patient/"),
        orders=None if field is None else as_bundle(_members.decode(members["context"])[field]),
        prefetch={key: bytes(value) for key, value in prefetch.items()},
        fhir_server=_text(outline.get("fhirServer")),
        access_token=_access_token(outline.get("fhirAuthorization")),
        user_id=_text(context.get("userId")),
        encounter_id=_text(context.get("encounterId")),
        selections=tuple(context.get("selections") or ()),
    )


def _text(value: str | None) -> str | None:
    """A text without white space around it; blank is the same as absent."""
    return (value or "").strip() or None


def as_bundle(orders: Raw) -> bytes:
    """The orders of a context as a Bundle, every resource as the bytes it came in.

    Clients also send a single resource, an array of resources, and the pre-1.0 wrapper
    ``{"response": …, "resource": …}``.
    """
    content = bytes(orders)
    if content.startswith(b"["):
        return _bundle(map(_unwrapped, _elements.decode(content)))
    members = _members.decode(_unwrapped(orders))
    if members.get("resourceType") != _BUNDLE:
        return _bundle([_unwrapped(orders)])
    if members.get("entry") == _NULL:
        return _bundle([])
    return _unwrapped(orders)


def _unwrapped(order: Raw) -> bytes:
    members = _members.decode(order)
    return bytes(order if "resourceType" in members else members.get("resource", order))


def _bundle(resources: Iterable[bytes]) -> bytes:
    entries = b",".join(b'{"resource":' + each + b"}" for each in resources)
    return b'{"resourceType":"Bundle","type":"collection","entry":[' + entries + b"]}"


def _access_token(authorization: Mapping[str, Raw] | None) -> str | None:
    """The token for the EHR, where one was sent in the only form the standard knows."""
    kind, token = (
        _outline((authorization or {}).get(name, _NULL)) for name in ("token_type", "access_token")
    )
    if not isinstance(kind, str) or kind.lower() != "bearer":
        return None
    return _text(token) if isinstance(token, str) else None


def _notes(
    service: Service, outline: Mapping[str, Any], context: Mapping[str, Any]
) -> Iterator[str]:
    """What was tolerated, as fixed words."""
    if not is_uuid(outline["hookInstance"].strip()):
        yield "hookInstance-not-uuid"
    if _text(context.get("userId")) is None:
        yield "userId-missing"
    if service.hook == "order-select" and context.get("selections") is None:
        yield "selections-missing"
    server = _text(outline.get("fhirServer"))
    if server is not None and not _WEB_ADDRESS.match(server):
        yield "fhirServer-not-a-url"
    authorization = outline.get("fhirAuthorization")
    if authorization is not None:
        if server is None:
            yield "fhirAuthorization-without-fhirServer"
        if any(authorization.get(name, _NULL) == _NULL for name in _TOKEN_MEMBERS):
            yield "fhirAuthorization-incomplete"
    orders = context.get(_ORDERS.get(service.hook, ""))
    if orders is None:
        return
    if not isinstance(orders, dict) or orders.get("resourceType") != "Bundle":
        yield "orders-not-a-bundle"
    elif not set(context.get("selections") or ()) <= _order_names(orders):
        yield "selections-not-in-orders"


def _order_names(bundle: Mapping[str, Any]) -> set[str]:
    """``Type/id`` of each order in a Bundle; its entries may be anything."""
    entries = [each for each in bundle.get("entry") or () if isinstance(each, dict)]
    resources = [each["resource"] for each in entries if isinstance(each.get("resource"), dict)]
    return {f"{each.get('resourceType')}/{each.get('id')}" for each in resources}
