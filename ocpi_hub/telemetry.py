"""Logging: one line per event on stderr, JSON for machines or text for people, secrets masked.

Everything passes the same processors, also what libraries write through `logging`. A log call
never fails its caller: what cannot be rendered is replaced by a line that says so.
"""

from __future__ import annotations

import asyncio
import enum
import functools
import json
import logging
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextvars import ContextVar
from datetime import UTC, datetime
from types import MappingProxyType
from typing import cast

import pydantic_core
import structlog
from structlog.tracebacks import ExceptionDictTransformer
from structlog.typing import EventDict, FilteringBoundLogger, Processor, WrappedLogger

from ocpi_hub.settings import Settings

MASK = "***"

_BOUND: ContextVar[Mapping[str, str]] = ContextVar("bound", default=MappingProxyType({}))

MAX_DEPTH = 8
"""Levels of nested values that are written; a structured traceback needs six."""

WHOLE_BYTES = 4096
"""What a pipe takes in one piece; into more, other processes may write."""

_SECRET_NAMES = frozenset(
    {"authorization", "dsn", "password", "passwd", "secret", "token", "tokens", "uid", "uids"}
)
_SECRET_KEYS = frozenset({"api_key", "database_url", "secret_key", "old_secret_keys", "cookie"})
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
_JSON = json.JSONEncoder()
_SECRET_TEXT = re.compile(
    r"(?P<scheme>\b(?:Token|Bearer|Basic)\s+)[A-Za-z0-9+/=._~-]{8,}"
    r"|(?P<userinfo>://[^\s/:@]*):[^\s/@]*@",
    re.IGNORECASE,
)


def configure_logging(settings: Settings) -> None:
    """Set structlog and `logging` up for this process."""
    level = logging.getLevelNamesMapping()[settings.log_level.upper()]
    processors = _processors(human=_is_human(settings))
    structlog.configure(
        processors=[_with_bound, *processors],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=_StderrLogger,
        cache_logger_on_first_use=True,
    )
    handler = _StderrHandler()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[_with_bound],
            processors=[
                # The logger's name and level come from the record; redact must not render it.
                *processors[:3],
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *processors[3:],
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)


def get_logger(name: str) -> FilteringBoundLogger:
    """A logger whose lines carry `name`; it follows `configure_logging` even if made before."""
    return cast(FilteringBoundLogger, structlog.get_logger(name))


def bind(fields: Mapping[str, str]) -> None:
    """Have every line of this task, and of those it makes, carry these fields and no others.

    What is added to the mapping later is carried too.
    """
    _BOUND.set(fields)


def _with_bound(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    return {**_BOUND.get(), **event}


class RequestLog:
    """A line that many requests leave.

    Its fields are the hub's own words, so there is nothing to look for and mask, and it passes none
    of the processors: as many lines as this one are not written all together.

    Lines of requests that end in one turn of the event loop leave in one write.

    Args:
        event: of every line.
    """

    def __init__(self, settings: Settings, name: str, event: str) -> None:
        self._logger = get_logger(name)
        self._event = event
        self._plain = not _is_human(settings)
        self._written = logging.getLevelNamesMapping()[settings.log_level.upper()] <= logging.INFO
        fixed = {"event": event, "logger": name, "level": "info"}
        self._fixed = _JSON.encode(fixed).removesuffix("}")
        self._lines: list[str] = []

    def line(self, now: datetime, **fields: str | float | None) -> None:
        """One request; what is bound to the context is left out: whoever calls knows it.

        Raises:
            RuntimeError: no event loop runs.
        """
        if not self._written:
            return
        if not self._plain:
            self._logger.info(self._event, **fields)
            return
        rest = _plain_json(fields)[1:-1]
        moment = f"{_second(int(now.timestamp()))}.{now.microsecond:06}"
        if not self._lines:
            asyncio.get_running_loop().call_soon(self._flush)
        self._lines.append(f'{self._fixed}, {rest}, "timestamp": "{moment}Z"}}')

    def _flush(self) -> None:
        lines, self._lines = self._lines, []
        for some in _together(lines):
            _write(some)


@functools.lru_cache(maxsize=2)
def _second(since_epoch: int) -> str:
    """Thousands of lines fall into one."""
    return datetime.fromtimestamp(since_epoch, UTC).isoformat().removesuffix("+00:00")


def _together(lines: Sequence[str]) -> Iterator[str]:
    """Lines of ASCII joined as far as one write takes them whole."""
    first = size = 0
    for number, line in enumerate(lines):
        size += len(line) + 1
        if size > WHOLE_BYTES and number > first:
            yield "\n".join(lines[first:number])
            first, size = number, len(line) + 1
    yield "\n".join(lines[first:])


def _plain_json(fields: Mapping[str, str | float | None]) -> str:
    """JSON in ASCII. The quick way leaves other characters as they are, or fails at them."""
    try:
        quick = pydantic_core.to_json(fields).decode()
    except pydantic_core.PydanticSerializationError:
        quick = ""
    return quick if quick and quick.isascii() else _JSON.encode(fields)


def _is_human(settings: Settings) -> bool:
    if settings.log_format == "auto":
        return sys.stderr.isatty()
    return settings.log_format == "human"


def _processors(*, human: bool) -> list[Processor]:
    """From the event's fields to its line; the last one renders."""
    tracebacks: Processor = structlog.processors.format_exc_info
    render: Processor = structlog.dev.ConsoleRenderer(
        colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
    )
    if not human:
        # Local variables would put bodies and tokens into the log.
        tracebacks = structlog.processors.ExceptionRenderer(
            ExceptionDictTransformer(show_locals=False)
        )
        render = _render_json
    return [
        structlog.stdlib.add_logger_name,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
        tracebacks,
        redact,
        *([_harmless] if human else []),
        _Safely(render),
    ]


def _harmless(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Texts that move no terminal: partners make some of them up. JSON escapes them by itself."""
    return {
        key: _CONTROL.sub("?", value) if isinstance(value, str) else value
        for key, value in event.items()
    }


def _render_json(_logger: WrappedLogger, _method: str, event: EventDict) -> str:
    """`redact` leaves plain values only."""
    return _JSON.encode(event)


class _Safely:
    """Renders; what cannot be rendered leaves as a line that names the event."""

    def __init__(self, render: Processor) -> None:
        self._render = render

    def __call__(self, logger: WrappedLogger, method: str, event: EventDict) -> str:
        try:
            return str(self._render(logger, method, event))
        except Exception as error:  # noqa: BLE001 - a log line must not fail its caller
            return _lost(str(event.get("event")), error)


def _lost(what: str, error: Exception) -> str:
    return json.dumps({"event": "log_line_lost", "lost": what[:200], "cause": type(error).__name__})


def redact(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Mask secrets and personal data, by the name of the field and by the type of the value."""
    try:
        return {key: _redacted(key, value, 0) for key, value in event.items()}
    except Exception as error:  # noqa: BLE001 - a log line must not fail its caller
        return {
            "event": str(event.get("event")),
            "level": event.get("level"),
            "fields_lost": type(error).__name__,
        }


def _redacted(key: object, value: object, depth: int) -> object:
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(key, str) and _is_secret(key):
        return MASK
    if isinstance(value, str):
        return _text(value)
    if depth >= MAX_DEPTH:
        return "..."
    if isinstance(value, Mapping):
        return {str(name): _redacted(name, inner, depth + 1) for name, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_redacted(None, inner, depth + 1) for inner in value]
    if isinstance(value, BaseException):
        return _masked(f"{type(value).__name__}: {value}")
    return _masked(repr(value))


@functools.lru_cache(maxsize=1024)
def _is_secret(key: str) -> bool:
    name = key.lower().replace("-", "_")
    return name in _SECRET_KEYS or name.rpartition("_")[2] in _SECRET_NAMES


def _text(value: str) -> str:
    # A text with a repr of its own hides what it holds, as credentials tokens do.
    if type(value) is not str and not isinstance(value, enum.Enum):
        return MASK if type(value).__repr__ is not str.__repr__ else _masked(str(value))
    return _masked(str(value))


def _masked(text: str) -> str:
    # Most texts are words: every request is logged, and the search costs more than these two.
    if " " not in text and "://" not in text and text.isprintable():
        return text
    return _SECRET_TEXT.sub(
        lambda match: (
            f"{match['scheme']}{MASK}" if match["scheme"] else f"{match['userinfo']}:{MASK}@"
        ),
        text,
    )


def _write(line: str) -> None:
    # A partner's bytes may have become lone surrogates, which a stream need not accept.
    text = line if line.isascii() else line.encode("utf-8", "backslashreplace").decode()
    try:
        sys.stderr.write(f"{text}\n")
        sys.stderr.flush()
    except (OSError, ValueError, AttributeError):
        # A closed or missing stderr leaves nobody to tell.
        return


class _StderrLogger:
    """Writes to what `sys.stderr` is at that moment, so that it outlives a replaced stream."""

    def __init__(self, name: str = "ocpi_hub") -> None:
        self.name = name

    def msg(self, line: str) -> None:
        _write(line)

    debug = info = warning = error = critical = log = fatal = exception = msg


class _StderrHandler(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        try:
            line = self.format(record)
        except Exception as error:  # noqa: BLE001 - a log line must not fail its caller
            line = _lost(f"{record.name} {record.pathname}:{record.lineno}", error)
        _write(line)
