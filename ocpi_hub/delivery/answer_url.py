"""Where asynchronous answers go: the hub's URL in place of the partner's `response_url`.

A mapping is committed before the request that carries the hub's URL leaves, and lives on in the
database, so that the answer finds its way back whichever process gets it, and after a restart.
Spec: 2.2.1 mod_commands_emsp_interface, mod_charging_profiles_emsp_interface.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from ocpi_hub.delivery.sweeping import keep_sweeping
from ocpi_hub.domain.party import PartyId

SWEEP_S = 60.0
BATCH = 500
"""Mappings that are removed in one transaction."""


@dataclass(frozen=True, slots=True)
class AnswerUrl:
    """One request whose answer comes later.

    Attributes:
        answer_id: what cannot be guessed in the hub's URL.
        url: the requester's own `response_url`.
        action: the command; of a charging profile the method. It says which result follows.
        subject: what the request is about, as far as others ask for it: the reservation of a
            RESERVE_NOW, the session of a charging profile; else empty. Folded to upper case.
        receiver: the party that was asked; only its platform may answer.
        correlation_id: of the request.
        until: results may come until then, and a while longer.
    """

    answer_id: str
    url: str
    module: str
    action: str
    subject: str
    requester: PartyId
    receiver: PartyId
    correlation_id: str
    until: datetime | None = None


class AnswerUrlStore(Protocol):
    """Where the mappings are kept."""

    async def keep(self, answer: AnswerUrl) -> None:
        """Keep a mapping; it is committed on return.

        Raises:
            Overloaded: too many wait to be written.
            StoreError: it was not kept, as far as is known.
        """
        ...

    async def find(self, answer_id: str) -> AnswerUrl | None:
        """A mapping that has not expired.

        Raises:
            StoreError: the database does not answer.
        """
        ...

    async def extend(self, answer_id: str, timeout_s: int) -> None:
        """Keep it at least that long from now, and a while longer. Raises as `keep`."""
        ...

    async def end(self, answer_id: str) -> None:
        """Forget it: no result can follow. Raises as `keep`."""
        ...

    async def remove_expired(self, limit: int) -> int:
        """Remove some that have expired; how many were removed.

        Raises:
            StoreError: the database does not answer.
        """
        ...


class AnswerUrlSweep:
    """Removes expired mappings. Every process may run it."""

    def __init__(self, store: AnswerUrlStore) -> None:
        self._store = store

    async def run(self, stop: asyncio.Event) -> None:
        """Look every minute until `stop` is set."""
        await keep_sweeping(stop, self.sweep, "answer URLs", every_s=SWEEP_S)

    async def sweep(self, stop: asyncio.Event) -> None:
        """Remove what has expired, batch by batch.

        Raises:
            StoreError: the database does not answer.
        """
        removed = BATCH
        while removed == BATCH and not stop.is_set():
            removed = await self._store.remove_expired(BATCH)
