"""The response envelope. Spec: 2.2.1 transport_and_format_response_format."""

from __future__ import annotations

import functools
import json
import time
from datetime import UTC, datetime

import pydantic_core

from ocpi_hub.domain.value import value

_ENCODER = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def timestamp(now: datetime | None = None) -> str:
    """An OCPI DateTime: UTC, milliseconds, `Z`."""
    if now is not None:
        return now.astimezone(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"
    second, nanos = divmod(time.time_ns(), 1_000_000_000)
    return f"{_second(second)}.{nanos // 1_000_000:03}Z"


@functools.lru_cache(maxsize=2)
def _second(since_epoch: int) -> str:
    """Thousands of answers fall into one."""
    return datetime.fromtimestamp(since_epoch, UTC).isoformat().removesuffix("+00:00")


def envelope(
    data: bytes | None = None,
    *,
    status_code: int = 1000,
    message: str | None = None,
    now: datetime | None = None,
) -> bytes:
    """An envelope around JSON text that is already encoded.

    Args:
        data: the JSON text of `data`, placed untouched; None leaves the field out.
    """
    parts = [b"{"]
    if data is not None:
        parts += [b'"data":', data, b","]
    parts.append(b'"status_code":%d,' % status_code)
    if message is not None:
        parts += [b'"status_message":', json.dumps(message).encode(), b","]
    parts += [b'"timestamp":"', timestamp(now).encode(), b'"}']
    return b"".join(parts)


def dump(value: object) -> bytes:
    """Compact JSON of plain values; `json_text.dump` also takes decimals and times.

    Raises:
        ValueError: a number that is not finite.
    """
    return _ENCODER.encode(value).encode()


@value
class Envelope:
    """A partner's envelope as far as the hub reads it.

    Attributes:
        data: the parsed `data` (numbers as int or float: never passed on), None when absent.
    """

    status_code: int
    status_message: str | None
    data: object


def parse_envelope(body: bytes) -> Envelope | None:
    """The envelope of an answer; None when the bytes are not one."""
    try:
        value = pydantic_core.from_json(body)
    except ValueError:
        return None
    if not isinstance(value, dict):
        return None
    code = value.get("status_code")
    if not isinstance(code, int) or isinstance(code, bool) or not 1000 <= code <= 9999:
        return None
    message = value.get("status_message")
    return Envelope(code, message if isinstance(message, str) else None, value.get("data"))
