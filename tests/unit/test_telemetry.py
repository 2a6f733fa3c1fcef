"""Log lines: their shape, what they hide, and that they never fail their caller."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from ocpi_hub.domain.party import CredentialsToken, Role
from ocpi_hub.settings import Settings
from ocpi_hub.telemetry import MASK, RequestLog, bind, configure_logging, get_logger, redact
from tests.support.thorough import rounds

pytestmark = pytest.mark.usefixtures("restored_logging")

TOKEN = "s3cretS3cret"


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    captured = capsys.readouterr()
    assert captured.out == ""
    return [json.loads(line) for line in captured.err.splitlines()]


def test_event_is_one_json_line_with_level_time_and_logger(
    capsys: pytest.CaptureFixture[str],
) -> None:
    configure_logging(Settings(log_format="json"))
    get_logger("ocpi_hub.x").info("message_delivered", receiver="NL*CPO", text="two\nlines")
    (line,) = lines(capsys)
    assert line.pop("timestamp")
    assert line == {
        "event": "message_delivered",
        "level": "info",
        "logger": "ocpi_hub.x",
        "receiver": "NL*CPO",
        "text": "two\nlines",
    }


def test_logger_made_before_the_set_up_follows_it(capsys: pytest.CaptureFixture[str]) -> None:
    log = get_logger("ocpi_hub.early")
    configure_logging(Settings(log_format="json"))
    log.warning("late")
    assert lines(capsys)[0]["logger"] == "ocpi_hub.early"


def test_level_of_the_settings_is_the_lowest_written(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(Settings(log_format="json", log_level="warning"))
    get_logger("ocpi_hub.x").info("quiet")
    logging.getLogger("library").info("quiet")
    get_logger("ocpi_hub.x").error("loud")
    logging.getLogger("library").error("loud")
    assert [line["event"] for line in lines(capsys)] == ["loud", "loud"]


async def test_ids_of_the_request_are_on_every_line_of_its_task(
    capsys: pytest.CaptureFixture[str],
) -> None:
    configure_logging(Settings(log_format="json"))

    async def request(number: int) -> None:
        bind({"request_id": f"r-{number}", "correlation_id": "c"})
        await asyncio.sleep(0)
        get_logger("ocpi_hub.x").info("ours")
        logging.getLogger("library").warning("theirs")

    async with asyncio.TaskGroup() as group:
        for number in range(2):
            group.create_task(request(number))
    written = lines(capsys)
    assert sorted((str(line["request_id"]), str(line["event"])) for line in written) == [
        ("r-0", "ours"),
        ("r-0", "theirs"),
        ("r-1", "ours"),
        ("r-1", "theirs"),
    ]
    assert {line["correlation_id"] for line in written} == {"c"}


def test_lines_of_libraries_pass_the_same_processors(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(Settings(log_format="json"))
    logging.getLogger("aiohttp.client").warning("sent %s", f"Authorization: Token {TOKEN}")
    (line,) = lines(capsys)
    assert line["event"] == f"sent Authorization: Token {MASK}"
    assert (line["logger"], line["level"]) == ("aiohttp.client", "warning")


@pytest.mark.parametrize(
    "fields",
    [
        {"token": TOKEN},
        {"our_token": TOKEN},
        {"Authorization": f"Token {TOKEN}"},
        {"password": TOKEN},
        {"client-secret": TOKEN},
        {"secret_key": TOKEN},
        {"database_url": f"postgresql://hub:{TOKEN}@db/hub"},
        {"dsn": TOKEN},
        {"uid": TOKEN},
        {"token_uid": TOKEN},
        {"token": {"nested": TOKEN}},
        {"value": CredentialsToken(TOKEN)},
        {"value": [CredentialsToken(TOKEN)]},
        {"value": {CredentialsToken(TOKEN)}},
        {"value": SecretStr(TOKEN)},
        {"value": {"headers": ({"authorization": TOKEN},)}},
        {"value": f"Authorization: Token {TOKEN}"},
        {"value": f"Bearer {TOKEN}"},
        {"value": f"cannot connect to postgresql://hub:{TOKEN}@db/hub"},
        {"value": ValueError(f"Token {TOKEN}")},
        {"value": TOKEN.encode(), "token": TOKEN.encode()} | {"value": b""},
    ],
    ids=repr,
)
@pytest.mark.parametrize("log_format", ["json", "human"])
def test_secret_is_masked(
    capsys: pytest.CaptureFixture[str], log_format: str, fields: dict[str, object]
) -> None:
    configure_logging(Settings.model_validate({"log_format": log_format}))
    get_logger("ocpi_hub.x").info("event", **fields)
    written = capsys.readouterr().err
    assert "event" in written
    assert TOKEN not in written


def test_harmless_values_keep_their_shape(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(Settings(log_format="json"))
    get_logger("ocpi_hub.x").info(
        "event", tokens=3, role=Role.CPO, legs=(1, 2.5), none=None, tokenizer="x", path=Path("a/b")
    )
    (line,) = lines(capsys)
    assert line["tokens"] == 3
    assert line["role"] == "CPO"
    assert line["legs"] == [1, 2.5]
    assert line["none"] is None
    assert line["tokenizer"] == "x"


@pytest.mark.parametrize("source", ["ours", "library"])
def test_traceback_is_a_field_without_local_variables(
    capsys: pytest.CaptureFixture[str], source: str
) -> None:
    configure_logging(Settings(log_format="json"))
    local = "visible" + "-local"
    try:
        raise ValueError(f"Token {TOKEN}")
    except ValueError:
        if source == "ours":
            get_logger("ocpi_hub.x").exception("failed")
        else:
            logging.getLogger("library").exception("failed")
    written = capsys.readouterr().err
    assert local not in written
    assert TOKEN not in written
    (line,) = [json.loads(text) for text in written.splitlines()]
    (trace,) = line["exception"]
    assert trace["exc_type"] == "ValueError"
    assert trace["frames"][-1]["name"] == "test_traceback_is_a_field_without_local_variables"


def test_exception_given_by_value_is_written(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(Settings(log_format="json"))
    get_logger("ocpi_hub.x").error("failed", exc_info=KeyError("gone"))
    (line,) = lines(capsys)
    assert "KeyError" in json.dumps(line["exception"])


class Unprintable:
    def __repr__(self) -> str:
        raise RuntimeError("no words")


@pytest.mark.parametrize("log_format", ["json", "human"])
def test_value_that_cannot_be_written_costs_its_fields_only(
    capsys: pytest.CaptureFixture[str], log_format: str
) -> None:
    configure_logging(Settings.model_validate({"log_format": log_format}))
    get_logger("ocpi_hub.x").info("event", value=Unprintable())
    loop: list[object] = []
    loop.append(loop)
    get_logger("ocpi_hub.x").info("circular", value=loop, surrogate="\udcff")
    logging.getLogger("library").warning("%s %s", "too few")
    written = capsys.readouterr().err
    assert "event" in written
    assert "circular" in written
    assert "log_line_lost" in written


@pytest.mark.parametrize("missing", [True, False])
def test_closed_or_missing_stderr_does_not_fail_the_caller(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], missing: bool
) -> None:
    configure_logging(Settings(log_format="json"))
    log = get_logger("ocpi_hub.x")
    closed = io.StringIO()
    closed.close()
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stderr", None if missing else closed)
        log.info("nobody listens")
    log.info("heard again")
    assert [line["event"] for line in lines(capsys)] == ["heard again"]


def test_human_format_is_text_with_its_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(Settings(log_format="human"))
    try:
        raise ValueError("why")
    except ValueError:
        get_logger("ocpi_hub.x").exception("failed", receiver="NL*CPO")
    written = capsys.readouterr().err
    assert "receiver=NL*CPO" in written
    assert "ValueError: why" in written
    assert not written.startswith("{")


DEEP = json.loads('[{"inner":' * 200 + "0" + "}]" * 200)


@settings(max_examples=rounds(50, 1000), deadline=None)
@example({"event": "deep", "value": DEEP})
@given(
    st.dictionaries(
        st.text(),
        st.recursive(
            st.none() | st.integers() | st.text() | st.binary(),
            lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
            max_leaves=rounds(5, 100),
        ),
    )
)
def test_masking_never_fails_and_never_adds_fields(fields: dict[str, object]) -> None:
    masked = redact(None, "info", fields)
    assert isinstance(masked, dict)
    assert masked.keys() == fields.keys()


async def test_a_requests_line_is_like_any_other(capsys: pytest.CaptureFixture[str]) -> None:
    configured = Settings(log_format="json", log_level="info")
    configure_logging(configured)
    moment = datetime(2026, 11, 22, 7, 42, 18, 5, tzinfo=UTC)
    fields: dict[str, str | float | None] = {
        "method": 'GET"\n\u2028\udcff',
        "ms": 1.5,
        "http_status": 200,
        "sender": None,
    }
    RequestLog(configured, "hub.server", "request_served").line(moment, **fields)
    await asyncio.sleep(0)
    get_logger("hub.server").info("request_served", **fields)
    quick, usual = (json.loads(line) for line in capsys.readouterr().err.splitlines())
    assert quick.pop("timestamp") == "2026-11-22T07:42:18.000005Z"
    del usual["timestamp"]
    assert quick == usual


async def test_a_requests_line_follows_level_and_format(capsys: pytest.CaptureFixture[str]) -> None:
    moment = datetime(2026, 11, 22, tzinfo=UTC)
    for level, fmt in (("warning", "json"), ("info", "human")):
        configured = Settings(log_format=fmt, log_level=level)
        configure_logging(configured)
        RequestLog(configured, "hub.server", "request_served").line(moment, method="GET")
    await asyncio.sleep(0)
    (line,) = capsys.readouterr().err.splitlines()
    assert "request_served" in line
    assert not line.startswith("{")


class _Writes:
    """A stream that keeps each write by itself."""

    def __init__(self) -> None:
        self.all: list[str] = []

    def write(self, text: str) -> None:
        self.all.append(text)

    def flush(self) -> None:
        return


async def test_lines_written_together_are_not_torn_by_those_of_other_processes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    configured = Settings(log_format="json", log_level="info")
    stream = _Writes()
    monkeypatch.setattr("sys.stderr", stream)
    requests = RequestLog(configured, "hub.server", "request_served")
    for number in range(100):
        requests.line(datetime(2026, 11, 22, tzinfo=UTC), number=number, id="x" * 200)
    await asyncio.sleep(0)
    # What a pipe takes at once; several processes write into one.
    assert all(len(each) <= 4096 and each.endswith("\n") for each in stream.all)
    written = [json.loads(line)["number"] for line in "".join(stream.all).splitlines()]
    assert written == list(range(100))
    assert len(stream.all) < 20


def test_text_of_a_partner_moves_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(Settings(log_format="human"))
    get_logger("ocpi_hub.x").warning("role_left_out", role="\x1b[2J\x9b2J\u202eTSOM", error="a\rb")
    line = capsys.readouterr().err
    assert "?[2J?2J?TSOM" in line
    assert not {"\x1b", "\x9b", "\r", "\u202e"} & set(line)
