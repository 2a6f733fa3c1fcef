"""Asking: the CPOs send authorizations to the hub and keep what they are answered."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import quote

from ocpi_hub.demo.parties import Company
from ocpi_hub.demo.plan import Ask
from ocpi_hub.demo.processes import Party
from ocpi_hub.demo.report import Progress

BATCH = 20

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Answered:
    """An authorization and what its CPO was answered.

    Attributes:
        ms: measured at the CPO, from the request to the last byte of the answer.
        error: why there was no answer.
    """

    ask: Ask
    ocpi: int | None
    allowed: str | None
    reference: str | None
    ms: float
    error: str | None = None


async def authorize(
    parties: Mapping[Company, Party], asks: Sequence[Ask], concurrency: int, progress: Progress
) -> list[Answered]:
    """Send all; each CPO has at most `concurrency` of them open."""

    async def of_one(cpo: Company, own: Sequence[Ask]) -> list[Answered]:
        answered: list[Answered] = []
        for batch in batches(own, BATCH):
            requests = [_request(ask) for ask in batch]
            results = await parties[cpo].send_many(requests, concurrency)
            answered += [
                read_answer(ask, result) for ask, result in zip(batch, results, strict=True)
            ]
            progress.update(len(batch))
        return answered

    by_cpo: dict[Company, list[Ask]] = {}
    for ask in asks:
        by_cpo.setdefault(ask.cpo, []).append(ask)
    lists = await asyncio.gather(*(of_one(cpo, own) for cpo, own in by_cpo.items()))
    return [answered for one in lists for answered in one]


def batches(items: Sequence[T], size: int) -> Iterable[Sequence[T]]:
    """`items` in pieces of at most `size`."""
    return (items[at : at + size] for at in range(0, len(items), size))


def _request(ask: Ask) -> dict[str, object]:
    request: dict[str, object] = {
        "method": "POST",
        "module": "tokens",
        "role": "SENDER",
        "path": f"{quote(ask.uid, safe='')}/authorize",
        "query": {"type": ask.token_type.value},
        "body": {"location_id": ask.evse.site.location_id, "evse_uids": [ask.evse.uid]},
    }
    return request | ({"to": str(ask.to)} if ask.to else {})


def read_answer(ask: Ask, result: Mapping[str, Any]) -> Answered:
    """A result of the party's control side as an answer."""
    info: Any = None
    if result.get("ocpi") is not None:
        info = json.loads(result["body"]).get("data")
    fields = info if isinstance(info, dict) else {}
    return Answered(
        ask=ask,
        ocpi=result.get("ocpi"),
        allowed=fields.get("allowed"),
        reference=fields.get("authorization_reference"),
        ms=result["ms"],
        error=result.get("error"),
    )
