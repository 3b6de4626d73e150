"""Markdown out of plain words: tables, quotes, links, and nothing that turns into markup."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

MADE_BY = (
    "<!-- Made by `cds-service docs` out of the rulebook and its cases. "
    "Change those, then run `make docs`. -->"
)

_MARKUP = re.compile(r"([\\`*_\[\]<>|])")
_SINGLE_BRACE = re.compile(r"\{([a-z_]+)\}")


def plain(text: str) -> str:
    """A text in one line, none of which is read as markup."""
    return _MARKUP.sub(r"\\\1", " ".join(text.split()))


def with_gaps(text: str) -> str:
    """A wording whose ``{values}`` read as gaps: ``‹daily dose›``."""
    return _SINGLE_BRACE.sub(lambda match: f"‹{match[1].replace('_', ' ')}›", text)


def code(text: str) -> str:
    """A name as it stands in a file."""
    return f"`{text}`"


def link(text: str, target: str) -> str:
    """A link; the text is Markdown already."""
    return f"[{text}]({target})"


def anchor(name: str) -> str:
    """A place that links can name."""
    return f'<a id="{name}"></a>'


def quote(text: str) -> list[str]:
    """Markdown as a quotation."""
    return [f"> {line}".rstrip() for line in text.strip().splitlines()]


def bullets(items: Iterable[str]) -> list[str]:
    """A list."""
    return [f"- {item}" for item in items]


def table(heading: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """A table; cells are Markdown in one line."""
    lines = [_row(heading), _row(["---"] * len(heading))]
    return [*lines, *(_row(cells) for cells in rows)]


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def page(*blocks: Sequence[str]) -> str:
    """Blocks of lines with one empty line between them; empty blocks leave no trace."""
    texts = ["\n".join(block) for block in blocks if block]
    return "\n\n".join([MADE_BY, *texts]) + "\n"
