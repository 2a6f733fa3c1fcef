"""Message records of a running hub: both legs of an authorization, and no secret anywhere."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Sequence

import pytest
import pytest_asyncio

from ocpi_hub.domain.exchange import LegKind
from ocpi_hub.domain.message_record import Direction, MessageFilter, MessageRecord
from ocpi_hub.domain.party import PartyId
from ocpi_hub.store.messages import PostgresMessages
from tests.support.hub import HubProcess, Roaming, roaming
from tests.support.party import make_cdr, make_token
from tests.support.postgres import PostgresServer
from tests.support.waiting import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

UID = "04FACE77AA"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def roam(
    postgres_server: PostgresServer, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Roaming]:
    """A hub that records bodies too: even then there must be no secret."""
    address = await postgres_server.create_database()
    log = tmp_path_factory.mktemp("hub") / "hub.log"
    async with roaming(HubProcess(address, log, settings={"message_bodies": "true"})) as running:
        yield running
    await postgres_server.drop_database(address)


async def recorded(
    roam: Roaming, wanted: MessageFilter, *, at_least: int
) -> Sequence[MessageRecord]:
    """The records that match, once there are so many, in the order in which they began, with what
    was in them."""
    store = PostgresMessages(roam.database)
    found: Sequence[MessageRecord] = ()

    async def there() -> bool:
        nonlocal found
        found = (await store.page(1000, wanted)).items
        return len(found) >= at_least

    await eventually(there, f"{at_least} records of {wanted}")
    full = {
        (leg.at, leg.serial): leg
        for correlation_id in {record.correlation_id for record in found}
        for leg in await store.legs(correlation_id)
    }
    return [full[record.at, record.serial] for record in reversed(found)]


async def everything(roam: Roaming) -> str:
    """All that the tables hold, as one text."""
    async with roam.database.connection() as connection:
        rows = await connection.fetch("select * from message")
        rows += await connection.fetch("select * from message_content")
    values = (value for row in rows for value in row.values())
    texts = (value.decode() if isinstance(value, bytes) else str(value) for value in values)
    return "\n".join(texts).upper()


@pytest.mark.req("TF-30")
async def test_an_authorization_leaves_two_legs_with_one_correlation_id_and_no_uid(
    roam: Roaming,
) -> None:
    token = make_token(UID)
    await roam.emsp.load_tokens(token)
    pushed = await roam.emsp.send(
        "PUT", "tokens", role="RECEIVER", path=f"DE/MSP/{UID}", body=token
    )
    assert pushed["ocpi"] == 1000
    answer = await roam.cpo.authorize(UID, to="DE*MSP", body={"location_id": "LOC1"})
    assert answer["ocpi"] == 1000
    wanted = MessageFilter(direction=Direction.IN, module="tokens", party=PartyId("NL", "CPO"))
    (first,) = await recorded(roam, wanted, at_least=1)
    legs = await recorded(roam, MessageFilter(correlation_id=first.correlation_id), at_least=2)
    asked, passed_on = legs
    assert (asked.kind, passed_on.kind) == (LegKind.INBOUND, LegKind.RELAY)
    assert (asked.platform_id, passed_on.platform_id) == (roam.cpo_platform, roam.emsp_platform)
    for leg in legs:
        assert (leg.sender, leg.receiver) == (PartyId("NL", "CPO"), PartyId("DE", "MSP"))
        assert (leg.module, leg.interface_role, leg.method) == ("tokens", "SENDER", "POST")
        assert (leg.http, leg.ocpi, leg.outcome) == (200, 1000, "answered")
        assert leg.path.endswith("/authorize")
    # The same token has the same name in both paths.
    assert asked.path.split("/")[-2] == passed_on.path.split("/")[-2]
    assert asked.request_id != passed_on.request_id
    assert UID not in await everything(roam)


async def test_bodies_of_cdrs_are_recorded_without_the_uid(roam: Roaming) -> None:
    cdr = make_cdr("CDR-WITH-A-TOKEN")
    cdr["cdr_token"] |= {"uid": UID, "contract_id": "DE-MSP-C77"}
    assert (await roam.cpo.push_cdr(cdr, to="DE*MSP"))["http"] == 201
    brought, delivered = await recorded(
        roam, MessageFilter(module="cdrs", party=PartyId("DE", "MSP")), at_least=2
    )
    assert (brought.kind, delivered.kind) == (LegKind.INBOUND, LegKind.CUSTODY)
    assert brought.correlation_id == delivered.correlation_id
    assert brought.request_body == delivered.request_body
    assert b"CDR-WITH-A-TOKEN" in (brought.request_body or b"")
    for leg in (brought, delivered):
        headers = {name.lower(): text for name, text in leg.request_headers or ()}
        assert headers["authorization"] == "Token ~"
        assert headers["ocpi-from-party-id"] == "CPO"
        assert headers["x-request-id"] == leg.request_id
        answered = {name.lower(): text for name, text in leg.response_headers or ()}
        assert answered["location"] == "~"
        assert answered["x-request-id"] == leg.request_id
    table = await everything(roam)
    assert UID not in table
    assert "DE-MSP-C77" not in table


async def test_a_handshake_leaves_its_legs_and_no_credentials_token(roam: Roaming) -> None:
    wanted = MessageFilter(platform_id=roam.cpo_platform)
    records = await recorded(roam, wanted, at_least=4)
    interfaces = {(record.kind, record.module, record.method) for record in records}
    assert (LegKind.INBOUND, "credentials", "POST") in interfaces
    assert (LegKind.INBOUND, "versions", "GET") in interfaces
    assert (LegKind.HANDSHAKE, "versions", "GET") in interfaces
    kept = {
        body
        for record in records
        if record.module in ("versions", "credentials")
        for body in (record.request_body, record.response_body)
    }
    assert kept == {None}
    held = [await party.credentials() for party in (roam.cpo, roam.emsp)]
    tokens = [credentials[name] for credentials in held for name in ("our_token", "their_token")]
    table = await everything(roam)
    for token in tokens:
        assert token
        assert token.upper() not in table
        assert base64.b64encode(token.encode()).decode().upper() not in table


async def test_the_command_lists_the_legs_of_a_correlation_id(roam: Roaming) -> None:
    sent = await roam.cpo.send("GET", "cdrs", role="SENDER")
    assert sent["http"] == 403, "a CPO reads no CDRs"
    wanted = MessageFilter(direction=Direction.IN, module="cdrs", http_class=4)
    (record,) = await recorded(roam, wanted, at_least=1)
    assert record.error
    options = ("--correlation-id", record.correlation_id, "--party", "NL*CPO", "--module", "cdrs")
    shown = await asyncio.wait_for(roam.hub.run("message", "list", *options), 60)
    assert [*shown[0]] == [
        "at",
        "direction",
        "platform",
        "from",
        "to",
        "module",
        "method",
        "path",
        "http",
        "ocpi",
        "ms",
        "correlation_id",
        "request_id",
        "request_bytes",
        "response_bytes",
        "outcome",
    ]
    assert (shown[0]["direction"], shown[0]["from"]) == ("in", "NL*CPO")
    assert shown[0]["request_id"] == record.request_id
