"""One valid call, damaged: in the structure of its JSON, then perhaps in its bytes.

A value that is no JSON, such as a number of 5000 digits, stands in the tree as a name in
brackets and is put in its place when the text is made.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from random import Random
from typing import Any

from tests.contract.hostile.bases import MARKER

_RAW = {
    "⟦nan⟧": "NaN",
    "⟦infinity⟧": "-Infinity",
    "⟦digits⟧": "9" * 5000,
    "⟦small digits⟧": "0." + "0" * 4000 + "1",
    "⟦exponent⟧": "1e999999999",
    "⟦tiny⟧": "-1E-999999999",
    "⟦thirty-one digits⟧": "1" + "0" * 30,
    "⟦nested lists⟧": "[" * 1500 + "]" * 1500,
    "⟦nested objects⟧": '{"a":' * 700 + "1" + "}" * 700,
    "⟦twice⟧": '{"a": 1, "a": 2}',
    "⟦half a character⟧": '"\\ud800"',
    "⟦escape⟧": '"\\u0000\\u202e"',
}
_VALUES: list[Any] = [
    *_RAW, None, True, False, 0, -1, -0.0, 1e308, 5e-324, 2**63, 10**25, "", " ", "\x7f", "\u2028",
    MARKER, f"Patient/{MARKER}", f"https://{MARKER}.example.org", "../../etc/passwd", "{{7*7}}",
    "<script>", "%s%n{0}", "x" * 20_000, "😀" * 200, [], {}, [[]], [None], [{}], {"": ""}, {"a": None},
    {"reference": f"#{MARKER}"}, {"resourceType": "Bundle", "entry": [None]},
    {"resourceType": "OperationOutcome"}, {"resourceType": MARKER}, "2026-02-30", "0000", "9999-12-31",
    "2026-06-03T24:00:00Z", "2026-06-03T12:00:00+99:00", "P1D", "mg", "/min", "active", "stopped",
]  # fmt: skip
_BYTES = [
    b"\xff", b"\xc3\x28", b"\xed\xa0\x80", b"\x00", b"\xef\xbb\xbf", b'"', b"\\", b"{", b"]", b",", b"//",
]  # fmt: skip

Place = tuple[Any, Any]
"""A container and the key of a member in it."""


def damaged(text: str, random: Random) -> bytes:
    """The body of a call with one to four things wrong in it."""
    tree = json.loads(text)
    for _ in range(random.randint(1, 4)):
        places = _places(tree)
        if not places:
            break
        random.choice(_DAMAGES)(*random.choice(places), places, random)
    made = json.dumps(tree, ensure_ascii=random.random() < 0.3)
    for name, raw in _RAW.items():
        made = made.replace(json.dumps(name), raw).replace(f'"{name}"', raw)
    body = made.encode("utf-8", "surrogatepass")
    return _damaged_bytes(body, random) if random.random() < 0.35 else body


def _places(tree: Any) -> list[Place]:
    found: list[Place] = []
    waiting = [tree]
    while waiting:
        container = waiting.pop()
        keys = container.keys() if isinstance(container, dict) else range(len(container))
        found += [(container, key) for key in keys]
        waiting += [container[key] for key in keys if isinstance(container[key], (dict, list))]
    return found


def _replace(container: Any, key: Any, places: list[Place], random: Random) -> None:
    container[key] = random.choice(_VALUES)


def _remove(container: Any, key: Any, places: list[Place], random: Random) -> None:
    del container[key]


def _copy_another(container: Any, key: Any, places: list[Place], random: Random) -> None:
    other, name = random.choice(places)
    container[key] = json.loads(json.dumps(other[name]))


def _wrap(container: Any, key: Any, places: list[Place], random: Random) -> None:
    value = container[key]
    container[key] = random.choice([[value], {"resource": value}, {MARKER: value}, [value, value]])


def _unwrap(container: Any, key: Any, places: list[Place], random: Random) -> None:
    value = container[key]
    if isinstance(value, list) and value:
        container[key] = value[0]
    elif isinstance(value, dict) and value:
        container[key] = random.choice(list(value.values()))


def _rename(container: Any, key: Any, places: list[Place], random: Random) -> None:
    if isinstance(container, dict):
        container[random.choice([MARKER, key + " ", key.upper(), "", "_" + key])] = container.pop(
            key
        )


def _repeat(container: Any, key: Any, places: list[Place], random: Random) -> None:
    if isinstance(container, list):
        container += json.loads(json.dumps([container[key]] * random.choice([1, 3, 40])))


def _to_text(container: Any, key: Any, places: list[Place], random: Random) -> None:
    container[key] = json.dumps(container[key])


def _number(container: Any, key: Any, places: list[Place], random: Random) -> None:
    """Damages a number where there is one: most places hold text."""
    numbers = [
        (where, name)
        for where, name in places
        if isinstance(where[name], (int, float)) and not isinstance(where[name], bool)
    ]
    where, name = random.choice(numbers or [(container, key)])
    where[name] = random.choice(
        [*list(_RAW)[:7], 0, -5, 1e-30, 1e30, "5", 0.1 + 0.2, 123456789012345678, None, [5]]
    )


_DAMAGES: list[Callable[[Any, Any, list[Place], Random], None]] = [
    _replace, _replace, _replace, _remove, _copy_another, _wrap, _unwrap, _rename, _repeat, _to_text,
    _number, _number,
]  # fmt: skip


def _damaged_bytes(body: bytes, random: Random) -> bytes:
    start = random.randrange(len(body) + 1)
    end = min(len(body), start + random.randrange(200))
    match random.randrange(6):
        case 0:
            return body[:start]
        case 1:
            return body[:start] + body[end:]
        case 2:
            return body[:start] + random.choice(_BYTES) + body[start:]
        case 3:
            return body[:start] + random.randbytes(3) + body[end:]
        case 4:
            return body[:end] + body[start:]
        case _:
            return body[:start] + body[start:end][::-1] + body[end:]
