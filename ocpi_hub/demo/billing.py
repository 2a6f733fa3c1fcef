"""Sending CDRs as a careful CPO does: what got no 1000 is sent again, word for word."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from ocpi_hub.demo.authorizing import batches
from ocpi_hub.demo.cdrs import DemoCdr
from ocpi_hub.demo.parties import Company
from ocpi_hub.demo.processes import Party
from ocpi_hub.demo.report import Progress

BATCH = 8
CONCURRENCY = 4
SUCCESS = 1000


class Billing:
    """Both CPOs' books of CDRs sent.

    Attributes:
        acknowledged: ids of CDRs that got a 1000.
        again: CDRs that did not, to be sent again.
        posts: POSTs made.
    """

    def __init__(self, parties: Mapping[Company, Party]) -> None:
        self._parties = parties
        self.acknowledged: set[str] = set()
        self.again: list[DemoCdr] = []
        self.posts = 0

    async def send(self, cdrs: Sequence[DemoCdr], progress: Progress) -> None:
        """Send all once; what fails waits in `again`."""
        await asyncio.gather(
            *(
                self._send_own(party, [cdr for cdr in cdrs if cdr.owner == cpo.party], progress)
                for cpo, party in self._parties.items()
            )
        )

    async def send_again(self, progress: Progress) -> None:
        """Send what got no 1000."""
        cdrs, self.again = self.again, []
        await self.send(cdrs, progress)

    async def _send_own(self, party: Party, cdrs: Sequence[DemoCdr], progress: Progress) -> None:
        for batch in batches(cdrs, BATCH):
            results = await party.send_many([_request(cdr) for cdr in batch], CONCURRENCY)
            self.posts += len(batch)
            for cdr, result in zip(batch, results, strict=True):
                if result.get("ocpi") == SUCCESS and result["http"] < 300:
                    self.acknowledged.add(cdr.cdr_id)
                else:
                    self.again.append(cdr)
            progress.update(len(batch))


def _request(cdr: DemoCdr) -> dict[str, object]:
    return {
        "method": "POST",
        "module": "cdrs",
        "role": "RECEIVER",
        "raw_body": cdr.text,
        "to": str(cdr.receiver),
        "from": str(cdr.owner),
    }
