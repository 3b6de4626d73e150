"""``/``: choose a patient, compose orders, and see what an EHR would show.

The page decides nothing. It works as one form, sent whole; htmx sends it while it is filled in and
takes from the answer the part that changes. A file stays in its field and travels with each check.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from functools import cache
from pathlib import Path

from flask import Blueprint, Response, g, request
from werkzeug.exceptions import RequestEntityTooLarge

from cds_service.cds import PATIENT_VIEW
from cds_service.web.pages.try_it.acting import accept, dismiss
from cds_service.web.pages.try_it.banner import orders_of_chart
from cds_service.web.pages.try_it.checking import Checked, check
from cds_service.web.pages.try_it.composing import Composer
from cds_service.web.pages.try_it.guard import is_from_our_page
from cds_service.web.pages.try_it.menu import Menu, Story, read_menu
from cds_service.web.pages.try_it.patient_bundle import (
    PatientBundle,
    Resource,
    Unusable,
    read_bundle,
)
from cds_service.web.pages.try_it.rows import MOST_ROWS, Row, Sheet, read_sheet, row_of_story
from cds_service.web.pages.try_it.showing import (
    file_reply,
    from_elsewhere,
    readable,
    show,
    too_large,
)
from cds_service.web.pages.try_it.view import ORDER_SELECT, ORDER_SIGN, Site, View
from cds_service.web.replies import not_found

_NO_CHART = b'{"resourceType":"Patient","id":"patient"}'


def blueprint(folder: Path, site: Site) -> Blueprint:
    """The page and what it lets people download; ``folder`` holds the stories."""
    routes = Blueprint("try_it", __name__)

    @cache
    def menu() -> Menu:
        return read_menu(folder)

    @routes.get("/")
    def page() -> Response:
        chosen = request.args.get("story") or next(iter(menu().stories))
        if chosen not in menu().stories:
            raise not_found()
        view = _open(Sheet(story=chosen), menu(), site)
        story = menu().stories[chosen]
        refs = [each.ref for each in view.composer.of_chart]
        view.rows = [row_of_story(draft, refs) for draft in story.draft]
        _ask(view, ORDER_SELECT, site)
        return show(view, site)

    @routes.post("/")
    def act() -> Response:
        view = _received(menu(), site)
        if isinstance(view, View):
            _do(view, site)
            return show(view, site)
        return view

    @routes.post("/try/request.json")
    def download() -> Response:
        view = _received(menu(), site)
        if isinstance(view, View):
            asked = _ask(view, view.sheet.hook or ORDER_SELECT, site, is_remembered=False)
            return show(view, site) if asked is None else file_reply(asked.request, "request.json")
        return view

    @routes.get("/try/patients/<story_id>.json")
    def patient(story_id: str) -> Response:
        story = menu().stories.get(story_id)
        if story is None:
            raise not_found()
        return file_reply(story.content(site.desk.now().date()), f"{story_id}.json")

    return routes


# --- what was sent --------------------------------------------------------------------------------


def _received(menu: Menu, site: Site) -> View | Response:
    """The form as it was sent, or the answer where it cannot be taken."""
    if not is_from_our_page(request):
        return from_elsewhere()
    # One story needs a few kB, a patient's record some megabytes.
    request.max_content_length = request.max_form_memory_size = site.most_bytes
    try:
        file = request.files.get("file")
        content = file.read() if file is not None and file.filename else None
        return _open(read_sheet(request.form), menu, site, file=content)
    except RequestEntityTooLarge:
        return too_large(_open(Sheet(), menu, site), site)


def _open(sheet: Sheet, menu: Menu, site: Site, file: bytes | None = None) -> View:
    """The sheet with its patient: the file, else what was pasted, else the story."""
    now = site.desk.now()
    story = menu.stories.get(sheet.story) or next(iter(menu.stories.values()))
    problem = ""
    try:
        chart = _chart(sheet, story, file, now)
    except Unusable as found:
        problem, chart = str(found), read_bundle(_NO_CHART, "")
    known = orders_of_chart(chart, site.rulebook.vocabulary)
    return View(
        sheet=replace(sheet, story=story.id),
        chart=chart,
        composer=Composer(menu, chart, known, now),
        rows=list(sheet.rows),
        is_own=file is not None or bool(sheet.pasted),
        has_file=file is not None,
        chart_problem=problem,
    )


def _chart(sheet: Sheet, story: Story, file: bytes | None, now: datetime) -> PatientBundle:
    if file is not None:
        return read_bundle(file, "The file")
    if sheet.pasted:
        return read_bundle(sheet.pasted.encode(), "The pasted text")
    if sheet.had_file:
        raise Unusable(
            "The file was not sent again. Without JavaScript a browser forgets it: choose it once "
            "more before each check, or paste its text."
        )
    return story.chart(now.date())


def _do(view: View, site: Site) -> None:
    """What the button says; typing is a check like that of the button."""
    form = request.form
    view.compose()
    hook = ORDER_SELECT
    if "sign" in form:
        hook = ORDER_SIGN
    elif "accept" in form:
        accept(view, form["accept"], site)
    elif "dismiss" in form:
        hook = view.sheet.hook or ORDER_SELECT
        dismiss(view, form["dismiss"], form, site)
    else:
        _rearrange(view, form)
    _ask(view, hook, site)


def _rearrange(view: View, form: Mapping[str, str]) -> None:
    """Add, remove, or change how a row is edited."""
    rows = view.rows
    if "add" in form and len(rows) < MOST_ROWS:
        rows.append(Row(choice=next(iter(view.composer.menu.groups.values()))[0].key))
    elif "add-written" in form and len(rows) < MOST_ROWS:
        rows.append(Row(written=""))
    for verb in ("remove", "write", "restore"):
        if (number := form.get(verb, "")).isdecimal() and int(number) < len(rows):
            position = int(number)
            if verb == "remove":
                del rows[position]
            elif verb == "write":
                rows[position] = replace(rows[position], written=_text(view.orders[position]))
            else:
                rows[position] = replace(rows[position], written=None)


def _text(orders: list[Resource]) -> str:
    return "\n".join(readable(order.raw) for order in orders)


def _ask(view: View, hook: str, site: Site, *, is_remembered: bool = True) -> Checked | None:
    """Compose and call the service; without orders the chart is only opened."""
    view.compose()
    if view.chart_problem:
        return None
    orders = view.every_order
    service = site.service(hook if view.rows else PATIENT_VIEW)
    g.notes = []
    view.checked = check(
        service,
        view.chart,
        orders,
        site.desk,
        note=g.notes.append,
        is_remembered=is_remembered and site.operator.is_asking,
    )
    return view.checked
