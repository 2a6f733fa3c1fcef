"""What becomes of deliveries when a platform goes, and when it is back."""

from __future__ import annotations

from datetime import timedelta

from ocpi_hub.store.database import Connection
from ocpi_hub.store.liveness import request_catch_up
from ocpi_hub.store.queries import Queries
from ocpi_hub.store.receiver_backoff import forget_backoff

SQL = Queries("registration")


async def remember_absence(connection: Connection, platform_id: str, overlap: timedelta) -> None:
    """Note what has to be fetched once a platform that is about to be cut off is back: its owners
    do not push again what they could not push (decision D-14). It waits until then."""
    await request_catch_up(connection, platform_id, overlap)


async def wake_deliveries(connection: Connection, platform_id: str) -> None:
    """Objects that wait for a platform's parties become due: it has (again) what they need.

    Objects before backoffs, in the order in which custody locks them.
    """
    await connection.execute(SQL.lock_waiting_objects, platform_id)
    await connection.execute(SQL.make_waiting_objects_due, platform_id)
    await forget_backoff(connection, platform_id)
