"""From an HTTP request to a caller and a message."""

from __future__ import annotations

import asyncio
import base64
import gzip
import zlib
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from aiohttp import StreamReader, web
from aiohttp.base_protocol import BaseProtocol
from aiohttp.test_utils import make_mocked_request
from multidict import CIMultiDict

from ocpi_hub.directory.snapshot import CredentialsKind, Directory, IssuedCredentials
from ocpi_hub.domain.message import Message, MessageIds
from ocpi_hub.domain.party import (
    CredentialsToken,
    InterfaceRole,
    PartyId,
    PartyRole,
    Platform,
    PlatformState,
    Role,
)
from ocpi_hub.errors import (
    BodyTooLarge,
    InvalidRequest,
    MalformedJson,
    NotFound,
    NotPermitted,
    Overloaded,
    Unauthenticated,
)
from ocpi_hub.server.inbound import (
    Authenticator,
    Caller,
    read_authorization,
    read_body,
    read_message,
    read_target,
)
from tests.support.factories import CPO, EMSP, HUB, make_directory, make_platform

NOW = datetime(2026, 1, 1, tzinfo=UTC)
TOKEN = CredentialsToken("the-token")
HEADER = f"Token {base64.b64encode(TOKEN.encode()).decode()}"


# Targets -----------------------------------------------------------------------------------------


@pytest.mark.req("TF-39", "TF-35")
@pytest.mark.parametrize(
    ("raw", "segments", "query"),
    [
        ("/ocpi/versions", ("ocpi", "versions"), ()),
        ("/ocpi/versions/", ("ocpi", "versions"), ()),
        ("/a/b%2Fc/d%23e%3Ff", ("a", "b/c", "d#e?f"), ()),
        ("/a/%C3%A9", ("a", "\u00e9"), ()),
        ("/a?x=1&y=%2F&x=2&z", ("a",), (("x", "1"), ("y", "/"), ("x", "2"), ("z", ""))),
        ("/a?x=a+b%2Bc", ("a",), (("x", "a b+c"),)),
        ("/a#part?x=1", ("a",), ()),
        ("http://hub.example/ocpi/versions?x=1", ("ocpi", "versions"), (("x", "1"),)),
    ],
)
def test_a_target_is_split_before_it_is_decoded(
    raw: str, segments: tuple[str, ...], query: tuple[tuple[str, str], ...]
) -> None:
    target = read_target(raw)
    assert (target.segments, target.query) == (segments, query)


@pytest.mark.parametrize(
    "raw",
    ["/a/%00", "/a/%0A", "/a/%7F", "/a/%C2%80", "/a?x=%1F", "/a?%00=x", "/a/%FF", "/a?x=%FF",
     "/a/\udcff", "/a?x=\udcff", "/a/..", "/a/%2e%2E/b", "/a/./b",
     "/a?" + "&".join(["x=1"] * 51)],
)  # fmt: skip
def test_a_target_nobody_can_mean_is_refused(raw: str) -> None:
    with pytest.raises(InvalidRequest):
        read_target(raw)


@pytest.mark.parametrize("raw", ["/a//b", "/", "//"])
def test_an_empty_segment_is_no_path(raw: str) -> None:
    with pytest.raises(NotFound):
        read_target(raw)


def test_who_looks_at_the_root_is_told_where_versions_are() -> None:
    with pytest.raises(NotFound, match=r"OCPI hub.* /ocpi/versions"):
        read_target("/")


# Credentials -------------------------------------------------------------------------------------


def issued(
    platform: Platform, token: str = TOKEN, *, expires_at: datetime | None = None
) -> IssuedCredentials:
    return IssuedCredentials(
        token_sha256=CredentialsToken(token).sha256,
        platform_id=platform.platform_id,
        kind=CredentialsKind.ACCESS,
        first_used_at=None,
        expires_at=expires_at,
    )


def with_credentials(platform: Platform, *credentials: IssuedCredentials) -> Directory:
    return Directory.build(
        version=1,
        hub=HUB,
        default_relation=make_directory().default_relation,
        platforms=[platform],
        credentials=credentials,
    )


def authenticator(current: Directory, stored: Directory | None = None) -> Authenticator:
    async def look_up(_: CredentialsToken) -> Directory | None:
        return stored

    return Authenticator(lambda: current, look_up, lambda: NOW)


@pytest.mark.req("TF-03")
async def test_credentials_name_one_platform() -> None:
    platform = make_platform((CPO, Role.CPO))
    directory = with_credentials(platform, issued(platform))
    caller = await authenticator(directory).caller(HEADER)
    assert (caller.platform, caller.presented) == (platform, TOKEN)


async def test_credentials_the_snapshot_lacks_are_looked_up() -> None:
    platform = make_platform((CPO, Role.CPO))
    fresh = with_credentials(platform, issued(platform))
    caller = await authenticator(make_directory(), fresh).caller(HEADER)
    assert caller.directory is fresh


@pytest.mark.req("TF-06", "CR-09")
@pytest.mark.parametrize("left_s", [0, -1])
async def test_expired_credentials_are_unknown(left_s: int) -> None:
    platform = make_platform((CPO, Role.CPO))
    expired = issued(platform, expires_at=NOW + timedelta(seconds=left_s))
    with pytest.raises(Unauthenticated):
        await authenticator(with_credentials(platform, expired)).caller(HEADER)


@pytest.mark.req("TF-06")
@pytest.mark.parametrize("header", [None, "", "Token", "Token ", "Basic dXNlcg==", "Token a b"])
async def test_a_header_without_a_token_tells_how_to_send_one(header: str | None) -> None:
    with pytest.raises(Unauthenticated, match="Authorization: Token") as caught:
        await authenticator(make_directory()).caller(header)
    assert caught.value.headers == {"WWW-Authenticate": "Token"}


@pytest.mark.req("ER-12")
async def test_a_suspended_platform_is_told_so() -> None:
    platform = make_platform((CPO, Role.CPO), state=PlatformState.SUSPENDED)
    directory = with_credentials(platform, issued(platform))
    with pytest.raises(NotPermitted, match="suspended"):
        await authenticator(directory).caller(HEADER)


async def test_a_caller_is_remembered_as_long_as_the_directory_stays_as_it_is() -> None:
    platform = make_platform((CPO, Role.CPO))
    directories = [with_credentials(platform, issued(platform)), make_directory()]

    async def look_up(_: CredentialsToken) -> Directory | None:
        return None

    asked = Authenticator(lambda: directories[0], look_up, lambda: NOW)
    assert asked.known(HEADER) is None
    caller = await asked.caller(HEADER)
    assert asked.known(HEADER) is caller
    assert asked.known(None) is None
    del directories[0]
    assert asked.known(HEADER) is None
    with pytest.raises(Unauthenticated):
        await asked.caller(HEADER)


async def test_a_caller_whose_credentials_end_is_not_remembered() -> None:
    platform = make_platform((CPO, Role.CPO))
    ending = issued(platform, expires_at=NOW + timedelta(seconds=1))
    asked = authenticator(with_credentials(platform, ending))
    await asked.caller(HEADER)
    assert asked.known(HEADER) is None


def test_repeated_authorization_headers_have_to_agree() -> None:
    same = make_mocked_request("GET", "/", CIMultiDict([("Authorization", HEADER)] * 2))
    assert read_authorization(same) == HEADER
    differing = CIMultiDict([("Authorization", HEADER), ("authorization", "Token x")])
    with pytest.raises(Unauthenticated):
        read_authorization(make_mocked_request("GET", "/", differing))


# Messages ----------------------------------------------------------------------------------------


def message_of(
    platform: Platform,
    headers: Mapping[str, str],
    *,
    kind: CredentialsKind = CredentialsKind.ACCESS,
) -> Message:
    path = "/ocpi/2.2.1/receiver/tokens/DE/MSP/X?type=RFID"
    caller = Caller(
        platform, replace(issued(platform), kind=kind), TOKEN, with_credentials(platform)
    )
    request = make_mocked_request("PUT", path, CIMultiDict(headers))
    return read_message(request, read_target(path), caller, MessageIds("r", "c"), b"{}")


@pytest.mark.req("RT-01", "RT-09")
def test_a_message_holds_what_the_request_says() -> None:
    message = message_of(
        make_platform((EMSP, Role.EMSP)),
        {"ocpi-TO-party-id": "cpo", "OCPI-to-country-code": "nl"},
    )
    assert (message.sender, message.to) == (EMSP, CPO)
    assert (message.module, message.interface_role) == ("tokens", InterfaceRole.RECEIVER)
    assert (message.path, message.parameter("type")) == (("DE", "MSP", "X"), "RFID")


@pytest.mark.req("RT-04")
def test_from_is_inferred_for_one_party_and_demanded_of_two() -> None:
    assert message_of(make_platform((EMSP, Role.EMSP), (EMSP, Role.NSP)), {}).sender == EMSP
    with pytest.raises(InvalidRequest, match="this platform has 2 parties"):
        message_of(make_platform((EMSP, Role.EMSP), (CPO, Role.CPO)), {})


@pytest.mark.req("RT-03")
def test_a_withdrawn_role_sends_nothing() -> None:
    platform = make_platform((EMSP, Role.EMSP), (CPO, Role.CPO))
    withdrawn = replace(
        platform,
        roles=(platform.roles[0], PartyRole(CPO, Role.CPO, "gone", active=False)),
    )
    headers = {"OCPI-from-party-id": "CPO", "OCPI-from-country-code": "NL"}
    with pytest.raises(NotPermitted):
        message_of(withdrawn, headers)
    assert message_of(withdrawn, {}).sender == EMSP


@pytest.mark.req("TF-07")
def test_registration_credentials_open_no_functional_module() -> None:
    with pytest.raises(Unauthenticated):
        message_of(make_platform((EMSP, Role.EMSP)), {}, kind=CredentialsKind.REGISTRATION)


@pytest.mark.req("RT-33")
def test_empty_routing_headers_count_as_absent() -> None:
    headers = {"OCPI-to-party-id": "", "OCPI-to-country-code": " "}
    assert message_of(make_platform((EMSP, Role.EMSP)), headers).to is None


def test_hub_is_a_to_like_any_other() -> None:
    headers = {"OCPI-to-party-id": HUB.party_id, "OCPI-to-country-code": HUB.country_code}
    assert message_of(make_platform((EMSP, Role.EMSP)), headers).to == PartyId("EU", "HUB")


# Bodies ------------------------------------------------------------------------------------------


def request_with(
    *pieces: bytes, encoding: str | None = None, complete: bool = True, limit: int = 1000
) -> web.Request:
    loop = asyncio.get_running_loop()
    protocol = BaseProtocol(loop)
    protocol.connection_made(asyncio.Transport())
    content = StreamReader(protocol, 2**16, loop=loop)
    for piece in pieces:
        content.feed_data(piece)
    if complete:
        content.feed_eof()
    headers = {"Content-Encoding": encoding} if encoding else {}
    return make_mocked_request("PUT", "/", headers, payload=content, client_max_size=limit)


async def body_of(request: web.Request, *, max_bytes: int = 1000) -> bytes:
    return await read_body(request, timeout_s=0.05, max_bytes=max_bytes)


@pytest.mark.parametrize("encoding", [None, "identity", "gzip", "X-GZIP", "deflate"])
async def test_a_body_is_unpacked_as_its_encoding_says(encoding: str | None) -> None:
    text = b'{"a": 1}'
    packed = {"gzip": gzip.compress(text), "X-GZIP": gzip.compress(text),
              "deflate": zlib.compress(text)}  # fmt: skip
    body = packed.get(encoding or "", text)
    assert await body_of(request_with(body[:5], body[5:], encoding=encoding)) == b'{"a": 1}'


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("gzip", b""),
        ("gzip", b"{}"),
        ("gzip", gzip.compress(b"{}", mtime=0)[:-1]),
        ("gzip", gzip.compress(b"{}", mtime=0) + b"more"),
        ("deflate", b"\x00\x01"),
        ("br", b"{}"),
    ],
)
async def test_a_body_that_is_not_what_it_says_is_malformed(encoding: str, body: bytes) -> None:
    with pytest.raises(MalformedJson, match="Content-Encoding"):
        await body_of(request_with(body, encoding=encoding))


async def test_a_body_is_limited_on_the_wire_and_unpacked() -> None:
    assert await body_of(request_with(b"x" * 1000)) == b"x" * 1000
    with pytest.raises(BodyTooLarge):
        await body_of(request_with(b"x" * 1001))
    packed = gzip.compress(b"x" * 1001)
    with pytest.raises(BodyTooLarge):
        await body_of(request_with(packed, encoding="gzip"))


async def test_a_body_that_does_not_come_may_be_sent_again() -> None:
    with pytest.raises(Overloaded, match="again") as caught:
        await body_of(request_with(b"{", complete=False))
    assert caught.value.headers == {"Connection": "close"}


@pytest.mark.parametrize("error", [ConnectionResetError(), web.RequestPayloadError()])
async def test_a_body_that_breaks_off_is_malformed(error: Exception) -> None:
    request = request_with(b"{", complete=False)
    request.content.set_exception(error)
    with pytest.raises(MalformedJson):
        await body_of(request)


async def test_a_body_whose_client_is_gone_is_malformed() -> None:
    request = request_with(b"", complete=False)
    request.protocol.transport = None
    request.content._protocol.connection_lost(None)
    with pytest.raises(MalformedJson):
        await body_of(request)
