"""What a token list that came by file means for the exchange of whitelists: a run of its platform,
knowledge about its owner, and what it lacks (decided as for lists that are read)."""

from __future__ import annotations

from ocpi_hub.delivery.files.imports import FileImport
from ocpi_hub.delivery.whitelist_runs import RunId, RunState
from ocpi_hub.domain.party import PlatformId
from ocpi_hub.domain.value import value
from ocpi_hub.store.columns import party_columns
from ocpi_hub.store.database import Connection
from ocpi_hub.store.queries import Queries

SQL = Queries("file_import")
_RUNS = Queries("whitelist")


@value
class NotedRun:
    """The run that an import has become.

    Attributes:
        absent: tokens that the file lacks, which are withdrawn or wait for an operator.
    """

    run_id: RunId
    state: RunState
    absent: int
    note: str | None


async def note_token_file(
    connection: Connection, finished: FileImport, platform_id: PlatformId, *, hold_above: float
) -> NotedRun:
    """Put a list on record whose tokens are all taken over.

    Args:
        hold_above: share of the owner's tokens, 0 to 1, above which a list that lacks them is held.
    """
    owner = party_columns(finished.owner)
    absent, hold, note = 0, False, None
    if finished.full and finished.figures.errors:
        note = f"nothing is withdrawn: {finished.figures.errors} lines could not be taken"
    elif finished.full:
        # The statement takes owners as arrays.
        missing = await connection.fetchrow(
            _RUNS.count_missing, finished.as_of, [owner[0]], [owner[1]]
        )
        known = missing["known"] if missing else 0
        absent = missing["absent"] if missing else 0
        hold = absent > hold_above * known
        if hold:
            note = f"the list lacks {absent} of {known} tokens: confirm or discard"
    withdraw = absent > 0 and not hold
    row = await connection.fetchrow(
        SQL.note_run, platform_id, finished.import_id, withdraw, hold, absent, note
    )
    if row is None:
        raise AssertionError("an insert without a conflict clause returns its row")
    noted = NotedRun(RunId(row["run_id"]), RunState(row["state"]), absent, row["note"])
    # What is held is not believed yet, and what is broken may be what matters.
    if not hold and not finished.figures.errors:
        await connection.execute(SQL.known_as_of, *owner, finished.as_of)
    return noted
