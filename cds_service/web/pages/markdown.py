"""Markdown as HTML that cannot do anything: no script, no handler, no image, no form.

The detail of a card may quote a patient's record, so nothing in it is trusted: HTML in Markdown
stays text, and what the renderer makes is cut down to a closed list of tags, attributes and
schemes.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import nh3
from markdown_it import MarkdownIt
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token
from markupsafe import Markup

_WEB = re.compile(r"https?://", re.IGNORECASE)
_ANCHOR = re.compile(r'<a id="([a-z0-9-]+)"></a>')
_TEXT_TAGS = {
    *("p", "br", "hr", "strong", "em", "code", "pre", "blockquote", "a", "ul", "ol", "li"),
    *("h1", "h2", "h3", "h4", "h5", "h6"),
}
_TABLE_TAGS = {"table", "thead", "tbody", "tr", "th", "td"}
_ROLES = {
    "table_open": "table",
    "thead_open": "rowgroup",
    "tbody_open": "rowgroup",
    "tr_open": "row",
    "th_open": "columnheader",
    "td_open": "cell",
}
"""On a narrow screen a table is laid out as blocks; without roles it then stops being one."""


def card_html(text: str) -> Markup:
    """The detail of a card: text, lists, tables, and links to the web."""
    return _clean(_renderer().render(text), _only_web_links)


def document_html(text: str, address: Callable[[str], str]) -> Markup:
    """A page of our own documentation; ``address`` gives the URL of another page of it.

    Cells of a table carry the heading of their column, for screens on which rows are stacked.
    """
    renderer = _renderer()
    renderer.inline.ruler.before("html_inline", "anchor", _anchor)
    tokens = renderer.parse(text)
    _label_cells(tokens)
    for token in tokens:
        for child in token.children or ():
            if child.type == "link_open" and not _WEB.match(str(child.attrs["href"])):
                child.attrs["href"] = address(str(child.attrs["href"]))
    return _clean(renderer.renderer.render(tokens, renderer.options, {}), _any_link)


def _renderer() -> MarkdownIt:
    renderer = MarkdownIt("commonmark", {"html": False}).enable("table")
    # An image would be fetched from wherever a record says.
    return renderer.disable("image")


def _clean(html: str, link: Callable[[str, str, str], str | None]) -> Markup:
    return Markup(  # noqa: S704 (what nh3 lets through is safe: that is this function's work)
        nh3.clean(
            html,
            tags=_TEXT_TAGS | _TABLE_TAGS,
            attributes={
                "*": set(),
                "a": {"href", "id"},
                **{tag: {"role", "data-label"} for tag in _TABLE_TAGS},
            },
            attribute_filter=link,
            url_schemes={"http", "https"},
            link_rel="noopener noreferrer",
        )
    )


def _only_web_links(tag: str, attribute: str, value: str) -> str | None:
    """A card never links into this service: a link there could do something."""
    if attribute == "id" or (attribute == "href" and not _WEB.match(value)):
        return None
    return value


def _any_link(tag: str, attribute: str, value: str) -> str | None:
    return value


def _anchor(state: StateInline, silent: bool) -> bool:  # noqa: FBT001 (the parser's signature)
    """A place that links can name; the only HTML that our pages hold."""
    match = _ANCHOR.match(state.src, state.pos)
    if match is None:
        return False
    if not silent:
        state.push("anchor_open", "a", 1).attrs = {"id": match[1]}
        state.push("anchor_close", "a", -1)
    state.pos = match.end()
    return True


def _label_cells(tokens: list[Token]) -> None:
    headings: list[str] = []
    column = 0
    for position, token in enumerate(tokens):
        if token.type in _ROLES:
            token.attrs["role"] = _ROLES[token.type]
        if token.type == "table_open":
            headings = []
        elif token.type == "tr_open":
            column = 0
        elif token.type == "th_open":
            headings.append(tokens[position + 1].content)
        elif token.type == "td_open":
            token.attrs["data-label"] = headings[column]
            column += 1
