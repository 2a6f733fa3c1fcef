"""Scripted partners on board of a hub that runs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from tests.support.hub import HubProcess
from tests.support.scripted_partner import Respond, ScriptedPartner, role_of
from tests.support.wire import Wire


@dataclass(frozen=True, slots=True)
class Joined:
    """A scripted partner that is connected, and its way to the hub."""

    partner: ScriptedPartner
    platform_id: str
    wire: Wire

    async def push_cdr(self, cdr: dict[str, Any]) -> tuple[int, int]:
        """HTTP status and OCPI status code."""
        return (await self.wire.send("POST", "/2.2.1/receiver/cdrs", cdr)).codes

    @property
    def lists_read(self) -> int:
        """How many pages of its CDRs the hub asked for."""
        return len(self.partner.calls("GET", "/cdrs"))


@asynccontextmanager
async def joined(
    hub: HubProcess,
    party: str = "NL*CPO",
    *,
    lists: Respond | None = None,
    takes: Respond | None = None,
) -> AsyncIterator[Joined]:
    """A CPO whose list of CDRs is answered by `lists`, or an eMSP that takes CDRs by `takes`."""
    role = "CPO" if takes is None else "EMSP"
    async with ScriptedPartner(role_of(party, role)) as partner:
        partner.token = f"token-of-{party}"
        url = f"{partner.base_url}/cdrs"
        if lists is not None:
            partner.endpoints.append(("cdrs", "SENDER", url))
            partner.on("GET", "/cdrs", lists)
        if takes is not None:
            partner.endpoints.append(("cdrs", "RECEIVER", url))
            partner.on("POST", "/cdrs", takes)
        invited = await hub.run("platform", "invite", "--name", party)
        async with Wire(hub, invited["token"]) as before:
            credentials = "/2.2.1/credentials"
            answer = await before.send("POST", credentials, partner.credentials())
        assert answer.codes == (200, 1000), answer
        async with Wire(hub, answer.data["token"]) as wire:
            yield Joined(partner, invited["platform"], wire)
