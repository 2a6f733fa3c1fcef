"""Pages of OCPI lists, read from the texts as they are stored."""

from __future__ import annotations

from collections.abc import Sequence
from operator import itemgetter
from typing import TYPE_CHECKING

from ocpi_hub.delivery.shared import Page
from ocpi_hub.ocpi.paging import PageRequest
from ocpi_hub.store.database import Database

if TYPE_CHECKING:
    import asyncpg

_BODY = itemgetter("body")
_SERIAL = itemgetter("serial")


async def read_page(
    database: Database,
    page: PageRequest,
    count: str,
    query: str,
    place: Sequence[object],
    *more: object,
) -> tuple[Sequence[asyncpg.Record], int]:
    """Rows of a page, and how many there are on all pages: told by `page`'s cursor, else counted.

    Who polls asks for what changed lately, and is answered by the times of the objects; all others
    by the order of arrival.

    Args:
        count: a query with `place`, two times and `more`.
        query: likewise, with a serial before the times, and offset, limit and bytes after them.
    """
    cursor, window = page.cursor, (page.date_from, page.date_to)
    reading = database.planned if any(window) else database.connection
    async with reading() as connection:
        total: int = (
            cursor.total if cursor else await connection.fetchval(count, *place, *window, *more)
        )
        rows = await connection.fetch(
            query,
            *place,
            cursor.after_serial if cursor else 0,
            *window,
            0 if cursor else page.offset,
            page.limit,
            page.max_bytes,
            *more,
        )
    return rows, total


def page_of(rows: Sequence[asyncpg.Record], total: int) -> Page:
    """A page; `found` of its rows counts them and a row that follows, if there is one.

    Nothing here is Python's work for each row: pages are large and many.
    """
    more = bool(rows) and rows[-1]["found"] > len(rows)
    return Page(
        texts=tuple(map(_BODY, rows)),
        total=total,
        last_serial=rows[-1]["serial"] if more else None,
        serials=tuple(map(_SERIAL, rows)),
    )
