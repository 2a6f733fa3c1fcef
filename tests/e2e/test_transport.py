"""The transport of OCPI at the running hub: envelope, ids, authorization, versions, relays."""

from __future__ import annotations

import asyncio
import base64
import json
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from ocpi_hub.settings import load_settings
from tests.support.hub import HubProcess, Roaming, roaming
from tests.support.party import PartyProcess, make_token
from tests.support.postgres import PostgresServer
from tests.support.waiting import eventually
from tests.support.wire import Wire

pytestmark = pytest.mark.asyncio(loop_scope="module")

OWN = "/2.2.1/receiver/tokens/DE/MSP"
LIST = "/2.2.1/sender/tokens"


@pytest_asyncio.fixture(loop_scope="module")
async def clear(roam: Roaming) -> AsyncIterator[Roaming]:
    """Nothing is disturbed and nothing recorded before; nothing is disturbed after."""
    for party in (roam.cpo, roam.emsp):
        await party.clear_faults()
        await party.clear_record()
    yield roam
    for party in (roam.cpo, roam.emsp):
        await party.clear_faults()


# Authorization -----------------------------------------------------------------------------------


@pytest.mark.req("TF-03", "TF-04", "TF-05")
async def test_a_token_is_taken_as_base64_with_or_without_newline_and_as_it_is(emsp: Wire) -> None:
    newline = base64.b64encode(f"{emsp.token}\n".encode()).decode()
    for header in (emsp.authorization, f"Token {newline}", f"Token {emsp.token}"):
        answer = await emsp.send("GET", "/versions", authorization=header)
        assert answer.codes == (200, 1000)


@pytest.mark.req("TF-03", "TF-06", "TF-10")
@pytest.mark.parametrize("case", ["none", "empty", "scheme", "swapped", "unknown", "garbage"])
@pytest.mark.parametrize("path", ["/versions", "/2.2.1/credentials", LIST, "/no/such/path"])
async def test_without_a_known_token_there_is_only_a_401(emsp: Wire, case: str, path: str) -> None:
    header = {
        "none": None,
        "empty": "Token",
        "scheme": emsp.authorization.replace("Token", "Bearer"),
        "swapped": f"Token {base64.b64encode(emsp.token.swapcase().encode()).decode()}",
        "unknown": "Token bm9ib2R5",
        "garbage": "Token \u00e4\u00f6",
    }[case]
    answer = await emsp.send("GET", path, authorization=header)
    assert answer.codes == (401, 2000)
    assert answer.headers["www-authenticate"] == "Token"
    assert "data" not in answer.envelope


@pytest.mark.req("TF-06")
async def test_two_different_authorization_headers_are_refused(emsp: Wire) -> None:
    pairs = [("Authorization", emsp.authorization), ("Authorization", "Token bm9ib2R5")]
    for headers in (pairs, pairs[::-1]):
        answer = await emsp.send("GET", "/versions", headers=headers)
        assert answer.codes == (401, 2000)


@pytest.mark.req("TF-07", "VE-04", "CR-12")
async def test_a_registration_token_opens_versions_and_credentials_only(roam: Roaming) -> None:
    invited = await roam.hub.run("platform", "invite", "--name", "Newcomer")
    async with Wire(roam.hub, invited["token"]) as newcomer:
        for path in ("/versions", "/2.2.1", "/2.2.1/credentials"):
            assert (await newcomer.send("GET", path)).codes == (200, 1000)
        for method, path in (("GET", LIST), ("PUT", f"{OWN}/X"), ("POST", "/2.2.1/receiver/cdrs")):
            assert (await newcomer.send(method, path, {})).codes == (401, 2000)


# Envelope, ids, formats --------------------------------------------------------------------------


@pytest.mark.req("TF-29", "TF-32")
async def test_missing_or_unusable_ids_are_made_up(emsp: Wire) -> None:
    for value in ("", "x" * 500, "with space", "caf\u00e9"):
        headers = [(name, value) for name in ("X-Request-ID", "X-Correlation-ID")]
        answer = await emsp.send("GET", "/versions", headers=headers)
        made = {uuid.UUID(answer.headers[name]) for name in ("x-request-id", "x-correlation-id")}
        assert len(made) == 2


@pytest.mark.req("TF-08", "TF-10")
@pytest.mark.parametrize(
    "content_type", [None, "application/json; charset=utf-8", "text/plain", "application/x-nothing"]
)
async def test_what_parses_as_json_is_accepted_whatever_its_content_type(
    emsp: Wire, content_type: str | None
) -> None:
    token = make_token(f"TYPE-{uuid.uuid4().hex[:8]}")
    headers = [("Content-Type", content_type)] if content_type else []
    answer = await emsp.send("PUT", f"{OWN}/{token['uid']}", token, headers=headers)
    assert answer.codes == (201, 1000)
    assert "data" not in answer.envelope


@pytest.mark.req("TF-10", "TF-11")
async def test_data_is_an_object_or_an_array_as_the_method_says(emsp: Wire, cpo: Wire) -> None:
    token = make_token("SHAPE-1")
    await emsp.send("PUT", f"{OWN}/SHAPE-1", token)
    assert (await emsp.send("GET", f"{OWN}/SHAPE-1")).data == token
    listed = await cpo.send("GET", LIST, to="EU*HUB")
    assert token in listed.data


@pytest.mark.req("TF-09", "TF-12", "TF-15")
async def test_every_module_that_is_offered_as_sender_can_be_pulled(emsp: Wire, cpo: Wire) -> None:
    details = await cpo.send("GET", "/2.2.1")
    offered = {
        each["identifier"]: each["url"]
        for each in details.data["endpoints"]
        if each["role"] == "SENDER" and each["identifier"] in ("tokens", "cdrs")
    }
    for module, reader in (("tokens", cpo), ("cdrs", emsp)):
        answer = await reader.send("GET", offered[module], to="EU*HUB")
        assert answer.codes == (200, 1000)
        assert isinstance(answer.data, list)
        assert answer.headers["x-total-count"].isdecimal()


@pytest.mark.req("TF-35")
async def test_a_trailing_slash_means_nothing_and_never_redirects(emsp: Wire, cpo: Wire) -> None:
    await emsp.send("PUT", f"{OWN}/SLASH-1/", make_token("SLASH-1"))
    assert (await emsp.send("GET", f"{OWN}/SLASH-1")).codes == (200, 1000)
    assert (await emsp.send("GET", f"{OWN}/SLASH-1/")).codes == (200, 1000)
    for path in ("/versions/", "/2.2.1/", f"{LIST}/?limit=1"):
        assert (await cpo.send("GET", path, to="EU*HUB")).codes == (200, 1000)


# Versions ----------------------------------------------------------------------------------------


@pytest.mark.req("VE-01", "VE-02", "VE-03", "VE-04", "VE-05", "VE-06", "VE-07", "RT-02")
async def test_versions_and_details_tell_where_everything_is(roam: Roaming, cpo: Wire) -> None:
    versions = await cpo.send("GET", "/versions", to="DE*MSP", sender="NL*CPO")
    assert versions.data == [{"version": "2.2.1", "url": f"{roam.hub.url}/ocpi/2.2.1"}]
    details = await cpo.send("GET", versions.data[0]["url"])
    assert details.data["version"] == "2.2.1"
    endpoints = {(each["identifier"], each["role"]): each["url"]
                 for each in details.data["endpoints"]}  # fmt: skip
    assert len(endpoints) == len(details.data["endpoints"]) == len(set(endpoints.values()))
    for module in ("tokens", "cdrs"):
        for role in ("SENDER", "RECEIVER"):
            assert endpoints[module, role].startswith(f"{roam.hub.url}/ocpi/2.2.1/")
            assert len(endpoints[module, role]) <= 255
    assert [role for module, role in endpoints if module == "credentials"] == ["SENDER"]
    for answer in (versions, details):
        assert not any(name.startswith("ocpi-") for name in answer.headers)


@pytest.mark.req("VE-11")
async def test_no_custom_module_is_shown_without_an_agreement(cpo: Wire) -> None:
    known = {"credentials", "cdrs", "chargingprofiles", "commands", "hubclientinfo", "locations",
             "sessions", "tariffs", "tokens"}  # fmt: skip
    details = await cpo.send("GET", "/2.2.1")
    assert {each["identifier"] for each in details.data["endpoints"]} <= known


@pytest.mark.req("ER-08", "CR-01")
@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("POST", "/versions", "GET"),
        ("PUT", "/2.2.1", "GET"),
        ("DELETE", "/versions", "GET"),
        ("OPTIONS", "/versions", "GET"),
        ("PATCH", "/2.2.1/credentials", "GET, POST, PUT, DELETE"),
        ("POST", f"{OWN}/T1", "GET, PATCH, PUT"),
        ("DELETE", f"{OWN}/T1", "GET, PATCH, PUT"),
        ("QUERY", f"{OWN}/T1", "GET, PATCH, PUT"),
    ],
)
async def test_a_method_that_is_not_defined_is_405_and_says_which_are(
    emsp: Wire, method: str, path: str, allowed: str
) -> None:
    answer = await emsp.send(method, path, {})
    assert answer.codes == (405, 2000)
    assert answer.headers["allow"] == allowed
    assert allowed in answer.message


@pytest.mark.req("ER-08", "CD-01", "TK-01", "TK-04")
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("PUT", "/2.2.1/receiver/cdrs"),
        ("PATCH", "/2.2.1/receiver/cdrs/NL/CPO/1"),
        ("DELETE", "/2.2.1/receiver/cdrs/NL/CPO/1"),
        ("PUT", LIST),
        ("DELETE", LIST),
        ("GET", f"{LIST}/T1/authorize"),
    ],
)
async def test_methods_a_cpo_lacks_are_405(cpo: Wire, method: str, path: str) -> None:
    answer = await cpo.send(method, path, {})
    assert answer.codes == (405, 2000)
    assert answer.headers["allow"]


async def test_a_head_request_is_405_without_a_body(emsp: Wire) -> None:
    answer = await emsp.send("HEAD", "/versions")
    assert (answer.http, answer.headers["allow"], answer.body) == (405, "GET", b"")


@pytest.mark.req("ER-03")
@pytest.mark.parametrize("method", ["GET", "PUT", "POST", "PATCH", "DELETE"])
@pytest.mark.parametrize(
    "path",
    ["", "/", "/nothing", "/2.2.1/nothing", "/2.1.1", "/2.2/credentials", "/2.2.1/sender",
     "/2.2.1/sender/nothing", "/2.1.1/receiver/tokens/DE/MSP/X", "/9.9.9/receiver/tokens",
     "/2.2.1/receiver/tokens", "/2.2.1/receiver/tokens/DE", "/2.2.1/receiver/tokens/DE/MSP/A/B",
     "/2.2.1/receiver/tokens/DE//X", "/2.2.1/receiver/nothing/NL/CPO/1", "/versions/2.2.1",
     "/2.2.1/receiver/hubclientinfo", "/2.2.1/sender/hubclientinfo/NL/CPO"],
)  # fmt: skip
async def test_an_unknown_path_or_version_is_404(emsp: Wire, method: str, path: str) -> None:
    answer = await emsp.send(method, path, make_token("X"))
    if method in ("POST", "DELETE") and path.startswith("/2.2.1/receiver/tokens/DE/"):
        assert answer.codes in ((404, 2000), (405, 2000))
    elif method in ("POST", "DELETE") and path.startswith("/2.2.1/receiver/tokens"):
        assert answer.codes == (405, 2000)
    else:
        assert answer.codes == (404, 2000)
    assert len(answer.message) > 10


# Relays: what the hub makes of answers -----------------------------------------------------------


async def relayed(emsp: Wire, uid: str, **token: Any) -> Any:
    """A direct push, which the CPO answers."""
    body = make_token(uid, **token)
    return await emsp.send("PUT", f"{OWN}/{uid}", body, to="NL*CPO", sender="DE*MSP")


@pytest.mark.req("RT-01", "RT-06", "RT-07", "RT-08", "RT-10", "TF-29", "TF-30", "TF-31", "TF-02")
async def test_both_legs_of_a_direct_request_carry_what_belongs_there(
    clear: Roaming, emsp: Wire
) -> None:
    ids = [("X-Request-ID", "request-1"), ("X-Correlation-ID", "correlation-1")]
    answer = await emsp.send("PUT", f"{OWN}/LEGS-1", make_token("LEGS-1"), headers=ids,
                             to="NL*CPO", sender="DE*MSP")  # fmt: skip
    assert answer.codes == (201, 1000)
    assert answer.routing() == ("DE*MSP", "NL*CPO")
    assert answer.headers["x-request-id"] == "request-1"
    assert answer.headers["x-correlation-id"] == "correlation-1"
    [leg] = [item for item in await clear.cpo.record(direction="in") if item["method"] == "PUT"]
    headers = leg["headers"]
    assert headers["X-Correlation-ID"] == "correlation-1"
    assert uuid.UUID(headers.pop("X-Request-ID")).version == 4
    assert {name: text for name, text in headers.items() if name.startswith("OCPI")} == {
        "OCPI-to-country-code": "NL",
        "OCPI-to-party-id": "CPO",
        "OCPI-from-country-code": "DE",
        "OCPI-from-party-id": "MSP",
    }
    # The CPO admits nobody but the hub, with the token it gave to the hub.
    assert leg["http"] == 201


@pytest.mark.req("RT-17", "RT-19", "ER-06")
@pytest.mark.parametrize(
    "fault",
    [
        {"ocpi": 2001, "message": "no thanks"},
        {"ocpi": 2999},
        {"ocpi": 3000, "message": "sorry"},
        {"ocpi": 3901},
        {"ocpi": 4001},
        {"ocpi": 4901, "message": "a hub behind"},
        {"ocpi": 1900},
        {"http": 404, "ocpi": 2004},
        {"http": 405, "ocpi": 2000},
        {"http": 201, "ocpi": 1000},
        {"http": 400, "ocpi": 2001},
    ],
    ids=str,
)
async def test_an_envelope_of_the_responder_passes_as_it_is(
    clear: Roaming, emsp: Wire, fault: dict[str, Any]
) -> None:
    await clear.cpo.fault(match={"module": "tokens"}, **fault)
    answer = await relayed(emsp, "PASS-1")
    assert answer.codes == (fault.get("http", 200), fault["ocpi"])
    assert answer.envelope.get("status_message") == fault.get("message")
    assert answer.routing() == ("DE*MSP", "NL*CPO")


@pytest.mark.req("RT-17")
async def test_the_body_of_an_answer_passes_byte_for_byte(clear: Roaming, emsp: Wire) -> None:
    body = '{ "status_code":1000,"data" : {"x": 1.10, "y":1E2, "z": "\\u00e9"},\n"extra":[ ],' \
           '"timestamp":"2026-01-01T00:00:00Z"}'  # fmt: skip
    await clear.cpo.fault(match={"module": "tokens"}, body=body)
    assert (await relayed(emsp, "BYTES-1")).body == body.encode()


@pytest.mark.req("ER-07", "RT-17")
@pytest.mark.parametrize("data", ["", '"data":null,', '"data":{"debug":[1]},', '"data":"text",'])
async def test_a_refusal_passes_whatever_data_it_holds(
    clear: Roaming, emsp: Wire, data: str
) -> None:
    body = f'{{{data}"status_code":2003,"timestamp":"2026-01-01T00:00:00Z"}}'
    await clear.cpo.fault(match={"module": "tokens"}, body=body)
    answer = await relayed(emsp, "DATA-1")
    assert (answer.codes, answer.body) == ((200, 2003), body.encode())


@pytest.mark.req("RT-07")
@pytest.mark.parametrize("garbled", [None, "??"])
async def test_routing_headers_the_responder_omits_or_garbles_are_filled_in(
    clear: Roaming, emsp: Wire, garbled: str | None
) -> None:
    names = [f"OCPI-{end}-{part}" for end in ("to", "from") for part in ("country-code",
                                                                         "party-id")]  # fmt: skip
    await clear.cpo.fault(match={"module": "tokens"}, headers=dict.fromkeys(names, garbled))
    answer = await relayed(emsp, "FILL-1")
    assert answer.codes[1] == 1000
    assert answer.routing() == ("DE*MSP", "NL*CPO")


@pytest.mark.req("RT-15", "RT-16", "RT-18")
@pytest.mark.parametrize(
    "fault",
    [
        {"http": 401},
        {"http": 401, "ocpi": 2000},
        {"http": 403, "ocpi": 2000},
        {"http": 429, "ocpi": 3000},
        {"http": 500},
        {"http": 503, "ocpi": 3000},
        {"http": 302, "headers": {"Location": "http://127.0.0.1:1/"}},
        {"http": 307, "ocpi": 1000, "headers": {"Location": "http://127.0.0.1:1/"}},
        {"http": 200},
        {"http": 404},
        {"garbage": True},
        {"body": "[]"},
        {"body": '{"status_code":"1000"}'},
        {"body": '{"status_code":true}'},
        {"body": "{" * 50_000},
    ],
    ids=lambda fault: str(fault)[:60],
)
async def test_an_answer_that_cannot_be_passed_on_is_4000(
    clear: Roaming, emsp: Wire, fault: dict[str, Any]
) -> None:
    await clear.cpo.fault(match={"module": "tokens"}, **fault)
    answer = await relayed(emsp, "BAD-1")
    assert answer.codes == (200, 4000)
    assert answer.routing() == ("DE*MSP", "EU*HUB")
    assert "NL*CPO" in answer.message
    assert "location" not in answer.headers
    assert "www-authenticate" not in answer.headers


@pytest.mark.req("RT-14", "RT-16")
@pytest.mark.parametrize(
    "fault",
    [{"hang": True}, {"delay_s": 3.0}, {"drop": True}, {"drop_before": True}],
    ids=str,
)
async def test_no_answer_after_the_request_was_sent_is_4002(
    clear: Roaming, emsp: Wire, fault: dict[str, Any]
) -> None:
    await clear.cpo.fault(match={"module": "tokens"}, **fault)
    answer = await relayed(emsp, "SILENT-1")
    assert answer.codes == (200, 4002)
    assert answer.routing() == ("DE*MSP", "EU*HUB")
    assert "NL*CPO did not answer" in answer.message


@pytest.mark.req("RT-14")
async def test_an_endless_answer_is_cut_off(clear: Roaming, emsp: Wire) -> None:
    await clear.cpo.fault(match={"module": "tokens"}, huge=64 * 1024 * 1024)
    answer = await relayed(emsp, "HUGE-1")
    assert answer.codes == (200, 4002)
    assert "larger than" in answer.message


@pytest.mark.req("RT-13", "RT-16")
async def test_a_receiver_that_refuses_connections_is_4003(clear: Roaming, emsp: Wire) -> None:
    await clear.cpo.fault(refuse=True)
    answer = await relayed(emsp, "DOWN-1")
    assert answer.codes == (200, 4003)
    assert answer.routing() == ("DE*MSP", "EU*HUB")
    assert "cannot be reached" in answer.message
    await clear.cpo.clear_faults()
    assert (await relayed(emsp, "DOWN-1")).codes[1] == 1000


@pytest.mark.req("RT-12", "RT-16", "RT-20")
async def test_an_unknown_to_is_4001_and_one_of_the_same_role_4003(
    clear: Roaming, emsp: Wire
) -> None:
    for to, code in (("XX*YYY", 4001), ("DE*MSP", 4003)):
        answer = await emsp.send("PUT", f"{OWN}/TO-1", make_token("TO-1"), to=to)
        assert answer.codes == (200, code)
        assert to in answer.message
        assert answer.routing() == ("DE*MSP", "EU*HUB")
    assert await clear.cpo.record(direction="in") == []


@pytest.mark.req("RT-35", "RT-36")
async def test_a_list_without_to_is_4001_and_says_what_to_do(cpo: Wire) -> None:
    for path in (LIST, "/2.2.1/sender/tokens?limit=5"):
        answer = await cpo.send("GET", path)
        assert answer.codes == (200, 4001)
        assert "OCPI-to" in answer.message


@pytest.mark.req("RT-15")
async def test_a_receiver_without_the_interface_is_4000(clear: Roaming, cpo: Wire) -> None:
    async with PartyProcess.of([("EMSP", "FR*NOS")], "--no-module", "tokens:SENDER") as other:
        await clear.hub.onboard(other, "Without a list")
        await other.clear_record()
        answer = await cpo.send("GET", LIST, to="FR*NOS")
        assert answer.codes == (200, 4000)
        assert "tokens SENDER" in answer.message
        assert await other.record(direction="in", module="tokens") == []


async def test_a_receiver_that_hangs_slows_down_nobody_else(
    postgres_server: PostgresServer, tmp_path: Path
) -> None:
    address = await postgres_server.create_database()
    patient = HubProcess(address, tmp_path / "hub.log", settings={"relay_timeout_s": "60"})
    async with (
        roaming(patient) as roam,
        await Wire.of(roam.hub, roam.emsp) as emsp,
        await Wire.of(roam.hub, roam.cpo) as cpo,
    ):
        await roam.cpo.fault(match={"module": "tokens"}, hang=True)
        stuck = [asyncio.create_task(relayed(emsp, f"HANG-{n}")) for n in range(40)]
        await _eventually_stuck(roam, stuck)
        for number in range(25):
            whole = await cpo.send("GET", LIST, to="EU*HUB", query={"limit": "1"})
            relayed_list = await cpo.send("GET", LIST, to="DE*MSP", query={"offset": str(number)})
            assert (whole.codes, relayed_list.codes) == ((200, 1000), (200, 1000))
        assert not any(task.done() for task in stuck)
        await roam.cpo.clear_faults()
        answers = await asyncio.gather(*stuck)
        # The connections of those that hung were cut, the others were waiting for a free one.
        assert {answer.codes for answer in answers} == {(200, 4002), (201, 1000)}
        cut = sum(answer.codes == (200, 4002) for answer in answers)
        assert 0 < cut <= load_settings().max_in_flight_per_receiver
    await postgres_server.drop_database(address)


async def _eventually_stuck(roam: Roaming, requests: list[asyncio.Task[Any]]) -> None:
    """Every request has been stored by the hub, which now waits for the receiver."""

    async def all_stored() -> bool:
        async with roam.database.connection() as connection:
            count = await connection.fetchval("select count(*) from shared_object")
        return bool(count == len(requests))

    await eventually(all_stored, "all requests are under way")


async def test_nothing_secret_and_no_fault_of_ours_is_in_the_log(
    roam: Roaming, emsp: Wire, cpo: Wire
) -> None:
    logs = roam.hub.logs()
    for secret in (emsp.token, cpo.token, emsp.authorization[6:], "PASS-1", "LEGS-1"):
        assert secret not in logs
    assert "Traceback" not in logs
    assert [line for line in map(json.loads, logs.splitlines()) if "exception" in line] == []
