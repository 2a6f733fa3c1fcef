"""Tokens and CDRs through the running hub: stored, relayed, read back, byte for byte."""

from __future__ import annotations

import itertools
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from tests.support.hub import Roaming
from tests.support.party import PartyProcess, make_cdr, make_token
from tests.support.wire import Answer, Wire

pytestmark = pytest.mark.asyncio(loop_scope="module")

OWN = "/2.2.1/receiver/tokens/DE/MSP"
LIST = "/2.2.1/sender/tokens"
CDRS = "/2.2.1/receiver/cdrs"

_numbers = itertools.count(1)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def other_cpo(roam: Roaming) -> AsyncIterator[Wire]:
    """A second CPO, BE*TWO, which has the default relation too."""
    async with PartyProcess.of([("CPO", "BE*TWO")]) as party:
        await roam.hub.onboard(party, "Second CPO")
        async with await Wire.of(roam.hub, party) as wire:
            yield wire


@pytest.fixture
def uid() -> str:
    """The uid of a token that no other test uses."""
    return f"UID-{next(_numbers)}"


@pytest.fixture
def cdr_id() -> str:
    """The id of a CDR that no other test uses."""
    return f"CDR-{next(_numbers)}"


async def put(wire: Wire, uid: str, *, to: str | None = None, **fields: Any) -> Answer:
    return await wire.send("PUT", f"{OWN}/{uid}", make_token(uid) | fields, to=to)


async def patch(wire: Wire, uid: str, *, to: str | None = None, **fields: Any) -> Answer:
    return await wire.send("PATCH", f"{OWN}/{uid}", fields, to=to)


async def texts(wire: Wire, to: str = "EU*HUB") -> str:
    """The first page of the token list, as it is on the wire."""
    return (await wire.send("GET", LIST, to=to)).body.decode()


async def pushed(roam: Roaming, uid: str) -> list[dict[str, Any]]:
    """What arrived at the CPO about a token."""
    record = await roam.cpo.record(direction="in", module="tokens")
    return [item for item in record if uid in item["path"]]


# The hub's own answers ---------------------------------------------------------------------------


@pytest.mark.req("TK-01", "ER-04", "TF-24", "RT-22", "RT-31")
@pytest.mark.parametrize("to", [None, "EU*HUB"])
async def test_a_new_token_is_201_and_a_known_one_200(emsp: Wire, uid: str, to: str | None) -> None:
    for expected in ((201, 1000), (200, 1000), (200, 1000)):
        answer = await put(emsp, uid, to=to)
        assert answer.codes == expected
        assert answer.routing() == ("DE*MSP", "EU*HUB")
    changed = await put(emsp, uid, to=to, valid=False, last_updated="2026-02-01T00:00:00Z")
    assert changed.codes == (200, 1000)
    assert (await emsp.send("GET", f"{OWN}/{uid}", to=to)).data["valid"] is False


@pytest.mark.req("TF-20")
async def test_a_put_replaces_the_whole_object(emsp: Wire, uid: str) -> None:
    await put(emsp, uid, visual_number="007", group_id="G")
    await put(emsp, uid, last_updated="2026-02-01T00:00:00Z")
    data = (await emsp.send("GET", f"{OWN}/{uid}")).data
    assert data == make_token(uid, last_updated="2026-02-01T00:00:00Z")


@pytest.mark.req("TF-21", "TF-22", "TY-09")
async def test_a_patch_alters_what_it_names_and_null_clears(emsp: Wire, uid: str) -> None:
    contract = {"supplier_name": "Power", "contract_id": "1"}
    await put(emsp, uid, group_id="G", energy_contract=contract)
    answer = await patch(
        emsp,
        uid,
        valid=False,
        group_id=None,
        energy_contract={"supplier_name": "Other"},
        last_updated="2026-02-01T00:00:00Z",
    )
    assert answer.codes == (200, 1000)
    assert (await emsp.send("GET", f"{OWN}/{uid}")).data == make_token(
        uid,
        valid=False,
        energy_contract={"supplier_name": "Other"},
        last_updated="2026-02-01T00:00:00Z",
    )


@pytest.mark.req("TF-20", "TF-26")
@pytest.mark.parametrize(
    "fields",
    [{"issuer": None}, {"valid": "no"}, {"uid": "OTHER"}, {"party_id": "XXX"}, {"type": "OTHER"}],
    ids=str,
)
async def test_a_patch_that_would_spoil_a_token_is_2001(
    emsp: Wire, uid: str, fields: dict[str, Any]
) -> None:
    await put(emsp, uid)
    path = f"{OWN}/{uid}?type=RFID"
    answer = await emsp.send("PATCH", path, fields | {"last_updated": "2026-02-01T00:00:00Z"})
    assert answer.codes == (200, 2001)
    assert (await emsp.send("GET", f"{OWN}/{uid}")).data == make_token(uid)


@pytest.mark.req("RT-11")
async def test_a_stale_push_is_1000_but_changes_nothing(emsp: Wire, uid: str) -> None:
    await put(emsp, uid, last_updated="2026-02-02T00:00:00Z")
    for stale in (
        await put(emsp, uid, valid=False, last_updated="2026-02-01T00:00:00Z"),
        await patch(emsp, uid, valid=False, last_updated="2026-02-01T00:00:00Z"),
    ):
        assert stale.codes == (200, 1000)
        assert "newer" in stale.message
    assert (await emsp.send("GET", f"{OWN}/{uid}")).data["valid"] is True


@pytest.mark.req("TK-02", "TF-27")
async def test_tokens_of_one_uid_differ_by_type(emsp: Wire, uid: str) -> None:
    assert (await put(emsp, uid)).codes == (201, 1000)
    assert (await put(emsp, uid, type="APP_USER", issuer="App")).codes == (201, 1000)
    assert (await put(emsp, uid, type="SOMETHING_NEW", issuer="New")).codes == (201, 1000)
    for query, issuer in (
        ("", "Example mobility"),
        ("?type=RFID", "Example mobility"),
        ("?type=APP_USER", "App"),
        ("?type=SOMETHING_NEW", "New"),
    ):
        assert (await emsp.send("GET", f"{OWN}/{uid}{query}")).data["issuer"] == issuer
    assert (await emsp.send("GET", f"{OWN}/{uid}?type=OTHER")).codes == (404, 2004)
    lower = f"/2.2.1/receiver/tokens/de/msp/{uid.lower()}"
    assert (await emsp.send("GET", lower)).data["uid"] == uid


@pytest.mark.req("TK-02", "TK-03")
async def test_a_patch_finds_the_token_by_parameter_or_body(emsp: Wire, uid: str) -> None:
    await put(emsp, uid)
    await put(emsp, uid, type="APP_USER")
    later = {"valid": False, "last_updated": "2026-02-01T00:00:00Z"}
    assert (await emsp.send("PATCH", f"{OWN}/{uid}?type=APP_USER", later)).codes == (200, 1000)
    assert (await emsp.send("GET", f"{OWN}/{uid}")).data["valid"] is True
    assert (await emsp.send("GET", f"{OWN}/{uid}?type=APP_USER")).data["valid"] is False
    named = {"valid": True, "type": "APP_USER", "last_updated": "2026-03-01T00:00:00Z"}
    assert (await emsp.send("PATCH", f"{OWN}/{uid}", named)).codes == (200, 1000)
    assert (await emsp.send("GET", f"{OWN}/{uid}?type=APP_USER")).data["valid"] is True
    assert (await emsp.send("GET", f"{OWN}/{uid}")).data["type"] == "RFID"


@pytest.mark.req("TK-03")
async def test_a_type_parameter_that_the_body_contradicts_is_2001(emsp: Wire, uid: str) -> None:
    answer = await emsp.send("PUT", f"{OWN}/{uid}?type=APP_USER", make_token(uid))
    assert answer.codes == (200, 2001)
    assert "type differs" in answer.message
    assert (await emsp.send("GET", f"{OWN}/{uid}")).codes == (404, 2004)


@pytest.mark.req("ER-03", "RT-30")
@pytest.mark.parametrize("to", [None, "EU*HUB"])
async def test_an_unknown_token_is_404_with_2004(emsp: Wire, uid: str, to: str | None) -> None:
    answer = await emsp.send("GET", f"{OWN}/{uid}", to=to)
    assert answer.codes == (404, 2004)


async def test_replays_of_a_request_change_nothing(roam: Roaming, emsp: Wire, uid: str) -> None:
    ids = [("X-Request-ID", "replayed"), ("X-Correlation-ID", "replayed")]
    for expected in (201, 200, 200):
        answer = await emsp.send("PUT", f"{OWN}/{uid}", make_token(uid), headers=ids)
        assert answer.codes == (expected, 1000)
    async with roam.database.connection() as connection:
        rows = await connection.fetch("select * from shared_object where object_id = $1", uid)
    assert len(rows) == 1


@pytest.mark.req("TK-12", "TY-11", "TF-38", "TF-28", "TY-02")
@pytest.mark.parametrize(
    "fields",
    [
        {"whitelist": "SOMETIMES"},
        {"whitelist": "allowed"},
        {"default_profile_type": "WARP"},
        {"issuer": "#NA"},
        {"issuer": "x" * 100},
        {"visual_number": ""},
        {"group_id": None},
        {"language": "DE"},
        {"vendor_extension": {"a": [1, {"b": None}]}},
        {"energy_contract": {"supplier_name": "P", "kind": "green"}},
        {"last_updated": "2026-01-01T00:00:00.1234Z"},
        {"last_updated": "2026-01-01T00:00:00"},
    ],
    ids=lambda fields: str(fields)[:50],
)
async def test_what_the_specification_does_not_forbid_is_kept_as_it_is(
    emsp: Wire, uid: str, fields: dict[str, Any]
) -> None:
    assert (await put(emsp, uid, **fields)).codes == (201, 1000)
    assert (await emsp.send("GET", f"{OWN}/{uid}")).data == make_token(uid) | fields


# Odd texts ---------------------------------------------------------------------------------------


def odd_text(uid: str) -> str:
    """A token as no serializer writes it, with numbers, escapes and fields of its own."""
    return (
        '{ "uid":"THE-UID" ,"type":"RFID","country_code":"DE", "party_id":"MSP","valid":true,\n\t'
        '"contract_id":"C","issuer":"Caf\\u00e9 \u00e9 \\/ \U0001f50c","whitelist":"SOMETIMES",'
        '"x_price":1.10,"x_large":1E2,"x_small":-0.0e-3,"x_long":0.1000000000000000055511151231,'
        '"x_int":12345678901234567890123,"x_null":null,"x":{"deep":[[],{}]},'
        '"last_updated":"2026-01-01T00:00:00.5Z"}'
    ).replace("THE-UID", uid)


@pytest.mark.req("TY-05", "TF-38", "RT-11", "TF-27")
async def test_an_object_passes_store_and_relay_byte_for_byte(
    roam: Roaming, emsp: Wire, cpo: Wire, uid: str
) -> None:
    text = odd_text(uid)
    assert (await emsp.send("PUT", f"{OWN}/{uid}", text.encode())).codes == (201, 1000)
    own = await emsp.send("GET", f"{OWN}/{uid}")
    assert text.encode() in own.body
    assert text in await texts(cpo)
    direct = await emsp.send("PUT", f"{OWN}/{uid}", text.encode(), to="NL*CPO")
    # The broadcast arrives as well, sooner or later: the CPO says 200 if it came first.
    arrived = await pushed(roam, uid)
    [leg] = [item for item in arrived if item["headers"]["OCPI-from-party-id"] == "MSP"]
    assert direct.codes == (leg["http"], 1000)
    assert {item["body"] for item in arrived} == {text}


@pytest.mark.req("TY-05", "TF-21")
async def test_a_patch_leaves_the_other_bytes_alone(emsp: Wire, uid: str) -> None:
    await emsp.send("PUT", f"{OWN}/{uid}", odd_text(uid).encode())
    body = b'{"valid":false , "x_price": 2.50, "last_updated":"2026-02-01T00:00:00Z"}'
    assert (await emsp.send("PATCH", f"{OWN}/{uid}", body)).codes == (200, 1000)
    kept = (await emsp.send("GET", f"{OWN}/{uid}")).body.decode()
    for part in ('"x_large":1E2', '"x_small":-0.0e-3', "0.1000000000000000055511151231",
                 '"x_int":12345678901234567890123', '"x_price":2.50', '"valid":false'):  # fmt: skip
        assert part in kept
    assert "1.10" not in kept


@pytest.mark.req("TF-39", "TF-27")
@pytest.mark.parametrize(
    ("object_id", "on_the_wire"),
    [
        ("a*b", "a%2Ab"),
        ("a/b", "a%2Fb"),
        ("a#b?c=d&e", "a%23b%3Fc%3Dd%26e"),
        ("a b+c", "a%20b+c"),
        ("100%", "100%25"),
        ("a;b:c,d@e", "a;b:c,d@e"),
        ("MiXeD", "MiXeD"),
        ("...", "..."),
    ],
)
async def test_ids_with_special_characters_survive_both_legs(
    roam: Roaming, emsp: Wire, object_id: str, on_the_wire: str
) -> None:
    token = make_token(object_id, contract_id="C")
    path = f"/2.2.1/receiver/tokens/De/mSp/{on_the_wire}"
    assert (await emsp.send("PUT", path, token)).codes == (201, 1000)
    direct = await emsp.send("PUT", path, token, to="NL*CPO")
    assert (await emsp.send("GET", f"{OWN}/{on_the_wire}")).data == token
    through = await emsp.send("GET", f"{OWN}/{on_the_wire}?type=RFID", to="NL*CPO")
    assert through.data == token
    arrived = await roam.cpo.record(direction="in", module="tokens")
    # What the hub broadcasts comes from the hub, in its own time; what a relay overtook comes once
    # more from its owner. The hub spells their paths as the directory does.
    *_, first = [item for item in arrived if "/De/mSp/" in item["path"]]
    *_, second = [item for item in arrived if item["query"] == "type=RFID"]
    assert first["headers"]["OCPI-from-party-id"] == "MSP"
    # The CPO's own answer: 200 if the broadcast came first.
    assert direct.codes == (first["http"], 1000)
    assert second["method"] == "GET"


# Direct pushes -----------------------------------------------------------------------------------


@pytest.mark.req("RT-06", "RT-07", "RT-39", "TK-18", "RT-31")
async def test_a_direct_push_is_relayed_and_kept_for_that_party_alone(
    roam: Roaming, emsp: Wire, cpo: Wire, other_cpo: Wire, uid: str
) -> None:
    answer = await put(emsp, uid, to="NL*CPO")
    assert answer.codes == (201, 1000)
    assert answer.routing() == ("DE*MSP", "NL*CPO")
    [arrived] = await pushed(roam, uid)
    assert (arrived["method"], arrived["http"]) == ("PUT", 201)
    assert uid in await texts(cpo)
    assert uid not in await texts(other_cpo)
    await put(emsp, f"{uid}-ALL")
    assert f"{uid}-ALL" in await texts(other_cpo)


@pytest.mark.req("RT-39", "RT-38")
async def test_what_was_addressed_to_a_party_stands_before_what_was_broadcast(
    emsp: Wire, cpo: Wire, other_cpo: Wire, uid: str
) -> None:
    await put(emsp, uid, issuer="for all")
    await put(emsp, uid, issuer="for one", to="NL*CPO")
    mine = [token for token in json.loads(await texts(cpo))["data"] if token["uid"] == uid]
    theirs = [token for token in json.loads(await texts(other_cpo))["data"] if token["uid"] == uid]
    assert [token["issuer"] for token in mine] == ["for one"]
    assert [token["issuer"] for token in theirs] == ["for all"]


@pytest.mark.req("ER-10", "RT-08")
async def test_a_direct_patch_of_what_the_hub_lacks_still_goes_on(
    roam: Roaming, emsp: Wire, uid: str
) -> None:
    answer = await patch(emsp, uid, to="NL*CPO", valid=False, last_updated="2026-01-02T00:00:00Z")
    assert answer.codes == (404, 2004)
    assert answer.routing() == ("DE*MSP", "NL*CPO")
    [arrived] = await pushed(roam, uid)
    assert arrived["method"] == "PATCH"
    assert json.loads(arrived["body"]) == {"valid": False, "last_updated": "2026-01-02T00:00:00Z"}


@pytest.mark.req("RT-08", "TF-21")
async def test_a_direct_patch_goes_on_as_it_came_and_changes_the_copy(
    roam: Roaming, emsp: Wire, cpo: Wire, uid: str
) -> None:
    await put(emsp, uid, to="NL*CPO")
    body = b'{ "valid" :false, "x":1.10,"last_updated":"2026-01-02T00:00:00Z"}'
    answer = await emsp.send("PATCH", f"{OWN}/{uid}?type=RFID", body, to="NL*CPO")
    assert answer.codes == (200, 1000)
    arrived = (await pushed(roam, uid))[-1]
    assert (arrived["method"], arrived["body"]) == ("PATCH", body.decode())
    assert arrived["query"] == "type=RFID"
    assert any(
        token["uid"] == uid and token["valid"] is False
        for token in json.loads(await texts(cpo))["data"]
    )


@pytest.mark.req("RT-17", "RT-13")
async def test_a_direct_push_that_the_receiver_lost_is_still_in_its_list(
    roam: Roaming, emsp: Wire, cpo: Wire, uid: str
) -> None:
    await roam.cpo.fault(match={"module": "tokens"}, http=500)
    try:
        assert (await put(emsp, uid, to="NL*CPO")).codes == (200, 4000)
    finally:
        await roam.cpo.clear_faults()
    assert uid in await texts(cpo)


@pytest.mark.req("TK-04", "TF-08", "TK-02")
async def test_authorize_passes_with_and_without_a_body(
    roam: Roaming, emsp: Wire, cpo: Wire, uid: str
) -> None:
    await roam.emsp.load_tokens(make_token(uid, type="APP_USER"))
    for body in (None, b"", {"location_id": "LOC1"}):
        answer = await cpo.send(
            "POST", f"{LIST}/{uid}/authorize?type=APP_USER", body, to="DE*MSP", sender="NL*CPO"
        )
        assert answer.codes == (200, 1000)
        assert answer.data["allowed"] == "ALLOWED"
        assert answer.routing() == ("NL*CPO", "DE*MSP")
    asked = [item for item in await roam.emsp.record(direction="in") if uid in item["path"]]
    assert [item["query"] for item in asked] == ["type=APP_USER"] * 3


# CDRs on the wire --------------------------------------------------------------------------------


SIGNED = (
    '"signed_data":{"encoding_method":"OCMF","signed_values":[{"nature":"Start",'
    '"plain_data":"OCMF|{\\"FV\\":\\"1.0\\"}|{\\"SD\\" : \\"30\\u00e9\\/\\"}\\u0020",'
    '"signed_data" : "T0NNRg=="}]}'
)


@pytest.mark.req("CD-14", "CD-23", "CD-24", "CD-10", "TY-05", "RT-11")
async def test_a_cdr_reaches_the_payer_byte_for_byte(roam: Roaming, cpo: Wire, cdr_id: str) -> None:
    cdr = make_cdr(
        cdr_id,
        start_date_time="1970-1-1T00:00:00Z",
        total_cost={"excl_vat": 123456.789},
        vendor={"unknown": True},
    )
    text = json.dumps(cdr, indent=1).replace("123456.789", "1.10")
    text = text[:-2] + ",\n" + SIGNED + "}"
    answer = await cpo.send("POST", CDRS, text.encode())
    assert answer.codes == (201, 1000)
    received = await roam.emsp.record(direction="in", module="cdrs")
    [arrived] = [item for item in received if cdr_id in item["body"]]
    assert arrived["body"] == text
    copy = await cpo.send("GET", answer.headers["location"])
    assert text.encode() in copy.body


@pytest.mark.req("CD-02", "CD-05")
@pytest.mark.parametrize("location", [None, "/ocpi/relative/1", "http://["])
async def test_whatever_location_the_payer_gives_the_poster_gets_one_of_the_hub(
    roam: Roaming, cpo: Wire, cdr_id: str, location: str | None
) -> None:
    headers = {"Location": location}
    await roam.emsp.fault(match={"body_contains": cdr_id}, headers=headers, times=1)
    answer = await cpo.send("POST", CDRS, make_cdr(cdr_id))
    assert answer.codes == (201, 1000)
    assert answer.headers["location"] == f"{roam.hub.url}/ocpi{CDRS}/NL/CPO/{cdr_id}"


@pytest.mark.req("CD-11", "CD-12")
async def test_a_credit_cdr_and_its_correction_pass_as_cdrs_of_their_own(
    roam: Roaming, cpo: Wire, cdr_id: str
) -> None:
    original, credit = f"{cdr_id}-{'x' * 36}"[:36], f"{cdr_id}-{'x' * 36}"[:36] + "-CR"
    assert (await cpo.send("POST", CDRS, make_cdr(original))).codes == (201, 1000)
    negative = make_cdr(
        credit, credit=True, credit_reference_id=original, total_cost={"excl_vat": -3.3}
    )
    assert (await cpo.send("POST", CDRS, negative)).codes == (201, 1000)
    assert [await roam.received(one) for one in (original, credit)] == [1, 1]


@pytest.mark.req("CD-04", "CD-03")
async def test_the_copy_of_a_cdr_is_shown_to_its_poster_only(
    cpo: Wire, other_cpo: Wire, emsp: Wire, cdr_id: str
) -> None:
    answer = await cpo.send("POST", CDRS, make_cdr(cdr_id))
    location = answer.headers["location"]
    assert len(location) <= 255
    assert (await cpo.send("GET", location)).codes == (200, 1000)
    assert (await other_cpo.send("GET", location)).codes == (404, 2000)
    assert (await emsp.send("GET", location)).codes == (403, 2001)
    assert (await cpo.send("GET", f"{location}x")).codes == (404, 2000)


@pytest.mark.req("CD-09", "RT-39", "CD-01")
async def test_the_list_of_cdrs_shows_each_payer_its_own(
    roam: Roaming, cpo: Wire, emsp: Wire, cdr_id: str
) -> None:
    async with PartyProcess.of([("EMSP", "FR*PAY")]) as payer:
        await roam.hub.onboard(payer, "Another payer")
        async with await Wire.of(roam.hub, payer) as wire:
            await cpo.send("POST", CDRS, make_cdr(f"A-{cdr_id}"))
            await cpo.send("POST", CDRS, make_cdr(f"B-{cdr_id}", receiver="FR*PAY"))
            own = await wire.send("GET", "/2.2.1/sender/cdrs", to="EU*HUB")
            assert [cdr["id"] for cdr in own.data] == [f"B-{cdr_id}"]
            assert own.headers["x-total-count"] == "1"
            others = await emsp.send("GET", "/2.2.1/sender/cdrs", to="EU*HUB")
            assert f"A-{cdr_id}" in [cdr["id"] for cdr in others.data]
            assert f"B-{cdr_id}" not in [cdr["id"] for cdr in others.data]


async def test_no_uid_and_no_fault_of_ours_is_in_the_log(
    roam: Roaming, emsp: Wire, cpo: Wire
) -> None:
    logs = roam.hub.logs()
    assert "UID-" not in logs
    assert emsp.token not in logs
    assert cpo.token not in logs
    assert '"exception"' not in logs
    assert "Traceback" not in logs
