"""The outbound client against real sockets: every way a partner can behave."""

from __future__ import annotations

import asyncio
import gzip
import socket
import ssl
import struct
import tracemalloc
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from ocpi_hub.clock import SystemClock
from ocpi_hub.delivery.client import HttpClient
from ocpi_hub.delivery.slots import Slots
from ocpi_hub.delivery.url_safety import Lookup
from ocpi_hub.domain.exchange import (
    Answer,
    Busy,
    Exchange,
    NoAnswer,
    OutboundRequest,
    Unreachable,
)
from ocpi_hub.errors import ConfigError
from ocpi_hub.settings import Settings, load_settings
from tests.support.pki import make_certificate, write_pair

LOOPBACK = ("127.0.0.0/8", "::1/128")
OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
SHORT_S = 0.25
LONG_S = 30.0

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Server:
    """A partner's server in test: what it got, and how many connections."""

    port: int = 0
    connections: int = 0
    requests: list[bytes] = field(default_factory=list)
    gone: asyncio.Event = field(default_factory=asyncio.Event)

    def url(self, path: str = "/ocpi", *, host: str = "127.0.0.1", scheme: str = "http") -> str:
        return f"{scheme}://{host}:{self.port}{path}"

    async def read(self, reader: asyncio.StreamReader) -> bytes:
        """The next request; IncompleteReadError when the client has closed."""
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(
            (
                int(line.split(b":")[1])
                for line in head.split(b"\r\n")
                if line.lower().startswith(b"content-length")
            ),
            0,
        )
        request = head + await reader.readexactly(length)
        self.requests.append(request)
        return request


@asynccontextmanager
async def serving(
    handler: Callable[[Server, asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
    *,
    host: str = "127.0.0.1",
    context: ssl.SSLContext | None = None,
) -> AsyncIterator[Server]:
    """A raw server; `gone` is set when a handler saw its client leave."""
    partner = Server()
    running: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        running.add(task)
        partner.connections += 1
        try:
            await handler(partner, reader, writer)
        except (OSError, asyncio.IncompleteReadError):
            partner.gone.set()
        except RuntimeError:
            # What uvloop raises for writing to a connection that the client has closed.
            if not writer.transport.is_closing():
                raise
            partner.gone.set()
        except asyncio.CancelledError:
            return
        finally:
            running.discard(task)
            writer.transport.abort()

    server = await asyncio.start_server(serve, host, 0, ssl=context)
    partner.port = server.sockets[0].getsockname()[1]
    try:
        yield partner
    finally:
        server.close()
        for task in tuple(running):
            task.cancel()
        await asyncio.gather(*running)


def answering(*answers: bytes) -> Callable[..., Awaitable[None]]:
    """Answers request after request of a connection, then closes it."""

    async def handler(
        partner: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        for answer in answers:
            await partner.read(reader)
            writer.write(answer)
            await writer.drain()

    return handler


def keeping(answer: bytes = OK) -> Callable[..., Awaitable[None]]:
    """Answers every request of a connection the same way, until the client leaves."""

    async def handler(
        partner: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        while True:
            await partner.read(reader)
            writer.write(answer)
            await writer.drain()

    return handler


def sending_then_hanging(start: bytes) -> Callable[..., Awaitable[None]]:
    """Sends the beginning of an answer, then waits for the client to leave."""

    async def handler(
        partner: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        await partner.read(reader)
        writer.write(start)
        await reader.readexactly(1)

    return handler


@asynccontextmanager
async def client(*, lookup: Lookup | None = None, **overrides: object) -> AsyncIterator[HttpClient]:
    defaults: dict[str, object] = {"allow_http": True, "allow_networks": LOOPBACK}
    settings = load_settings(**(defaults | overrides))
    async with HttpClient(settings, clock=SystemClock(), lookup=lookup) as opened:
        yield opened


def call(
    url: str,
    method: str = "POST",
    *,
    key: str = "p-1",
    deadline_s: float = LONG_S,
    headers: dict[str, str] | None = None,
    body: bytes | None = b"{}",
) -> OutboundRequest:
    return OutboundRequest(
        method, url, key, deadline_s, headers or {}, None if method == "GET" else body
    )


def reason(exchange: Exchange) -> str:
    assert not isinstance(exchange, Answer)
    return exchange.reason


async def eventually(condition: Callable[[], bool]) -> None:
    """Yield to the loop until a condition holds; the test's time limit ends a wait in vain."""
    while not condition():  # noqa: ASYNC110 - the conditions are counts, not events
        await asyncio.sleep(0)


# --- requests and answers -----------------------------------------------------------------------


async def test_url_and_headers_and_body_arrive_exactly_as_given() -> None:
    async with serving(keeping()) as partner, client() as http:
        url = partner.url("/ocpi//2.2.1/a%2Fb/%7Ex/../y?q=%20z&r=a+b%3D&empty=")
        answer = await http.send(call(url, "PUT", headers={"X-Request-ID": "r-1"}, body=b'{"a":1}'))
    assert isinstance(answer, Answer)
    head, _, body = partner.requests[0].partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    assert lines[0] == "PUT /ocpi//2.2.1/a%2Fb/%7Ex/../y?q=%20z&r=a+b%3D&empty= HTTP/1.1"
    assert f"Host: 127.0.0.1:{partner.port}" in lines
    assert "X-Request-ID: r-1" in lines
    assert "User-Agent: ocpi-hub" in lines
    assert "Accept-Encoding: identity" in lines
    assert body == b'{"a":1}'


async def test_large_body_arrives_whole_with_its_length() -> None:
    body = bytes(range(256)) * 12_000
    async with serving(keeping()) as partner, client() as http:
        assert isinstance(await http.send(call(partner.url(), body=body)), Answer)
    head, _, received = partner.requests[0].partition(b"\r\n\r\n")
    assert f"Content-Length: {len(body)}".encode() in head
    assert received == body


async def test_answer_carries_status_lower_case_headers_and_body() -> None:
    raw = (
        b"HTTP/1.1 404 Nope\r\nX-Total-Count: 7\r\nLink: <a>; rel=next\r\nLINK: <b>\r\n"
        b"X-Bytes: \xff\xc3\xa4\r\nContent-Length: 3\r\n\r\nabc"
    )
    async with serving(keeping(raw)) as partner, client() as http:
        answer = await http.send(call(partner.url(), "GET"))
    assert answer == Answer(
        404,
        {
            "x-total-count": "7",
            "link": "<a>; rel=next, <b>",
            "x-bytes": "\ufffdä",
            "content-length": "3",
        },
        b"abc",
    )


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_redirect_is_returned_and_not_followed(status: int) -> None:
    async with serving(keeping()) as elsewhere, client() as http:
        raw = f"HTTP/1.1 {status} Moved\r\nLocation: {elsewhere.url()}\r\nContent-Length: 0\r\n\r\n"
        async with serving(keeping(raw.encode())) as partner:
            answer = await http.send(call(partner.url(), "GET"))
    assert isinstance(answer, Answer)
    assert answer.http_status == status
    assert elsewhere.connections == 0


async def test_informational_answers_are_skipped() -> None:
    raw = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: <a>\r\n\r\n" + OK
    async with serving(keeping(raw)) as partner, client() as http:
        assert isinstance(await http.send(call(partner.url())), Answer)


async def test_answer_without_length_ends_with_the_connection() -> None:
    async with serving(answering(b"HTTP/1.1 200 OK\r\n\r\nall of it")) as partner, client() as http:
        answer = await http.send(call(partner.url()))
    assert isinstance(answer, Answer)
    assert answer.body == b"all of it"


async def test_early_answer_to_a_body_that_is_not_read_is_returned() -> None:
    async def handler(
        partner: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        partner.requests.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
        await asyncio.Event().wait()

    async with serving(handler) as partner, client() as http:
        answer = await http.send(call(partner.url(), body=bytes(20_000_000)))
        assert isinstance(answer, Answer)
        assert answer.http_status == 413
        # The connection still has half a request in it: the next one must not use it.
        await http.send(call(partner.url()))
    assert partner.connections == 2


async def test_cookies_are_not_kept_and_proxies_of_the_environment_not_used(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    raw = OK.replace(b"\r\n", b"\r\nSet-Cookie: session=1; Path=/\r\n", 1)
    async with serving(keeping(raw)) as partner, client() as http:
        for _ in range(2):
            assert isinstance(await http.send(call(partner.url())), Answer)
    assert not any(b"cookie" in request.lower() for request in partner.requests)


@pytest.mark.parametrize(
    "request_",
    [
        call("http://127.0.0.1/", headers={"X-Id": "a\r\nX-Evil: 1"}),
        call("http://127.0.0.1/", headers={"X-Id\n": "a"}),
        call("http://127.0.0.1/", headers={"X-Id": "a\0"}),
        call("http://127.0.0.1/", "GET / HTTP/1.1\r\nX-Evil: 1\r\n\r\nGET"),
    ],
)
async def test_line_break_in_method_or_header_is_our_own_error(request_: OutboundRequest) -> None:
    async with client() as http:
        with pytest.raises(ValueError, match=r"line break|upper-case"):
            await http.send(request_)


# --- answers that are none ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "start",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Le",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
    ],
)
async def test_hanging_answer_ends_at_the_deadline_and_closes_the_connection(start: bytes) -> None:
    async with serving(sending_then_hanging(start)) as partner, client() as http:
        exchange = await http.send(call(partner.url(), deadline_s=SHORT_S))
        await partner.gone.wait()
    assert exchange == NoAnswer("no answer within 0.25 s")


async def test_slow_drip_ends_at_the_deadline() -> None:
    async def handler(
        partner: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        await partner.read(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
        while True:
            writer.write(b".")
            await writer.drain()
            await asyncio.sleep(0.01)

    async with serving(handler) as partner, client() as http:
        exchange = await http.send(call(partner.url(), deadline_s=SHORT_S))
        await partner.gone.wait()
    assert exchange == NoAnswer("no answer within 0.25 s")


@pytest.mark.parametrize("head", [b"Content-Length: 50000000", b"X-Length: unknown"])
async def test_large_answer_is_cut_off_and_the_connection_closed(head: bytes) -> None:
    sent = 0

    async def handler(
        partner: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        nonlocal sent
        await partner.read(reader)
        writer.write(b"HTTP/1.1 200 OK\r\n" + head + b"\r\n\r\n")
        while sent < 50_000_000:
            writer.write(bytes(100_000))
            sent += 100_000
            await writer.drain()

    async with serving(handler) as partner, client(max_answer_bytes=1_000_000) as http:
        exchange = await http.send(call(partner.url()))
        await partner.gone.wait()
    assert exchange == NoAnswer("answer larger than 1000000 bytes")
    assert sent < 50_000_000


@pytest.mark.parametrize("start", [b"0\r\nX: ", b"1;x="], ids=["trailer", "chunk extension"])
async def test_what_never_ends_behind_a_body_is_cut_off(start: bytes) -> None:
    sent = 0

    async def handler(
        partner: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        nonlocal sent
        await partner.read(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n" + start)
        while sent < 10_000_000 and not writer.is_closing():
            writer.write(b"a" * 10_000)
            sent += 10_000
            await writer.drain()

    async with serving(handler) as partner, client() as http:
        exchange = await http.send(call(partner.url(), deadline_s=5.0))
        await partner.gone.wait()
    assert reason(exchange) == "the answer is not valid HTTP, or its header is too large"


async def test_a_body_in_tiny_chunks_takes_no_more_room_than_in_one_piece() -> None:
    chunks = b"2\r\n[]\r\n" * 100_000
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    async with serving(keeping(head + chunks + b"0\r\n\r\n")) as partner, client() as http:
        tracemalloc.start()
        try:
            answer = await http.send(call(partner.url()))
            _, most = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert isinstance(answer, Answer)
    assert answer.body == b"[]" * 100_000
    assert most < 4_500_000


def compressed(body: bytes, encoding: str) -> bytes:
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: {encoding}\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


@pytest.mark.parametrize(
    ("body", "encoding"),
    [
        (gzip.compress(b"[1]"), "gzip"),
        (gzip.compress(b"[1]"), "X-GZIP"),
        (zlib.compress(b"[1]"), "deflate"),
    ],
    ids=["gzip", "x-gzip", "deflate"],
)
async def test_answer_compressed_unasked_is_read_all_the_same(body: bytes, encoding: str) -> None:
    async with serving(keeping(compressed(body, encoding))) as partner, client() as http:
        answer = await http.send(call(partner.url(), "GET"))
    assert isinstance(answer, Answer)
    assert answer.body == b"[1]"
    assert "content-encoding" not in answer.headers


async def test_only_lists_are_answered_at_length() -> None:
    """What a partner says to a push or a question holds one object: more is not even parsed."""
    long = b"HTTP/1.1 200 OK\r\nContent-Length: 2000\r\n\r\n" + bytes(2000)
    async with serving(keeping(long)) as partner, client(max_object_bytes=1024) as http:
        pushed = await http.send(call(partner.url(), "PUT"))
        listed = await http.send(call(partner.url(), "GET"))
    assert pushed == NoAnswer("answer larger than 1024 bytes")
    assert isinstance(listed, Answer)
    assert len(listed.body) == 2000


async def test_decompression_bomb_is_cut_off() -> None:
    bomb = compressed(gzip.compress(bytes(50_000_000)), "gzip")
    assert len(bomb) < 100_000
    async with serving(keeping(bomb)) as partner, client(max_answer_bytes=100_000) as http:
        exchange = await http.send(call(partner.url()))
    assert exchange == NoAnswer("answer larger than 100000 bytes")


@pytest.mark.parametrize(
    ("body", "encoding", "words"),
    [
        (b"not gzip", "gzip", "cannot be decompressed"),
        (gzip.compress(bytes(1000))[:-6], "gzip", "cannot be decompressed"),
        (gzip.compress(b"[1]") + b"tail", "gzip", "cannot be decompressed"),
        (b"", "br", "not asked for"),
        (b"x", "gzip, gzip", "not asked for"),
    ],
    ids=["no gzip", "cut short", "with a tail", "brotli", "twice"],
)
async def test_answer_in_an_unusable_encoding_is_no_answer(
    body: bytes, encoding: str, words: str
) -> None:
    async with serving(keeping(compressed(body, encoding))) as partner, client() as http:
        exchange = await http.send(call(partner.url()))
    assert isinstance(exchange, NoAnswer)
    assert words in exchange.reason


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"\x16\x03\x01 what is this\r\n\r\n", "not valid HTTP"),
        (b"HTTP/1.1 abc OK\r\n\r\n", "not valid HTTP"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n", "not valid HTTP"),
        (b"HTTP/1.1 200 OK\r\nX-Long: " + b"a" * 200_000 + b"\r\n\r\n", "not valid HTTP"),
        (b"HTTP/1.1 200 OK\r\n" + b"X-Many: 1\r\n" * 5000 + b"\r\n", "not valid HTTP"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "not valid HTTP"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf", "broke off"),
        (b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", "HTTP status 101"),
        (b"HTTP/1.1 999 Odd\r\nContent-Length: 0\r\n\r\n", "HTTP status 999"),
        (b"", "connection was lost"),
        (b"HTTP/1.1 200", "connection was lost"),
    ],
    ids=[
        "no status line",
        "no status",
        "negative length",
        "long header",
        "many headers",
        "broken chunk",
        "half a body",
        "protocol switch",
        "odd status",
        "nothing",
        "half a line",
    ],
)
async def test_broken_answer_is_no_answer(raw: bytes, words: str) -> None:
    async with serving(answering(raw)) as partner, client() as http:
        exchange = await http.send(call(partner.url()))
    assert isinstance(exchange, NoAnswer)
    assert words in exchange.reason


async def test_reset_instead_of_an_answer_is_no_answer() -> None:
    async def handler(
        partner: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        await partner.read(reader)
        connection: socket.socket = writer.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    async with serving(handler) as partner, client() as http:
        exchange = await http.send(call(partner.url()))
    assert exchange == NoAnswer("the connection was lost before the answer")
    assert len(partner.requests) == 1


# --- kept connections ---------------------------------------------------------------------------


async def test_connection_is_kept_for_the_next_call() -> None:
    async with serving(keeping()) as partner, client() as http:
        for _ in range(3):
            assert isinstance(await http.send(call(partner.url())), Answer)
    assert (partner.connections, len(partner.requests)) == (1, 3)


async def test_connection_closed_while_idle_is_replaced() -> None:
    async def handler(
        partner: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        await partner.read(reader)
        writer.write(OK)
        await closing.wait()
        writer.close()
        await writer.wait_closed()
        closed.set()

    closing, closed = asyncio.Event(), asyncio.Event()
    async with serving(handler) as partner, client() as http:
        assert isinstance(await http.send(call(partner.url())), Answer)
        closing.set()
        await closed.wait()
        assert isinstance(await http.send(call(partner.url())), Answer)
    assert (partner.connections, len(partner.requests)) == (2, 2)


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
async def test_change_on_a_kept_connection_that_breaks_is_not_sent_again(method: str) -> None:
    async def handler(
        partner: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        await partner.read(reader)
        writer.write(OK)
        await partner.read(reader)

    async with serving(handler) as partner, client() as http:
        assert isinstance(await http.send(call(partner.url(), method)), Answer)
        exchange = await http.send(call(partner.url(), method))
        assert exchange == NoAnswer("the connection was lost before the answer")
        # The next call works, and is the first that needs a second connection.
        assert partner.connections == 1
        assert isinstance(await http.send(call(partner.url(), method)), Answer)
    assert (partner.connections, len(partner.requests)) == (2, 3)


async def test_get_on_a_kept_connection_that_breaks_is_sent_once_more() -> None:
    async with serving(answering(OK, b"")) as partner, client() as http:
        for _ in range(2):
            assert isinstance(await http.send(call(partner.url(), "GET")), Answer)
    assert (partner.connections, len(partner.requests)) == (2, 3)


@pytest.mark.parametrize("method", ["GET", "PUT"])
async def test_nothing_is_sent_again_over_a_new_connection_that_breaks(method: str) -> None:
    async with serving(answering(b"")) as partner, client() as http:
        assert isinstance(await http.send(call(partner.url(), method)), NoAnswer)
    assert (partner.connections, len(partner.requests)) == (1, 1)


# --- connecting ---------------------------------------------------------------------------------


async def test_refused_connection_is_unreachable() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        async with client() as http:
            exchange = await http.send(call(f"http://127.0.0.1:{port}/"))
    assert exchange == Unreachable("connection refused")


def names(**addresses: Sequence[str]) -> Lookup:
    async def lookup(host: str) -> Sequence[str]:
        found = addresses.get(host.partition(".")[0])
        if found is None:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return found

    return lookup


async def test_name_is_connected_to_its_checked_address_under_its_own_name() -> None:
    async with serving(keeping()) as partner, client(lookup=names(cpo=["127.0.0.1"])) as http:
        answer = await http.send(call(partner.url(host="cpo.example.com")))
    assert isinstance(answer, Answer)
    assert f"Host: cpo.example.com:{partner.port}".encode() in partner.requests[0]


async def test_unknown_name_is_unreachable() -> None:
    async with client(lookup=names()) as http:
        exchange = await http.send(call("http://cpo.example.com/"))
    assert exchange == Unreachable("the host name cannot be resolved")


async def test_name_of_a_forbidden_address_is_unreachable_and_the_address_not_told() -> None:
    lookup = names(cpo=["127.0.0.1"])
    async with serving(keeping()) as partner, client(lookup=lookup, allow_networks=()) as http:
        exchange = await http.send(call(partner.url(host="cpo.example.com")))
    assert exchange == Unreachable("the URL's host does not resolve to a public address")
    assert partner.connections == 0


async def test_name_that_changes_its_address_after_the_check_gains_nothing() -> None:
    answers = iter((["127.0.0.1"], ["127.0.0.2"]))

    async def lookup(_host: str) -> Sequence[str]:
        return next(answers)

    async with (
        serving(keeping()) as partner,
        client(lookup=lookup, allow_networks=("127.0.0.1/32",)) as http,
    ):
        answer = await http.send(call(partner.url(host="rebinding.example.com")))
        assert isinstance(answer, Answer)
    # One look-up was made; its result is where the connection went.
    assert next(answers) == ["127.0.0.2"]


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1", "2130706433", "[::ffff:127.0.0.1]"])
async def test_forbidden_address_in_the_url_is_unreachable_in_every_spelling(host: str) -> None:
    async with serving(keeping()) as partner, client(allow_networks=()) as http:
        exchange = await http.send(call(partner.url(host=host)))
    assert isinstance(exchange, Unreachable)
    assert partner.connections == 0


async def test_http_url_is_unreachable_where_https_is_required() -> None:
    async with serving(keeping()) as partner, client(allow_http=False) as http:
        exchange = await http.send(call(partner.url()))
    assert exchange == Unreachable("the URL must start with https://")
    assert partner.connections == 0


async def test_ipv6_address_is_connected_to() -> None:
    try:
        async with serving(keeping(), host="::1") as partner, client() as http:
            answer = await http.send(call(partner.url(host="[::1]")))
    except OSError:
        pytest.skip("no IPv6 on this machine")
    assert isinstance(answer, Answer)
    assert f"Host: [::1]:{partner.port}".encode() in partner.requests[0]


async def test_second_address_is_tried_when_the_first_refuses() -> None:
    lookup = names(cpo=["127.0.0.2", "127.0.0.1"])
    async with serving(keeping()) as partner, client(lookup=lookup) as http:
        assert isinstance(await http.send(call(partner.url(host="cpo.example.com"))), Answer)


@pytest.mark.parametrize(
    ("connect_timeout_s", "deadline_s"), [(SHORT_S, LONG_S), (LONG_S, SHORT_S)]
)
async def test_name_server_that_hangs_makes_unreachable(
    connect_timeout_s: float, deadline_s: float
) -> None:
    async def lookup(_host: str) -> Sequence[str]:
        await asyncio.Event().wait()
        return ()

    async with client(lookup=lookup, connect_timeout_s=connect_timeout_s) as http:
        exchange = await http.send(call("http://cpo.example.com/", deadline_s=deadline_s))
    assert exchange == Unreachable("no connection within 0.25 s")


async def test_no_time_left_is_unreachable() -> None:
    async with serving(keeping()) as partner, client() as http:
        exchange = await http.send(call(partner.url(), deadline_s=0))
    assert isinstance(exchange, Unreachable)
    assert partner.requests == []


async def test_log_of_a_failure_names_receiver_and_reason_but_no_url() -> None:
    with capture_logs() as logged:
        async with serving(answering(b"")) as partner, client() as http:
            await http.send(call(partner.url("/tokens/DEADBEEF/authorize")))
            await http.send(call("http://10.0.0.1/tokens/DEADBEEF/authorize"))
    failed, forbidden = logged
    assert failed["event"] == "partner_call_failed"
    assert (failed["receiver"], failed["outcome"]) == ("p-1", "NoAnswer")
    assert forbidden["event"] == "outbound_url_forbidden"
    assert "allow_networks" in forbidden["remedy"]
    assert "DEADBEEF" not in str(logged)


async def test_name_server_is_asked_once_for_calls_that_wait_together() -> None:
    asked: list[str] = []
    answer = asyncio.Event()

    async def lookup(host: str) -> Sequence[str]:
        asked.append(host)
        await answer.wait()
        return ["127.0.0.1"]

    async with serving(keeping()) as partner, client(lookup=lookup) as http:
        url = partner.url(host="cpo.example.com")
        impatient = await http.send(call(url, deadline_s=SHORT_S))
        waiting = [asyncio.ensure_future(http.send(call(url))) for _ in range(3)]
        answer.set()
        answers = await asyncio.gather(*waiting)
    assert isinstance(impatient, Unreachable)
    assert all(isinstance(exchange, Answer) for exchange in answers)
    assert asked == ["cpo.example.com"]


# --- limits per receiver ------------------------------------------------------------------------


async def test_requests_in_flight_to_one_receiver_are_limited_and_others_unaffected() -> None:
    async with (
        serving(sending_then_hanging(b"")) as hanging,
        serving(keeping()) as healthy,
        client(max_in_flight_per_receiver=2) as http,
    ):
        stuck = [
            asyncio.ensure_future(http.send(call(hanging.url(), key="slow"))) for _ in range(2)
        ]
        await eventually(lambda: len(hanging.requests) == 2)
        waiting = await http.send(call(hanging.url(), key="slow", deadline_s=SHORT_S))
        other = await http.send(call(healthy.url(), key="fast"))
        for task in stuck:
            task.cancel()
        await asyncio.gather(*stuck, return_exceptions=True)
    assert isinstance(waiting, Busy)
    assert waiting.reason.startswith("too many requests in flight")
    assert isinstance(other, Answer)
    assert len(hanging.requests) == 2


async def test_one_sender_with_many_slow_calls_leaves_room_for_others() -> None:
    async with (
        serving(sending_then_hanging(b"")) as hanging,
        client(max_in_flight_per_receiver=8) as http,
    ):
        request = call(hanging.url())
        greedy = [
            asyncio.ensure_future(http.send(replace(request, sender_key="p-greedy", urgent=True)))
            for _ in range(16)
        ]
        await eventually(lambda: len(hanging.requests) == 6)
        other = asyncio.ensure_future(
            http.send(replace(request, sender_key="p-other", urgent=True))
        )
        await eventually(lambda: len(hanging.requests) == 7)
        for task in (*greedy, other):
            task.cancel()
        await asyncio.gather(*greedy, other, return_exceptions=True)
        assert len(http._slots) == 0


async def test_cancelled_call_passes_cancellation_on_and_frees_its_slot() -> None:
    release = asyncio.Event()

    async def handler(
        partner: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        await partner.read(reader)
        if len(partner.requests) == 1:
            await reader.readexactly(1)
        writer.write(OK)
        await release.wait()

    async with serving(handler) as partner, client(max_in_flight_per_receiver=1) as http:
        first = asyncio.ensure_future(http.send(call(partner.url())))
        await eventually(lambda: len(partner.requests) == 1)
        second = asyncio.ensure_future(http.send(call(partner.url())))
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        assert isinstance(await second, Answer)
        await partner.gone.wait()
        assert len(http._slots) == 0


async def test_slots_are_given_in_order_and_forgotten_when_unused() -> None:
    slots = Slots(1)
    order: list[int] = []

    async def use(number: int) -> None:
        await slots.acquire("p-1", "A", urgent=False)
        order.append(number)
        await asyncio.sleep(0)
        slots.release("p-1", "A")

    await asyncio.gather(*(use(number) for number in range(5)))
    assert order == [0, 1, 2, 3, 4]
    assert len(slots) == 0


async def test_closing_the_client_ends_calls_that_still_run() -> None:
    async with serving(sending_then_hanging(b"")) as partner, client() as http:
        running = asyncio.ensure_future(http.send(call(partner.url(), "GET")))
        await eventually(lambda: len(partner.requests) == 1)
        await http.close()
        assert isinstance(await running, NoAnswer)


# --- TLS ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Pki:
    ca_file: Path
    server: ssl.SSLContext


@pytest.fixture
def pki(tmp_path: Path) -> Pki:
    authority = make_certificate("Test CA", None)
    ca_file, ca_key = write_pair(tmp_path, "ca", authority)
    ca_key.unlink()
    certificate, key = write_pair(
        tmp_path, "server", make_certificate("cpo.example.com", authority)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return Pki(ca_file, context)


CPO = names(cpo=["127.0.0.1"], other=["127.0.0.1"])


async def test_tls_with_an_extra_authority_works_and_connections_are_kept(pki: Pki) -> None:
    async with (
        serving(keeping(), context=pki.server) as partner,
        client(lookup=CPO, extra_ca_file=str(pki.ca_file), allow_http=False) as http,
    ):
        for _ in range(2):
            url = partner.url(host="cpo.example.com", scheme="https")
            assert isinstance(await http.send(call(url)), Answer)
    assert partner.connections == 1


async def test_certificate_of_an_unknown_authority_is_unreachable(pki: Pki) -> None:
    async with serving(keeping(), context=pki.server) as partner, client(lookup=CPO) as http:
        exchange = await http.send(call(partner.url(host="cpo.example.com", scheme="https")))
    assert isinstance(exchange, Unreachable)
    assert exchange.reason == "TLS: unable to get local issuer certificate"
    assert partner.requests == []


async def test_certificate_of_another_name_is_unreachable(pki: Pki) -> None:
    async with (
        serving(keeping(), context=pki.server) as partner,
        client(lookup=CPO, extra_ca_file=str(pki.ca_file)) as http,
    ):
        exchange = await http.send(call(partner.url(host="other.example.com", scheme="https")))
    assert isinstance(exchange, Unreachable)
    assert "not valid for 'other.example.com'" in exchange.reason
    assert partner.requests == []


async def test_plain_http_behind_an_https_url_is_unreachable() -> None:
    async with serving(answering(OK)) as partner, client() as http:
        # The server answers what it takes for a request line once it has seen an empty line.
        exchange = await http.send(call(partner.url(scheme="https"), deadline_s=SHORT_S))
    assert isinstance(exchange, Unreachable)


async def test_reset_during_the_handshake_is_unreachable() -> None:
    async def handler(
        _partner: Server, reader: asyncio.StreamReader, _writer: asyncio.StreamWriter
    ) -> None:
        await reader.readexactly(1)

    async with serving(handler) as partner, client() as http:
        exchange = await http.send(call(partner.url(scheme="https")))
    assert isinstance(exchange, Unreachable)


async def test_handshake_that_hangs_is_unreachable() -> None:
    async def handler(
        _partner: Server, reader: asyncio.StreamReader, _writer: asyncio.StreamWriter
    ) -> None:
        while await reader.read(1000):
            pass

    async with serving(handler) as partner, client(connect_timeout_s=SHORT_S) as http:
        exchange = await http.send(call(partner.url(scheme="https")))
    assert exchange == Unreachable("no connection within 0.25 s")


async def test_client_certificate_is_presented_to_a_partner_that_asks(
    pki: Pki, tmp_path: Path
) -> None:
    ours = make_certificate("hub.example.com", None)
    certificate, key = write_pair(tmp_path, "hub", ours)
    pki.server.load_verify_locations(certificate)
    pki.server.verify_mode = ssl.CERT_REQUIRED
    async with (
        serving(keeping(), context=pki.server) as partner,
        client(
            lookup=CPO,
            extra_ca_file=str(pki.ca_file),
            client_certificate_file=str(certificate),
            client_certificate_key_file=str(key),
        ) as http,
    ):
        exchange = await http.send(call(partner.url(host="cpo.example.com", scheme="https")))
    assert isinstance(exchange, Answer)


@pytest.mark.parametrize("content", [None, "no certificate"])
async def test_unusable_authority_file_stops_the_start(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_text(content)
    http = HttpClient(Settings(extra_ca_file=str(path)), clock=SystemClock())
    with pytest.raises(ConfigError, match="extra_ca_file"):
        await http.start()
    await http.close()
