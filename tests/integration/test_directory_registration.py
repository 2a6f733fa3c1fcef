"""Partners register with the hub: real HTTP towards the partner, a real database."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web
from structlog.testing import capture_logs

from ocpi_hub.directory.snapshot import PartyStatus
from ocpi_hub.domain.party import (
    CredentialsToken,
    InterfaceRole,
    PartyId,
    PlatformId,
    PlatformState,
    Quirk,
    Role,
)
from ocpi_hub.errors import (
    BodyTooLarge,
    ClientApiUnusable,
    EndpointsMissing,
    InvalidRequest,
    MalformedJson,
    MethodNotAllowed,
    NotFound,
    OcpiError,
    TooManyRequests,
    Unauthenticated,
    UnsupportedVersion,
)
from ocpi_hub.registration.claims import MAX_PARTIES, MAX_ROLES
from ocpi_hub.registration.handshake import AT_ONCE
from ocpi_hub.registration.invitations import Invitation
from ocpi_hub.registration.partner_answers import MAX_BYTES
from ocpi_hub.store.database import Database
from ocpi_hub.store.platform_admin import PlatformAdmin
from ocpi_hub.store.registration import KEPT_TOKENS
from tests.support.directory import catch_ups, insert_platform
from tests.support.registration import PUBLIC_URL, RegisteringHub, registering_hub
from tests.support.scripted_partner import ScriptedPartner, envelope, role_of

DETAILS = "/2.2.1"


@pytest_asyncio.fixture
async def hub(database: Database) -> AsyncIterator[RegisteringHub]:
    async with registering_hub(database) as running:
        yield running


@pytest_asyncio.fixture
async def partner() -> AsyncIterator[ScriptedPartner]:
    async with ScriptedPartner() as scripted:
        yield scripted


@pytest.mark.req("VE-01", "VE-02")
def test_versions_list_the_one_version_offered(hub: RegisteringHub) -> None:
    assert json.loads(hub.handshake.versions()) == [
        {"version": "2.2.1", "url": "https://hub.example/ocpi/2.2.1"}
    ]


@pytest.mark.req("VE-03", "VE-05", "VE-06", "VE-07")
def test_details_list_both_interfaces_with_different_urls_and_credentials_once(
    hub: RegisteringHub,
) -> None:
    details = json.loads(hub.handshake.details("2.2.1"))
    found = {(e["identifier"], e["role"]): e["url"] for e in details["endpoints"]}
    assert details["version"] == "2.2.1"
    assert len(found) == len(set(found.values())) == len(details["endpoints"])
    assert found[("credentials", "SENDER")] == "https://hub.example/ocpi/2.2.1/credentials"
    assert found[("cdrs", "RECEIVER")] == "https://hub.example/ocpi/2.2.1/receiver/cdrs"
    assert found[("tokens", "SENDER")] == "https://hub.example/ocpi/2.2.1/sender/tokens"


def test_details_of_a_version_not_offered_do_not_exist(hub: RegisteringHub) -> None:
    with pytest.raises(NotFound):
        hub.handshake.details("2.1.1")


@pytest.mark.req("CR-03", "CR-17")
async def test_an_invitation_is_a_token_for_registration_only(hub: RegisteringHub) -> None:
    one = await hub.onboarding.invitations.invite("One")
    two = await hub.onboarding.invitations.invite("Two")
    assert one.token != two.token
    assert len(one.token) <= 64
    assert all("\x21" <= character <= "\x7e" for character in one.token)
    platform, issued = await hub.admit(one.token)
    assert (platform.state, issued.kind) == (PlatformState.INVITED, "registration")
    assert str(one.token) not in repr(one)


@pytest.mark.req("CR-04", "VE-09", "CR-18", "CR-17", "TF-34")
async def test_post_stores_what_the_partner_announces_and_answers_with_a_new_token(
    hub: RegisteringHub, partner: ScriptedPartner
) -> None:
    partner.roles = [role_of("NL*CPO", "CPO"), role_of("NL*CPO", "EMSP"), role_of("DE*MSP", "EMSP")]
    partner.endpoints = [
        ("cdrs", "RECEIVER", f"{partner.base_url}/r/cdrs"),
        ("nlcpo-custom", "SENDER", f"{partner.base_url}/custom"),
    ]
    invitation = await hub.onboarding.invitations.invite("A partner")
    answer = await hub.post(invitation.token, partner.body())

    assert answer["url"] == "https://hub.example/ocpi/versions"
    assert [(r["role"], r["country_code"], r["party_id"]) for r in answer["roles"]] == [
        ("HUB", "EU", "HUB")
    ]
    platform, issued = await hub.admit(answer["token"])
    assert (platform.state, platform.version, issued.kind) == (
        PlatformState.CONNECTED,
        "2.2.1",
        "access",
    )
    assert platform.our_token == partner.token
    assert {(str(r.party), r.role) for r in platform.roles} == {
        ("NL*CPO", Role.CPO),
        ("NL*CPO", Role.EMSP),
        ("DE*MSP", Role.EMSP),
    }
    assert platform.endpoints[("cdrs", InterfaceRole.RECEIVER)] == f"{partner.base_url}/r/cdrs"
    assert platform.endpoints[("nlcpo-custom", InterfaceRole.SENDER)]
    # Both calls back carried the partner's own token.
    assert [each.path for each in partner.received] == ["/versions", DETAILS]
    assert {each.authorization for each in partner.received} == {"Token dGhlLXBhcnRuZXJzLXRva2Vu"}


@pytest.mark.req("CR-05")
async def test_the_invitation_is_dead_after_success(
    hub: RegisteringHub, partner: ScriptedPartner
) -> None:
    invitation = await hub.onboarding.invitations.invite("A partner")
    await hub.post(invitation.token, partner.body())
    assert not await hub.knows(invitation.token)


@pytest.mark.req("CR-05", "CR-06")
async def test_of_two_handshakes_with_one_invitation_one_wins(
    hub: RegisteringHub, partner: ScriptedPartner
) -> None:
    invitation = await hub.onboarding.invitations.invite("A partner")
    admitted = await hub.admit(invitation.token)
    answers = await asyncio.gather(
        *(hub.handshake.post_credentials(*admitted, partner.body()) for _ in range(5)),
        return_exceptions=True,
    )
    won = [json.loads(answer) for answer in answers if isinstance(answer, bytes)]
    lost = [answer for answer in answers if isinstance(answer, Unauthenticated)]
    assert (len(won), len(lost)) == (1, 4)
    assert await hub.knows(won[0]["token"])


@pytest.mark.req("CR-06")
async def test_post_of_a_registered_platform_and_put_delete_of_others_are_405(
    hub: RegisteringHub, partner: ScriptedPartner
) -> None:
    invitation = await hub.onboarding.invitations.invite("Another")
    invited = await hub.admit(invitation.token)
    with pytest.raises(MethodNotAllowed):
        await hub.handshake.put_credentials(*invited, partner.body())
    with pytest.raises(MethodNotAllowed):
        await hub.handshake.delete_credentials(*invited)
    _, token = await hub.registered(partner)
    with pytest.raises(MethodNotAllowed):
        await hub.post(token, partner.body())


@pytest.mark.req("CR-12")
async def test_get_answers_with_the_token_that_was_presented(
    hub: RegisteringHub, partner: ScriptedPartner
) -> None:
    _, token = await hub.registered(partner)
    for presented in (token, "an-invitation"):
        answer = json.loads(hub.handshake.get_credentials(CredentialsToken(presented)))
        assert answer["token"] == presented
        assert answer["url"] == "https://hub.example/ocpi/versions"


@pytest.mark.req("CR-07", "CR-09", "CR-24")
async def test_put_reads_everything_again_and_the_old_token_still_works(
    hub: RegisteringHub, partner: ScriptedPartner
) -> None:
    platform_id, old = await hub.registered(partner)
    partner.token = "the-partners-second-token"
    partner.endpoints = [("tokens", "SENDER", f"{partner.base_url}/s/tokens")]
    answer = await hub.put(old, partner.body())
    platform = await hub.platform(platform_id)
    assert platform.our_token == "the-partners-second-token"
    assert ("tokens", InterfaceRole.SENDER) in platform.endpoints
    assert answer["token"] != old
    assert await hub.knows(old)
    assert await hub.knows(answer["token"])


@pytest.mark.req("CR-21")
async def test_put_adds_roles_and_suspends_those_that_are_gone(
    hub: RegisteringHub, partner: ScriptedPartner
) -> None:
    partner.roles = [role_of("NL*CPO"), role_of("NL*TWO")]
    _, token = await hub.registered(partner)
    partner.roles = [role_of("NL*CPO"), role_of("NL*NEW")]
    await hub.put(token, partner.body())
    directory = await hub.load()
    assert directory.status(PartyId("NL", "CPO")) is PartyStatus.CONNECTED
    assert directory.status(PartyId("NL", "NEW")) is PartyStatus.CONNECTED
    assert directory.status(PartyId("NL", "TWO")) is PartyStatus.SUSPENDED


async def test_a_party_that_is_back_is_seen_and_sees_again(
    hub: RegisteringHub, partner: ScriptedPartner
) -> None:
    partner.roles = [role_of("NL*CPO"), role_of("NL*TWO"), role_of("NL*TWO", "NSP")]
    _, token = await hub.registered(partner)
    partner.roles = [role_of("NL*CPO")]
    await hub.put(token, partner.body())
    async with hub.database.connection() as connection:
        await connection.execute(
            "insert into lane values ('DE', 'MSP', 'locations', 7), ('NL', 'TWO', 'locations', 7);"
            " insert into lane values ('DE', 'MSP', 'tariffs', 7)"
        )
        await connection.execute(
            "insert into shared_object (module, country_code, party_id, object_id, position, body,"
            " last_updated, origin, correlation_id)"
            " select 'locations', 'NL', party, 'L', n, '{}', now(), 'broadcast', 'c'"
            " from unnest(array['CPO', 'TWO']) with ordinality as parties (party, n)"
        )
    partner.roles = [role_of("NL*CPO"), role_of("NL*TWO")]
    await hub.put(token, partner.body())
    async with hub.database.connection() as connection:
        rows = await connection.fetch("select * from lane_backfill order by 1, 2, 3, 4, 5")
    assert [tuple(row)[:5] for row in rows] == [
        ("DE", "MSP", "locations", "NL", "TWO"),
        ("NL", "TWO", "locations", "NL", "CPO"),
    ]


@pytest.mark.req("CR-20")
async def test_a_party_of_another_platform_cannot_be_taken(
    hub: RegisteringHub, partner: ScriptedPartner
) -> None:
    await hub.registered(partner)
    async with ScriptedPartner(role_of("DE*NEW"), role_of("nl*cpo")) as other:
        invitation = await hub.onboarding.invitations.invite("Other")
        before = await hub.load()
        with pytest.raises(InvalidRequest, match=r"NL\*CPO"):
            await hub.post(invitation.token, other.body())
    after = await hub.load()
    assert after.version == before.version
    assert after.platform_of(PartyId("DE", "NEW")) is None
    assert await hub.knows(invitation.token)


async def test_a_platform_cannot_take_all_the_parties_there_are(
    hub: RegisteringHub, partner: ScriptedPartner
) -> None:
    ids = [f"NL*{first}{second:02}" for first in "ABCDEFGHIJKLMNOPQRSTU" for second in range(100)]
    partner.roles = [role_of(each, "CPO") for each in ids[:MAX_ROLES]]
    platform_id, token = await hub.registered(partner)
    # One after the other: what it does not claim any more stays its own.
    partner.roles = [role_of(each, "CPO") for each in ids[MAX_ROLES:MAX_PARTIES]]
    token = (await hub.put(token, partner.body()))["token"]
    partner.roles = [role_of(each, "CPO") for each in ids[: MAX_ROLES - 1]]
    partner.roles.append(role_of(ids[MAX_PARTIES], "CPO"))
    with pytest.raises(InvalidRequest, match="parties"):
        await hub.put(token, partner.body())
    directory = await hub.load()
    assert directory.platform_of(PartyId.parse(ids[MAX_PARTIES])) is None
    active = {str(held.party) for held in directory.platforms[platform_id].roles if held.active}
    assert active == set(ids[MAX_ROLES:MAX_PARTIES])
    partner.roles = partner.roles[:-1]
    await hub.put(token, partner.body())


async def test_tokens_that_are_never_used_do_not_pile_up(
    hub: RegisteringHub, partner: ScriptedPartner
) -> None:
    platform_id, token = await hub.registered(partner)
    issued = [(await hub.put(token, partner.body()))["token"] for _ in range(KEPT_TOKENS + 5)]
    known = [await hub.knows(each) for each in issued]
    assert known == [False] * 5 + [True] * KEPT_TOKENS
    assert await hub.knows(token)
    held = (await hub.load()).credentials.values()
    assert sum(each.platform_id == platform_id for each in held) == KEPT_TOKENS + 1


async def remove(hub: RegisteringHub, platform_id: PlatformId) -> None:
    await PlatformAdmin(hub.database, overlap=timedelta()).remove(platform_id, force=False)


async def permit(hub: RegisteringHub, platform_id: PlatformId, party: PartyId) -> None:
    admin = PlatformAdmin(hub.database, overlap=timedelta())
    await admin.configure(platform_id, permit=[party])


@pytest.mark.req("CR-20")
async def test_a_party_of_a_removed_platform_goes_to_whom_an_operator_permits(
    hub: RegisteringHub, partner: ScriptedPartner
) -> None:
    first, _ = await hub.registered(partner)
    async with ScriptedPartner(role_of("DE*NEW")) as other:
        platform_id, token = await hub.registered(other)
        await remove(hub, first)
        other.roles = [role_of("DE*NEW"), role_of("NL*CPO")]
        with pytest.raises(InvalidRequest, match=r"NL\*CPO .* ask the hub's operator"):
            await hub.put(token, other.body())
        late = await hub.onboarding.invitations.invite("Late")
        with pytest.raises(InvalidRequest, match=r"NL\*CPO .* ask the hub's operator"):
            await hub.post(late.token, other.body(roles=[role_of("NL*CPO")]))
        assert (await hub.load()).platform_of(PartyId("NL", "CPO")) is None

        await permit(hub, platform_id, PartyId("NL", "CPO"))
        await hub.put(token, other.body())
        holder = (await hub.load()).platform_of(PartyId("NL", "CPO"))
    assert holder is not None
    assert holder.platform_id == platform_id


@pytest.mark.parametrize("renewed", [False, True])
async def test_an_invitation_may_name_the_parties_of_a_removed_platform(
    hub: RegisteringHub, partner: ScriptedPartner, renewed: bool
) -> None:
    first, _ = await hub.registered(partner)
    await remove(hub, first)
    party = PartyId("NL", "CPO")
    if renewed:
        again = await hub.onboarding.invitations.invite("Again")
        invitation = await hub.onboarding.invitations.renew(again.platform_id, permit=[party])
    else:
        invitation = await hub.onboarding.invitations.invite("Again", permit=[party])
    await hub.post(invitation.token, partner.body())
    holder = (await hub.load()).platform_of(party)
    assert holder is not None
    assert holder.platform_id == invitation.platform_id
    # An old permission ends with the platform that had the party in between.
    await permit(hub, (await hub.onboarding.invitations.invite("Third")).platform_id, party)
    await remove(hub, invitation.platform_id)
    third = await hub.onboarding.invitations.invite("Fourth")
    with pytest.raises(InvalidRequest, match="operator"):
        await hub.post(third.token, partner.body())


EXPECTED = (
    "insert into relation values ('NL', 'CPO', 'DE', 'MSP', 'realtime')",
    "insert into relation values ('FR', 'ANY', 'NL', 'CPO', 'none')",
)
KNOWN = (
    "insert into shared_object (module, country_code, party_id, object_id, position, body,"
    " last_updated, origin, correlation_id) values ('tokens', 'NL', 'CPO', 'T', 1, '{}', now(),"
    " 'broadcast', 'c')",
    "insert into directed_object (module, country_code, party_id, object_id,"
    " receiver_country_code, receiver_party_id, body, fingerprint, last_updated, correlation_id,"
    " state) values ('cdrs', 'FR', 'ANY', 'C', 'NL', 'CPO', '{}', '', now(), 'c', 'refused')",
    "insert into directed_object (module, country_code, party_id, object_id,"
    " receiver_country_code, receiver_party_id, body, fingerprint, last_updated, correlation_id,"
    " state) values ('cdrs', 'NL', 'CPO', 'C', 'FR', 'ANY', '{}', '', now(), 'c', 'refused')",
)


@pytest.mark.req("CR-20")
@pytest.mark.parametrize("known", KNOWN)
async def test_a_party_that_has_objects_is_not_for_the_first_to_claim_it(
    hub: RegisteringHub, partner: ScriptedPartner, known: str
) -> None:
    async with hub.database.connection() as connection:
        await connection.execute(known)
    invitation = await hub.onboarding.invitations.invite("A partner")
    with capture_logs() as logged, pytest.raises(InvalidRequest, match=r"NL\*CPO .* operator"):
        await hub.post(invitation.token, partner.body())
    assert logged[-1]["remedy"] == (
        f"ocpi-hub platform set {invitation.platform_id} --allow-party NL*CPO"
    )
    await permit(hub, invitation.platform_id, PartyId("NL", "CPO"))
    await hub.post(invitation.token, partner.body())


@pytest.mark.req("CR-20")
@pytest.mark.parametrize("expected", EXPECTED)
async def test_a_party_that_an_operator_expects_comes_by_invitation_only(
    hub: RegisteringHub, partner: ScriptedPartner, expected: str
) -> None:
    async with hub.database.connection() as connection:
        await connection.execute(expected)
    async with ScriptedPartner(role_of("BE*BAD")) as squatter:
        _, token = await hub.registered(squatter)
        with pytest.raises(InvalidRequest, match=r"NL\*CPO .* operator"):
            await hub.put(token, squatter.body(roles=[role_of("BE*BAD"), role_of("NL*CPO")]))
    invitation = await hub.onboarding.invitations.invite("The one that was meant")
    await hub.post(invitation.token, partner.body())


async def test_its_own_parties_a_platform_may_always_claim_again(
    hub: RegisteringHub, partner: ScriptedPartner
) -> None:
    partner.roles = [role_of("NL*CPO"), role_of("NL*TWO")]
    _, token = await hub.registered(partner)
    async with hub.database.connection() as connection:
        await connection.execute(EXPECTED[0])
    answer = await hub.put(token, partner.body(roles=[role_of("NL*TWO")]))
    await hub.put(answer["token"], partner.body())


@pytest.mark.req("CR-20")
async def test_two_platforms_that_claim_one_party_at_once_get_it_once(hub: RegisteringHub) -> None:
    invitations = [
        await hub.onboarding.invitations.invite(f"Platform {number}") for number in range(4)
    ]
    async with ScriptedPartner(role_of("NL*AAA"), role_of("NL*BBB")) as scripted:
        answers = await asyncio.gather(
            *(hub.post(invitation.token, scripted.body()) for invitation in invitations),
            return_exceptions=True,
        )
    assert [isinstance(answer, InvalidRequest) for answer in answers].count(True) == 3


@pytest.mark.parametrize(
    "roles",
    [
        [role_of("EU*HUB", "CPO")],
        [role_of("NL*CPO", "HUB")],
        [role_of("NL*CPO", "PTP")],
        [],
        [role_of(), role_of()],
    ],
    ids=["the hub itself", "role HUB", "unknown role", "none", "twice the same"],
)
@pytest.mark.req("CR-19")
async def test_roles_that_cannot_be_are_refused_before_the_partner_is_called(
    hub: RegisteringHub, partner: ScriptedPartner, roles: list[dict[str, Any]]
) -> None:
    invitation = await hub.onboarding.invitations.invite("A partner")
    with pytest.raises(InvalidRequest):
        await hub.post(invitation.token, partner.body(roles=roles))
    assert not partner.received


async def test_a_role_of_a_later_version_is_left_out(
    hub: RegisteringHub, partner: ScriptedPartner
) -> None:
    partner.roles = [role_of("NL*CPO"), role_of("NL*PTP", "PTP")]
    platform_id, _ = await hub.registered(partner)
    assert [str(held.party) for held in (await hub.platform(platform_id)).roles] == ["NL*CPO"]


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"{}", b'{"token": "a b"}'])
async def test_a_body_that_is_no_credentials_object_is_refused(
    hub: RegisteringHub, body: bytes
) -> None:
    invitation = await hub.onboarding.invitations.invite("A partner")
    with pytest.raises((InvalidRequest, MalformedJson)):
        await hub.post(invitation.token, body)


async def _hang(_request: web.Request) -> web.StreamResponse:
    await asyncio.Event().wait()
    raise AssertionError


async def _huge(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    try:
        for _ in range(800):
            await response.write(b"x" * 65_536)
    except ConnectionError:
        pass
    return response


def _version(url: str, number: str = "2.2.1") -> bytes:
    return envelope([{"version": number, "url": url}])


def _details(*endpoints: tuple[str, str, str], version: str = "2.2.1") -> bytes:
    listed = [{"identifier": i, "role": r, "url": u} for i, r, u in endpoints]
    return envelope({"version": version, "endpoints": listed})


LIES: dict[str, tuple[str, bytes, int, type[OcpiError], str]] = {
    "500": ("/versions", b"", 500, ClientApiUnusable, "GET versions .*HTTP 500"),
    "404 for details": (DETAILS, b"", 404, ClientApiUnusable, "GET version details .*HTTP 404"),
    "bad JSON": ("/versions", b"<html>", 200, ClientApiUnusable, "not JSON"),
    "no envelope": ("/versions", b"[]", 200, ClientApiUnusable, "no status_code"),
    "OCPI error": ("/versions", envelope([], 2000, "no"), 200, ClientApiUnusable, "OCPI 2000: no"),
    "no list": ("/versions", envelope({}), 200, ClientApiUnusable, "not a list of versions"),
    "no data": (DETAILS, envelope(None), 200, ClientApiUnusable, "GET version details"),
    "NUL": ("/versions", b'{"a":"\\u0000"}', 200, ClientApiUnusable, "NUL"),
    "other versions": ("/versions", _version("x", "2.1.1"), 200, UnsupportedVersion, "2.1.1"),
    "no versions": ("/versions", envelope([]), 200, UnsupportedVersion, "nothing"),
    "no url": ("/versions", envelope([{"version": "2.2.1"}]), 200, ClientApiUnusable, "no url"),
    "forbidden details": (
        "/versions",
        _version("http://169.254.169.254/latest"),
        200,
        ClientApiUnusable,
        "GET version details .*169.254.169.254.*link-local",
    ),
    "file url": ("/versions", _version("file:///etc/passwd"), 200, ClientApiUnusable, "start with"),
    "details of another version": (
        DETAILS,
        _details(("credentials", "SENDER", "http://127.0.0.1/c"), version="2.1.1"),
        200,
        ClientApiUnusable,
        "details of 2.1.1",
    ),
    "forbidden endpoint": (
        DETAILS,
        _details(
            ("credentials", "SENDER", "http://127.0.0.1/c"),
            ("cdrs", "RECEIVER", "http://10.0.0.1/cdrs"),
        ),
        200,
        ClientApiUnusable,
        "endpoint cdrs.*private",
    ),
    "no credentials endpoint": (
        DETAILS,
        _details(("cdrs", "RECEIVER", "http://127.0.0.1/cdrs")),
        200,
        EndpointsMissing,
        "no credentials endpoint",
    ),
    "no endpoints": (DETAILS, _details(), 200, ClientApiUnusable, "endpoints"),
    "too many endpoints": (
        DETAILS,
        _details(*((f"m{n}", "SENDER", "http://127.0.0.1/m") for n in range(300))),
        200,
        ClientApiUnusable,
        "more than 200",
    ),
}


@pytest.mark.parametrize("lie", LIES)
@pytest.mark.req("CR-13", "CR-14", "CR-15")
async def test_a_lying_partner_is_told_what_is_wrong_and_nothing_changes(
    hub: RegisteringHub, partner: ScriptedPartner, lie: str
) -> None:
    path, body, status, error, text = LIES[lie]
    partner.answer("GET", path, body, status)
    await _post_in_vain(hub, partner, error, text)


async def test_a_token_that_the_partner_quotes_is_not_told_on(
    hub: RegisteringHub, partner: ScriptedPartner
) -> None:
    partner.answer("GET", "/versions", envelope(None, 2001, f"who is {partner.token}?"), 401)
    invitation = await hub.onboarding.invitations.invite("A partner")
    with pytest.raises(ClientApiUnusable) as refused:
        await hub.post(invitation.token, partner.body())
    assert "who is ***?" in refused.value.message


async def test_a_partner_that_keeps_requests_open_cannot_fill_the_hub_with_them(
    hub: RegisteringHub, partner: ScriptedPartner
) -> None:
    partner.on("GET", "/versions", _hang)
    invitation = await hub.onboarding.invitations.invite("A partner")
    admitted = await hub.admit(invitation.token)
    answers = await asyncio.gather(
        *(hub.handshake.post_credentials(*admitted, partner.body()) for _ in range(AT_ONCE + 3)),
        return_exceptions=True,
    )
    assert [type(answer) for answer in answers].count(TooManyRequests) == 3
    with pytest.raises(ClientApiUnusable):
        await hub.handshake.post_credentials(*admitted, partner.body())


async def test_a_body_that_is_too_large_for_credentials_is_not_read(
    hub: RegisteringHub, partner: ScriptedPartner
) -> None:
    invitation = await hub.onboarding.invitations.invite("A partner")
    with pytest.raises(BodyTooLarge):
        await hub.post(invitation.token, partner.body() + b" " * MAX_BYTES)


@pytest.mark.parametrize("respond", [_hang, _huge])
@pytest.mark.parametrize("path", ["/versions", DETAILS])
@pytest.mark.req("CR-13")
async def test_a_partner_that_hangs_or_floods_is_cut_off(
    hub: RegisteringHub, partner: ScriptedPartner, path: str, respond: Any
) -> None:
    partner.on("GET", path, respond)
    await _post_in_vain(hub, partner, ClientApiUnusable, "GET version")


@pytest.mark.req("CR-13")
async def test_redirects_are_not_followed(hub: RegisteringHub, partner: ScriptedPartner) -> None:
    partner.answer("GET", "/versions", b"", 302, {"Location": f"{partner.base_url}/elsewhere"})
    await _post_in_vain(hub, partner, ClientApiUnusable, "HTTP 302: redirects are not followed")
    assert not partner.calls("GET", "/elsewhere")


@pytest.mark.req("CR-13")
async def test_a_partner_that_cannot_be_reached_is_told_so(hub: RegisteringHub) -> None:
    async with ScriptedPartner() as gone:
        body = gone.body()
    invitation = await hub.onboarding.invitations.invite("A partner")
    with pytest.raises(ClientApiUnusable, match="connection refused"):
        await hub.post(invitation.token, body)


async def _post_in_vain(
    hub: RegisteringHub, partner: ScriptedPartner, error: type[OcpiError], text: str
) -> None:
    invitation = await hub.onboarding.invitations.invite("A partner")
    before = await hub.load()
    with pytest.raises(error, match=text):
        await hub.post(invitation.token, partner.body())
    after = await hub.load()
    assert after.version == before.version
    assert await hub.knows(invitation.token)
    # Once the partner has mended it, the same invitation works.
    async with ScriptedPartner() as mended:
        await hub.post(invitation.token, mended.body())


async def test_a_failing_put_leaves_the_connection_as_it_was(
    hub: RegisteringHub, partner: ScriptedPartner
) -> None:
    platform_id, token = await hub.registered(partner)
    before = await hub.load()
    partner.answer("GET", "/versions", b"", 500)
    with pytest.raises(ClientApiUnusable):
        await hub.put(token, partner.body(token="another"))
    after = await hub.load()
    assert after.version == before.version
    assert after.platforms[platform_id].our_token == partner.token


async def test_a_partner_that_wants_raw_tokens_is_recognized(
    hub: RegisteringHub, partner: ScriptedPartner
) -> None:
    async def versions(request: web.Request) -> web.StreamResponse:
        if request.headers["Authorization"] != f"Token {partner.token}":
            return web.Response(status=401)
        return web.Response(body=_version(f"{partner.base_url}/2.2.1"))

    partner.on("GET", "/versions", versions)
    platform_id, token = await hub.registered(partner)
    assert Quirk.RAW_TOKEN in (await hub.platform(platform_id)).quirks
    assert [each.path for each in partner.received] == ["/versions", "/versions", DETAILS]
    # The next handshake starts with what worked.
    partner.received.clear()
    await hub.put(token, partner.body())
    assert [each.path for each in partner.received] == ["/versions", DETAILS]


async def test_a_partner_that_refuses_every_spelling_is_asked_twice_only(
    hub: RegisteringHub, partner: ScriptedPartner
) -> None:
    partner.answer("GET", "/versions", b"", 401)
    await _post_in_vain(hub, partner, ClientApiUnusable, "HTTP 401")
    assert len(partner.received) == 2


@pytest.mark.req("VE-07")
async def test_the_role_of_a_credentials_endpoint_does_not_matter(
    hub: RegisteringHub, partner: ScriptedPartner
) -> None:
    url = f"{partner.base_url}/2.2.1/credentials"
    partner.answer("GET", DETAILS, _details(("credentials", "RECEIVER", url)))
    platform_id, _ = await hub.registered(partner)
    assert dict((await hub.platform(platform_id)).endpoints) == {
        ("credentials", InterfaceRole.SENDER): url
    }


async def test_urls_with_a_trailing_slash_are_called_as_announced(
    hub: RegisteringHub, partner: ScriptedPartner
) -> None:
    partner.answer("GET", "/versions/", _version(f"{partner.base_url}/2.2.1/"))
    invitation = await hub.onboarding.invitations.invite("A partner")
    await hub.post(invitation.token, partner.body(url=f"{partner.versions_url}/"))
    assert [each.path for each in partner.received] == ["/versions/", "/2.2.1/"]


@pytest.mark.req("CR-10", "CR-11")
async def test_delete_voids_everything_and_a_new_invitation_leads_back(
    hub: RegisteringHub, partner: ScriptedPartner
) -> None:
    partner.endpoints = [("cdrs", "SENDER", f"{partner.base_url}/cdrs")]
    platform_id, token = await hub.registered(partner)
    await hub.handshake.delete_credentials(*await hub.admit(token))
    directory = await hub.load()
    platform = directory.platforms[platform_id]
    assert await catch_ups(hub.database) == [(platform_id, "cdrs")]
    assert platform.state is PlatformState.DISCONNECTED
    assert platform.our_token is None
    assert not directory.credentials
    assert directory.status(PartyId("NL", "CPO")) is PartyStatus.SUSPENDED
    invitation = await hub.onboarding.invitations.renew(platform_id)
    assert invitation.platform_id == platform_id
    await hub.post(invitation.token, partner.body())
    assert (await hub.load()).status(PartyId("NL", "CPO")) is PartyStatus.CONNECTED


async def test_a_lost_answer_is_repaired_by_a_renewed_invitation(
    hub: RegisteringHub, partner: ScriptedPartner
) -> None:
    platform_id, lost = await hub.registered(partner)
    first = await hub.onboarding.invitations.renew(platform_id)
    second = await hub.onboarding.invitations.renew(platform_id)
    assert not await hub.knows(first.token)
    assert (await hub.platform(platform_id)).state is PlatformState.CONNECTED
    answer = await hub.post(second.token, partner.body())
    assert await hub.knows(answer["token"])
    assert await hub.knows(lost)
    await hub.directory.note_first_use(CredentialsToken(answer["token"]).sha256, grace_s=0.0)
    assert not await hub.knows(lost)


async def test_an_expired_invitation_opens_nothing(
    hub: RegisteringHub, partner: ScriptedPartner
) -> None:
    invitation: Invitation = await hub.onboarding.invitations.invite("A partner")
    admitted = await hub.admit(invitation.token)
    async with hub.database.connection() as connection:
        await connection.execute(
            "update credentials_token set expires_at = now() - interval '1 second'"
        )
    assert not await hub.knows(invitation.token)
    with pytest.raises(Unauthenticated):
        await hub.handshake.post_credentials(*admitted, partner.body())


async def test_registration_makes_waiting_objects_due(
    hub: RegisteringHub, partner: ScriptedPartner
) -> None:
    platform_id, token = await hub.registered(partner)
    await _wait_for_the_partner(hub.database)
    partner.endpoints = [("cdrs", "RECEIVER", f"{partner.base_url}/cdrs")]
    await hub.put(token, partner.body())
    async with hub.database.connection() as connection:
        due_now = await connection.fetch(
            "select object_id from directed_object where next_attempt_at <= now() order by 1"
        )
        backoff = await connection.fetchval("select count(*) from receiver_backoff")
    assert [row["object_id"] for row in due_now] == ["due", "later", "never"]
    assert backoff == 0
    assert platform_id


@pytest.mark.parametrize("role", ["SENDER", None])
async def test_without_a_receiver_interface_objects_wait_to_be_pulled(
    hub: RegisteringHub, partner: ScriptedPartner, role: str | None
) -> None:
    partner.endpoints = [("cdrs", "RECEIVER", f"{partner.base_url}/cdrs")]
    _, token = await hub.registered(partner)
    await _wait_for_the_partner(hub.database)
    partner.endpoints = [("cdrs", role, f"{partner.base_url}/cdrs")] if role else []
    await hub.put(token, partner.body())
    async with hub.database.connection() as connection:
        due = await connection.fetchval(
            "select count(*) from directed_object where next_attempt_at is not null"
        )
    assert due == 0


async def _wait_for_the_partner(database: Database) -> None:
    """Objects that wait for the partner, which is in backoff."""
    async with database.transaction() as connection:
        for object_id, state, due in (
            ("never", "pending", None),
            ("later", "pending", 3600.0),
            ("due", "pending", -5.0),
            ("refused", "refused", None),
        ):
            await connection.execute(
                "insert into directed_object (module, country_code, party_id, object_id,"
                " receiver_country_code, receiver_party_id, body, fingerprint, last_updated,"
                " correlation_id, state, next_attempt_at) values ('cdrs', 'DE', 'CPO', $1, 'NL',"
                " 'CPO', '{}', '', now(), 'c', $2, now() + make_interval(secs => $3))",
                object_id,
                state,
                due,
            )
        await connection.execute(
            "insert into receiver_backoff (country_code, party_id, failures, next_attempt_at,"
            " reason) values ('NL', 'CPO', 5, now() + interval '1 hour', 'x')"
        )


@pytest.mark.parametrize(
    "path",
    ["/ocpi/versions", "/OCPI/2.2.1", ":443/ocpi", "//ocpi/versions", "/%6fcpi/x", "/a/../ocpi/x"],
)
async def test_a_partner_that_announces_the_hubs_own_urls_is_refused(
    hub: RegisteringHub, partner: ScriptedPartner, path: str
) -> None:
    own = f"{PUBLIC_URL}{path}"
    invitation = await hub.onboarding.invitations.invite("A partner")
    with pytest.raises(ClientApiUnusable, match="the hub itself"):
        await hub.post(invitation.token, partner.body(url=own))
    partner.answer("GET", "/versions", _version(own))
    with pytest.raises(ClientApiUnusable, match="the hub itself"):
        await hub.post(invitation.token, partner.body())


async def test_a_suspended_platform_does_not_register(
    hub: RegisteringHub, partner: ScriptedPartner
) -> None:
    await insert_platform(hub.database, "p-1", roles=())
    invitation = await hub.onboarding.invitations.renew(PlatformId("p-1"))
    admitted = await hub.admit(invitation.token)
    async with hub.database.connection() as connection:
        await connection.execute("update platform set state = 'suspended', resume_state = state")
    with pytest.raises(InvalidRequest, match="suspended"):
        await hub.handshake.post_credentials(*admitted, partner.body())
