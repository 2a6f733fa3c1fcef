"""The hub whose custody takes everything and keeps nothing: what intake costs without a database.

Everything else is the real service; it is started as the hub is, but never keeps a CDR.
"""

from __future__ import annotations

import asyncio

import uvloop

from ocpi_hub.assembly import Wrappers
from ocpi_hub.delivery.custody import CustodyStore, Intake, TakenIn
from tests.support.wrapped_hub import serve


def forgetful(store: CustodyStore) -> CustodyStore:
    """The same store, which forgets at once what it takes in."""

    async def take_in(intake: Intake) -> TakenIn:
        # One turn of the loop, as everybody who waits for an answer takes.
        await asyncio.sleep(0)
        return TakenIn(repeat=None, attempt=None)

    setattr(store, "take_in", take_in)  # noqa: B010 - only this process forgets
    return store


if __name__ == "__main__":
    uvloop.run(serve(Wrappers(custody=forgetful)))
