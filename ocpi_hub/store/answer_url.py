"""The hub's URLs for asynchronous answers in PostgreSQL, written in batches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from ocpi_hub.delivery.answer_url import AnswerUrl
from ocpi_hub.domain.party import PartyId
from ocpi_hub.store.columns import columns, party_columns
from ocpi_hub.store.database import Database
from ocpi_hub.store.queries import Queries
from ocpi_hub.store.writer import BatchWriter

SQL = Queries("answer_url")

_COLUMNS = 11


@dataclass(frozen=True, slots=True)
class _Longer:
    answer_id: str
    longer: timedelta


@dataclass(frozen=True, slots=True)
class _End:
    answer_id: str


_Write = AnswerUrl | _Longer | _End


class PostgresAnswerUrlStore:
    """Implements `delivery.answer_url.AnswerUrlStore`; run `writes` to have it written.

    Args:
        keep: how long a mapping is kept beyond what is known about it.
        longest: how long it is kept at most, whatever partners say.
    """

    def __init__(
        self,
        database: Database,
        *,
        keep: timedelta,
        longest: timedelta,
        batch_rows: int,
        batch_queue_rows: int,
    ) -> None:
        self._database = database
        self._keep = keep
        self._longest = longest
        self.writes: BatchWriter[_Write, None] = BatchWriter(
            "answer URLs", self._write, max_rows=batch_rows, max_queued=batch_queue_rows
        )

    async def keep(self, answer: AnswerUrl) -> None:
        await self.writes.submit(answer)

    async def extend(self, answer_id: str, timeout_s: int) -> None:
        # What a partner names may be more than an interval holds.
        seconds = min(float(timeout_s), self._longest.total_seconds())
        longer = min(timedelta(seconds=seconds) + self._keep, self._longest)
        await self.writes.submit(_Longer(answer_id, longer))

    async def end(self, answer_id: str) -> None:
        await self.writes.submit(_End(answer_id))

    async def find(self, answer_id: str) -> AnswerUrl | None:
        async with self._database.connection() as connection:
            row = await connection.fetchrow(SQL.find, answer_id)
        if row is None:
            return None
        return AnswerUrl(
            answer_id=row["answer_id"],
            url=row["url"],
            module=row["module"],
            action=row["action"],
            subject=row["subject"],
            requester=PartyId(row["requester_country_code"], row["requester_party_id"]),
            receiver=PartyId(row["receiver_country_code"], row["receiver_party_id"]),
            correlation_id=row["correlation_id"],
        )

    async def waiting(self, requesters: Sequence[PartyId], limit: int) -> int:
        async with self._database.connection() as connection:
            number: int = await connection.fetchval(
                SQL.waiting, *columns(map(party_columns, requesters), 2), limit
            )
            return number

    async def remove_expired(self, limit: int) -> int:
        async with self._database.connection() as connection:
            return len(await connection.fetch(SQL.remove_expired, limit))

    async def _write(self, writes: Sequence[_Write]) -> Sequence[None]:
        """Kept before ended: both may be in one batch."""
        kept = [_row(write) for write in writes if isinstance(write, AnswerUrl)]
        longer = sorted((w.answer_id, w.longer) for w in writes if isinstance(w, _Longer))
        ended = sorted(write.answer_id for write in writes if isinstance(write, _End))
        async with self._database.transaction() as connection:
            if kept:
                rows = columns(kept, _COLUMNS)
                await connection.execute(SQL.keep, *rows, self._keep, self._longest)
            if longer:
                await connection.execute(SQL.extend, *columns(longer, 2))
            if ended:
                await connection.execute(SQL.end_now, ended)
        return [None] * len(writes)


def _row(answer: AnswerUrl) -> tuple[object, ...]:
    return (
        answer.answer_id,
        answer.url,
        answer.module,
        answer.action,
        answer.subject,
        *party_columns(answer.requester),
        *party_columns(answer.receiver),
        answer.correlation_id,
        answer.until,
    )
