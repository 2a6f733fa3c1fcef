"""Bad input of every module beyond tokens and CDRs: refused with a reason, and without effect.

The tests that leave something behind come last.
"""

from __future__ import annotations

import itertools
import json
import struct
import zlib
from base64 import urlsafe_b64encode
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from functools import partial
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
import pytest_asyncio

from tests.e2e.test_bad_input import MAX_BODY, NOT_JSON, stored
from tests.support.hub import Roaming
from tests.support.joining import joined
from tests.support.party import (
    make_cdr,
    make_connector,
    make_evse,
    make_location,
    make_session,
    make_token,
)
from tests.support.waiting import eventually
from tests.support.wire import Answer, Wire
from tests.unit.ocpi.factories import make_charging_profile, make_tariff

pytestmark = pytest.mark.asyncio(loop_scope="module")
refused = pytest.mark.usefixtures("harmless")

RECEIVER, SENDER = "/2.2.1/receiver", "/2.2.1/sender"
OWN = "NL/CPO"
RESULTS = "https://results.example/17"
PAGE = 5
MAX_OBJECT = 40_000

HUB_SETTINGS = {
    "max_body_bytes": str(MAX_BODY),
    "max_object_bytes": str(MAX_OBJECT),
    "page_limit": "100",
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stranger(roam: Roaming) -> AsyncIterator[Wire]:
    """Another CPO, BE*CP2."""
    async with joined(roam.hub, "BE*CP2") as other:
        yield other.wire


@pytest.fixture
def wires(cpo: Wire, emsp: Wire) -> dict[str, Wire]:
    return {"cpo": cpo, "emsp": emsp}


async def kept(roam: Roaming) -> list[tuple[Any, ...]]:
    """All that the hub keeps of what partners send."""
    async with roam.database.connection() as connection:
        awaited = await connection.fetchval("select count(*) from answer_url")
    return [*await stored(roam), (awaited,)]


@pytest_asyncio.fixture(loop_scope="module")
async def harmless(roam: Roaming) -> AsyncIterator[None]:
    """Nothing is kept, nothing reaches anybody else, no fault of ours is logged."""
    for party in (roam.cpo, roam.emsp):
        await party.clear_record()
    before, log_before = await kept(roam), len(roam.hub.logs())
    yield
    assert await kept(roam) == before
    for party in (roam.cpo, roam.emsp):
        arrived = await party.record(direction="in")
        assert [item for item in arrived if item["module"] != "hubclientinfo"] == []
    require_no_fault(roam.hub.logs()[log_before:])


def require_no_fault(logs: str) -> None:
    assert '"exception"' not in logs
    assert "Traceback" not in logs
    assert [line for line in logs.splitlines() if json.loads(line)["level"] == "error"] == []


# Bodies ------------------------------------------------------------------------------------------


def start_session(**fields: Any) -> dict[str, Any]:
    own = {"token": make_token("APP", type="APP_USER"), "location_id": "LOC1"}
    return {"response_url": RESULTS, **own, **fields}


BODIES: dict[str, tuple[str, str, str, dict[str, Any]]] = {
    "location": ("cpo", "PUT", f"{RECEIVER}/locations/{OWN}/BAD", make_location("BAD")),
    "evse": ("cpo", "PUT", f"{RECEIVER}/locations/{OWN}/BAD/E1", make_evse("E1")),
    "connector": ("cpo", "PUT", f"{RECEIVER}/locations/{OWN}/BAD/E1/1", make_connector("1")),
    "tariff": ("cpo", "PUT", f"{RECEIVER}/tariffs/{OWN}/BAD", make_tariff(id="BAD")),
    "session": ("cpo", "PUT", f"{RECEIVER}/sessions/{OWN}/BAD", make_session("BAD")),
    "active profile": (
        "cpo",
        "PUT",
        f"{SENDER}/chargingprofiles/BAD",
        {
            "start_date_time": "2026-01-01T00:00:00Z",
            "charging_profile": make_charging_profile(),
        },
    ),
    "START_SESSION": ("emsp", "POST", f"{RECEIVER}/commands/START_SESSION", start_session()),
    "RESERVE_NOW": (
        "emsp",
        "POST",
        f"{RECEIVER}/commands/RESERVE_NOW",
        start_session(reservation_id="R1", expiry_date="2036-01-01T00:00:00Z"),
    ),
    "STOP_SESSION": (
        "emsp",
        "POST",
        f"{RECEIVER}/commands/STOP_SESSION",
        {"response_url": RESULTS, "session_id": "BAD"},
    ),
    "CANCEL_RESERVATION": (
        "emsp",
        "POST",
        f"{RECEIVER}/commands/CANCEL_RESERVATION",
        {"response_url": RESULTS, "reservation_id": "R1"},
    ),
    "UNLOCK_CONNECTOR": (
        "emsp",
        "POST",
        f"{RECEIVER}/commands/UNLOCK_CONNECTOR",
        {"response_url": RESULTS, "location_id": "L", "evse_uid": "E", "connector_id": "1"},
    ),
    "profile": (
        "emsp",
        "PUT",
        f"{RECEIVER}/chargingprofiles/BAD",
        {"response_url": RESULTS, "charging_profile": make_charging_profile()},
    ),
    "preferences": (
        "emsp",
        "PUT",
        f"{SENDER}/sessions/BAD/charging_preferences",
        {"profile_type": "REGULAR"},
    ),
}
"""Who sends what where: one valid body for each path."""

PATCHES = {
    "location": ("locations", "BAD"),
    "evse": ("locations", "BAD/E1"),
    "connector": ("locations", "BAD/E1/1"),
    "session": ("sessions", "BAD"),
}

each_body = pytest.mark.parametrize("case", BODIES.values(), ids=BODIES.keys())

Case = tuple[str, str, str, dict[str, Any]]


def other_end(sender: str) -> str:
    return "DE*MSP" if sender == "cpo" else "NL*CPO"


async def send(wires: dict[str, Wire], case: Case, body: object, to: str | None = "") -> Answer:
    """What a case sends, with another body; to the other end unless told otherwise."""
    sender, method, path, _ = case
    return await wires[sender].send(method, path, body, to=other_end(sender) if to == "" else to)


@refused
@pytest.mark.req("ER-01", "TF-10")
@each_body
async def test_what_is_no_json_is_400(wires: dict[str, Wire], case: Case) -> None:
    for body in NOT_JSON.values():
        if len(body) > MAX_OBJECT:
            continue  # that is told first
        for to in ("", None):
            answer = await send(wires, case, body, to)
            assert answer.codes == (400, 2001)
            assert answer.message.startswith("The body is n")
            assert "BAD" not in answer.message


@refused
@pytest.mark.req("ER-01", "ER-09")
@pytest.mark.parametrize(("module", "place"), PATCHES.values(), ids=PATCHES.keys())
async def test_a_patch_that_is_no_json_or_has_no_date(cpo: Wire, module: str, place: str) -> None:
    path = f"{RECEIVER}/{module}/{OWN}/{place}"
    for body in NOT_JSON.values():
        if len(body) <= MAX_OBJECT:
            assert (await cpo.send("PATCH", path, body)).codes == (400, 2001)
    for text in (b"{}", b"[]", b'"x"', b"null", b'{"last_updated":null}', b'{"last_updated":7}'):
        for to in (None, "EU*HUB", "DE*MSP"):
            assert (await cpo.send("PATCH", path, text, to=to)).codes == (200, 2001)


@refused
@pytest.mark.req("TF-20", "ER-02")
@each_body
async def test_a_body_of_another_kind_is_2001(wires: dict[str, Wire], case: Case) -> None:
    for body in (b"[]", b'"BAD"', b"null", b"7", json.dumps([case[3]]).encode(), b"{}"):
        answer = await send(wires, case, body)
        assert answer.codes == (200, 2001)
        assert answer.message


@refused
@pytest.mark.req("TF-20", "ER-02")
@each_body
async def test_each_field_with_a_value_of_another_kind_is_refused_and_named(
    wires: dict[str, Wire], case: Case
) -> None:
    for name in case[3]:
        kinds: tuple[object, ...] = ({"x": [[]]}, [1, {"y": None}])
        for wrong in kinds:
            if name == "evses" and isinstance(wrong, dict):
                continue
            answer = await send(wires, case, {**case[3], name: wrong})
            assert answer.codes == (200, 2001), (name, wrong)
            assert answer.message.startswith(name), (name, answer.message)


@refused
@pytest.mark.req("TF-25", "TF-26")
@each_body
async def test_a_field_that_comes_twice_is_2001(wires: dict[str, Wire], case: Case) -> None:
    name, *_ = case[3]
    text = json.dumps(case[3])
    for first in (name, "x", name.replace(name[0], f"\\u{ord(name[0]):04x}", 1)):
        doubled = f'{{"x": 1, "{first}": "A", {text[1:]}'
        answer = await send(wires, case, doubled.encode())
        assert answer.codes == (200, 2001)
        assert "twice" in answer.message


@refused
@pytest.mark.req("TY-05")
@each_body
async def test_what_no_store_keeps_intact_is_2001(wires: dict[str, Wire], case: Case) -> None:
    text = json.dumps({**case[3], "more": 123456})
    wrong = ("1e999999999", "-1E-999999999", "9" * 5000, '"a\\u0000b"', '{"a\\u0000": 1}',
             '"\\ud83d"')  # fmt: skip
    for value in wrong:
        answer = await send(wires, case, text.replace("123456", value).encode())
        assert answer.codes == (200, 2001), value
        assert answer.message


@refused
@each_body
async def test_a_body_over_the_limit_is_413(wires: dict[str, Wire], case: Case) -> None:
    for to in ("", None):
        answer = await send(wires, case, {**case[3], "padding": "x" * MAX_BODY}, to)
        assert answer.codes == (413, 2001)


@refused
@pytest.mark.parametrize("name", ["location", "evse", "connector", "tariff", "session"])
async def test_an_object_larger_than_the_hub_keeps_is_2001(
    wires: dict[str, Wire], name: str
) -> None:
    answer = await send(wires, BODIES[name], {**BODIES[name][3], "padding": "x" * 45_000})
    assert answer.codes == (200, 2001)
    assert str(MAX_OBJECT) in answer.message


@refused
@each_body
async def test_the_content_type_does_not_make_bad_good(wires: dict[str, Wire], case: Case) -> None:
    sender, method, path, _ = case
    for kind in ("text/xml", "application/x-www-form-urlencoded", "multipart/form-data", "\u00e4"):
        headers = [("Content-Type", kind)]
        answer = await wires[sender].send(
            method, path, b"uid=BAD", to=other_end(sender), headers=headers
        )
        assert answer.codes == (400, 2001)


# Whose it is -------------------------------------------------------------------------------------


@refused
@pytest.mark.req("TF-25", "TF-26")
@pytest.mark.parametrize("name", ["location", "tariff", "session"])
async def test_what_url_and_body_both_say_has_to_agree(wires: dict[str, Wire], name: str) -> None:
    case = BODIES[name]
    for field, other in (("country_code", "DE"), ("party_id", "MSP"), ("id", "OTHER")):
        for to in ("", "EU*HUB" if name != "session" else ""):
            answer = await send(wires, case, {**case[3], field: other}, to)
            assert answer.codes == (200, 2001)
            assert f"{field} differs" in answer.message


@refused
@pytest.mark.req("TF-26")
async def test_parts_of_a_location_say_what_their_url_says(wires: dict[str, Wire]) -> None:
    for name, field in (("evse", "uid"), ("connector", "id")):
        answer = await send(wires, BODIES[name], {**BODIES[name][3], field: "OTHER"})
        assert answer.codes == (200, 2001)
        assert f"{field} differs" in answer.message


@refused
@pytest.mark.req("TF-24", "TF-25")
@pytest.mark.usefixtures("stranger")
@pytest.mark.parametrize("name", ["location", "evse", "connector", "tariff", "session"])
async def test_a_url_of_another_owner_is_404(wires: dict[str, Wire], name: str) -> None:
    _, _, path, body = BODIES[name]
    methods = {"tariff": ("GET", "PUT", "DELETE")}.get(name, ("GET", "PUT", "PATCH"))
    for owner in ("BE/CP2", "DE/MSP", "EU/HUB", "XX/YYY", "N/CPO", "NL/CP%2FO"):
        for method, to in itertools.product(methods, (None, "DE*MSP")):
            place = path.replace(OWN, owner)
            answer = await wires["cpo"].send(method, place, body, to=to)
            assert answer.codes == (404, 2001)
            assert "not a party of this platform" in answer.message


@refused
@pytest.mark.req("CM-17")
async def test_a_command_with_the_token_of_another_emsp_is_refused(wires: dict[str, Wire]) -> None:
    for name in ("START_SESSION", "RESERVE_NOW"):
        case = BODIES[name]
        for party in ("NL*CPO", "FR*MSP"):
            body = {**case[3], "token": make_token("APP", party)}
            for to in ("", None):
                answer = await send(wires, case, body, to)
                assert answer.codes == (200, 2001)
                assert "belongs to" in answer.message


@refused
@pytest.mark.req("RT-05")
async def test_roles_that_do_not_fit_are_403(wires: dict[str, Wire]) -> None:
    for sender, method, path, body in BODIES.values():
        wrong = wires["emsp" if sender == "cpo" else "cpo"]
        if "chargingprofiles" in path and sender == "cpo":
            continue  # an eMSP may answer an SCSP so
        answer = await wrong.send(method, path, body, to="EU*HUB")
        assert answer.codes == (403, 2001), path


# URLs --------------------------------------------------------------------------------------------


NO_IDS = ["B%00D", "B%0D%0AD", "B%7FD", "B%C2%85D", "%FF%FE", "%ED%A0%80", "%2E", "%2e%2E"]


@refused
@pytest.mark.req("TF-39")
@each_body
async def test_an_id_that_no_url_can_have_is_2001(wires: dict[str, Wire], case: Case) -> None:
    sender, method, path, body = case
    text = json.dumps(body).encode()
    named = path.rpartition("/")[2] if "commands" in path else "BAD"
    for odd in NO_IDS:
        head = (
            f"{method} /ocpi{path.replace(named, odd)} HTTP/1.1\r\nHost: hub\r\n%AUTH%\r\n"
            f"Connection: close\r\nX-Request-ID: r-1\r\nContent-Length: {len(text)}\r\n\r\n"
        )
        [answer] = await wires[sender].raw(head.encode() + text)
        assert answer.codes == (200, 2001)
        assert answer.headers["x-request-id"] == "r-1"


@refused
@pytest.mark.req("TY-01", "TF-26")
@pytest.mark.parametrize("name", ["location", "evse", "connector", "tariff", "session"])
async def test_an_id_that_the_hub_cannot_keep_is_2001(wires: dict[str, Wire], name: str) -> None:
    sender, method, path, body = BODIES[name]
    field = {"evse": "uid"}.get(name, "id")
    place = path.rpartition("/")[0]
    for odd in ("B\u00c4D", "Stra\u00dfe", "\u5145\u7535", "x" * 300, ".", "..", "a\tb", ""):
        url = f"{place}/{quote(odd, safe='')}"
        if odd in ("", ".", ".."):
            url = path  # no URL can say it
        answer = await wires[sender].send(method, url, {**body, field: odd}, to="DE*MSP")
        assert answer.codes == (200, 2001), odd


@refused
@pytest.mark.req("ER-08")
async def test_paths_that_are_too_short_or_too_long_are_404(wires: dict[str, Wire]) -> None:
    paths = [
        ("cpo", "PUT", f"{RECEIVER}/locations/{OWN}"),
        ("cpo", "PUT", f"{RECEIVER}/locations/{OWN}/L/E/C/x"),
        ("cpo", "PUT", f"{RECEIVER}/tariffs/{OWN}"),
        ("cpo", "DELETE", f"{RECEIVER}/tariffs/{OWN}/T/x"),
        ("cpo", "PUT", f"{RECEIVER}/sessions/{OWN}/S/x"),
        ("cpo", "PATCH", f"{RECEIVER}/sessions/{OWN}"),
        ("emsp", "PUT", f"{SENDER}/sessions/S/x"),
        ("emsp", "PUT", f"{SENDER}/sessions/S/charging_preferences/x"),
        ("emsp", "GET", f"{SENDER}/tariffs/T"),
        ("emsp", "GET", f"{SENDER}/locations/L/E/C/x"),
        ("emsp", "POST", f"{RECEIVER}/commands"),
        ("emsp", "POST", f"{RECEIVER}/commands/START_SESSION/x"),
        ("cpo", "POST", f"{SENDER}/commands"),
        ("cpo", "POST", f"{SENDER}/commands/START_SESSION/a/b"),
        ("emsp", "PUT", f"{RECEIVER}/chargingprofiles"),
        ("emsp", "DELETE", f"{RECEIVER}/chargingprofiles/S/x"),
        ("emsp", "GET", f"{SENDER}/cdrs/NL/CPO/C"),
    ]
    for sender, method, path in paths:
        answer = await wires[sender].send(method, path, {}, to=other_end(sender))
        assert answer.codes == (404, 2000), (method, path)


@refused
@pytest.mark.req("CM-01")
async def test_a_command_that_there_is_not_is_refused(emsp: Wire) -> None:
    for name in ("start_session", "REBOOT", "START_SESSION%20", "%2F", "x" * 300):
        path = f"{RECEIVER}/commands/{name}"
        answer = await emsp.send("POST", path, start_session(), to="NL*CPO")
        assert answer.codes == (200, 2001)
        assert "no such command" in answer.message


# What is not there -------------------------------------------------------------------------------


@refused
@pytest.mark.req("ER-10", "LO-09")
@pytest.mark.parametrize(("module", "place"), PATCHES.values(), ids=PATCHES.keys())
async def test_a_patch_of_what_was_never_seen_is_404(cpo: Wire, module: str, place: str) -> None:
    patch = {"last_updated": "2026-01-01T00:00:00Z"}
    for to in (None, "EU*HUB") if module == "locations" else (None,):
        answer = await cpo.send("PATCH", f"{RECEIVER}/{module}/{OWN}/{place}", patch, to=to)
        assert answer.codes == (404, 2003 if "/" in place else 2001)
        assert "PUT it in full" in answer.message


@refused
async def test_what_is_not_there_is_neither_read_nor_deleted(cpo: Wire, emsp: Wire) -> None:
    for path in ("locations", "tariffs", "sessions"):
        for to in ("EU*HUB", None):
            answer = await cpo.send("GET", f"{RECEIVER}/{path}/{OWN}/NONE", to=to)
            assert answer.http == 404, path
    assert (await cpo.send("DELETE", f"{RECEIVER}/tariffs/{OWN}/NONE")).codes == (404, 2000)
    assert (await emsp.send("GET", f"{SENDER}/locations/NONE", to="EU*HUB")).codes == (404, 2003)
    assert (await emsp.send("GET", f"{SENDER}/locations/NONE")).codes == (200, 4001)


@refused
@pytest.mark.req("RT-36", "RT-37")
async def test_what_names_nobody_the_hub_knows_is_4001(wires: dict[str, Wire]) -> None:
    for name in ("STOP_SESSION", "CANCEL_RESERVATION", "UNLOCK_CONNECTOR", "START_SESSION",
                 "profile", "preferences", "active profile"):  # fmt: skip
        answer = await send(wires, BODIES[name], BODIES[name][3], None)
        assert answer.codes == (200, 4001), name
        assert "set the OCPI-to headers" in answer.message


# Results and where they go -----------------------------------------------------------------------


@refused
@pytest.mark.req("CM-06", "CP-10")
async def test_a_result_that_nobody_expects_is_404(cpo: Wire) -> None:
    odd = ("x", "A" * 32, "A" * 300, "%2F", "a%2F..%2Fb", "%27%3B--", "%C3%A4", "*", "%25", "null")
    places = [f"commands/START_SESSION/{name}" for name in odd]
    places += [f"chargingprofiles/{name}" for name in odd]
    for place, to in itertools.product(places, (None, "DE*MSP", "EU*HUB")):
        for body in (b'{"result":"ACCEPTED"}', b'{"result":7}', b"[]"):
            answer = await cpo.send("POST", f"{SENDER}/{place}", body, to=to)
            assert answer.codes == (404, 2000)
            assert answer.message == "No result is expected at this URL"


def spelled(roam: Roaming) -> list[str]:
    """URLs that lead to the hub, and to where it must not go."""
    hub = urlsplit(roam.hub.url)
    return [
        f"{roam.hub.url}/ocpi/2.2.1/sender/commands/START_SESSION/x",
        f"{roam.hub.url}/ocpi",
        f"HTTP://{hub.netloc}/ocpi/versions",
        f"http://user:secret@{hub.netloc}/ocpi/versions",
        f"http://0x7f000001:{hub.port}/ocpi/versions",
        "ftp://results.example/x",
        "file:///etc/passwd",
        "http:///x",
        "http://169.254.169.254/latest/meta-data",
        "http://10.0.0.1/x",
        "http://[::ffff:10.0.0.1]/x",
        "http://results.example:99999/x",
        "http://results.example:0x50/x",
        "http://res ults.example/x",
        "http://results.example/\u00e4",
        "http://results.example/\r\nX: y",
        "//results.example/x",
        "results.example",
        "",
    ]


@refused
@pytest.mark.req("CM-07")
async def test_results_are_not_sent_just_anywhere(
    roam: Roaming, wires: dict[str, Wire], emsp: Wire
) -> None:
    for url in spelled(roam):
        for name in ("STOP_SESSION", "profile"):
            body = {**BODIES[name][3], "response_url": url}
            answer = await send(wires, BODIES[name], body)
            assert answer.codes == (200, 2001), url
            assert answer.message.startswith("response_url"), (url, answer.message)
        for method in ("GET", "DELETE"):
            query = f"response_url={quote(url, safe='')}&duration=60"
            answer = await emsp.send(method, f"{RECEIVER}/chargingprofiles/S1?{query}", to="NL*CPO")
            assert answer.codes == (200, 2001), url


@refused
@pytest.mark.parametrize(
    "query",
    ["", "duration=60", f"response_url={RESULTS}", f"duration=-1&response_url={RESULTS}",
     f"duration=&response_url={RESULTS}", f"duration=1e3&response_url={RESULTS}",
     f"duration={'9' * 30}&response_url={RESULTS}"],
)  # fmt: skip
async def test_the_query_of_a_profile_is_checked(emsp: Wire, query: str) -> None:
    answer = await emsp.send("GET", f"{RECEIVER}/chargingprofiles/S1?{query}", to="NL*CPO")
    assert answer.codes == (200, 2001)
    assert answer.message.startswith(("duration", "response_url"))


# Lists -------------------------------------------------------------------------------------------


LISTS = {
    "tokens": ("cpo", "?"),
    "locations": ("emsp", "?"),
    "tariffs": ("emsp", "?"),
    "cdrs": ("emsp", "?"),
    "sessions": ("emsp", "?date_from=2020-01-01T00:00:00Z&"),
    "hubclientinfo": ("emsp", "?"),
}
each_list = pytest.mark.parametrize("module", LISTS)


def forged(after: int, total: int, offset: int, filters: int) -> str:
    """A cursor with a right checksum that the hub never made."""
    head = (after, total, offset, filters)
    check = zlib.crc32(struct.pack(">QQQII", *head, 0))
    return urlsafe_b64encode(struct.pack(">QQQII", *head, check)).decode().rstrip("=")


async def ask(wires: dict[str, Wire], module: str, query: str) -> Answer:
    sender, start = LISTS[module]
    return await wires[sender].send("GET", f"{SENDER}/{module}{start}{query}", to="EU*HUB")


@refused
@pytest.mark.req("ER-11", "TF-12")
@each_list
async def test_a_bad_page_is_2001_and_names_the_parameter(
    wires: dict[str, Wire], module: str
) -> None:
    for query in ("limit=0", "limit=-1", "limit=x", "limit=", "offset=-1", "offset=1.5",
                  f"offset={'9' * 20}", "date_to=soon", "cursor=x", "cursor=" + "A" * 48,
                  f"cursor={forged(2**64 - 1, 0, 0, 0)}"):  # fmt: skip
        answer = await ask(wires, module, query)
        assert answer.codes == (200, 2001), query
        assert answer.message.startswith(query.split("=")[0])


@refused
@pytest.mark.req("TF-14", "TF-15")
@each_list
async def test_beyond_the_end_of_a_list_is_an_empty_page(
    wires: dict[str, Wire], module: str
) -> None:
    first = await ask(wires, module, "")
    for offset in (10_000, 999_999_999_999_999):
        answer = await ask(wires, module, f"offset={offset}&limit=10")
        assert answer.codes == (200, 1000)
        assert (answer.data, answer.link) == ([], None)
        assert answer.headers["x-total-count"] == first.headers["x-total-count"]


@refused
@each_list
async def test_a_forged_cursor_shows_nobody_more_than_is_theirs(
    wires: dict[str, Wire], module: str
) -> None:
    whole = (await ask(wires, module, "")).data
    for after, total in ((0, 7), (2**62, 7), (0, 2**63 - 1)):
        answer = await ask(wires, module, f"offset=3&cursor={forged(after, total, 3, 0)}")
        assert answer.codes == (200, 1000)
        assert [each for each in answer.data if each not in whole] == []


@refused
@pytest.mark.req("SE-11")
async def test_a_list_of_sessions_needs_a_beginning(emsp: Wire) -> None:
    answer = await emsp.send("GET", f"{SENDER}/sessions", to="EU*HUB")
    assert answer.codes == (200, 2001)
    assert answer.message.startswith("date_from")


# From here on something is left behind -----------------------------------------------------------


KEEPABLE = ["a/b", "#1", "a%2Fb", "100%", "?x=1&y", "a b", "A+B", "~!$'()*,;=:@", "x" * 255, "/"]


@pytest.mark.req("TF-39", "LO-07", "TA-02")
@pytest.mark.parametrize("module", ["locations", "tariffs", "sessions"])
async def test_an_odd_id_comes_back_and_arrives_as_it_was_sent(
    roam: Roaming, cpo: Wire, module: str
) -> None:
    for odd in KEEPABLE:
        value = made(module, odd)
        path = f"{RECEIVER}/{module}/{OWN}/{quote(odd, safe='')}"
        put = await cpo.send("PUT", path, value)
        assert put.envelope["status_code"] == 1000, put.body
        assert (await cpo.send("GET", path, to="EU*HUB")).data == value
        arrived = await roam.emsp.wait_for_record(
            direction="in", module=module, method="PUT", body=json.dumps(value)
        )
        assert arrived["path"].endswith(f"/{OWN}/{quote(odd, safe='')}"), arrived["path"]


def made(module: str, name: str, **fields: Any) -> dict[str, Any]:
    """A valid object of a module."""
    match module:
        case "locations":
            return make_location(name, **fields)
        case "tariffs":
            return make_tariff(id=name, **fields)
        case "sessions":
            return make_session(name, **fields)
        case _:
            return make_token(name, **fields)


@pytest.mark.req("LO-07")
async def test_odd_ids_of_parts_of_a_location(roam: Roaming, cpo: Wire) -> None:
    evses = [make_evse("E/1#%2F", connectors=[make_connector("C/1")]), make_evse("e.")]
    location, whole = f"{RECEIVER}/locations/{OWN}/ODD", make_location("ODD", evses=evses)
    assert (await cpo.send("PUT", location, whole)).codes == (201, 1000)
    await roam.emsp.wait_for_record(direction="in", method="PUT", body=json.dumps(whole))
    moment = "2026-03-01T00:00:00Z"
    evse = f"{location}/{quote('E/1#%2F', safe='')}"
    patch: dict[str, Any] = {"status": "CHARGING", "last_updated": moment}
    assert (await cpo.send("PATCH", evse, patch)).codes == (200, 1000)
    patch = {"max_amperage": 16, "last_updated": "2026-03-02T00:00:00Z"}
    assert (await cpo.send("PATCH", f"{evse}/C%2F1", patch)).codes == (200, 1000)
    got = (await cpo.send("GET", f"{evse}/C%2F1", to="EU*HUB")).data
    assert (got["id"], got["max_amperage"]) == ("C/1", 16)
    for unknown in ("E", "E%2F1", f"{quote('E/1#%2F', safe='')}/C", "%C3%A4"):
        assert (await cpo.send("PATCH", f"{location}/{unknown}", patch)).codes == (404, 2001)
    path = f"/locations/{OWN}/ODD/{quote('E/1#%2F', safe='')}"

    async def arrived() -> bool:
        record = await roam.emsp.record(direction="in", module="locations")
        return any(item["method"] == "PUT" and item["path"].endswith(path) for item in record)

    await eventually(arrived, "the EVSE")


@pytest.mark.req("TF-24", "TF-25")
async def test_nobody_touches_or_reads_what_is_another_cpos(
    roam: Roaming, cpo: Wire, stranger: Wire, emsp: Wire
) -> None:
    objects = {name: made(name, "MINE") for name in ("locations", "tariffs", "sessions")}
    for module, value in objects.items():
        await cpo.send("PUT", f"{RECEIVER}/{module}/{OWN}/MINE", value)
    before = await kept(roam)
    later = "2026-09-01T00:00:00Z"
    for module, value in objects.items():
        theirs = {**value, "country_code": "BE", "party_id": "CP2", "last_updated": later}
        for method in ("GET", "PUT", "DELETE" if module == "tariffs" else "PATCH"):
            for to in (None, "DE*MSP"):
                for body in (value, theirs):
                    path = f"{RECEIVER}/{module}/{OWN}/MINE"
                    answer = await stranger.send(method, path, body, to=to)
                    assert answer.codes == (404, 2001), (method, module)
        # Its own id of the same name is another object.
        path = f"{RECEIVER}/{module}/BE/CP2/MINE"
        assert (await stranger.send("GET", path, to="EU*HUB")).http == 404
        assert (await stranger.send("PATCH" if module != "tariffs" else "DELETE", path,
                                    {"last_updated": later})).http == 404  # fmt: skip
    assert await kept(roam) == before
    answer = await stranger.send("PUT", f"{SENDER}/sessions/MINE/charging_preferences",
                                 {"profile_type": "FAST"}, to="NL*CPO")  # fmt: skip
    assert answer.codes == (403, 2001)


@pytest.mark.req("CM-06", "CM-09", "CM-10")
async def test_a_result_comes_from_whom_was_asked_once_and_not_too_late(
    roam: Roaming, cpo: Wire, emsp: Wire, stranger: Wire
) -> None:
    await roam.cpo.react(action="STOP_SESSION", result=None)
    asked = await roam.emsp.command("STOP_SESSION", {"session_id": "S1"}, to="NL*CPO")
    assert asked["ocpi"] == 1000
    path = urlsplit((await roam.cpo.requests())[-1]["response_url"]).path.removeprefix("/ocpi")
    result = {"result": "ACCEPTED"}
    for wire in (stranger, emsp):
        assert (await wire.send("POST", path, result)).http in (403, 404)
    wrong = path.replace("STOP_SESSION", "START_SESSION")
    assert (await cpo.send("POST", wrong, result)).codes == (404, 2000)
    profiles = f"{SENDER}/chargingprofiles/{path.rpartition('/')[2]}"
    assert (await cpo.send("POST", profiles, result)).codes == (404, 2000)
    head, _, answer_id = path.rpartition("/")
    for other in (answer_id.swapcase(), f"{answer_id}x", answer_id[:-1]):
        assert (await cpo.send("POST", f"{head}/{other}", result)).codes == (404, 2000)
    for body in NOT_JSON.values():
        assert (await cpo.send("POST", path, body)).codes == (400, 2001)
    for text in (b"{}", b'{"result":7}', b'{"result":"ACCEPTED","message":"x"}', b"[]", b"null"):
        assert (await cpo.send("POST", path, text)).codes == (200, 2001)
    assert (await roam.emsp.asked())[asked["id"]]["results"] == []
    assert (await cpo.send("POST", path, result)).codes == (200, 1000)
    async with roam.database.connection() as connection:
        await connection.execute(
            "update answer_url set created_at = now() - interval '2 days',"
            " expires_at = now() - interval '1 second'"
        )
    late = await cpo.send("POST", path, result)
    assert late.codes == (404, 2000)
    assert late.message == "No result is expected at this URL"
    assert (await roam.emsp.asked())[asked["id"]]["results"] == ['{"result": "ACCEPTED"}']


async def crawl(
    wire: Wire, url: str, between: list[Callable[[], Awaitable[None]]]
) -> tuple[list[str], list[int]]:
    """Ids of all pages, and the total that each one gave. After each page something happens."""
    ids: list[str] = []
    totals: list[int] = []
    link: str | None = url
    while link is not None:
        page = await wire.send("GET", link, to="EU*HUB")
        assert page.codes == (200, 1000)
        again = await wire.send("GET", link, to="EU*HUB")
        assert (again.data, again.link) == (page.data, page.link), "a page can be asked for again"
        ids += [each.get("id") or each["uid"] for each in page.data]
        totals.append(int(page.headers["x-total-count"]))
        link = page.link
        if between:
            await between.pop(0)()
    return ids, totals


class Crawled:
    """Objects of one owner in a list that somebody reads."""

    def __init__(self, owner: Wire, module: str, stamp: str) -> None:
        self._owner = owner
        self._module = module
        self._stamp = stamp
        self.gone: set[str] = set()

    def name(self, number: int) -> str:
        return f"{self._stamp}{number:03}"

    def path(self, number: int) -> str:
        party = "DE/MSP" if self._module == "tokens" else OWN
        return f"{RECEIVER}/{self._module}/{party}/{self.name(number)}"

    async def put(self, numbers: Iterable[int], second: int = 0) -> None:
        moment = f"2026-10-01T00:00:{second:02}Z"
        for number in numbers:
            value = made(self._module, self.name(number), last_updated=moment)
            answer = await self._owner.send("PUT", self.path(number), value)
            assert answer.envelope["status_code"] == 1000

    async def change_and_delete(self) -> None:
        await self.put((1, 12, 20), 30)
        for number in (3, 13, 21) if self._module == "tariffs" else ():
            self.gone.add(self.name(number))
            assert (await self._owner.send("DELETE", self.path(number))).http == 200


@pytest.mark.req("TF-16", "TF-17", "RT-39", "RT-42")
@pytest.mark.parametrize("module", ["tariffs", "locations", "tokens"])
@pytest.mark.parametrize("dated", [False, True])
async def test_a_list_that_changes_while_it_is_read_shows_each_stable_object_once(
    cpo: Wire, emsp: Wire, module: str, dated: bool
) -> None:
    owner, reader = (emsp, cpo) if module == "tokens" else (cpo, emsp)
    stamp = f"CRAWL{module[:2]}{dated:d}-"
    objects = Crawled(owner, module, stamp)
    await objects.put(range(23))
    filters = "date_from=2026-09-30T00:00:00Z&" if dated else ""
    ids, totals = await crawl(
        reader,
        f"{SENDER}/{module}?{filters}limit={PAGE}",
        [
            objects.change_and_delete,
            partial(objects.put, range(23, 40)),
            partial(objects.put, range(40, 45)),
        ],
    )
    seen = Counter(each for each in ids if each.startswith(stamp))
    assert max(seen.values()) == 1
    assert {objects.name(number) for number in range(23)} - objects.gone <= seen.keys()
    assert set(totals) == {totals[0]}, "the count of a crawl stays"


@pytest.mark.req("RT-39")
async def test_sessions_and_cdrs_that_come_while_a_list_is_read(cpo: Wire, emsp: Wire) -> None:
    async def push(number: int, status: str = "ACTIVE", second: int = 0) -> None:
        moment = f"2026-02-01T00:00:{second:02}Z"
        session = make_session(f"LIST{number:02}", status=status, last_updated=moment)
        path = f"{RECEIVER}/sessions/{OWN}/LIST{number:02}"
        assert (await cpo.send("PUT", path, session)).envelope["status_code"] == 1000
        if status == "ACTIVE":
            cdr = make_cdr(f"LIST{number:02}")
            assert (await cpo.send("POST", f"{RECEIVER}/cdrs", cdr)).http in (200, 201)

    for number in range(12):
        await push(number)

    async def more() -> None:
        for number in (0, 6, 11):
            await push(number, "COMPLETED", 30)
        for number in range(12, 15):
            await push(number)

    for module in ("sessions", "cdrs"):
        url = f"{SENDER}/{module}?date_from=2020-01-01T00:00:00Z&limit={PAGE}"
        ids, _ = await crawl(emsp, url, [more] if module == "sessions" else [])
        seen = Counter(each for each in ids if each.startswith("LIST"))
        assert max(seen.values()) == 1
        assert {f"LIST{number:02}" for number in range(12)} <= seen.keys()


async def test_nothing_of_all_this_was_a_fault_of_the_hub(roam: Roaming) -> None:
    require_no_fault(roam.hub.logs())
