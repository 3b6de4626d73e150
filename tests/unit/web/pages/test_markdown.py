"""What a patient's record says is shown and does nothing."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest

from cds_service.web.pages.markdown import card_html, document_html

HARMLESS_TAGS = {
    *("p", "br", "hr", "strong", "em", "code", "pre", "blockquote", "a", "ul", "ol", "li"),
    *("h1", "h2", "h3", "h4", "h5", "h6", "table", "thead", "tbody", "tr", "th", "td"),
}

PAYLOADS = [
    "<script>alert(1)</script>",
    "<ScRiPt src=//evil.example/x.js></sCrIpT>",
    "<img src=x onerror=alert(1)>",
    "![x](https://evil.example/pixel.png)",
    "![x](data:image/svg+xml;base64,PHN2ZyBvbmxvYWQ9YWxlcnQoMSk+)",
    "[click](javascript:alert(1))",
    "[click](JaVaScRiPt:alert(1))",
    "[click](&#106;avascript:alert(1))",
    "[click](java\tscript:alert(1))",
    "[click](<javascript:alert(1)>)",
    "[click](data:text/html,<script>alert(1)</script>)",
    "[click](vbscript:msgbox(1))",
    "[click](//evil.example/)",
    "[click](/insights?delete=all)",
    "[click](rules)",
    "[click][ref]\n\n[ref]: javascript:alert(1)",
    "<javascript:alert(1)>",
    '[x](https://ok.example/ "onmouseover=alert(1)")',
    '[x](https://ok.example/"onmouseover="alert(1))',
    "<svg/onload=alert(1)>",
    "<math><mtext><table><mglyph><style><img src=x onerror=alert(1)></style></mglyph></table></mtext></math>",
    "<iframe src=javascript:alert(1)></iframe>",
    "<form action=https://evil.example><input name=q><button>go</button></form>",
    "<a href='javascript:alert(1)' hx-get='/x' hx-trigger='load'>x</a>",
    "<div hx-on:click='alert(1)' style='background:url(//evil.example)'>x</div>",
    "<base href=//evil.example/><meta http-equiv=refresh content=0;url=//evil.example>",
    "<a id=main></a><a name=location></a>",
    "| a |\n| --- |\n| <img src=x onerror=alert(1)> |",
    "```html\n<script>alert(1)</script>\n```",
    "`<script>alert(1)</script>`",
    "<!--><script>alert(1)</script>-->",
    "\x00<script>alert(1)</script>",
    "<scr\x00ipt>alert(1)</scr\x00ipt>",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "</div></article><script>alert(1)</script>",
    "> " * 200 + "deep",
    "*" * 5000 + "a" + "_" * 5000,
]


class Elements(HTMLParser):
    """Every element that a browser would make, with its attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def elements(html: str) -> list[tuple[str, dict[str, str | None]]]:
    parser = Elements()
    parser.feed(html)
    parser.close()
    return parser.found


@pytest.mark.parametrize("payload", PAYLOADS, ids=range(len(PAYLOADS)))
def test_nothing_in_a_card_can_do_anything(payload: str) -> None:
    for tag, attributes in elements(card_html(payload)):
        assert tag in HARMLESS_TAGS
        allowed = {"href", "rel"} if tag == "a" else {"role"}
        assert attributes.keys() <= allowed | {"data-label"}
        if "href" in attributes:
            assert str(attributes["href"]).lower().startswith(("https://", "http://"))


@pytest.mark.parametrize("payload", PAYLOADS, ids=range(len(PAYLOADS)))
def test_nothing_in_a_page_can_do_anything(payload: str) -> None:
    for tag, attributes in elements(document_html(payload, lambda target: "/rules")):
        assert tag in HARMLESS_TAGS
        assert not any(name.startswith(("on", "hx-", "style", "src")) for name in attributes)
        href = str(attributes.get("href") or "/")
        assert href.startswith(("/rules", "https://", "http://", "/"))


def test_a_payload_stays_readable() -> None:
    """It is shown as the text it is: a clinician sees what the record says."""
    html = card_html("Seen: <script>alert(1)</script>.")
    assert html == "<p>Seen: &lt;script&gt;alert(1)&lt;/script&gt;.</p>\n"


def test_what_a_card_may_say() -> None:
    html = card_html(
        "**Stop** [label](https://www.example.org/a)\n\n- one\n- two\n\n| a |\n| --- |\n| b |"
    )
    tags = [tag for tag, _ in elements(html)]
    assert tags[:3] == ["p", "strong", "a"]
    assert tags.count("li") == 2
    assert 'href="https://www.example.org/a"' in html
    assert 'rel="noopener noreferrer"' in html
    assert "<table>" in html


def test_links_of_a_page_are_led_to_pages() -> None:
    html = document_html("[a](b.md#c) [d](https://example.org)", lambda target: f"/rules/{target}")
    assert 'href="/rules/b.md#c"' in html
    assert 'href="https://example.org"' in html


def test_places_of_a_page_can_be_named() -> None:
    html = document_html('<a id="s-01"></a>S-01 <a id="X"></a>', str)
    assert '<a id="s-01" rel="noopener noreferrer"></a>S-01' in html
    assert "&lt;a id=" in html


def test_a_cell_says_the_heading_of_its_column() -> None:
    html = document_html("| dose | unit |\n| --- | --- |\n| 5 | mg |\n| 6 | |", str)
    assert '<td role="cell" data-label="unit">mg</td>' in html or (
        '<td data-label="unit" role="cell">mg</td>' in html
    )
    assert html.count('role="row"') == 3
