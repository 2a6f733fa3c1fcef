"""The acts about Tariffs: everybody is told the prices, and how they change."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

from ocpi_hub.demo.crawls import key_of
from ocpi_hub.demo.notes import held
from ocpi_hub.demo.parties import ALL_CPOS, CPOS, FJORDLADE, HUB, ROULIBRE, Company, related
from ocpi_hub.demo.prices import OFFER, DemoTariff, tariffs_of
from ocpi_hub.demo.processes import Party
from ocpi_hub.demo.story import SETTLE_TIMEOUT_S, Story
from ocpi_hub.errors import OperatorError
from ocpi_hub.ocpi.envelope import timestamp
from ocpi_hub.ocpi.json_text import dump
from ocpi_hub.ocpi.status_codes import StatusCode

POLL_S = 0.1
STEP = Decimal("0.0100")
"""By which a price rises."""
DEARER = 3
"""Tariffs of a CPO that change, the first ones; its first offer is withdrawn."""
MEANWHILE = 3
"""How often each of them changes while an eMSP is away."""

Requests = Mapping[Company, Sequence[Mapping[str, object]]]


async def push_tariffs(story: Story) -> None:
    """Each CPO puts its Tariffs at the hub, which pushes them to the eMSPs."""
    requests = {cpo: [_put(tariff) for tariff in tariffs_of(cpo)] for cpo in ALL_CPOS}
    total = sum(map(len, requests.values()))
    story.report.section(f"Tariffs: {total} of {len(ALL_CPOS)} CPOs, each by a PUT")
    began = time.monotonic()
    await _send(story, requests)
    story.report.line("stored by the hub", f"in {time.monotonic() - began:.1f} s")
    await _told_everybody(story, story.world.emsps, began)
    fewer = len(await held(story.world.parties[ROULIBRE], "tariffs"))
    text = f"{fewer} only: it has no relation with {FJORDLADE.name}"
    story.report.line(f"  at {ROULIBRE.name}", text)


async def change_prices(story: Story) -> None:
    """Some prices rise, and an offer of each CPO ends."""
    story.report.section("Prices change: everybody related is told")
    began = time.monotonic()
    await _send(story, {cpo: [_put(each) for each in _dearer(cpo, 1)] for cpo in CPOS})
    story.report.line("dearer", f"{DEARER * len(CPOS)} tariffs, each by a PUT")
    await _told_everybody(story, story.world.emsps, began)
    began = time.monotonic()
    withdrawn = {cpo: [_delete(_offers(cpo)[0])] for cpo in CPOS}
    await _send(story, withdrawn)
    story.report.line("withdrawn", f"{len(withdrawn)} offers, each by a DELETE")
    await _told_everybody(story, story.world.emsps, began)


async def change_meanwhile(story: Story) -> None:
    """Prices rise again and again while an eMSP is away, and one more offer of each CPO ends."""
    for number in range(MEANWHILE):
        requests = {cpo: [_put(each) for each in _dearer(cpo, 2 + number)] for cpo in CPOS}
        await _send(story, requests)
    await _send(story, {cpo: [_delete(_offers(cpo)[1])] for cpo in CPOS})
    tariffs = (DEARER + 1) * len(CPOS)
    story.report.line(
        "price changes", f"{(DEARER * MEANWHILE + 1) * len(CPOS)} of {tariffs} tariffs"
    )


async def in_step(story: Story, emsp: Company) -> float | None:
    """Seconds until an eMSP had the Tariffs of its CPOs; None if that does not happen."""
    began = time.monotonic()
    while time.monotonic() - began < SETTLE_TIMEOUT_S:
        if await _lists(story, [emsp]) == await _lists(story, _cpos_of(emsp)):
            return time.monotonic() - began
        await asyncio.sleep(POLL_S)
    return None


async def _told_everybody(story: Story, emsps: Mapping[Company, Party], began: float) -> None:
    await asyncio.gather(*(in_step(story, emsp) for emsp in emsps))
    story.report.line("  at the eMSPs", f"after {time.monotonic() - began:.1f} s")


async def _lists(story: Story, companies: Sequence[Company]) -> dict[str, Mapping[str, Any]]:
    tables = [await held(story.world.parties[each], "tariffs") for each in companies]
    return {key_of(tariff): tariff for table in tables for tariff in table}


def _cpos_of(emsp: Company) -> list[Company]:
    return [cpo for cpo in ALL_CPOS if related(cpo, emsp)]


async def _send(story: Story, requests: Requests) -> None:
    """Raises: OperatorError: the hub did not take a change."""

    async def of_one(party: Party, own: Sequence[Mapping[str, object]]) -> None:
        for result in await party.send_many(own, 1):
            if result.get("ocpi") != StatusCode.SUCCESS:
                raise OperatorError(f"{party.company.name}: a Tariff was not taken: {result}")

    await asyncio.gather(*(of_one(story.world.parties[cpo], own) for cpo, own in requests.items()))


def _dearer(cpo: Company, times: int) -> list[DemoTariff]:
    """Tariffs whose price has risen that many times in all."""
    usual = [tariff for tariff in tariffs_of(cpo) if tariff.name != OFFER][:DEARER]
    return [replace(tariff, per_kwh=tariff.per_kwh + times * STEP) for tariff in usual]


def _offers(cpo: Company) -> list[DemoTariff]:
    return [tariff for tariff in tariffs_of(cpo) if tariff.name == OFFER]


def _put(tariff: DemoTariff) -> dict[str, object]:
    text = dump(tariff.as_ocpi(timestamp())).decode()
    return _change("PUT", tariff) | {"raw_body": text}


def _delete(tariff: DemoTariff) -> dict[str, object]:
    return _change("DELETE", tariff)


def _change(method: str, tariff: DemoTariff) -> dict[str, object]:
    """A change told to everybody, which is one of the CPO's own too."""
    owner = tariff.country.operator.party
    return {
        "method": method,
        "module": "tariffs",
        "role": "RECEIVER",
        "path": f"{owner.country_code}/{owner.party_id}/{tariff.tariff_id}",
        "to": str(HUB),
        "own": True,
    }
