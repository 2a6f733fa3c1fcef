"""Who is told about whom, and the loop that tells, against a store in memory."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ocpi_hub.clock import SystemClock
from ocpi_hub.delivery.client_info import (
    Audience,
    Claim,
    ClientInfoRow,
    Comparison,
    Outcome,
    Synced,
    announced_at,
    reached_at,
)
from ocpi_hub.delivery.client_info_follower import ClientInfoFollower
from ocpi_hub.delivery.client_info_pusher import ClientInfoPusher
from ocpi_hub.delivery.client_info_sight import Sight, affected
from ocpi_hub.delivery.shared import Page
from ocpi_hub.directory.snapshot import Directory, PartyStatus
from ocpi_hub.domain.exchange import Unreachable
from ocpi_hub.domain.party import (
    InterfaceRole,
    PartyId,
    PartyRole,
    Platform,
    PlatformId,
    PlatformState,
    Quirk,
    Relation,
    RelationMode,
    Role,
)
from ocpi_hub.errors import StoreError, StoreUnavailable
from ocpi_hub.ocpi.paging import PageRequest
from ocpi_hub.ocpi.v2_2_1.hub_client_info import ClientInfo
from tests.support.factories import CPO, EMSP, HUB, make_directory, make_platform
from tests.support.scripted import ScriptedClient, answer

OTHER_CPO = PartyId("FR", "OTH")
BOTH = PartyId("BE", "TWO")
URL = "https://partner.example/clients"
RECEIVER = {("hubclientinfo", InterfaceRole.RECEIVER): URL}


def seen_by(
    platform: Platform, *others: Platform, planned: bool = False, **arguments: Any
) -> dict[str, str]:
    directory = make_directory(platform, *others, **arguments)
    visible = Sight(directory, unrelated_planned=planned).whole(platform).visible
    return {f"{party} {role}": standing.status.value for (party, role), standing in visible.items()}


@pytest.mark.req("HC-02")
@pytest.mark.parametrize(
    ("state", "online", "status"),
    [
        (PlatformState.CONNECTED, True, "CONNECTED"),
        (PlatformState.CONNECTED, False, "OFFLINE"),
        (PlatformState.INVITED, True, "PLANNED"),
        (PlatformState.CONNECTING, True, "PLANNED"),
        (PlatformState.SUSPENDED, True, "SUSPENDED"),
        (PlatformState.DISCONNECTED, True, "SUSPENDED"),
    ],
)
def test_the_status_follows_from_the_platform(
    state: PlatformState, online: bool, status: str
) -> None:
    other = make_platform((EMSP, Role.EMSP), state=state, online=online)
    assert seen_by(make_platform((CPO, Role.CPO)), other) == {"DE*MSP EMSP": status}


@pytest.mark.req("HC-06", "HC-07")
def test_a_party_is_seen_in_the_roles_in_which_it_works_with_the_platform() -> None:
    two = make_platform((BOTH, Role.CPO), (BOTH, Role.EMSP))
    cpo = make_platform((CPO, Role.CPO), (OTHER_CPO, Role.CPO))
    emsp = make_platform((EMSP, Role.EMSP))
    assert seen_by(cpo, two, emsp) == {"BE*TWO EMSP": "CONNECTED", "DE*MSP EMSP": "CONNECTED"}
    assert seen_by(emsp, two, cpo).keys() == {"BE*TWO CPO", "NL*CPO CPO", "FR*OTH CPO"}
    nap = make_platform((PartyId("SE", "NAP"), Role.NAP))
    assert seen_by(nap, two).keys() == {"BE*TWO CPO", "BE*TWO EMSP"}


@pytest.mark.req("HC-07")
def test_without_a_relation_a_party_is_not_seen() -> None:
    cpo, emsp = make_platform((CPO, Role.CPO)), make_platform((EMSP, Role.EMSP))
    none: dict[str, Any] = {"default_relation": RelationMode.NONE}
    related = [Relation(CPO, EMSP, RelationMode.WHITELIST)]
    assert seen_by(cpo, emsp, **none) == seen_by(emsp, cpo, **none) == {}
    assert seen_by(cpo, emsp, relations=related, **none) == {"DE*MSP EMSP": "CONNECTED"}
    assert seen_by(emsp, cpo, relations=related, **none) == {"NL*CPO CPO": "CONNECTED"}
    assert seen_by(cpo, emsp, relations=[Relation(CPO, EMSP, RelationMode.NONE)]) == {}


@pytest.mark.req("HC-07", "HC-16")
def test_neither_own_parties_nor_withdrawn_ones_nor_the_hub_are_seen() -> None:
    own = make_platform((CPO, Role.CPO), (BOTH, Role.EMSP))
    other = make_platform((EMSP, Role.EMSP), (HUB, Role.EMSP))
    withdrawn = replace(other, roles=(PartyRole(EMSP, Role.EMSP, "gone", active=False),))
    assert seen_by(own, other) == {"DE*MSP EMSP": "CONNECTED"}
    assert seen_by(own, withdrawn) == {}
    # Nor does a party that the platform itself withdrew work with anybody.
    alone = replace(own, roles=(PartyRole(CPO, Role.CPO, "gone", active=False),))
    assert seen_by(alone, other) == {}


@pytest.mark.req("HC-07")
def test_an_emsp_and_the_scsp_it_works_with_see_each_other() -> None:
    scsp = make_platform((PartyId("NL", "SCS"), Role.SCSP))
    emsp = make_platform((EMSP, Role.EMSP))
    assert seen_by(emsp, scsp).keys() == {"NL*SCS SCSP"}
    assert seen_by(scsp, emsp).keys() == {"DE*MSP EMSP"}


@pytest.mark.req("HC-12")
def test_who_has_no_relation_yet_can_be_shown_as_planned_to_those_without_one() -> None:
    one, two = make_platform((CPO, Role.CPO)), make_platform((OTHER_CPO, Role.CPO))
    emsp = make_platform((EMSP, Role.EMSP))
    rules: dict[str, Any] = {
        "default_relation": RelationMode.NONE,
        "relations": [Relation(CPO, EMSP, RelationMode.REALTIME)],
    }
    # One party, two statuses: each audience has its own.
    assert seen_by(one, two, emsp, planned=True, **rules) == {"DE*MSP EMSP": "CONNECTED"}
    assert seen_by(two, one, emsp, planned=True, **rules) == {"DE*MSP EMSP": "PLANNED"}
    assert seen_by(two, one, emsp, **rules) == {}
    offline = replace(emsp, online=False)
    assert seen_by(two, one, offline, planned=True, **rules) == {"DE*MSP EMSP": "PLANNED"}
    suspended = replace(emsp, state=PlatformState.SUSPENDED)
    assert seen_by(two, one, suspended, planned=True, **rules) == {}
    # An operator has said no: that is no plan.
    refused = [Relation(OTHER_CPO, EMSP, RelationMode.NONE)]
    none: dict[str, Any] = {"default_relation": RelationMode.NONE, "relations": refused}
    assert seen_by(two, one, emsp, planned=True, **none) == {}


def test_a_step_of_the_directory_concerns_only_those_for_whom_something_changes() -> None:
    cpo = make_platform((CPO, Role.CPO), endpoints=RECEIVER)
    other = make_platform((OTHER_CPO, Role.CPO))
    emsp = make_platform((EMSP, Role.EMSP))
    relations = [Relation(CPO, EMSP, RelationMode.REALTIME)]

    def sight(*platforms: Platform, related: list[Relation] = relations) -> Sight:
        directory = make_directory(
            *platforms, relations=related, default_relation=RelationMode.NONE
        )
        return Sight(directory, unrelated_planned=False)

    def steps(one: Sight, other: Sight) -> dict[PlatformId, object]:
        return {who: about for who, about in affected(one, other) if about != frozenset()}

    before = sight(cpo, other, emsp)
    assert steps(before, sight(cpo, other, emsp)) == {}
    # Credentials and endpoints of other modules change far more often than anything here.
    elsewhere = {**RECEIVER, ("tokens", InterfaceRole.RECEIVER): "https://partner.example/t"}
    assert steps(before, sight(replace(cpo, endpoints=elsewhere), other, emsp)) == {}
    offline = replace(emsp, online=False)
    assert steps(before, sight(cpo, other, offline)) == {
        cpo.platform_id: {EMSP},
        emsp.platform_id: {EMSP},
    }
    more = [*relations, Relation(OTHER_CPO, EMSP, RelationMode.WHITELIST)]
    assert steps(before, sight(cpo, other, emsp, related=more)) == {
        other.platform_id: {EMSP},
        emsp.platform_id: {OTHER_CPO},
    }
    new = make_platform((BOTH, Role.EMSP))
    assert steps(before, sight(cpo, other, emsp, new)) == {new.platform_id: None}
    assert steps(before, sight(cpo, other)) == {cpo.platform_id: {EMSP}}
    withdrawn = replace(emsp, roles=(PartyRole(EMSP, Role.EMSP, "gone", active=False),))
    assert steps(before, sight(cpo, other, withdrawn)) == {
        cpo.platform_id: {EMSP},
        emsp.platform_id: None,
    }
    open_hub = make_directory(cpo, other, emsp)
    assert steps(before, Sight(open_hub, unrelated_planned=False)) == dict.fromkeys(
        open_hub.platforms
    )


@pytest.mark.req("HC-16")
def test_who_cannot_be_told() -> None:
    platform = make_platform((CPO, Role.CPO), endpoints=RECEIVER)
    assert reached_at(platform) == URL
    assert reached_at(replace(platform, endpoints={})) is None
    assert reached_at(replace(platform, online=False)) is None
    assert announced_at(replace(platform, online=False)) == URL
    assert reached_at(replace(platform, our_token=None)) is None
    assert reached_at(replace(platform, state=PlatformState.SUSPENDED)) is None


class FakeStore:
    """Rows of one platform; whatever is synced and was not yet told is untold."""

    def __init__(self, audience: PlatformId) -> None:
        self._audience = audience
        self.rows: dict[tuple[PartyId, Role], tuple[ClientInfoRow, bool]] = {}
        self.claims = 0
        self.taken = False
        self._changed = asyncio.Condition()

    async def sync(self, directory_version: int, audiences: Sequence[Audience]) -> Comparison:
        await self._notify()
        return Comparison({one.platform_id: self._sync(one) for one in audiences}, None)

    def _sync(self, audience: Audience) -> Synced:
        if audience.platform_id != self._audience:
            return Synced(Outcome.FOLLOWS, changed=False, untold=False)
        changed = False
        for (party, role), standing in audience.visible.items():
            held = self.rows.get((party, role))
            if held is None or held[0].status is not standing.status:
                serial = held[0].serial if held else len(self.rows) + 1
                row = ClientInfoRow(party, role, standing.status, datetime.now(UTC), serial)
                self.rows[party, role] = (row, False)
                changed = True
        return Synced(Outcome.FOLLOWS, changed, any(not told for _, told in self.rows.values()))

    async def follows(self, platform_id: PlatformId, directory_version: int) -> bool:
        raise AssertionError("the loop does not ask")

    async def owed(self) -> Sequence[PlatformId]:
        return [self._audience] if any(not told for _, told in self.rows.values()) else []

    async def untold_about(self, platform_id: PlatformId) -> bool:
        return any(not told for _, told in self.rows.values())

    async def told_after(self, platform_id: PlatformId, after_serial: int) -> ClientInfoRow | None:
        rows = [row for row, told in self.rows.values() if told and row.serial > after_serial]
        return min(rows, key=lambda row: row.serial, default=None)

    async def tell_again(self, platform_id: PlatformId, row: ClientInfoRow) -> bool:
        self.rows[row.party, row.role] = (row, False)
        return True

    async def claim(self, platform_id: PlatformId, url: str, lease_id: uuid.UUID) -> Claim | None:
        self.claims += 1
        await self._notify()
        return None if self.taken else Claim(platform_id, lease_id, url, None)

    async def untold(
        self, platform_id: PlatformId, after_serial: int, limit: int
    ) -> Sequence[ClientInfoRow]:
        rows = [row for row, told in self.rows.values() if not told and row.serial > after_serial]
        return sorted(rows, key=lambda row: row.serial)[:limit]

    async def report(self, claim: Claim, row: ClientInfoRow, *, told: bool) -> bool:
        if told:
            self.rows[row.party, row.role] = (row, True)
        await self._notify()
        return True

    async def release(self, claim: Claim) -> None: ...

    async def page(self, platform_id: PlatformId, page: PageRequest) -> Page:
        raise AssertionError("the loop reads no pages")

    async def until_told(self, *parties: PartyId) -> None:
        def told() -> bool:
            found = {party for (party, _), (_, told) in self.rows.items() if told}
            return found == set(parties)

        async with asyncio.timeout(10), self._changed:
            await self._changed.wait_for(told)

    async def until_claimed(self, times: int) -> None:
        async with asyncio.timeout(10), self._changed:
            await self._changed.wait_for(lambda: self.claims >= times)

    async def _notify(self) -> None:
        async with self._changed:
            self._changed.notify_all()


class Telling:
    """The loop, for a CPO that is told about two eMSPs."""

    def __init__(self, *, quirks: frozenset[Quirk] = frozenset()) -> None:
        cpo = make_platform((CPO, Role.CPO), endpoints=RECEIVER)
        self.audience = replace(cpo, quirks=quirks)
        self.one = make_platform((EMSP, Role.EMSP), endpoints={})
        self.two = make_platform((BOTH, Role.EMSP), endpoints={})
        self.directory = make_directory(self.audience, self.one, self.two)
        self.store = FakeStore(self.audience.platform_id)
        self.client = ScriptedClient()
        self.client.will(answer(1000))
        self._stop = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def change(self, *platforms: Platform) -> None:
        changed = make_directory(*platforms)
        self.directory = replace(changed, version=self.directory.version + 1)

    async def __aenter__(self) -> Telling:
        clock = SystemClock()
        self.pusher = pusher = ClientInfoPusher(
            ClientInfoFollower(self.store, clock, hold=timedelta(0), unrelated_planned=False),
            self.store,
            self.client,
            self._now,
            clock,
            attempt_s=1,
            first_s=0.01,
            longest_s=0.02,
            look_s=0.005,
        )
        self._task = asyncio.create_task(pusher.run(self._stop))
        return self

    async def __aexit__(self, *_: object) -> None:
        self._stop.set()
        assert self._task is not None
        await self._task

    def _now(self) -> Directory:
        return self.directory


@pytest.mark.req("HC-03", "HC-04", "HC-05", "RT-02")
async def test_every_object_is_put_under_its_party_without_routing_headers() -> None:
    async with Telling() as telling:
        await telling.store.until_told(EMSP, BOTH)
    first, second = telling.client.requests
    assert {first.method, second.method} == {"PUT"}
    assert {first.url, second.url} == {f"{URL}/DE/MSP", f"{URL}/BE/TWO"}
    for request in telling.client.requests:
        assert not any(name.lower().startswith("ocpi-") for name in request.headers)
        assert request.body is not None
        told = ClientInfo.model_validate(json.loads(request.body))
        assert request.url.endswith(f"/{told.country_code}/{told.party_id}")
        assert (told.status, told.role) == ("CONNECTED", "EMSP")


@pytest.mark.req("HC-10")
async def test_a_platform_is_introduced_once_others_have_been_told() -> None:
    telling = Telling()
    answered = asyncio.Event()
    telling.client.will(answered, answer(1000))
    async with telling:
        introduced = asyncio.create_task(telling.pusher.introduce(telling.one.platform_id))
        await telling.client.called(1)
        assert not introduced.done()
        answered.set()
        await introduced
        assert all(told for _, told in telling.store.rows.values())
        assert len(telling.store.rows) == 2
    # A process that tells nobody does not wait for it.
    telling.store.rows.clear()
    await telling.pusher.introduce(telling.one.platform_id)


async def test_quirks_of_a_partner_are_respected() -> None:
    quirks = frozenset({Quirk.LOWERCASE_IDS, Quirk.TRAILING_SLASH, Quirk.RAW_TOKEN})
    async with Telling(quirks=quirks) as telling:
        await telling.store.until_told(EMSP, BOTH)
    request = next(r for r in telling.client.requests if "msp" in r.url)
    assert request.url == f"{URL}/de/msp/"
    assert request.headers["Authorization"] == "Token our-token-at-the-partner"


@pytest.mark.req("HC-03")
async def test_a_change_of_the_directory_is_told() -> None:
    async with Telling() as telling:
        await telling.store.until_told(EMSP, BOTH)
        offline = replace(telling.one, online=False)
        telling.change(telling.audience, offline, telling.two)
        await telling.client.called(3)
        await telling.store.until_told(EMSP, BOTH)
    body = telling.client.requests[2].body
    assert body is not None
    assert json.loads(body)["status"] == "OFFLINE"
    assert telling.store.rows[EMSP, Role.EMSP][0].status is PartyStatus.OFFLINE


async def test_a_failed_push_is_tried_again_and_a_refused_one_keeps_nothing_back() -> None:
    telling = Telling()
    telling.client.will(Unreachable("refused"), answer(2001), answer(1000))
    async with telling:
        await telling.store.until_told(EMSP, BOTH)
    urls = [request.url[-3:] for request in telling.client.requests]
    # Unreachable ends the round; a refusal does not.
    assert urls == ["MSP", "MSP", "TWO", "MSP"]


@pytest.mark.parametrize("error", [StoreError("a deadlock"), StoreUnavailable("away")])
async def test_a_fault_of_the_database_ends_no_loop(
    error: StoreError, monkeypatch: pytest.MonkeyPatch
) -> None:
    telling = Telling()
    report, faults = telling.store.report, [error]

    async def fail_once(claim: Claim, row: ClientInfoRow, *, told: bool) -> bool:
        if faults:
            raise faults.pop()
        return await report(claim, row, told=told)

    monkeypatch.setattr(telling.store, "report", fail_once)
    async with telling:
        await telling.store.until_told(EMSP, BOTH)


async def test_a_platform_that_another_process_tells_is_left_to_it() -> None:
    telling = Telling()
    telling.store.taken = True
    async with telling:
        await telling.store.until_claimed(1)
    assert not telling.client.requests


async def test_a_platform_that_goes_meanwhile_is_sent_nothing_more() -> None:
    telling = Telling()
    answered = asyncio.Event()
    telling.client.will(answered, answer(1000))
    async with telling:
        await telling.client.called(1)
        suspended = replace(telling.audience, state=PlatformState.SUSPENDED)
        telling.change(suspended, telling.one, telling.two)
        answered.set()
        await telling.store.until_told(EMSP)
    assert len(telling.client.requests) == 1
