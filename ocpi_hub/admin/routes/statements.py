"""Statements: look, close, prove."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, PlainValidator, WithJsonSchema

from ocpi_hub.admin.actions import statements
from ocpi_hub.admin.cursors import cursor_text
from ocpi_hub.admin.keys import Scope
from ocpi_hub.admin.parts import AdminParts
from ocpi_hub.admin.routes.base import (
    API,
    AnyRoute,
    Call,
    Given,
    Listing,
    NoBody,
    Party,
    Route,
    page_of,
)
from ocpi_hub.admin.views.base import Page
from ocpi_hub.admin.views.statements import (
    MONTH_PATTERN,
    RecheckView,
    StatementLineView,
    StatementListed,
    StatementView,
)
from ocpi_hub.clearing.statement import Month, Relation

LINES = "statement-lines"


def _month(value: object) -> Month:
    if not isinstance(value, str):
        raise ValueError("write 2026-01")
    return Month.parse(value)


MonthGiven = Annotated[
    Month,
    PlainValidator(_month),
    WithJsonSchema({"type": "string", "pattern": MONTH_PATTERN, "examples": ["2026-01"]}),
]


class StatementsGiven(Given):
    month: MonthGiven


class StatementGiven(StatementsGiven):
    cpo: Party = Field(description="the CPO")
    emsp: Party = Field(description="the eMSP")

    @property
    def relation(self) -> Relation:
        return Relation(self.cpo, self.emsp)


class LinesGiven(StatementGiven, Listing):
    """The lines of a statement."""


def statement_routes(parts: AdminParts) -> tuple[AnyRoute, ...]:
    access = parts.access

    async def listing(call: Call[StatementsGiven, NoBody]) -> Page[StatementListed]:
        return Page(items=tuple(await statements.overview(access, call.given.month)), next=None)

    async def show(call: Call[StatementGiven, NoBody]) -> StatementView:
        return await statements.show(access, call.given.relation, call.given.month)

    async def lines(call: Call[LinesGiven, NoBody]) -> Page[StatementLineView]:
        given = call.given
        place = given.place(LINES, int)
        after = int(place[0]) if place else 0
        found = await statements.some_lines(
            access, given.relation, given.month, after, given.limit + 1
        )
        return page_of(
            found,
            given.limit,
            lambda each: each[1],
            lambda last: cursor_text(LINES, last[0]),
        )

    async def close(call: Call[StatementGiven, NoBody]) -> StatementView:
        return await statements.close(access, call.given.relation, call.given.month)

    async def recheck(call: Call[StatementGiven, NoBody]) -> RecheckView:
        return await statements.recheck(access, call.given.relation, call.given.month)

    month = f"{API}/statements/{{month}}"
    one = f"{month}/{{cpo}}/{{emsp}}"
    return (
        Route("GET", month, Scope.READ, "A month's statements, closed and open",
              StatementsGiven, NoBody, Page[StatementListed], listing),
        Route("GET", one, Scope.READ, "One statement: totals by currency, VAT and day",
              StatementGiven, NoBody, StatementView, show),
        Route("GET", f"{one}/lines", Scope.READ, "The CDRs of a statement",
              LinesGiven, NoBody, Page[StatementLineView], lines),
        Route("POST", f"{one}/close", Scope.OPERATE, "Settle a month, once",
              StatementGiven, NoBody, StatementView, close),
        Route("GET", f"{one}/recheck", Scope.READ, "Reproduce a closed statement from the CDRs",
              StatementGiven, NoBody, RecheckView, recheck),
    )  # fmt: skip
