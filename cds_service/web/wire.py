"""JSON as it leaves the service: exact decimals, members in the order they were given."""

from __future__ import annotations

from typing import Any

import msgspec

_encoder = msgspec.json.Encoder(decimal_format="number")


def encode(content: Any) -> bytes:
    """JSON bytes; a ``Decimal`` keeps its digits, so 0.10 stays 0.10."""
    return _encoder.encode(content)


def encode_for_reading(content: Any) -> str:
    """The same, indented for people."""
    return msgspec.json.format(encode(content), indent=2).decode()
