"""The price of a CDR, recomputed: line by line, beside what the CDR says, and what was noticed."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import BaseModel

from ocpi_hub.admin.views.cdr_life import CdrLifeStory, PriceView
from ocpi_hub.console.cells import Cell, Code, Number
from ocpi_hub.console.pages.cdr_cells import number
from ocpi_hub.console.stories import Block, Grid, Note
from ocpi_hub.console.texts import t
from ocpi_hub.console.visit import Tone


class _Sum(BaseModel):
    excl_vat: float | None
    incl_vat: float | None


class _Periods(BaseModel):
    first: int
    last: int


class _Line(BaseModel):
    """A line of the answer; of a limit most is empty."""

    dimension: str
    tariff_id: str | None
    element: int | None
    periods: _Periods | None
    volume: float | None
    billed: float | None
    unit: str | None
    step_size: int | None
    price: float | None
    vat: float | None
    excl_vat: float
    incl_vat: float
    skipped: tuple[str, ...]


class _Part(BaseModel):
    excl_vat: float
    stated: _Sum | None
    difference: float | None


class _Finding(BaseModel):
    code: str
    message: str
    where: str
    times: int


class _Answer(BaseModel):
    """What `cdr price` answers, as far as it is shown."""

    total: _Sum
    dimensions: dict[str, _Part]
    lines: tuple[_Line, ...]
    findings: tuple[_Finding, ...]
    verdict: str


def price_blocks(shown: CdrLifeStory) -> Iterator[Block]:
    """The price as it comes out now; with what the hub knows today."""
    if shown.price is None:
        yield Note(t("cdr.price_large"), Tone.NOTE, t("cdr.price"))
        return
    currency = shown.figures.currency if shown.figures else ""
    answer = _read(shown.price)
    if answer.lines:
        yield _lines(answer, currency)
    if any(part.stated is not None for part in answer.dimensions.values()):
        yield _parts(answer, currency)
    if answer.findings:
        yield _findings(answer)
    elif not answer.lines:
        yield Note(t("cdr.price_nothing"), Tone.NOTE, t("cdr.price"))


def _read(price: PriceView) -> _Answer:
    return _Answer.model_validate(price.answer)


def _lines(answer: _Answer, currency: str) -> Grid:
    names = ("dimension", "periods", "tariff", "volume", "billed", "price", "vat")
    rows = [_line(each) for each in answer.lines]
    total: list[Cell] = [t("cdr.price_total"), *[None] * 6]
    rows.append([*total, Number(answer.total.excl_vat, 2), Number(answer.total.incl_vat, 2), None])
    heads = [
        *(t(f"cdr.line_{name}") for name in names),
        t("cdr.line_excl", currency=currency),
        t("cdr.line_incl", currency=currency),
        t("cdr.line_skipped"),
    ]
    return Grid(t("cdr.price_now", verdict=t.word(answer.verdict)), heads, rows)


def _line(line: _Line) -> list[Cell]:
    return [
        line.dimension,
        _periods(line.periods),
        _tariff(line),
        number(line.volume, 3, line.unit or ""),
        number(line.billed, 3, line.unit or ""),
        number(line.price, 4),
        number(line.vat, 1, "%"),
        number(line.excl_vat, 4),
        number(line.incl_vat, 4),
        "; ".join(line.skipped) or None,
    ]


def _periods(periods: _Periods | None) -> str | None:
    if periods is None:
        return None
    first, last = periods.first + 1, periods.last + 1
    return str(first) if first == last else t("cdr.from_to", first=first, last=last)


def _tariff(line: _Line) -> Cell:
    if line.element is None:
        return t("cdr.free") if line.periods is not None else None
    return [Code(line.tariff_id), t("cdr.element", number=line.element + 1)]


def _parts(answer: _Answer, currency: str) -> Grid:
    heads = [
        t("cdr.line_dimension"),
        t("cdr.part_recomputed", currency=currency),
        t("cdr.part_stated", currency=currency),
        t.label("difference"),
    ]
    return Grid(
        t("cdr.parts"),
        heads,
        [
            [
                name,
                Number(part.excl_vat, 2),
                Number(part.stated.excl_vat if part.stated else None, 2),
                Number(part.difference, 2),
            ]
            for name, part in answer.dimensions.items()
            if part.stated is not None or part.excl_vat
        ],
    )


def _findings(answer: _Answer) -> Grid:
    heads = [t.label("code"), t("cdr.found"), t("cdr.where"), t("cdr.times")]
    rows: list[list[Cell]] = [
        [Code(each.code), each.message, Code(each.where), Number(each.times)]
        for each in answer.findings
    ]
    return Grid(t("cdr.price_findings"), heads, rows)
