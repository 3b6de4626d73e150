"""The rulebook for pharmacists: every rule, value set and sentence, searched and filtered."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from http import HTTPStatus

from flask import Blueprint, Response, request, url_for
from markupsafe import Markup

from cds_service.cds import Indicator
from cds_service.documentation.catalogue import DRUGS, Entry, Search, by_topic, entries
from cds_service.documentation.example_cards import example_cards
from cds_service.documentation.material import Material
from cds_service.documentation.pages import make_pages
from cds_service.errors import RulebookError
from cds_service.web.pages.layout import page
from cds_service.web.pages.markdown import document_html
from cds_service.web.replies import not_found

_HEADING = re.compile(r"^## (.+)$", re.MULTILINE)
_GRADE = re.compile(r"(<h3>Grade \d+): (info|warning|critical)\b")
_ABOUT_THE_PAGES = ("<!-- ", "# ", "[All rules](README.md)")
"""How the blocks begin that the frame of a page says already."""
_CARDS = "What the cards say"


@dataclass(frozen=True, slots=True)
class Section:
    """A part of a page under a heading of its own; ``place`` is where links lead."""

    title: str
    place: str
    body: Markup


class Catalogue:
    """The pages of one rulebook, each made when it is first asked for and then kept."""

    def __init__(self, material: Material) -> None:
        self.material = material
        self.entries = entries(material)
        self.written = make_pages(material, with_snomed_ct=True)
        self._read: dict[str, tuple[Markup, list[Section]]] = {}

    @cached_property
    def topics(self) -> list[str]:
        """The topics that have rules."""
        return list(by_topic(self.entries))

    def parts(self, name: str) -> tuple[Markup, list[Section]]:
        """What stands above the first heading of a page, and its sections."""
        if name not in self._read:
            self._read[name] = _parts(self.written[name])
        return self._read[name]

    def title(self, name: str) -> str:
        """The title of a page, without its markup."""
        (heading,) = re.findall(r"^# (.+)$", self.written[name], re.MULTILINE)
        return re.sub(r"\\(.)", r"\1", heading)


def blueprint(
    read: Callable[[], Material],
    *,
    disabled: Collection[str] = (),
    shadow: Collection[str] = (),
) -> Blueprint:
    """The pages below ``/rules``; ``read`` is called when the first of them is asked for."""
    routes = Blueprint("rulebook", __name__)
    routes.register_error_handler(RulebookError, _unreadable)
    site_words = dict.fromkeys(shadow, "counted at this site, never shown")
    site_words |= dict.fromkeys(disabled, "switched off at this site")

    @cache
    def catalogue() -> Catalogue:
        return Catalogue(read())

    @routes.get("/rules")
    def index() -> Response:
        known = catalogue()
        search = _search(request.args)
        found = [entry for entry in known.entries if search.finds(entry)]
        return page(
            "rules.html",
            search=search,
            groups=by_topic(found),
            found=len(found),
            total=len(known.entries),
            drugs=DRUGS,
            topics=known.topics,
            indicators=[each.value for each in reversed(Indicator)],
            legend=_legend(known),
            site_words=site_words,
            about=_about,
        )

    @routes.get("/rules/statements")
    def statements() -> Response:
        return document("statements.md")

    @routes.get("/rules/value-sets")
    def value_sets() -> Response:
        return document("value-sets.md")

    @routes.get("/rules/value-sets/<name>")
    def value_set(name: str) -> Response:
        return document(f"value-set-{name}.md")

    @routes.get("/rules/<rule_id>")
    def rule(rule_id: str) -> Response:
        known = catalogue()
        entry = next((each for each in known.entries if each.rule.id == rule_id), None)
        if entry is None:
            raise not_found()
        _, sections = known.parts(f"{rule_id}.md")
        return page(
            "rule.html",
            entry=entry,
            sections=sections,
            cards=example_cards(entry.rule, known.material.rulebook),
            cards_title=_CARDS,
            site_word=site_words.get(rule_id, ""),
            has_cases=bool(known.material.cases),
        )

    def document(name: str) -> Response:
        known = catalogue()
        if name not in known.written:
            raise not_found()
        above, sections = known.parts(name)
        return page("document.html", title=known.title(name), above=above, sections=sections)

    return routes


def _unreadable(error: RulebookError) -> Response:
    return page(
        "error.html",
        HTTPStatus.INTERNAL_SERVER_ERROR,
        title="The rulebook cannot be shown",
        text=f"Its files must be repaired: {'; '.join(error.problems)}",
    )


def _search(given: Mapping[str, str]) -> Search:
    return Search(
        words=given.get("q", "").strip(),
        drug=given.get("drug", ""),
        topic=given.get("topic", ""),
        indicator=given.get("indicator", ""),
    )


# --- Markdown of the documentation as parts of a page ---------------------------------------------


def _parts(text: str) -> tuple[Markup, list[Section]]:
    above, *rest = _HEADING.split(text)
    blocks = [block for block in above.split("\n\n") if not block.startswith(_ABOUT_THE_PAGES)]
    sections = [
        Section(title, re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-"), _html(body))
        for title, body in zip(rest[::2], rest[1::2], strict=True)
    ]
    return _html("\n\n".join(blocks)), sections


def _html(text: str) -> Markup:
    html = str(document_html(text, _address))
    return Markup(_GRADE.sub(r'\1: <span class="indicator \2">\2</span>', html))  # noqa: S704 (nh3 let the rest through)


def _about(entry: Entry) -> Markup:
    return document_html(entry.about, _address)


def _legend(known: Catalogue) -> Section:
    _, sections = known.parts("README.md")
    return sections[-1]


def _address(target: str) -> str:
    """The address of a page of the documentation, or of a place in it."""
    file, hash_, place = target.partition("#")
    name = file.removesuffix(".md")
    if name == "README":
        path = url_for("rulebook.index")
    elif name in {"statements", "value-sets"}:
        path = url_for(f"rulebook.{name.replace('-', '_')}")
    elif name.startswith("value-set-"):
        path = url_for("rulebook.value_set", name=name.removeprefix("value-set-"))
    else:
        path = url_for("rulebook.rule", rule_id=name)
    return f"{path}{hash_}{place}"
