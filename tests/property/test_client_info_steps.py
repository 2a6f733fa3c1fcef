"""From one directory to the next, what is compared is enough: whatever changed, the rows of every
platform come out as if everything had been compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from ocpi_hub.delivery.client_info import Visible
from ocpi_hub.delivery.client_info_sight import Sight, affected
from ocpi_hub.directory.snapshot import Directory
from ocpi_hub.domain.party import (
    PartyId,
    PartyRole,
    Platform,
    PlatformId,
    PlatformState,
    Relation,
    RelationMode,
    Role,
)
from tests.support.factories import HUB

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
PARTIES = [PartyId("NL", f"P{number:02}") for number in range(6)]
ROLES = [Role.CPO, Role.EMSP, Role.SCSP, Role.HUB]


@st.composite
def platforms(draw: st.DrawFn, number: int, parties: Sequence[PartyId]) -> Platform:
    roles = [
        PartyRole(party, role, "name", active=draw(st.booleans()))
        for party in parties
        for role in sorted(draw(st.sets(st.sampled_from(ROLES), max_size=2)))
    ]
    return Platform(
        platform_id=PlatformId(f"p-{number}"),
        name="name",
        state=draw(st.sampled_from(PlatformState)),
        online=draw(st.booleans()),
        version=None,
        versions_url=None,
        our_token=None,
        roles=tuple(roles),
        endpoints={},
        offline_since=draw(st.none() | st.just(NOON)),
    )


def _relations(draw: st.DrawFn) -> list[Relation]:
    pairs = st.tuples(st.sampled_from(PARTIES), st.sampled_from(PARTIES))
    return [
        Relation(cpo, emsp, draw(st.sampled_from(RelationMode)))
        for cpo, emsp in sorted(draw(st.sets(pairs, max_size=6)))
        if cpo != emsp
    ]


@st.composite
def steps(draw: st.DrawFn) -> tuple[Directory, Directory]:
    """Two directories in which most is the same. Parties may move, platforms come and go."""
    default = draw(st.sampled_from(RelationMode))
    owners = draw(st.lists(st.integers(0, 4), min_size=6, max_size=6))
    one: dict[int, Platform] = {}
    for number in range(4):
        if draw(st.booleans()):
            one[number] = draw(platforms(number, _held(owners, number)))
    relations = _relations(draw)
    other = dict(one)
    moved, target = draw(st.integers(0, 5)), draw(st.integers(0, 4))
    concerned = {draw(st.integers(0, 3))}
    if draw(st.booleans()):
        concerned |= {owners[moved], target} - {4}
        owners = [*owners[:moved], target, *owners[moved + 1 :]]
    for number in sorted(concerned):
        other.pop(number, None)
        if draw(st.booleans()):
            other[number] = draw(platforms(number, _held(owners, number)))
    later = _relations(draw) if draw(st.booleans()) else relations
    return _directory(one, relations, default), _directory(other, later, default)


def _held(owners: Sequence[int], number: int) -> list[PartyId]:
    return [party for party, owner in zip(PARTIES, owners, strict=True) if owner == number]


def _directory(
    found: Mapping[int, Platform], relations: Sequence[Relation], default: RelationMode
) -> Directory:
    return Directory.build(
        version=1,
        hub=HUB,
        default_relation=default,
        platforms=found.values(),
        relations=relations,
    )


def rows(sight: Sight) -> dict[PlatformId, Visible]:
    return {
        platform_id: sight.whole(platform).visible
        for platform_id, platform in sight.directory.platforms.items()
    }


@given(steps(), st.booleans())
def test_a_step_compares_all_that_it_has_to(
    step: tuple[Directory, Directory], unrelated_planned: bool
) -> None:
    one, other = step
    before = Sight(one, unrelated_planned=unrelated_planned)
    after = Sight(other, unrelated_planned=unrelated_planned)
    kept, wanted = rows(before), rows(after)
    plan = dict(affected(before, after))
    found: dict[PlatformId, Visible] = {}
    for platform_id, platform in other.platforms.items():
        about = plan.get(platform_id, frozenset())
        if about is None:
            found[platform_id] = after.whole(platform).visible
            continue
        others = {key: row for key, row in kept[platform_id].items() if key[0] not in about}
        found[platform_id] = others | dict(after.some(platform, about, 1).visible)
    assert found == wanted
