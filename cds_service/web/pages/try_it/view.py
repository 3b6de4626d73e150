"""What the page needs of the service it stands on, and one rendering of it."""

from __future__ import annotations

from dataclasses import dataclass, field

from cds_service.cds import Service
from cds_service.rules.rulebook import Rulebook
from cds_service.web.answering import Desk
from cds_service.web.feedback import Keep
from cds_service.web.pages.access import Operator
from cds_service.web.pages.try_it.checking import Checked
from cds_service.web.pages.try_it.composing import Composer
from cds_service.web.pages.try_it.patient_bundle import PatientBundle, Resource, Unusable
from cds_service.web.pages.try_it.rows import Row, Sheet

ORDER_SELECT = "order-select"
ORDER_SIGN = "order-sign"


@dataclass(frozen=True)
class Site:
    """What the page needs of the service it stands on."""

    rulebook: Rulebook
    desk: Desk
    operator: Operator
    keep_feedback: Keep
    most_bytes: int
    base_url: str | None
    wants_token: bool

    def service(self, hook: str) -> Service:
        """The service of a hook; that of order-select for one that has none."""
        by_hook = {each.hook: each for each in self.rulebook.services.values()}
        return by_hook.get(hook, by_hook[ORDER_SELECT])


@dataclass
class View:
    """One rendering of the page, filled step by step."""

    sheet: Sheet
    chart: PatientBundle
    composer: Composer
    rows: list[Row]
    is_own: bool = False
    has_file: bool = False
    chart_problem: str = ""
    notices: list[str] = field(default_factory=list)
    problems: dict[int, str] = field(default_factory=dict)
    """Position of a row -> what is wrong with it."""
    orders: list[list[Resource]] = field(default_factory=list)
    checked: Checked | None = None

    def compose(self) -> None:
        """Write the order of each row."""
        self.orders, self.problems = [], {}
        for position, row in enumerate(self.rows):
            try:
                self.orders.append(self.composer.orders(row, position + 1))
            except Unusable as problem:
                self.orders.append([])
                self.problems[position] = str(problem)

    @property
    def every_order(self) -> list[Resource]:
        """The orders of all rows."""
        return [order for of_row in self.orders for order in of_row]
