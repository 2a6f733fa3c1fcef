"""What PostgreSQL refuses to write: a full disk, or a database that only reads.

Reading goes on meanwhile, so a look at the database does not show it. What was refused was not
acknowledged to anybody.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

import asyncpg

from ocpi_hub.telemetry import get_logger

if TYPE_CHECKING:
    from ocpi_hub.store.database import Database

log = get_logger(__name__)

_REASONS: Final[tuple[tuple[type[Exception], str], ...]] = (
    (asyncpg.DiskFullError, "disk_full"),
    (asyncpg.ReadOnlySQLTransactionError, "read_only"),
)
REASONS: Final = tuple(name for _, name in _REASONS)

# About a megabyte that leaves nothing behind: a row less than a page might find room on the fullest
# of disks. Texts of this length are not compressed.
_PROBE = """
create temporary table write_probe on commit drop as
select repeat('x', 1900) as filling from generate_series(1, 500)
"""


class RefusedWrites:
    """Those of one process.

    Attributes:
        counts: how many, by reason.
        last: what the last one said; None once writing is known to work again.
    """

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.last: str | None = None

    def note(self, error: Exception) -> None:
        """Count it if it is one."""
        for kind, name in _REASONS:
            if isinstance(error, kind):
                self.counts[name] += 1
                if self.last is None:
                    log.error("writes_refused", reason=str(error))
                self.last = str(error)

    def over(self) -> None:
        """Something was written."""
        if self.last is not None:
            log.info("writes_accepted_again")
        self.last = None


async def probe_write(database: Database) -> None:
    """Write something, and throw it away.

    Raises:
        StoreUnavailable: the database refuses, or does not answer.
        StoreError: it does not let this account try.
    """
    async with database.transaction() as connection:
        await connection.execute(_PROBE)
