"""The acts of GET All: parties read the hub's lists, page by page."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from ocpi_hub.demo.crawls import Crawl, crawl, key_of
from ocpi_hub.demo.notes import held
from ocpi_hub.demo.parties import ALL_CPOS, EMSPS, Company, related
from ocpi_hub.demo.story import Story
from ocpi_hub.domain.party import Module

PAGES = 8
"""Pages that a list is read in, or a few more."""
EVER = "2020-01-01T00:00:00Z"


async def read_lists(story: Story) -> None:
    """eMSPs read what CPOs have told the hub, while that goes on changing."""
    story.report.section("GET All: the eMSPs read the hub's lists by their links")
    for module in (Module.LOCATIONS, Module.TARIFFS):
        await _by_emsps(story, module)


async def read_sessions(story: Story) -> None:
    """The eMSPs read their Sessions."""
    await _by_emsps(story, Module.SESSIONS)


async def read_locations(story: Story, emsp: Company) -> Sequence[Mapping[str, Any]]:
    """An eMSP reads the whole list of Locations."""
    return (await _read(story, emsp, Module.LOCATIONS)).objects


async def read_tokens(story: Story) -> dict[Company, list[Mapping[str, Any]]]:
    """The CPOs read the tokens of their eMSPs."""
    crawls = await asyncio.gather(*(_read(story, cpo, Module.TOKENS) for cpo in ALL_CPOS))
    return {crawl.reader: crawl.objects for crawl in crawls}


async def _by_emsps(story: Story, module: Module) -> None:
    began = time.monotonic()
    crawls = await asyncio.gather(*(_read(story, emsp, module) for emsp in EMSPS))
    told = ", ".join(
        f"{each.reader.name} {len(each.objects)} in {len(each.pages)} pages" for each in crawls
    )
    story.report.line(module.value, f"{told}; in {time.monotonic() - began:.1f} s")


async def _read(story: Story, reader: Company, module: Module) -> Crawl:
    expected = await _visible(story, reader, module)
    query = {"date_from": EVER} if module is Module.SESSIONS else {}
    limit = max(1, len(expected) // PAGES)
    found = await crawl(story.world.parties[reader], module, limit, expected, **query)
    story.crawls.append(found)
    return found


async def _visible(story: Story, reader: Company, module: Module) -> Collection[str]:
    """Keys of what a reader has to find, by the records of those whose objects they are."""
    if module is Module.TOKENS:
        emsps = [emsp for emsp in EMSPS if related(emsp, reader)]
        tokens = [token for emsp in emsps for token in story.plan.tokens[emsp]]
        return {key_of(token.as_ocpi()) for token in tokens}
    cpos = [cpo for cpo in ALL_CPOS if related(cpo, reader)]
    tables = [await held(story.world.parties[cpo], module.value) for cpo in cpos]
    return {key_of(each) for table in tables for each in table if _concerns(reader, each)}


def _concerns(reader: Company, value: Mapping[str, Any]) -> bool:
    """A Session concerns the eMSP of its token only."""
    token = value.get("cdr_token")
    return token is None or (token["country_code"], token["party_id"]) == (
        reader.party.country_code,
        reader.party.party_id,
    )
