"""When what is known of an eMSP's tokens becomes too old."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping

import pytest
from structlog.testing import capture_logs

from ocpi_hub.delivery.whitelist_staleness import Freshness, Judged, WhitelistStaleness, judge
from ocpi_hub.domain.party import PartyId, Relation, RelationMode, Role
from tests.support.factories import CPO, EMSP, make_directory, make_platform

OTHER = PartyId("FR", "OTH")
PLATFORM = make_platform((EMSP, Role.EMSP))


def whitelisted(emsp: PartyId = EMSP, max_age_s: int | None = None) -> Relation:
    return Relation(CPO, emsp, RelationMode.WHITELIST, whitelist_max_age_s=max_age_s)


@pytest.mark.parametrize(
    ("age_s", "max_age_s", "expected"),
    [
        (None, None, Freshness.UNKNOWN),
        (0.0, None, Freshness.FRESH),
        (79.9, None, Freshness.FRESH),
        (80.0, None, Freshness.NEAR),
        (100.0, None, Freshness.NEAR),
        (100.1, None, Freshness.STALE),
        (40.0, 50, Freshness.NEAR),
        (150.0, 1000, Freshness.FRESH),
        (0.1, 0, Freshness.STALE),
    ],
)
def test_age_is_compared_with_what_the_relation_allows(
    age_s: float | None, max_age_s: int | None, expected: Freshness
) -> None:
    directory = make_directory(PLATFORM, relations=[whitelisted(max_age_s=max_age_s)])
    (found,) = judge(directory, {EMSP: age_s}, max_age_s=100.0, near_share=0.8)
    assert (found.cpo, found.emsp, found.freshness) == (str(CPO), EMSP, expected)


def test_other_relations_do_not_matter_and_a_default_counts_by_emsp() -> None:
    realtime = Relation(CPO, EMSP, RelationMode.REALTIME)
    directory = make_directory(PLATFORM, relations=[realtime])
    assert list(judge(directory, {EMSP: 9e9}, max_age_s=1.0, near_share=1.0)) == []
    everybody = make_directory(
        PLATFORM, relations=[whitelisted(OTHER)], default_relation=RelationMode.WHITELIST
    )
    found = judge(everybody, {EMSP: 2.0}, max_age_s=1.0, near_share=1.0)
    assert [(each.cpo, each.emsp, each.freshness) for each in found] == [
        (str(CPO), OTHER, Freshness.UNKNOWN),
        ("*", EMSP, Freshness.STALE),
    ]


class Noting:
    """Says what the database would have noted."""

    def __init__(self, *changed: tuple[str, str]) -> None:
        self._changed = changed

    async def ages_s(self) -> Mapping[PartyId, float | None]:
        return {EMSP: 90.0}

    async def note(self, judged: Collection[Judged]) -> Collection[tuple[str, str]]:
        return self._changed


@pytest.mark.parametrize("changed", [True, False])
async def test_a_change_is_logged_once(changed: bool) -> None:
    pairs = [(str(CPO), str(EMSP))] if changed else []
    directory = make_directory(PLATFORM, relations=[whitelisted()])
    staleness = WhitelistStaleness(
        Noting(*pairs), lambda: directory, max_age_s=100.0, near_share=0.8
    )
    with capture_logs() as lines:
        await staleness.sweep(asyncio.Event())
    said = [line for line in lines if line["event"] == "whitelist_knowledge"]
    assert [(line["emsp"], line["state"], line["log_level"]) for line in said] == (
        [(str(EMSP), "near", "warning")] if changed else []
    )
