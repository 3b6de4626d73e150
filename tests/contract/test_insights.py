"""The figures as a page and as tables: for the operator, about nobody, safe in a spreadsheet."""

from __future__ import annotations

import base64
import csv
import io
import shutil
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from cds_service.app import create_app, load_site_rulebook
from cds_service.cards.history import ShownCard, ShownFinding
from cds_service.cds import Indicator
from cds_service.rules.rulebook import Rulebook
from cds_service.settings import load_settings
from cds_service.store.database import Store
from cds_service.store.entries import AnsweredCall, FeedbackEntry
from tests.contract.support import NOW, settings
from tests.seeding import SIGN, fill, seed

MARKER = "xMARKERx"
FORMULA = '=HYPERLINK("https://evil.example","open")'
HTML = {"Accept": "text/html"}
TABLES = ("rules", "reasons", "trend", "services", "slowest", "unknowns")
RULE = "baclofen-cns-depressants"

MakeClient = Callable[..., FlaskClient]


@pytest.fixture(scope="module")
def rulebook(tmp_path_factory: pytest.TempPathFactory) -> Rulebook:
    return load_site_rulebook(settings(tmp_path_factory.mktemp("site")))


@pytest.fixture
def make_client(new_database: Path, tmp_path: Path, rulebook: Rulebook) -> MakeClient:
    shutil.copy(new_database, tmp_path / new_database.name)

    def make(text: str = "", *, loopback: bool = True) -> FlaskClient:
        app = create_app(
            settings(tmp_path, text), rulebook=rulebook, clock=lambda: NOW, loopback=loopback
        )
        return app.test_client()

    return make


@pytest.fixture
def client(make_client: MakeClient) -> FlaskClient:
    return make_client()


@pytest.fixture
def store(client: FlaskClient, tmp_path: Path) -> Iterator[Store]:
    """The store of the client."""
    url = load_settings(tmp_path / "settings.toml").feedback.database_url
    with closing(Store(url)) as opened:
        yield opened


def show_what_must_not_be_seen(store: Store) -> None:
    """A card with a marker wherever a client or a clinician can put one."""
    at = NOW - timedelta(days=2)
    finding = ShownFinding("key", FORMULA, Indicator.WARNING)
    call = AnsweredCall(
        at=at,
        service=SIGN,
        hook="order-sign",
        tenant="",
        patient_key=MARKER,
        rulebook=MARKER,
        duration_ms=12.5,
        unknowns=[("@datum", "+cause")],
        cards=[ShownCard(MARKER, Indicator.WARNING, (finding,), (MARKER,))],
    )
    entry = FeedbackEntry(
        MARKER,
        "overridden",
        at,
        reason_code=f"-{MARKER}",
        reason_system=MARKER,
        reason_display=MARKER,
        user_comment=f"=Mrs {MARKER} asked for it",
    )
    fill(store, [call], [(SIGN, entry)])


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


# --- the page -------------------------------------------------------------------------------------


def test_the_page_shows_figures(client: FlaskClient, store: Store) -> None:
    seed(store, NOW, calls_a_day=6, ages=range(1, 28))
    answer = client.get("/insights")
    assert answer.status_code == 200
    assert answer.content_type == "text/html; charset=utf-8"
    assert answer.headers["Cache-Control"] == "no-store"
    assert "script-src 'self'" in answer.headers["Content-Security-Policy"]
    assert "2026-05-05 to 2026-06-03, 30 days" in answer.text
    for heading in ("by-rule", "by-reason", "trend", "by-service", "unchecked", "slowest"):
        assert f'id="{heading}"' in answer.text


def test_an_empty_store_says_what_to_do(client: FlaskClient) -> None:
    answer = client.get("/insights")
    assert answer.status_code == 200
    assert "No call was answered in this period" in answer.text


def test_calls_without_cards_and_cards_without_answers_are_explained(
    client: FlaskClient, store: Store
) -> None:
    call = AnsweredCall(NOW - timedelta(days=2), SIGN, "order-sign", "", "p", "1", 10.0, (), ())
    fill(store, [call], [])
    assert "No card was shown in these calls" in client.get("/insights").text


def test_a_service_and_a_rule_are_chosen(client: FlaskClient, store: Store) -> None:
    seed(store, NOW, calls_a_day=6, ages=range(1, 80))
    text = client.get(f"/insights?days=90&service={SIGN}&rule={RULE}").text
    assert f'<option value="{SIGN}" selected>' in text
    assert f'<option value="{RULE}" selected>' in text
    assert f"rules.csv?days=90&amp;service={SIGN}&amp;rule={RULE}" in text


@pytest.mark.parametrize(
    ("query", "problem"),
    [
        ("days=0", "days must be a whole number from 1 to 3660."),
        ("days=3661", "days must be a whole number from 1 to 3660."),
        ("days=1e3", "days must be a whole number"),
        ("days=-7", "days must be a whole number"),
        ("days=%D9%A3", "days must be a whole number"),
        ("days=" + 5000 * "9", "days must be a whole number"),
        ("from=yesterday", "from must be a day that exists, such as 2026-05-05."),
        ("to=2026-02-30", "to must be a day that exists, such as 2026-06-03."),
        ("from=2026-05-02&to=2026-05-01", "The first day must not lie after the last"),
        ("to=2026-06-04", "between 2016-05-26 and 2026-06-03."),
        ("from=0001-01-01", "between 2016-05-26 and 2026-06-03."),
        ("service=nobody", "There is no such service: /cds-services lists them."),
        ("rule=none", "There is no such rule: /rules lists them."),
    ],
)
def test_what_cannot_be_shown_is_said(client: FlaskClient, query: str, problem: str) -> None:
    """The page keeps its form; a table is refused with the name of the parameter."""
    page = client.get(f"/insights?{query}", headers=HTML)
    assert page.status_code == 400
    assert problem in page.text
    assert 'name="from"' in page.text
    table = client.get(f"/insights/rules.csv?{query}")
    assert table.status_code == 400
    assert problem in table.get_json()["issue"][0]["details"]["text"]


def test_what_is_refused_is_not_run(client: FlaskClient) -> None:
    text = client.get("/insights?from=%22%3E%3Cscript%3Ealert(1)%3C/script%3E").text
    assert "<script>alert" not in text


# --- the tables -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", TABLES)
def test_a_table_is_a_file_with_a_heading(client: FlaskClient, store: Store, name: str) -> None:
    empty = client.get(f"/insights/{name}.csv?days=30")
    assert empty.status_code == 200
    seed(store, NOW, calls_a_day=6, ages=range(1, 28))
    answer = client.get(f"/insights/{name}.csv?days=30")
    assert answer.status_code == 200
    assert answer.content_type == "text/csv; charset=utf-8"
    assert answer.headers["Content-Disposition"] == (
        f'attachment; filename="insights-{name}-2026-05-05-2026-06-03.csv"'
    )
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.text.splitlines()[0] == empty.text.splitlines()[0]
    assert len(rows(answer.text)) > 0
    assert all(None not in each and None not in each.values() for each in rows(answer.text))


def test_the_table_of_rules_says_what_the_page_says(client: FlaskClient, store: Store) -> None:
    seed(store, NOW, calls_a_day=8, ages=range(1, 80))
    (row,) = rows(client.get(f"/insights/rules.csv?days=90&rule={RULE}").text)
    answered = int(row["accepted"]) + int(row["overridden"])
    silent = int(row["ignored"]) + int(row["waiting"])
    assert (int(row["answered"]), int(row["shown"])) == (answered, answered + silent)
    assert float(row["override_rate"]) == pytest.approx(int(row["overridden"]) / answered, abs=1e-4)
    assert row["override_rate_low"] < row["override_rate"] < row["override_rate_high"]
    page = client.get(f"/insights?days=90&rule={RULE}").text
    assert f"{100 * int(row['overridden']) / answered:.1f} %" in page


def test_the_trend_covers_every_day_of_the_site(client: FlaskClient) -> None:
    days = [each["first_day"] for each in rows(client.get("/insights/trend.csv?days=7").text)]
    assert (len(days), days[0], days[-1]) == (7, "2026-05-28", "2026-06-03")


@pytest.mark.parametrize("days", [32, 90, 365, 3660])
def test_a_long_trend_goes_by_the_week_without_a_gap(client: FlaskClient, days: int) -> None:
    steps = rows(client.get(f"/insights/trend.csv?days={days}").text)
    assert len(steps) == round(days / 7)
    assert steps[-1]["last_day"] == "2026-06-03"
    assert all(a["last_day"] < b["first_day"] for a, b in pairwise(steps))


def test_a_table_that_does_not_exist_is_not_found(client: FlaskClient) -> None:
    assert client.get("/insights/patients.csv").status_code == 404


# --- nobody is named ------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["", *(f"/{name}.csv" for name in TABLES)])
def test_no_comment_and_no_identity_is_shown(client: FlaskClient, store: Store, path: str) -> None:
    show_what_must_not_be_seen(store)
    answer = client.get(f"/insights{path}")
    assert answer.status_code == 200
    assert MARKER not in answer.text
    assert "asked for it" not in answer.text


@pytest.mark.parametrize("name", TABLES)
def test_no_cell_is_a_formula(client: FlaskClient, store: Store, name: str) -> None:
    show_what_must_not_be_seen(store)
    text = client.get(f"/insights/{name}.csv").text
    cells = [cell for row in csv.reader(io.StringIO(text)) for cell in row]
    assert [cell for cell in cells if cell.startswith(("=", "+", "-", "@", "\t", "\r"))] == []
    if name in {"rules", "reasons"}:
        assert f"'{FORMULA}" in cells
    if name == "unknowns":
        assert {"'@datum", "'+cause"} <= set(cells)


# --- who may look ---------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/insights", "/insights/rules.csv"])
def test_elsewhere_the_password_is_wanted(
    make_client: MakeClient, tmp_path: Path, path: str
) -> None:
    file = tmp_path / "password"
    file.write_text("a long secret\n", encoding="utf-8")
    client = make_client(f'[ui]\npassword_file = "{file}"', loopback=False)
    refused = client.get(path, headers=HTML)
    assert refused.status_code == 401
    assert refused.headers["WWW-Authenticate"].startswith("Basic ")
    assert "For the operator" in refused.text
    given = base64.b64encode(b"anyone:a long secret").decode()
    assert client.get(path, headers={"Authorization": f"Basic {given}"}).status_code == 200


def test_elsewhere_without_a_password_the_page_is_closed(make_client: MakeClient) -> None:
    client = make_client(loopback=False)
    assert client.get("/insights", headers=HTML).status_code == 403
    assert client.get("/insights/rules.csv").status_code == 403


def test_without_pages_there_are_no_figures(make_client: MakeClient) -> None:
    assert make_client("[ui]\nenabled = false").get("/insights").status_code == 404


# --- faults ---------------------------------------------------------------------------------------


def test_a_store_that_fails_is_told(
    client: FlaskClient, tmp_path: Path, new_database: Path
) -> None:
    """A page for people, an outcome for programs; neither says what is in the store."""
    (tmp_path / new_database.name).write_bytes(b"this is no database" * 1000)
    page = client.get("/insights", headers=HTML)
    assert page.status_code == 503
    assert page.mimetype == "text/html"
    assert "The store cannot be used now" in page.text
    table = client.get("/insights/rules.csv")
    assert table.status_code == 503
    assert table.get_json()["resourceType"] == "OperationOutcome"
