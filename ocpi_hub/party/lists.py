"""Whole lists: what this platform owns pushed object by object, what the peer owns read in pages.

The control side of both. Spec: 2.2.1 transport_and_format_pull_and_push.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field

from ocpi_hub.domain.party import InterfaceRole, Module, PartyId
from ocpi_hub.errors import InvalidRequest
from ocpi_hub.ocpi.envelope import dump
from ocpi_hub.party.holdings import Holdings
from ocpi_hub.party.outbox import Outbox, SendRequest
from ocpi_hub.party.paging import Listed
from ocpi_hub.party.tables import owner_of

MAX_FAILURES_SHOWN = 20


class _Publishing(BaseModel):
    """`to` is left to the peer's roles unless it is given."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    module: str
    concurrency: int = Field(8, ge=1, le=1000)


@dataclass(frozen=True, slots=True)
class ListControl:
    """Pull and publish."""

    held: Holdings
    outbox: Outbox

    def routes(self) -> list[web.RouteDef]:
        return [web.post("/pull", self._pull), web.post("/publish", self._publish)]

    async def _pull(self, request: web.Request) -> web.Response:
        """Read a list to its end; its objects are kept as if they had been pushed."""
        wanted = SendRequest.model_validate_json(await request.read())
        result = await self.outbox.pull(wanted)
        refused = self.held.keep(wanted.module, result.objects)
        return _answer(
            {
                "pages": result.pages,
                "objects": result.objects,
                "refused": refused,
                "failed": result.failed.as_json() if result.failed else None,
            }
        )

    async def _publish(self, request: web.Request) -> web.Response:
        """Push every object that this platform owns in a module, as it stands."""
        wanted = _Publishing.model_validate_json(await request.read())
        pushes = list(own_pushes(self.held, wanted.module, self.outbox.audience()))
        results = await self.outbox.send_many(pushes, wanted.concurrency)
        failed = [
            {"path": push.path, **result.as_json()}
            for push, result in zip(pushes, results, strict=True)
            if not result.accepted
        ]
        accepted = len(results) - len(failed)
        shown = failed[:MAX_FAILURES_SHOWN]
        return _answer({"sent": len(results), "accepted": accepted, "failed": shown})


def own_pushes(held: Holdings, module: str, audience: PartyId | None) -> Iterator[SendRequest]:
    """A push of every object that the platform owns in a module.

    Args:
        audience: who is addressed by what concerns everybody; Sessions and CDRs go to the party
            that issued their token.

    Raises:
        InvalidRequest: nothing of this module is pushed.
    """
    match module:
        case Module.LOCATIONS | Module.TARIFFS:
            table = held.locations if module == Module.LOCATIONS else held.tariffs
            return (_put(module, item, "id", audience) for item in table.listed())
        case Module.TOKENS:
            return (_put(module, item, "uid", audience) for item in held.issued.listed())
        case Module.SESSIONS:
            return (_put(module, item, "id", _issuer(item)) for item in held.sessions.listed())
        case Module.CDRS:
            return (_post(item) for item in held.cdrs.listed())
        case _:
            raise InvalidRequest(f"{module} has no objects that are pushed")


def _put(module: str, item: Listed, identifier: str, to: PartyId | None) -> SendRequest:
    value = json.loads(item.text)
    parts = (item.owner.country_code, item.owner.party_id, value[identifier])
    return SendRequest(
        method="PUT",
        module=module,
        role=InterfaceRole.RECEIVER,
        path="/".join(quote(part, safe="") for part in parts),
        query={"type": value["type"]} if module == Module.TOKENS else {},
        raw_body=item.text.decode(),
        to=to,
        sender=item.owner,
    )


def _post(item: Listed) -> SendRequest:
    return SendRequest(
        method="POST",
        module=Module.CDRS,
        role=InterfaceRole.RECEIVER,
        raw_body=item.text.decode(),
        to=_issuer(item),
        sender=item.owner,
    )


def _issuer(item: Listed) -> PartyId | None:
    """Who issued the token of a Session or CDR; None: it does not say."""
    cdr_token: Any = json.loads(item.text).get("cdr_token")
    return owner_of(cdr_token) if isinstance(cdr_token, dict) else None


def _answer(value: Any) -> web.Response:
    return web.Response(body=dump(value), content_type="application/json")
