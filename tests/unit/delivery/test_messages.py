"""Message records: what is noted, and what is hidden."""

from __future__ import annotations

import asyncio
import json

import pytest

from ocpi_hub.delivery.header_privacy import MAX_VALUE, MOST_HEADERS, recorded_headers
from ocpi_hub.delivery.leg import Leg, configuration_request, outbound_request
from ocpi_hub.delivery.message_privacy import recorded_body, recorded_error
from ocpi_hub.delivery.messages import (
    BODIES_UP_TO,
    RecordedClient,
    Recorder,
    shaped,
    status_code,
)
from ocpi_hub.domain.exchange import (
    Answer,
    Busy,
    Exchange,
    LegInfo,
    LegKind,
    NoAnswer,
    OutboundRequest,
    Unreachable,
)
from ocpi_hub.domain.message import MessageIds, Reply
from ocpi_hub.domain.message_record import (
    Direction,
    MessageCursor,
    MessageRecord,
    Outcome,
    SeenLeg,
)
from ocpi_hub.domain.party import InterfaceRole, Module, Role
from tests.support.directory import ManualClock
from tests.support.factories import CPO, EMSP, make_platform
from tests.support.scripted import ScriptedClient, answer

UID = "04A1B2C3D4"
PLATFORM = make_platform((EMSP, Role.EMSP))
IDS = MessageIds("request-1", "correlation-1")


def mask(uid: str) -> str:
    return f"mac-of-{len(uid)}"


HIDDEN = f"~{mask(UID)}"


def inbound(module: str, role: InterfaceRole | None = None) -> LegInfo:
    return LegInfo(LegKind.INBOUND, PLATFORM.platform_id, CPO, EMSP, module, role, IDS)


def leg(module: str, role: InterfaceRole, *path: str) -> Leg:
    return Leg(
        receiver=EMSP,
        platform=PLATFORM,
        sender=CPO,
        module=module,
        interface_role=role,
        method="POST",
        correlation_id="correlation-1",
        path=path,
        query=(("type", "RFID"), ("uid", UID)),
        body=b'{"location_id":"LOC1"}',
    )


class Noted:
    """A recorder whose notes a test looks at."""

    def __init__(self, *, body_bytes: int = 0) -> None:
        self.clock = ManualClock()
        self.seen: list[SeenLeg] = []
        self.recorder = Recorder(self.seen.append, self.clock, body_bytes=body_bytes)

    def record(self) -> MessageRecord:
        (seen,) = self.seen
        return shaped(seen, mask)

    def served(self, about: LegInfo, target: str, **values: object) -> MessageRecord:
        reply = Reply(200, b'{"status_code":1000}')
        error = values.get("error")
        self.recorder.inbound(
            about,
            "GET",
            target,
            b"",
            reply,
            elapsed_s=0.5,
            error=error if isinstance(error, str) else None,
        )
        record = self.record()
        self.seen.clear()
        return record

    async def sent(self, request: OutboundRequest, exchange: Exchange) -> MessageRecord:
        client = ScriptedClient()
        client.will(exchange)
        assert await RecordedClient(client, self.recorder, self.clock).send(request) is exchange
        return self.record()


# Paths --------------------------------------------------------------------------------------------

SENDER, RECEIVER = InterfaceRole.SENDER, InterfaceRole.RECEIVER


@pytest.mark.parametrize(
    ("module", "role", "target", "path"),
    [
        ("tokens", SENDER, f"/{UID}/authorize?type=RFID", f"/{HIDDEN}/authorize?type=RFID"),
        ("tokens", SENDER, f"/{UID}", f"/{HIDDEN}"),
        ("tokens", SENDER, f"/authorize/{UID}/more", f"/authorize/{HIDDEN}/~mac-of-4"),
        ("tokens", SENDER, "?offset=0&limit=10", "?offset=0&limit=10"),
        ("tokens", RECEIVER, f"/DE/MSP/{UID}?type=RFID", f"/DE/MSP/{HIDDEN}?type=RFID"),
        ("tokens", RECEIVER, f"/DE/MSP/{UID[:2]}%2F{UID[3:]}", f"/DE/MSP/{HIDDEN}"),
        ("tokens", RECEIVER, f"/DE/{UID}", f"/~mac-of-2/{HIDDEN}"),
        ("tokens", RECEIVER, f"/DE/MSP/x?type={UID}&uid={UID}", "/DE/MSP/~mac-of-1"),
        ("tokens", SENDER, f"?date_from={UID}&offset=x{UID}", ""),
        ("commands", RECEIVER, "/START_SESSION", "/START_SESSION"),
        ("commands", SENDER, f"/START_SESSION/{UID}", f"/START_SESSION/{HIDDEN}"),
        ("commands", RECEIVER, f"/{UID}", f"/{HIDDEN}"),
        ("chargingprofiles", SENDER, f"/{UID}", f"/{HIDDEN}"),
        ("chargingprofiles", RECEIVER, "/S1?duration=5", "/S1"),
        ("locations", RECEIVER, "/NL/CPO/LOC%2F1/E1/1", "/NL/CPO/LOC%2F1/E1/1"),
        ("cdrs", SENDER, "?date_to=2026-01-31T08:00:00Z", "?date_to=2026-01-31T08:00:00Z"),
        ("nltnm-meters", SENDER, f"/{UID}/x?uid={UID}&limit=5", f"/{HIDDEN}/~mac-of-1?limit=5"),
    ],
)  # fmt: skip
def test_paths_hide_where_a_uid_may_stand(
    module: str, role: InterfaceRole, target: str, path: str
) -> None:
    base = f"/ocpi/2.2.1/{role.lower()}/{module}"
    assert Noted().served(inbound(module, role), base + target).path == base + path


@pytest.mark.parametrize(
    ("module", "target", "path"),
    [
        ("versions", "/ocpi/versions", "/ocpi/versions"),
        ("versions", "/ocpi/2.2.1/?x=1", "/ocpi/2.2.1"),
        ("credentials", "/ocpi/2.2.1/credentials", "/ocpi/2.2.1/credentials"),
        ("other", f"/ocpi/2.2.1/tokens/{UID}/authorize", f"/ocpi/2.2.1/tokens/{HIDDEN}/~mac-of-9"),
        ("other", f"/{UID}", f"/{HIDDEN}"),
        ("other", f"/ocpi/2.2.1/sender/tokenz/{UID}", f"/ocpi/2.2.1/sender/~mac-of-6/{HIDDEN}"),
        ("tokens", f"/ocpi/{UID}/sender/tokens", f"/ocpi/{HIDDEN}/sender/tokens"),
        ("other", "/", "/"),
        ("other", "//[", "/~mac-of-1"),
    ],
)
def test_of_other_paths_only_known_words_are_kept(module: str, target: str, path: str) -> None:
    assert Noted().served(inbound(module), target).path == path


def test_a_long_path_is_cut() -> None:
    about = inbound("cdrs", RECEIVER)
    record = Noted().served(about, "/ocpi/2.2.1/receiver/cdrs/" + 2000 * "x")
    assert len(record.path) == 500


def test_errors_hide_what_the_path_hides() -> None:
    about = inbound("tokens", SENDER)
    target = f"/ocpi/2.2.1/sender/tokens/{UID}/authorize"
    record = Noted().served(about, target, error=f"unknown {UID}\n" + 1000 * "x")
    assert record.error is not None
    assert record.error.startswith(f"unknown {HIDDEN}x")
    assert UID not in record.error
    assert len(record.error) < 320


# Outbound -----------------------------------------------------------------------------------------


def test_what_stands_for_a_secret_is_not_masked_again() -> None:
    def hexadecimal(uid: str) -> str:
        return "0123456789abcdef"

    secrets = ["", *"abcdef0123456789" * 100, "a long id"]
    shown = recorded_error("a long id is bad", secrets, hexadecimal)
    masked = "~0123456789abcdef"
    assert shown == f"{masked} is {masked * 3}"


async def test_an_outbound_leg_tells_what_was_sent_and_answered() -> None:
    noted = Noted()
    request = outbound_request(leg("tokens", SENDER, UID, "authorize"), deadline_s=1)
    record = await noted.sent(request, answer(1000))
    assert record.path == f"/sender/tokens/{HIDDEN}/authorize?type=RFID"
    assert (record.kind, record.direction) == (LegKind.RELAY, Direction.OUT)
    assert (record.sender, record.receiver) == (CPO, EMSP)
    assert (record.platform_id, record.module) == (PLATFORM.platform_id, "tokens")
    assert (record.http, record.ocpi, record.outcome) == (200, 1000, Outcome.ANSWERED)
    assert record.request_bytes == 22
    assert record.response_bytes is not None
    assert record.response_bytes > 0
    assert record.correlation_id == "correlation-1"
    assert record.request_id == request.headers["X-Request-ID"]
    assert record.request_body is None


@pytest.mark.parametrize(
    ("exchange", "outcome"),
    [
        (Unreachable("refused"), Outcome.UNREACHABLE),
        (Busy("refused"), Outcome.BUSY),
        (NoAnswer("refused"), Outcome.NO_ANSWER),
    ],
)
async def test_failures_are_told_apart(exchange: Exchange, outcome: Outcome) -> None:
    request = outbound_request(leg("cdrs", RECEIVER), deadline_s=1)
    record = await Noted().sent(request, exchange)
    assert (record.outcome, record.error) == (outcome, "refused")
    assert (record.http, record.ocpi, record.response_bytes) == (None, None, None)


async def test_a_leg_that_nobody_waits_for_any_more_is_recorded() -> None:
    noted, client = Noted(), ScriptedClient()
    client.will(asyncio.Event(), answer())
    request = outbound_request(leg("tokens", SENDER, UID, "authorize"), deadline_s=1)
    sending = asyncio.ensure_future(
        RecordedClient(client, noted.recorder, noted.clock).send(request)
    )
    await client.called(1)
    sending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sending
    record = noted.record()
    assert (record.outcome, record.error) == (Outcome.NO_ANSWER, "the hub stopped waiting")


async def test_requests_that_say_nothing_about_themselves_are_not_recorded() -> None:
    noted, client = Noted(), ScriptedClient()
    client.will(answer())
    request = OutboundRequest("GET", "https://p.example/versions", "liveness", 1.0)
    await RecordedClient(client, noted.recorder, noted.clock).send(request)
    assert noted.seen == []


async def test_a_url_that_leaves_the_endpoint_is_hidden_when_it_may_name_a_token() -> None:
    request = outbound_request(
        leg("tokens", SENDER), deadline_s=1, url=f"https://partner.example/pages/{UID}?limit=5"
    )
    record = await Noted().sent(request, answer())
    assert record.path == f"/~mac-of-5/{HIDDEN}?limit=5"


async def test_a_configuration_push_is_recorded() -> None:
    platform = make_platform(
        (EMSP, Role.EMSP), endpoints={("hubclientinfo", RECEIVER): "https://p.example/info/"}
    )
    request = configuration_request(
        platform,
        Module.HUB_CLIENT_INFO,
        RECEIVER,
        method="PUT",
        path=("NL", "CPO"),
        body=b"{}",
        deadline_s=1,
    )
    record = await Noted().sent(request, answer())
    assert (record.path, record.kind) == ("/info/NL/CPO", LegKind.PUSH)


# Status codes -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b'{"status_code":1000,"data":null}', 1000),
        (b'{"data":{"status_code": 2001},"status_code" : 1000}', 1000),
        (b'{"data":"\\"status_code\\":2001","status_code":1000}', 1000),
        (b'{"data":[' + 100_000 * b"1," + b'1],"status_code":1000}', 1000),
        (b'{"status_code":3001,"data":[' + 100_000 * b"1," + b"1]}", 3001),
        (b'{"data":"' + 100_000 * b"x" + b'","n":1}', None),
        (b'{"status_code":10000}', None),
        (b"<html>", None),
        (b"", None),
    ],
)
def test_the_status_code_is_found_without_reading_all(body: bytes, code: int | None) -> None:
    assert status_code(body) == code


# Bodies -------------------------------------------------------------------------------------------

CDR = json.dumps(
    {"id": "CDR1", "cdr_token": {"uid": UID, "contract_id": 'C\\"1'}, "total_energy": 1.5}
).encode()


async def test_bodies_are_left_out_unless_wanted() -> None:
    request = outbound_request(leg("cdrs", RECEIVER), deadline_s=1)
    record = await Noted().sent(request, answer())
    assert (record.request_body, record.response_body, record.cut) == (None, None, False)
    wanted = await Noted(body_bytes=10).sent(request, Answer(200, {}, b'{"status_code":1000}'))
    assert (wanted.request_body, wanted.response_body) == (b'{"location', b'{"status_c')
    assert wanted.cut


async def test_headers_are_recorded_with_bodies_and_tell_no_secret() -> None:
    request = outbound_request(leg("tokens", SENDER, UID, "authorize"), deadline_s=1)
    reply = Answer(
        200,
        {"link": f'<https://p.example/{UID}>; rel="next"', "x-total-count": "7"},
        b'{"status_code":1000}',
    )
    assert (await Noted().sent(request, reply)).request_headers is None
    record = await Noted(body_bytes=10).sent(request, reply)
    sent = dict(record.request_headers or ())
    assert sent["Authorization"] == "Token ~"
    assert sent["X-Correlation-ID"] == "correlation-1"
    assert record.response_headers == (("link", "~"), ("x-total-count", "7"))
    assert (record.request_body, record.response_body) == (None, None)
    failed = await Noted(body_bytes=10).sent(request, NoAnswer("timeout"))
    assert failed.request_headers is not None
    assert failed.response_headers is None


@pytest.mark.parametrize(
    ("name", "text", "shown"),
    [
        ("authorization", "Token c2VjcmV0", "Token ~"),
        ("Authorization", "bearer c2VjcmV0", "bearer ~"),
        ("Authorization", "c2VjcmV0", "~"),
        ("Authorization", "c2VjcmV0 Token", "~"),
        ("X-Api-Key", "c2VjcmV0", "~"),
        ("Cookie", "a=c2VjcmV0", "~"),
        ("Location", f"https://p.example/{UID}", "~"),
        ("X-Request-ID", "r\x001\n", "r1"),
        ("User-Agent", "x" * 500, "x" * MAX_VALUE),
    ],
)
def test_values_of_headers_are_told_when_they_are_harmless(
    name: str, text: str, shown: str
) -> None:
    assert recorded_headers({name: text}) == ((name, shown),)


def test_many_headers_are_cut() -> None:
    found = recorded_headers({f"x-{n}": "y" for n in range(1000)})
    assert found is not None
    assert len(found) == MOST_HEADERS


@pytest.mark.parametrize("module", ["cdrs", "locations"])
def test_fields_that_are_personal_here_are_masked_too(module: str) -> None:
    body = b'{"driver_name":"Jo", "x":{"Driver_Name" : 12}}'
    shown = recorded_body(module, body, mask, ("driver_name",))
    assert shown == b'{"driver_name":"~mac-of-2", "x":{"Driver_Name" : "~mac-of-2"}}'
    assert recorded_body(module, b'{"driver_name":["Jo"]}', mask, ("driver_name",)) is None
    assert (
        recorded_body("locations", b'{"uid":"3256"}', mask, ("driver_name",)) == b'{"uid":"3256"}'
    )


async def test_bodies_are_left_out_while_many_records_wait() -> None:
    noted = Noted()
    noted.recorder = Recorder(
        noted.seen.append, noted.clock, body_bytes=100, waiting=lambda: BODIES_UP_TO + 1
    )
    record = await noted.sent(outbound_request(leg("cdrs", RECEIVER), deadline_s=1), answer())
    assert (record.request_body, record.response_body) == (None, None)


@pytest.mark.parametrize("module", ["tokens", "credentials", "versions", "other"])
def test_bodies_of_some_modules_are_never_recorded(module: str) -> None:
    noted = Noted(body_bytes=1000)
    about = inbound(module)
    reply = Reply(200, b'{"status_code":1000,"data":{"token":"secret"}}')
    noted.recorder.inbound(
        about, "POST", "/ocpi/versions", b'{"token":"t"}', reply, elapsed_s=0, error=None
    )
    (seen,) = noted.seen
    assert (seen.request_body, seen.response_body, seen.cut) == (None, None, False)
    assert noted.record().request_bytes == 13


@pytest.mark.parametrize(
    "body",
    [
        CDR,
        CDR[: CDR.index(UID.encode()) + 5],
        b'{"token":{"UID" :\n"04A1B2C3D4"},"response_url":"https://x/04A1B2C3D4"}',
        b'{"uid":"04A1B2C3D4\\"04A1B2C3D4"}',
        b'{"\\u0075id":"04A1B2C3D4"}',
        b'{"uid":["04A1B2C3D4"]}',
        b'{"token":{"uid" : {"value":"04A1B2C3D4"}}}',
        b'[{"uid":[1]},{"visual_number":"04A1B2C3D4"},{"signed_data":"04A1B2C3D4"}]',
    ],
)
def test_personal_values_are_hidden_in_whole_and_cut_bodies(body: bytes) -> None:
    for module in ("cdrs", "sessions", "commands"):
        kept = recorded_body(module, body, mask) or b""
        assert UID[:4].encode() not in kept, kept


@pytest.mark.parametrize("module", ["nltnm-meters", "other", "tokens", "versions"])
def test_bodies_that_nobody_knows_are_not_recorded_at_all(module: str) -> None:
    assert recorded_body(module, b'{"harmless":1}', mask) is None


def test_what_is_not_personal_stays_as_it_was() -> None:
    kept = recorded_body("cdrs", CDR, mask)
    assert kept is not None
    assert json.loads(kept)["total_energy"] == 1.5
    signed = b'{"signed_data":{"signed_values":[]},"id":"C1"}'
    assert recorded_body("cdrs", signed, mask) == signed
    record = b'{"signed_data":{"signed_values":[{"plain_data":"04A1B2C3D4","nature":"Start"}]}}'
    shown = recorded_body("cdrs", record, mask)
    assert shown is not None
    assert b"04A1B2C3D4" not in shown
    evse = b'{"uid":"EVSE1"}'
    assert recorded_body("locations", evse, mask) == evse


# Cursors ------------------------------------------------------------------------------------------


def test_a_cursor_is_read_as_it_was_written() -> None:
    cursor = MessageCursor(ManualClock().now(), 17)
    assert MessageCursor.parse(str(cursor)) == cursor


@pytest.mark.parametrize(
    "text",
    [
        "",
        "~1",
        "2026-01-01~1",
        "2026-01-01T00:00:00+00:00~x",
        "2026-01-01T00:00:00+00:00~-1",
        "x~1",
    ],
)
def test_what_is_no_cursor_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - of the standard library as well
        MessageCursor.parse(text)
