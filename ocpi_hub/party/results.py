"""Sends what a CPO answers later: results of commands and of requests for charging profiles.

Spec: 2.2.1 mod_commands_msp_post_method, mod_charging_profiles_msp_post_method.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Any

from ocpi_hub.clock import Clock
from ocpi_hub.domain.party import InterfaceRole
from ocpi_hub.errors import HubError
from ocpi_hub.party.later import Due, Request, RequestTable
from ocpi_hub.party.outbox import Outbox, SendRequest

log = logging.getLogger(__name__)


class ResultSender:
    """Sends results to where their requests want them."""

    def __init__(self, requests: RequestTable, outbox: Outbox, clock: Clock) -> None:
        self._requests = requests
        self._outbox = outbox
        self._clock = clock

    async def run(self) -> None:
        """Send what reactions want sent, each in its time, until cancelled."""
        async with asyncio.TaskGroup() as group:
            while True:
                group.create_task(self._send_later(await self._requests.due.get()))

    async def send(self, request: Request, body: Mapping[str, Any]) -> dict[str, Any]:
        """Send a result now; the answer.

        Raises:
            HubError: not registered, or the `response_url` is not on a host of the peer.
        """
        result = await self._outbox.send(
            SendRequest(
                method="POST",
                module=request.module,
                role=InterfaceRole.SENDER,
                url=request.response_url,
                body=dict(body),
                to=request.asker,
                sender=request.asked,
            )
        )
        answer = result.as_json()
        request.results.append({"body": dict(body), "http": result.http, "ocpi": result.ocpi})
        return answer

    async def _send_later(self, due: Due) -> None:
        await self._clock.sleep(due.after_s)
        try:
            await self.send(due.request, due.body)
        except HubError as error:
            log.warning("a result cannot be sent: %s", error)
        except Exception:  # one result that fails must not end the others
            log.exception("a result cannot be sent")
        if due.then is not None:
            due.then()
