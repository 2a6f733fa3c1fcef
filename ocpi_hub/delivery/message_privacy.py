"""What message records hide: token uids in paths and errors, personal values in bodies.

A path keeps only what is known to be harmless. Where a token's uid may stand, and in whatever the
hub does not know, segments become keyed hashes: equal uids stay equal, and nobody without the hub's
key can turn one back.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Sequence
from urllib.parse import quote, unquote

from ocpi_hub.domain.exchange import LegInfo
from ocpi_hub.domain.party import InterfaceRole, Module

Mask = Callable[[str], str]
"""Turns a token's uid into its keyed hash."""

MAX_PATH = 500
"""Characters of a recorded path."""
MOST_SEGMENTS = MAX_PATH // 2
"""More do not fit into a recorded path, and masking each of thousands takes its time."""

VERSIONS = "versions"
OTHER = "other"
"""Stands for a module that the hub does not know."""

MODULES = frozenset(module.value for module in Module)

_WITHOUT_BODIES = frozenset({Module.TOKENS.value, Module.CREDENTIALS.value, VERSIONS, OTHER})
_WITHOUT_DRIVERS = frozenset(
    {Module.LOCATIONS.value, Module.TARIFFS.value, Module.HUB_CLIENT_INFO.value}
)
"""Their objects know no driver; the `uid` of an EVSE is no secret."""

_WORDS = MODULES | {"ocpi", VERSIONS, "sender", "receiver"}
_ROLES = dict(InterfaceRole.__members__)
_PARTY = re.compile(r"[A-Za-z]{2}\*[A-Za-z0-9]{3}")
_PLAIN = re.compile(r"[A-Za-z0-9_.~-]*")
_PLAIN_PATH = re.compile(r"[A-Za-z0-9_.~/-]*")
_VERSION = re.compile(r"\d(\.\d){1,2}")
_COMMANDS = frozenset(
    {"CANCEL_RESERVATION", "RESERVE_NOW", "START_SESSION", "STOP_SESSION", "UNLOCK_CONNECTOR"}
)
_QUERY = {
    "date_from": re.compile(r"[0-9T:.+Z-]{1,40}"),
    "date_to": re.compile(r"[0-9T:.+Z-]{1,40}"),
    "offset": re.compile(r"\d{1,12}"),
    "limit": re.compile(r"\d{1,12}"),
    "type": re.compile(r"AD_HOC_USER|APP_USER|OTHER|RFID"),
}
_PERSONAL = (
    "uid",
    "contract_id",
    "visual_number",
    "group_id",
    "signed_data",
    # What was signed names the card that was read.
    "plain_data",
    "response_url",
    "token",
)
_MAY_BE_LARGER = frozenset({"signed_data", "token"})
"""Names that stand for something harmless elsewhere: a list or an object is shown, with what is
personal in it masked."""
_HIDDEN_NAME = re.compile(rb"\\u00[2-7]", re.IGNORECASE)


def recorded_target(about: LegInfo, url: str, mask: Mask) -> tuple[str, tuple[str, ...]]:
    """Path and query as they are recorded, and the segments that were masked.

    Args:
        url: of an outbound request, or the target of an inbound one.
    """
    whole, _, query = url.partition("#")[0].partition("?")
    known = _known_pieces if len(whole) <= MAX_PATH else _pieces
    pieces = known(about.module, about.interface_role, about.endpoint, whole)
    secrets = pieces[1::2]
    if secrets:
        shown = list(pieces)
        shown[1::2] = [f"~{mask(segment)}" for segment in secrets]
        recorded = "".join(shown)[:MAX_PATH]
    else:
        recorded = pieces[0][:MAX_PATH] or "/"
    return f"{recorded}{_query(query[:MAX_PATH])}" if query else recorded, secrets


def _pieces(
    module: str, role: InterfaceRole | None, endpoint: str | None, url: str
) -> tuple[str, ...]:
    """A path as it is shown, in pieces: every second is a segment to be masked."""
    path = _path(url)
    base = _base(endpoint, path)
    if base is None:
        hidden, segments = _free(module, endpoint, _segments(path))
        base = ""
    else:
        segments = _segments(path[len(base) :])
        hidden = _hidden(module, role, segments)
    is_plain = _PLAIN_PATH.fullmatch(path)
    pieces = [base]
    for segment, masked in zip(segments, hidden, strict=True):
        pieces[-1] += "/"
        if masked:
            pieces += [segment, ""]
        else:
            pieces[-1] += segment if is_plain else _quoted(segment)
    return tuple(pieces)


# The same objects change again and again, the same lists are read.
_known_pieces = functools.lru_cache(maxsize=2048)(_pieces)


def recorded_error(error: str | None, secrets: Sequence[str], mask: Mask) -> str | None:
    """The text with the path's secrets masked in it too."""
    if error is None:
        return None
    # All in one pass: what stands for one secret may contain the text of another.
    longest_first = sorted(filter(None, set(secrets)), key=len, reverse=True)
    if found := [secret for secret in longest_first if secret in error]:
        pattern = "|".join(map(re.escape, found))
        error = re.sub(pattern, lambda match: f"~{mask(match[0])}", error)
    return "".join(character for character in error[:300] if character.isprintable())


def recordable_body(module: str) -> bool:
    """Whether bodies of this module may be recorded at all. Nobody knows what is personal in those
    of a custom module."""
    return module in MODULES and module not in _WITHOUT_BODIES


def recorded_body(
    module: str, body: bytes | None, mask: Mask, hidden: tuple[str, ...] = ()
) -> bytes | None:
    """The (beginning of a) body with personal values masked; None when that is not possible.

    Args:
        hidden: names of fields that are personal besides.
    """
    if body is None or not recordable_body(module):
        return None
    names = hidden if module in _WITHOUT_DRIVERS else (*_PERSONAL, *hidden)
    if not names:
        return body
    personal, no_value = _patterns(names)
    if _HIDDEN_NAME.search(body) or no_value.search(body):
        # A name may be written so that it is not recognized, or hold what is not masked.
        return None

    def masked(match: re.Match[bytes]) -> bytes:
        text = match[2].strip(b'"').decode("utf-8", "replace")
        return match[1] + f'"~{mask(text)}"'.encode()

    return personal.sub(masked, body)


@functools.lru_cache(maxsize=4)
def _patterns(names: tuple[str, ...]) -> tuple[re.Pattern[bytes], re.Pattern[bytes]]:
    """What finds personal values, and those that cannot be masked: lists and objects."""
    either = "|".join(map(re.escape, names)).encode()
    plain = "|".join(re.escape(name) for name in names if name not in _MAY_BE_LARGER).encode()
    value = rb'("(?:[^"\\]|\\.)*"?|[^\s"{}\[\],]+)'
    flags = re.IGNORECASE | re.DOTALL
    return (
        re.compile(rb'("(?:' + either + rb')"\s*:\s*)' + value, flags),
        re.compile(rb'"(?:' + plain + rb')"\s*:\s*[\[{]', flags),
    )


def _base(endpoint: str | None, path: str) -> str | None:
    """The path of the announced URL, if this path extends it."""
    if endpoint is None:
        return None
    base = _base_path(endpoint)
    return base if path == base or path.startswith(f"{base}/") else None


def _base_path(endpoint: str) -> str:
    return _path(endpoint).rstrip("/")


def _path(url: str) -> str:
    """The path of a URL without query, or of a request target."""
    _, full, rest = url.partition("://")
    if not full:
        return url
    _, slash, path = rest.partition("/")
    return f"{slash}{path}"


def _segments(path: str) -> tuple[str, ...]:
    stripped = path.strip("/")
    if not stripped:
        return ()
    parts = stripped.split("/", MOST_SEGMENTS)[:MOST_SEGMENTS]
    return tuple(map(unquote, parts) if "%" in stripped else parts)


def _free(
    module: str, endpoint: str | None, segments: tuple[str, ...]
) -> tuple[Sequence[bool], tuple[str, ...]]:
    """Which segments of a whole path to hide: the hub's own, or one that a partner made up."""
    role = _ROLES.get(segments[2].upper()) if len(segments) >= 4 else None
    if role is not None and segments[3] == module:
        rest = _hidden(module, role, segments[4:])
        return [*_unknown_of(segments[:3]), False, *rest], segments
    if endpoint is not None and module in _WITHOUT_DRIVERS | {
        VERSIONS,
        Module.CREDENTIALS.value,
    }:
        return [False] * len(segments), segments
    return _unknown_of(segments), segments


def _hidden(module: str, role: InterfaceRole | None, rest: tuple[str, ...]) -> Sequence[bool]:
    """Which segments after the module to hide."""
    match module:
        case Module.TOKENS:
            if _PARTY.fullmatch("*".join(rest[:2])):
                return [n >= 2 and each != "authorize" for n, each in enumerate(rest)]
            return [each != "authorize" for each in rest]
        case Module.COMMANDS:
            return [number > 0 or each not in _COMMANDS for number, each in enumerate(rest)]
        case Module.CHARGING_PROFILES if role is InterfaceRole.SENDER:
            # Behind a response_url there is whatever its maker needs to know the request again.
            return [True] * len(rest)
        case _:
            return [module not in MODULES and module != VERSIONS] * len(rest)


def _unknown_of(segments: tuple[str, ...]) -> Sequence[bool]:
    return [segment not in _WORDS and not _VERSION.fullmatch(segment) for segment in segments]


def _quoted(segment: str) -> str:
    return segment if _PLAIN.fullmatch(segment) else quote(segment, safe="")


@functools.lru_cache(maxsize=1024)
def _query(query: str) -> str:
    """The parameters of lists and the token's type; others are left out."""
    kept = [
        f"{name}={value}"
        for name, value in map(_parameter, query.split("&"))
        if name in _QUERY and _QUERY[name].fullmatch(value)
    ]
    return f"?{'&'.join(kept)}" if kept else ""


def _parameter(text: str) -> tuple[str, str]:
    name, _, value = text.partition("=")
    return name, unquote(value) if "%" in value else value
