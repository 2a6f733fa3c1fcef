"""Where a URL leads, read as leniently as any server might read it: for refusing, never to call."""

from __future__ import annotations

import posixpath
import re
from typing import Final
from urllib.parse import unquote

DECODINGS: Final = 3
"""Times that something percent-encoded may be decoded on its way."""

_PARAMETERS: Final = re.compile(r";[^/]*")
_SLASHES: Final = re.compile(r"/+")
_SERVER: Final = re.compile(r"\A(https?):/([^/]*?)\.?(?::([0-9]*))?/")
_PORTS: Final = {"http": "80", "https": "443"}


def simplest(url: str) -> str:
    """The form that all spellings of a URL share, without query, with a slash at its end."""
    plain = url.partition("?")[0]
    for _ in range(DECODINGS):
        plain = unquote(plain)
    plain = _PARAMETERS.sub("", plain.replace("\\", "/"))
    return _SERVER.sub(_server, _SLASHES.sub("/", f"{plain}/").lower())


def leads_below(url: str, base: str) -> bool:
    """Whether a URL may lead to the place of `base` or below it."""
    return _without_dots(simplest(url)).startswith(_without_dots(simplest(base)))


def _without_dots(simple: str) -> str:
    scheme, _, rest = simple.partition(":/")
    host, _, path = rest.partition("/")
    # A fragment is left out of a request, and what was encoded may have been one.
    plain = posixpath.normpath(f"/{path.partition('#')[0]}").lstrip("/")
    return f"{scheme}:/{host}/{plain}/"


def _server(match: re.Match[str]) -> str:
    scheme, host, port = match.groups(default="")
    usual = port.lstrip("0") in ("", _PORTS[scheme])
    return f"{scheme}:/{host}/" if usual else f"{scheme}:/{host}:{port.lstrip('0')}/"
