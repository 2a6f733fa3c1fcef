"""What is remembered of requests, because it comes again and again, takes little memory whatever
partners send."""

from __future__ import annotations

import base64
import tracemalloc
from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from ocpi_hub.delivery.message_privacy import MAX_PATH, recorded_target
from ocpi_hub.domain.exchange import LegInfo, LegKind
from ocpi_hub.domain.message import MessageIds
from ocpi_hub.server.http import MAX_HEADER_BYTES
from ocpi_hub.server.inbound import Authenticator, read_target
from ocpi_hub.store.secret_key import Keyring
from tests.support.factories import make_directory

LONG = MAX_HEADER_BYTES - 1000
TIMES = 60
MOST_BYTES = TIMES * 1000

ABOUT = LegInfo(LegKind.INBOUND, None, None, None, "other", None, MessageIds("r", "c"))


def _query(number: int) -> None:
    read_target(f"/ocpi/versions?x={number:0{LONG}}")


def _path(number: int) -> None:
    recorded_target(ABOUT, "/a" * (LONG // 2) + f"/{number}", lambda _: "m")


def _query_of_record(number: int) -> None:
    recorded_target(ABOUT, f"/a?x={number:0{LONG}}", lambda _: "m")


def _mac(number: int, keyring: Keyring = Keyring(b"k" * 32)) -> None:  # noqa: B008 - one for all
    keyring.mac("page link", f"{number:0{LONG}}")


@pytest.mark.parametrize("use", [_query, _path, _query_of_record, _mac])
def test_long_ones_are_not_remembered(use: Callable[[int], None]) -> None:
    assert _kept_by(use) < MOST_BYTES


def test_of_a_path_only_what_is_recorded_is_masked() -> None:
    masked: list[str] = []

    def mask(text: str) -> str:
        masked.append(text)
        return "m"

    path = "/" + "/".join(str(number) for number in range(3000))
    recorded, secrets = recorded_target(ABOUT, path, mask)
    assert recorded == ("/~m" * 3000)[:MAX_PATH]
    assert len(masked) == len(secrets) <= MAX_PATH


async def test_long_credentials_are_not_remembered() -> None:
    async def unknown(_: object) -> None:
        return None

    authenticator = Authenticator(make_directory, unknown, lambda: datetime.now(UTC))

    async def use(number: int) -> None:
        token = base64.b64encode(f"{number:0{LONG // 2}}".encode()).decode()
        with pytest.raises(Exception, match="credentials"):
            await authenticator.caller(f"Token {token}")

    tracemalloc.start()
    try:
        await use(0)
        before = tracemalloc.get_traced_memory()[0]
        for number in range(1, TIMES + 1):
            await use(number)
        assert tracemalloc.get_traced_memory()[0] - before < MOST_BYTES
    finally:
        tracemalloc.stop()


def _kept_by(use: Callable[[int], None]) -> int:
    tracemalloc.start()
    try:
        use(0)
        before = tracemalloc.get_traced_memory()[0]
        for number in range(1, TIMES + 1):
            use(number)
        return tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
