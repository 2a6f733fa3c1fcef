"""Whatever a partner sends gets an answer of the error matrix, and nothing of it goes further."""

from __future__ import annotations

import asyncio
import base64
import gzip
import hashlib
import json
import struct
import uuid
import zlib
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from tests.support.hub import Roaming
from tests.support.party import make_cdr, make_token
from tests.support.wire import Answer, Wire

pytestmark = pytest.mark.asyncio(loop_scope="module")

OWN = "/2.2.1/receiver/tokens/DE/MSP"
LIST = "/2.2.1/sender/tokens"
CDRS = "/2.2.1/receiver/cdrs"
MAX_BODY = 65_536
READ_TIMEOUT_S = 1.0
HOST = b"Host: hub\r\nConnection: close\r\n"

HUB_SETTINGS = {"max_body_bytes": str(MAX_BODY), "request_read_timeout_s": str(READ_TIMEOUT_S)}


async def stored(roam: Roaming) -> list[tuple[Any, ...]]:
    """All that the hub keeps of partners' objects."""
    async with roam.database.connection() as connection:
        shared = await connection.fetch(
            "select module, object_id, audience, body::text, last_updated from shared_object"
        )
        directed = await connection.fetch(
            "select module, object_id, 'directed', body::text, last_updated from directed_object"
        )
    return sorted(tuple(row) for row in (*shared, *directed))


@pytest_asyncio.fixture(autouse=True, loop_scope="module")
async def harmless(roam: Roaming) -> AsyncIterator[None]:
    """Nothing is kept, nothing reaches anybody else, no fault of ours is logged."""
    for party in (roam.cpo, roam.emsp):
        await party.clear_record()
    before, log_before = await stored(roam), len(roam.hub.logs())
    yield
    assert await stored(roam) == before
    for party in (roam.cpo, roam.emsp):
        arrived = await party.record(direction="in")
        # The hub itself tells who is on board, some time after the registration.
        assert [item for item in arrived if item["module"] != "hubclientinfo"] == []
    new = roam.hub.logs()[log_before:]
    assert '"exception"' not in new
    assert "Traceback" not in new
    assert [line for line in new.splitlines() if json.loads(line)["level"] == "error"] == []


def token_without(*names: str, **overrides: Any) -> dict[str, Any]:
    token = make_token("BAD") | overrides
    return {name: value for name, value in token.items() if name not in names}


# Bodies ------------------------------------------------------------------------------------------


NOT_JSON = {
    "empty": b"",
    "cut off": b'{"uid": "BAD", ',
    "single quotes": b"{'uid': 'BAD'}",
    "trailing comma": b'{"uid": "BAD",}',
    "two values": b"{}{}",
    "html": b"<html></html>",
    "form": b"uid=BAD&type=RFID",
    "not a number": b'{"uid": NaN}',
    "infinity": b'{"uid": -Infinity}',
    "latin-1": '{"issuer": "caf\u00e9"}'.encode("latin-1"),
    "utf-16": '{"uid": "BAD"}'.encode("utf-16"),
    "overlong utf-8": b'{"issuer": "\xc0\x80"}',
    "raw NUL": b'{"uid": "B\x00AD"}',
    "raw control character": b'{"uid": "B\x07AD"}',
    "raw line break": b'{"uid": "B\nAD"}',
    "deep lists": b'{"x":' + b"[" * 5000 + b"]" * 5000 + b"}",
    "deep objects": b'{"x":' * 3000 + b"1" + b"}" * 3000,
    "open brackets": b"[" * 60_000,
    "leading zero": b'{"x": 007}',
}


@pytest.mark.req("ER-01", "TF-10")
@pytest.mark.parametrize("body", NOT_JSON.values(), ids=NOT_JSON.keys())
async def test_what_is_no_json_is_400(emsp: Wire, cpo: Wire, body: bytes) -> None:
    for wire, method, path in (
        (emsp, "PUT", f"{OWN}/BAD"),
        (emsp, "PATCH", f"{OWN}/BAD"),
        (cpo, "POST", CDRS),
    ):
        for to in (None, "DE*MSP" if wire is cpo else "NL*CPO"):
            answer = await wire.send(method, path, body, to=to)
            assert answer.codes == (400, 2001)
            assert answer.message.startswith("The body is n")
            assert "BAD" not in answer.message


WRONG: dict[str, tuple[Any, str]] = {
    "a list": ([token_without()], "must be an object"),
    "a string": ("BAD", "must be an object"),
    "null": (None, "must be an object"),
    "nothing in it": ({}, "is required"),
    "without uid": (token_without("uid"), "uid: is required"),
    "without type": (token_without("type"), "type: is required"),
    "without valid": (token_without("valid"), "valid: is required"),
    "without last_updated": (token_without("last_updated"), "last_updated: is required"),
    "valid as text": (token_without(valid="true"), "valid: must be a boolean"),
    "valid as number": (token_without(valid=1), "valid: must be a boolean"),
    "uid as number": (token_without(uid=7), "uid: must be a CiString"),
    "uid null": (token_without(uid=None), "uid: must be a CiString"),
    "uid empty": (token_without(uid=""), "uid: must be a CiString"),
    "uid not ASCII": (token_without(uid="B\u00c4D"), "uid: must be a CiString"),
    "uid with a tab": (token_without(uid="B\tAD"), "uid: must be a CiString"),
    "issuer with NUL": (token_without(issuer="a\x00b"), "NUL"),
    "unknown field with NUL": (token_without(more={"a\x00": 1}), "NUL"),
    "half a surrogate": (token_without(issuer="\ud83d"), "surrogate"),
    "contract as list": (token_without(contract_id=["x"]), "contract_id: must be a CiString"),
    "country of 3 letters": (token_without(country_code="DEU"), "country_code"),
    "energy contract as text": (token_without(energy_contract="x"), "energy_contract"),
    "date only": (token_without(last_updated="2026-01-01"), "last_updated"),
    "numeric offset": (token_without(last_updated="2026-01-01T00:00:00+01:00"), "last_updated"),
    "no such day": (token_without(last_updated="2026-02-30T00:00:00Z"), "last_updated"),
    "seconds since 1970": (token_without(last_updated=1767225600), "last_updated"),
    "another uid": (token_without(uid="OTHER"), "uid differs"),
    "another owner": (token_without(country_code="NL", party_id="CPO"), "country_code differs"),
    "another party_id": (token_without(party_id="XXX"), "party_id differs"),
}


@pytest.mark.req("TF-20", "TF-26", "ER-02", "TK-15", "TY-01", "TY-03")
@pytest.mark.parametrize(("body", "says"), WRONG.values(), ids=WRONG.keys())
async def test_a_wrong_object_is_200_with_2001_and_says_what_is_wrong(
    emsp: Wire, body: Any, says: str
) -> None:
    text = json.dumps(body).encode()
    for to in (None, "EU*HUB", "NL*CPO"):
        answer = await emsp.send("PUT", f"{OWN}/BAD", text, to=to)
        assert answer.codes == (200, 2001)
        assert says in answer.message
        assert answer.routing() == ("DE*MSP", "EU*HUB")


@pytest.mark.req("TF-25", "TF-26")
@pytest.mark.parametrize("name", ["country_code", "uid", "p\\u0061rty_id", "x"])
async def test_a_field_that_comes_twice_is_2001(emsp: Wire, cpo: Wire, name: str) -> None:
    """A receiver may read the other one than the hub has checked."""
    first = f'{{"x": 1, "{name}": "XX", '
    token = first + json.dumps(make_token("BAD"))[1:]
    for to in (None, "NL*CPO"):
        answer = await emsp.send("PUT", f"{OWN}/BAD", token.encode(), to=to)
        assert answer.codes == (200, 2001)
        assert "twice" in answer.message
    cdr = json.dumps(make_cdr("BAD")).replace('"uid"', f'"uid": "{name}", "uid"')
    assert (await cpo.send("POST", CDRS, cdr.encode())).codes == (200, 2001)


@pytest.mark.req("TY-05")
@pytest.mark.parametrize("number", ["1e999999999", "-1E-999999999", "9" * 5000, "1" * 200 + ".5"])
async def test_a_number_out_of_all_range_is_2001(emsp: Wire, cpo: Wire, number: str) -> None:
    token = json.dumps(token_without(x=123456)).replace("123456", number)
    assert (await emsp.send("PUT", f"{OWN}/BAD", token.encode())).codes == (200, 2001)
    cdr = json.dumps(make_cdr("BAD", total_energy=123456)).replace("123456", number)
    assert (await cpo.send("POST", CDRS, cdr.encode())).codes == (200, 2001)


@pytest.mark.req("TY-02")
async def test_an_id_that_does_not_fit_an_index_is_2001(emsp: Wire, cpo: Wire) -> None:
    # Random enough for PostgreSQL not to compress it.
    long = "".join(hashlib.sha256(f"BAD{number}".encode()).hexdigest() for number in range(80))
    uid = make_token(long, contract_id="C")
    for to in (None, "NL*CPO"):
        answers = [
            await emsp.send("PUT", f"{OWN}/{long}", uid, to=to),
            await emsp.send("PUT", f"{OWN}/BAD", token_without(type=long), to=to),
        ]
        assert [answer.codes for answer in answers] == [(200, 2001)] * 2
        assert all("at most" in answer.message for answer in answers)
    answer = await cpo.send("POST", CDRS, make_cdr(long))
    assert answer.codes == (200, 2001)


@pytest.mark.req("CD-13", "CD-15", "TF-20")
@pytest.mark.parametrize(
    "field",
    ["country_code", "party_id", "id", "start_date_time", "end_date_time", "cdr_token",
     "auth_method", "cdr_location", "currency", "charging_periods", "total_cost", "total_energy",
     "total_time", "last_updated", "cdr_token.country_code", "cdr_token.party_id",
     "cdr_token.uid", "cdr_token.type", "cdr_token.contract_id"],
)  # fmt: skip
async def test_a_cdr_without_a_required_field_is_2001(cpo: Wire, field: str) -> None:
    cdr = make_cdr("BAD")
    holder, _, name = field.rpartition(".")
    del (cdr[holder] if holder else cdr)[name]
    answer = await cpo.send("POST", CDRS, cdr)
    assert answer.codes == (200, 2001)
    assert f"{field}: is required" in answer.message
    assert "location" not in answer.headers


@pytest.mark.req("CD-13", "TY-09")
async def test_a_cdr_needs_a_charging_period(cpo: Wire) -> None:
    for periods in (list[Any](), None):
        answer = await cpo.send("POST", CDRS, make_cdr("BAD", charging_periods=periods))
        assert answer.codes == (200, 2001)
        assert "charging_periods" in answer.message


@pytest.mark.req("CD-06", "CD-07")
async def test_a_cdr_of_somebody_else_or_for_the_hub_is_refused(cpo: Wire) -> None:
    for cdr in (make_cdr("BAD", owner="NL*OTH"), make_cdr("BAD", owner="DE*MSP")):
        answer = await cpo.send("POST", CDRS, cdr)
        assert answer.codes == (200, 2001)
        assert "belongs to" in answer.message
    assert (await cpo.send("POST", CDRS, make_cdr("BAD"), to="EU*HUB")).codes == (200, 2001)


async def test_a_body_over_the_limit_is_413(emsp: Wire, cpo: Wire) -> None:
    padded = make_token("BAD", padding="x" * MAX_BODY)
    for to in (None, "NL*CPO"):
        answer = await emsp.send("PUT", f"{OWN}/BAD", padded, to=to)
        assert answer.codes == (413, 2001)
    chunks = await cpo.send("POST", CDRS, _chunks(MAX_BODY * 4))
    assert chunks.codes == (413, 2001)


async def _chunks(size: int) -> AsyncIterator[bytes]:
    for _ in range(size // 8192):
        yield b" " * 8192


@pytest.mark.parametrize("encoding", ["br", "zstd", "gzip, gzip"])
async def test_an_encoding_the_hub_does_not_know_is_refused(emsp: Wire, encoding: str) -> None:
    answer = await emsp.send("PUT", f"{OWN}/BAD", b"{}", headers=[("Content-Encoding", encoding)])
    assert answer.codes == (400, 2001)
    assert "gzip" in answer.message


async def test_a_body_that_unpacks_beyond_the_limit_is_413(emsp: Wire) -> None:
    bomb = gzip.compress(b'{"x":"' + b"a" * 50_000_000 + b'"}')
    assert len(bomb) < MAX_BODY
    answer = await emsp.send("PUT", f"{OWN}/BAD", bomb, headers=[("Content-Encoding", "gzip")])
    assert answer.codes == (413, 2001)


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
async def test_a_body_that_is_not_encoded_as_it_says_is_refused(emsp: Wire, encoding: str) -> None:
    for body in (b"{}", gzip.compress(b'{"x": "' + b"a" * 900 + b'"}')[:-12]):
        answer = await emsp.send(
            "PUT", f"{OWN}/BAD", body, headers=[("Content-Encoding", encoding)]
        )
        assert answer.codes == (400, 2001)
        assert "Content-Encoding" in answer.message


# URLs --------------------------------------------------------------------------------------------


URLS = {
    "NUL in id": f"{OWN}/B%00AD",
    "line break in id": f"{OWN}/B%0D%0AAD",
    "DEL in id": f"{OWN}/B%7FAD",
    "C1 control in id": f"{OWN}/B%C2%85AD",
    "invalid UTF-8": f"{OWN}/%FF%FE",
    "overlong UTF-8": f"{OWN}/%C0%80",
    "surrogate": f"{OWN}/%ED%A0%80",
    "dot segment": f"{OWN}/%2E%2E",
    "single dot": f"{OWN}/%2E",
    "NUL in query": f"{OWN}/BAD?type=RF%00ID",
    "invalid UTF-8 in query": f"{OWN}/BAD?type=%FF",
    "control character in query name": f"{OWN}/BAD?ty%0Ape=RFID",
    "too many parameters": f"{OWN}/BAD?{'&'.join(f'p{n}=1' for n in range(60))}",
}


@pytest.mark.req("TF-39")
@pytest.mark.parametrize("path", URLS.values(), ids=URLS.keys())
@pytest.mark.parametrize("to", [None, "NL*CPO"])
async def test_a_url_that_nobody_can_mean_is_2001(emsp: Wire, path: str, to: str | None) -> None:
    for method in ("GET", "PUT", "PATCH"):
        head = (
            f"{method} /ocpi{path} HTTP/1.1\r\nHost: hub\r\nConnection: close\r\n%AUTH%\r\n"
            f"X-Request-ID: r-1\r\nX-Correlation-ID: c-1\r\n{_to(to)}Content-Length: 2\r\n\r\n{{}}"
        )
        [answer] = await emsp.raw(head.encode())
        assert answer.codes == (200, 2001)
        assert answer.headers["x-request-id"] == "r-1"
        assert answer.headers["x-correlation-id"] == "c-1"
        assert "The URL" in answer.message


def _to(party: str | None) -> str:
    if party is None:
        return ""
    country_code, party_id = party.split("*")
    return f"OCPI-to-country-code: {country_code}\r\nOCPI-to-party-id: {party_id}\r\n"


@pytest.mark.req("TF-25", "TF-24")
@pytest.mark.parametrize("owner", ["NL/CPO", "FR/XXX", "EU/HUB", "D/MSP", "%2A/%2A", "DE/MS%2FP"])
@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH"])
async def test_a_url_of_another_owner_is_404(emsp: Wire, method: str, owner: str) -> None:
    for to in (None, "EU*HUB", "NL*CPO"):
        answer = await emsp.send(
            method, f"/2.2.1/receiver/tokens/{owner}/BAD", token_without(), to=to
        )
        assert answer.codes == (404, 2001)
        assert "not a party of this platform" in answer.message


async def test_a_very_long_url_or_header_is_refused_in_an_envelope(emsp: Wire) -> None:
    long = await emsp.send("GET", f"{LIST}?x={'y' * 12_000}")
    assert long.codes[0] in (200, 403)
    for request in (
        b"GET /ocpi/versions?" + b"x" * 40_000 + b" HTTP/1.1\r\n" + HOST + b"%AUTH%\r\n\r\n",
        b"GET /ocpi/versions HTTP/1.1\r\n" + HOST + b"X: " + b"y" * 40_000 + b"\r\n%AUTH%\r\n\r\n",
        b"GET /ocpi/versions HTTP/1.1\r\n" + HOST + b"X: y\r\n" * 2000 + b"%AUTH%\r\n\r\n",
        b"GET /ocpi/versions HTTP/1.1\r\n" + HOST + b"%AUTH%" + b"A" * 40_000 + b"\r\n\r\n",
    ):
        [answer] = await emsp.raw(request)
        assert answer.codes == (400, 2000)
        assert uuid.UUID(answer.headers["x-request-id"]).version == 4
        assert "too long" in answer.message


# HTTP itself -------------------------------------------------------------------------------------


GARBAGE = {
    "no HTTP": b"EHLO hub\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(64),
    "HTTP/3.7": b"GET /ocpi/versions HTTP/3.7\r\n\r\n",
    "space in method": b"G ET /ocpi/versions HTTP/1.1\r\nHost: hub\r\n\r\n",
    "NUL in header": b"GET /ocpi/versions HTTP/1.1\r\n" + HOST + b"%AUTH%\x00\r\n\r\n",
    "control character in header": b"GET / HTTP/1.1\r\n" + HOST + b"%AUTH%\x07\r\n\r\n",
    "space before colon": b"GET / HTTP/1.1\r\n" + HOST + b"OCPI-to-party-id : CPO\r\n\r\n",
    "folded header": b"GET / HTTP/1.1\r\n" + HOST + b"%AUTH%\r\n more\r\n\r\n",
    "no colon": b"GET /ocpi/versions HTTP/1.1\r\n" + HOST + b"%AUTH%\r\nnonsense\r\n\r\n",
    "two lengths": b"PUT / HTTP/1.1\r\n" + HOST + b"Content-Length: 2\r\nContent-Length: 3"
    b"\r\n\r\n{}",
    "length and chunks": b"PUT / HTTP/1.1\r\n" + HOST + b"Content-Length: 2\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "negative length": b"PUT / HTTP/1.1\r\n" + HOST + b"Content-Length: -2\r\n\r\n{}",
}


@pytest.mark.req("TF-10")
@pytest.mark.parametrize("request_bytes", GARBAGE.values(), ids=GARBAGE.keys())
async def test_what_is_no_http_gets_an_envelope_and_the_connection_ends(
    emsp: Wire, request_bytes: bytes
) -> None:
    answers = await emsp.raw(request_bytes)
    assert [answer.codes for answer in answers] == [(400, 2000)]
    assert emsp.authorization[6:] not in answers[0].message
    assert answers[0].headers["server"] == "ocpi-hub"


async def test_garbage_behind_a_request_does_not_spoil_its_answer(emsp: Wire) -> None:
    good = b"GET /ocpi/versions HTTP/1.1\r\nHost: hub\r\n%AUTH%\r\nX-Request-ID: one\r\n\r\n"
    answers = await emsp.raw(good, None, b"\x00\x01garbage\r\n\r\n")
    assert [answer.codes for answer in answers] == [(200, 1000), (400, 2000)]
    assert answers[0].headers["x-request-id"] == "one"


async def test_pipelined_requests_are_answered_in_order(emsp: Wire) -> None:
    one = b"GET /ocpi/versions HTTP/1.1\r\nHost: hub\r\n%AUTH%\r\nX-Request-ID: r-%d\r\n"
    pipeline = b"".join(one.replace(b"%d", str(number).encode()) + b"\r\n" for number in range(20))
    last = one.replace(b"%d", b"20") + b"Connection: close\r\n\r\n"
    answers = await emsp.raw(pipeline + last)
    assert [answer.headers["x-request-id"] for answer in answers] == [f"r-{n}" for n in range(21)]
    assert {answer.codes for answer in answers} == {(200, 1000)}


async def test_http_1_0_is_served(emsp: Wire) -> None:
    [answer] = await emsp.raw(b"GET /ocpi/versions HTTP/1.0\r\n%AUTH%\r\n\r\n")
    assert answer.codes == (200, 1000)


async def test_an_absolute_url_in_the_request_line_is_served(emsp: Wire) -> None:
    line = b"GET http://hub.example/ocpi/versions HTTP/1.1\r\n"
    [answer] = await emsp.raw(line + HOST + b"%AUTH%\r\n\r\n")
    assert answer.codes == (200, 1000)


@pytest.mark.parametrize("target", [b"*", b"hub.example:443", b"/ocpi/versions#part", b"//"])
async def test_odd_request_targets_get_an_answer(emsp: Wire, target: bytes) -> None:
    for method in (b"OPTIONS", b"GET", b"CONNECT"):
        answers = await emsp.raw(
            method + b" " + target + b" HTTP/1.1\r\n" + HOST + b"%AUTH%\r\n\r\n"
        )
        assert len(answers) == 1
        assert answers[0].http in (200, 400, 404, 405)
        assert answers[0].envelope


@pytest.mark.parametrize("expect", [b"100-continue", b"miracles"])
async def test_expectations_do_not_change_the_answer(emsp: Wire, expect: bytes) -> None:
    head = b"PUT /ocpi" + OWN.encode() + b"/BAD HTTP/1.1\r\n" + HOST + b"%AUTH%\r\nExpect: "
    [answer] = await emsp.raw(head + expect + b"\r\nContent-Length: 2\r\n\r\n{}")
    assert answer.codes == (200, 2001)


async def test_a_broken_chunk_is_refused(emsp: Wire) -> None:
    head = b"PUT /ocpi" + OWN.encode() + b"/BAD HTTP/1.1\r\n" + HOST + b"%AUTH%\r\n"
    chunked = head + b"Transfer-Encoding: chunked\r\n\r\n"
    answers = await emsp.raw(chunked + b'5\r\n{"uid\r\nZZ\r\n\r\n0\r\n\r\n')
    assert [answer.http for answer in answers] == [400]
    assert answers[0].envelope["status_code"] in (2000, 2001)


async def test_a_body_that_drips_is_given_up(emsp: Wire) -> None:
    head = b"PUT /ocpi" + OWN.encode() + b"/BAD HTTP/1.1\r\n" + HOST + b"%AUTH%\r\n"
    drip: list[bytes | float | None] = [head + b"Content-Length: 1000\r\n\r\n{"]
    for _ in range(3):
        drip += [READ_TIMEOUT_S / 2, b" "]
    [answer] = await emsp.raw(*drip)
    # No 2xxx code: the sender has to try again, and nobody has seen the object.
    assert answer.codes == (503, 3000)
    assert answer.headers["connection"] == "close"
    assert "send the request again" in answer.message


async def test_a_connection_that_breaks_within_a_body_leaves_nothing(
    roam: Roaming, emsp: Wire
) -> None:
    whole = json.dumps(make_token("BAD")).encode()
    head = b"PUT /ocpi" + OWN.encode() + b"/BAD HTTP/1.1\r\n" + HOST + b"%AUTH%\r\n"
    for length in (len(whole) + 10, len(whole) + 10_000_000):
        await emsp.raw(
            head + f"Content-Length: {length}\r\n\r\n".encode() + whole, until_closed=False
        )
    chunk = f"{len(whole):x}\r\n".encode() + whole + b"\r\n"
    await emsp.raw(head + b"Transfer-Encoding: chunked\r\n\r\n" + chunk, until_closed=False)
    assert (await emsp.send("GET", f"{OWN}/BAD")).codes == (404, 2004)


# Routing headers ---------------------------------------------------------------------------------


ROUTING = {
    "half TO": [("OCPI-to-party-id", "CPO")],
    "other half of TO": [("OCPI-to-country-code", "NL")],
    "half FROM": [("OCPI-from-party-id", "MSP")],
    "half empty": [("OCPI-to-party-id", "CPO"), ("OCPI-to-country-code", "")],
    "too long": [("OCPI-to-party-id", "CPOX"), ("OCPI-to-country-code", "NL")],
    "wildcards": [("OCPI-to-party-id", "***"), ("OCPI-to-country-code", "NL")],
    "not ASCII": [("OCPI-to-party-id", "C\u00c4O"), ("OCPI-to-country-code", "NL")],
    "twice": [("OCPI-to-party-id", "CPO"), ("OCPI-to-party-id", "XXX"),
              ("OCPI-to-country-code", "NL")],
    "joined": [("OCPI-to-party-id", "CPO, XXX"), ("OCPI-to-country-code", "NL")],
}  # fmt: skip


@pytest.mark.req("RT-04", "RT-33")
@pytest.mark.parametrize("headers", ROUTING.values(), ids=ROUTING.keys())
async def test_routing_headers_that_name_no_party_are_2001(
    emsp: Wire, headers: list[tuple[str, str]]
) -> None:
    for method in ("PUT", "GET"):
        answer = await emsp.send(method, f"{OWN}/BAD", make_token("BAD"), headers=headers)
        assert answer.codes == (200, 2001)
        assert "OCPI-" in answer.message


@pytest.mark.req("RT-03", "ER-12")
@pytest.mark.parametrize("sender", ["NL*CPO", "EU*HUB", "XX*YYY"])
async def test_a_from_of_somebody_else_is_403(emsp: Wire, sender: str) -> None:
    for to in (None, "NL*CPO"):
        answer = await emsp.send("PUT", f"{OWN}/BAD", make_token("BAD"), to=to, sender=sender)
        assert answer.codes == (403, 2001)
        assert sender in answer.message


@pytest.mark.req("RT-05", "RT-09", "ER-12")
async def test_a_role_that_does_not_fit_the_interface_is_403(emsp: Wire, cpo: Wire) -> None:
    for wire, method, path in (
        (emsp, "POST", CDRS),
        (emsp, "GET", LIST),
        (cpo, "PUT", "/2.2.1/receiver/tokens/NL/CPO/BAD"),
        (cpo, "GET", "/2.2.1/sender/cdrs"),
    ):
        answer = await wire.send(method, path, make_cdr("BAD"), to="EU*HUB")
        assert answer.codes == (403, 2001)
        assert "needs" in answer.message


@pytest.mark.req("RT-28", "CD-07")
async def test_a_broadcast_of_a_cdr_is_2001(cpo: Wire) -> None:
    answer = await cpo.send("POST", CDRS, make_cdr("BAD"), to="EU*HUB")
    assert answer.codes == (200, 2001)
    assert "not broadcast" in answer.message


# Lists -------------------------------------------------------------------------------------------


_HEAD = (2**64 - 1, 2**64 - 1, 0, 0)
_CHECKED = struct.pack(">QQQII", *_HEAD, zlib.crc32(struct.pack(">QQQII", *_HEAD, 0)))
_BEYOND = base64.urlsafe_b64encode(_CHECKED).decode().rstrip("=")
"""A cursor with a right checksum, to a place that no database has."""


@pytest.mark.req("ER-11", "TF-12", "TY-03")
@pytest.mark.parametrize(
    "query",
    ["limit=0", "limit=-1", "limit=ten", "limit=1.5", "limit=", "limit=%2B5", "limit=0x10",
     "offset=-1", "offset=1e3", "offset=99999999999999999999", "offset=%D9%A3",
     "date_from=yesterday", "date_from=2026-01-01", "date_from=", "date_from=0",
     "date_to=2026-13-01T00:00:00Z", "date_to=2026-01-01T00:00:00%2B00:00",
     f"cursor={_BEYOND}", "cursor=x", "cursor=AAAA", "cursor=%C3%A4", "cursor=" + "A" * 48],
)  # fmt: skip
async def test_a_bad_paging_value_is_2001_and_names_the_parameter(cpo: Wire, query: str) -> None:
    answer = await cpo.send("GET", f"{LIST}?{query}", to="EU*HUB")
    assert answer.codes == (200, 2001)
    assert answer.message.startswith(query.split("=")[0])


@pytest.mark.req("RT-42")
@pytest.mark.parametrize(
    "query",
    ["_to=nobody", "_to=", "_to=XX*YYY&", "_at=x", "_at=aHR0cDovL2V2aWwv.x", "_at=%C3%A4.%C3%A4",
     "_at=", "_at=.", "_to=NL*CPO"],
)  # fmt: skip
async def test_a_forged_page_link_is_refused(cpo: Wire, query: str) -> None:
    answer = await cpo.send("GET", f"{LIST}?{query}", to="DE*MSP")
    assert answer.http == 200
    assert answer.envelope["status_code"] == 2001


# Patches -----------------------------------------------------------------------------------------


@pytest.mark.req("ER-09", "TF-21")
@pytest.mark.parametrize(
    "body",
    [{}, {"valid": False}, {"last_updated": None}, {"last_updated": 5}, {"last_updated": "soon"},
     [], "x", None],
    ids=str,
)  # fmt: skip
async def test_a_patch_without_last_updated_is_2001(emsp: Wire, body: Any) -> None:
    text = json.dumps(body).encode()
    for to in (None, "NL*CPO"):
        answer = await emsp.send("PATCH", f"{OWN}/BAD", text, to=to)
        assert answer.codes == (200, 2001)


@pytest.mark.req("ER-10")
async def test_a_patch_of_what_the_hub_lacks_is_404_and_asks_for_a_put(emsp: Wire) -> None:
    for to in (None, "EU*HUB"):
        patch = {"valid": False, "last_updated": "2026-01-02T00:00:00Z"}
        answer = await emsp.send("PATCH", f"{OWN}/BAD", patch, to=to)
        assert answer.codes == (404, 2001)
        assert "PUT" in answer.message


# All of it at once -------------------------------------------------------------------------------


async def test_bad_and_good_requests_at_once_do_not_mix(emsp: Wire, cpo: Wire) -> None:
    async def bad() -> Answer:
        return await emsp.send("PUT", f"{OWN}/BAD", b"{")

    async def good() -> Answer:
        return await cpo.send("GET", "/versions")

    answers = await asyncio.gather(*(each() for _ in range(50) for each in (bad, good)))
    assert {answer.codes for answer in answers[::2]} == {(400, 2001)}
    assert {answer.codes for answer in answers[1::2]} == {(200, 1000)}


async def test_nothing_secret_is_in_the_log(roam: Roaming, emsp: Wire, cpo: Wire) -> None:
    logs = roam.hub.logs()
    for wire in (emsp, cpo):
        assert wire.token not in logs
        assert wire.authorization[6:] not in logs
    assert roam.hub.environment["OCPI_HUB_SECRET_KEY"] not in logs
    assert "BAD" not in logs
