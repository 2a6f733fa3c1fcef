"""Statements as files: CSV of the lines, a page to print."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from decimal import Decimal
from importlib import resources
from typing import Final

import jinja2

from ocpi_hub.admin.access import OperatorAccess
from ocpi_hub.admin.views.statements import StatementLineView, StatementView
from ocpi_hub.clearing.pricing.model import minor_unit, rounded
from ocpi_hub.clearing.statement import Relation, VatKind
from ocpi_hub.clearing.tabular import csv_head, csv_row

COLUMNS: Final = tuple(StatementLineView.model_fields)
PRINTED_LINES: Final = 2000
"""A page with more is no page any more."""

RATE_TEXTS: Final = {
    VatKind.NONE: "no VAT",
    VatKind.MIXED: "several rates in one CDR",
    VatKind.UNKNOWN: "rate not known",
    VatKind.NOT_STATED: "VAT not stated",
}


async def statement_csv(lines: AsyncIterator[StatementLineView]) -> AsyncIterator[str]:
    """The lines of a CSV file, one CDR each, with a head."""
    yield csv_head(COLUMNS)
    async for line in lines:
        values = (getattr(line, name) for name in COLUMNS)
        yield csv_row([" ".join(v) if isinstance(v, tuple) else v for v in values])


def statement_page(
    statement: StatementView, lines: Sequence[StatementLineView], names: dict[str, str | None]
) -> str:
    """An HTML page that needs nothing else.

    Args:
        lines: the first ones; what exceeds `PRINTED_LINES` is left to the CSV file.
        names: of the parties, by `cpo` and `emsp`.
    """
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True
    )
    source = resources.files("ocpi_hub.clearing").joinpath("templates", "statement.html")
    template = environment.from_string(source.read_text(encoding="utf-8"))
    return template.render(
        statement=statement,
        lines=lines[:PRINTED_LINES],
        count=sum(total.cdrs for total in statement.totals),
        more=sum(total.cdrs for total in statement.totals) > len(lines[:PRINTED_LINES]),
        names=names,
        money=_money,
        number=_number,
        rate_text=rate_text,
    )


def _money(text: str, currency: str) -> str:
    return f"{rounded(Decimal(text), minor_unit(currency)):,f}"


def _number(text: str, digits: int) -> str:
    return f"{rounded(Decimal(text), Decimal(1).scaleb(-digits)):,f}"


def rate_text(rate: str) -> str:
    """A rate, or what is known instead, in words."""
    return RATE_TEXTS[VatKind(rate)] if rate in list(VatKind) else f"{rate} %"


async def first_lines(
    lines: AsyncIterator[StatementLineView], limit: int
) -> Sequence[StatementLineView]:
    """The first ones; the others are not read."""
    found: list[StatementLineView] = []
    async for line in lines:
        found.append(line)
        if len(found) == limit:
            break
    return found


async def party_names(access: OperatorAccess, relation: Relation) -> dict[str, str | None]:
    """What the platforms of the two are called."""
    directory = await access.load()
    cpo, emsp = directory.platform_of(relation.cpo), directory.platform_of(relation.emsp)
    return {"cpo": cpo.name if cpo else None, "emsp": emsp.name if emsp else None}
