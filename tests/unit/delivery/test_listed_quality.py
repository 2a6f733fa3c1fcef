"""What owners' lists hold is counted once, and what is broken there is counted too."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest

from ocpi_hub.delivery.kinds import KINDS
from ocpi_hub.delivery.listed import Listed, ListedObjects, Source
from ocpi_hub.delivery.listed_cdrs import ListedCdrs
from ocpi_hub.delivery.listed_shared import ListedShared
from ocpi_hub.delivery.quality import Quality
from ocpi_hub.delivery.shared import Change, Changed
from ocpi_hub.domain.party import PartyId, Role
from ocpi_hub.domain.quality import Example
from ocpi_hub.errors import StoreError
from tests.support.examining import make_examiner
from tests.support.factories import CPO, EMSP, make_directory, make_platform
from tests.support.quality import MemoryQualityStore, make_quality
from tests.support.scripted import MemoryCustody
from tests.unit.ocpi.factories import make_cdr, make_location, make_tariff, make_token

OWNER = make_platform((CPO, Role.CPO))
ISSUER = make_platform((EMSP, Role.EMSP))
DIRECTORY = make_directory(OWNER, ISSUER)


class Shared:
    """Takes each content once."""

    def __init__(self) -> None:
        self._bodies: set[str] = set()

    async def change_each(self, changes: Sequence[Change]) -> Sequence[Changed | StoreError]:
        known = [change.body in self._bodies for change in changes]
        self._bodies.update(change.body for change in changes)
        return [Changed.UNCHANGED if each else Changed.CREATED for each in known]


@pytest.fixture
def store() -> MemoryQualityStore:
    return MemoryQualityStore()


@pytest.fixture
def quality(store: MemoryQualityStore) -> Quality:
    return make_quality(store)


def taker(module: str, quality: Quality) -> ListedObjects:
    if module == "cdrs":
        return ListedCdrs(
            MemoryCustody(),
            max_depth=32,
            examiner=make_examiner(),
            found=lambda: None,
            quality=quality,
        )
    return ListedShared(Shared(), KINDS[module], quality, max_depth=32, max_bytes=10_000)


OLD = "2025-12-01T00:00:00Z"
"""Before what the clock of these tests shows."""


@pytest.mark.req("TF-19")
@pytest.mark.parametrize(
    ("module", "value", "rule"),
    [
        ("locations", make_location(city="c" * 46, last_updated=OLD), "too_long"),
        ("tariffs", make_tariff(type="NIGHT", last_updated=OLD), "unknown_value"),
        ("tokens", make_token(language="deu", last_updated=OLD), "too_long"),
        ("cdrs", make_cdr(tariffs=[], last_updated=OLD), "missing"),
    ],
)
async def test_a_mild_fault_counts_when_it_is_new(
    store: MemoryQualityStore, quality: Quality, module: str, value: dict[str, Any], rule: str
) -> None:
    objects = taker(module, quality)
    source = Source(ISSUER if module == "tokens" else OWNER, DIRECTORY)
    assert await objects.take_all([json.dumps(value)], source) == [Listed.TAKEN]
    assert await objects.take_all([json.dumps(value)], source) == [Listed.KNOWN]
    await quality.flush()
    assert store.rules() == {(module, rule): 1}
    [tally] = store.counted.values()
    expected = "~hash8" if module == "tokens" else value["id"]
    assert tally.example.object_id == expected


@pytest.mark.req("TF-19")
@pytest.mark.parametrize("module", ["locations", "cdrs"])
async def test_a_broken_object_counts_as_skipped_with_what_is_wrong(
    store: MemoryQualityStore, quality: Quality, module: str
) -> None:
    value = make_cdr() if module == "cdrs" else make_location()
    text = json.dumps({**value, "id": 7})
    taken = await taker(module, quality).take_all([text], Source(OWNER, DIRECTORY))
    assert taken == [Listed.BROKEN]
    await quality.flush()
    assert store.rules() == {(module, "skipped"): 1}
    [tally] = store.counted.values()
    longest = 39 if module == "cdrs" else 36
    shape = f"id: must be a CiString({longest}): printable ASCII, not empty, got a number"
    assert tally.example == Example("", "", shape)


async def test_a_cdr_for_somebody_unknown_is_no_fault_of_the_cdr(
    store: MemoryQualityStore, quality: Quality
) -> None:
    cdr = make_cdr()
    stranger = PartyId("FR", "NOB")
    cdr["cdr_token"] |= {"country_code": stranger.country_code, "party_id": stranger.party_id}
    taken = await taker("cdrs", quality).take_all([json.dumps(cdr)], Source(OWNER, DIRECTORY))
    assert taken == [Listed.BROKEN]
    await quality.flush()
    assert store.rules() == {}
