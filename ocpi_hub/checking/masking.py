"""Exchanges as they are shown: without credentials tokens, token uids and what else is personal."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from decimal import Decimal
from itertools import islice
from urllib.parse import quote

from ocpi_hub.checking.conversation import Seen
from ocpi_hub.checking.model import Evidence
from ocpi_hub.domain.party import CredentialsToken

HIDDEN = "***"
MAX_BODY = 1200
MAX_TEXT = 120
"""Characters of one string of a partner."""
MAX_ITEMS = 3
MAX_MEMBERS = 50
"""More do not fit into what is shown."""
MAX_DEPTH = 12

_PERSONAL = frozenset(
    {"token", "contract_id", "visual_number", "group_id", "signed_data", "plain_data", "public_key"}
)
_OF_AN_EVSE = frozenset({"evse_id", "connectors", "status"})
_SHOWN_HEADERS = (
    "content-type",
    "link",
    "x-total-count",
    "x-limit",
    "x-request-id",
    "x-correlation-id",
    "ocpi-to-country-code",
    "ocpi-to-party-id",
    "ocpi-from-country-code",
    "ocpi-from-party-id",
    "location",
    "retry-after",
    "connection",
)


class Mask:
    """Hides one credentials token wherever it turns up, and personal values by their names."""

    def __init__(self, token: CredentialsToken) -> None:
        plain = str(token)
        encoded = base64.b64encode(plain.encode()).decode()
        # As it is, and as it stands within JSON or a URL.
        spelled = (plain, json.dumps(plain)[1:-1], quote(plain, safe=""))
        self._secrets = (encoded, encoded.rstrip("="), *dict.fromkeys(spelled))

    def evidence(self, seen: Seen, item: object = None) -> Evidence:
        asked = seen.asked
        if seen.failure is not None:
            answer = seen.failure
        else:
            code = "" if seen.code is None else f", OCPI {seen.code}"
            answer = f"HTTP {seen.http}{code}"
        headers = tuple(
            (name, self.text(seen.headers[name])) for name in _SHOWN_HEADERS if name in seen.headers
        )
        return Evidence(
            request=self.text(f"{asked.method} {asked.url}", 400),
            answer=self.text(answer, 300),
            headers=headers,
            body=self.text(_body(seen) if item is None else _shown(item), MAX_BODY),
            milliseconds=round(seen.seconds * 1000),
        )

    def text(self, text: str, most: int = 255) -> str:
        """Text that may hold something of the partner's, fit to be shown."""
        for secret in self._secrets:
            if secret:
                text = text.replace(secret, HIDDEN)
        shown = "".join(each if each.isprintable() else " " for each in text[: most + 1])
        return shown if len(text) <= most else f"{shown[:most]}..."


def _body(seen: Seen) -> str:
    if seen.is_json:
        return _shown(seen.value)
    body = seen.body
    if not body:
        return ""
    said = f"{len(body)} bytes that are not JSON"
    # A page of HTML says which server answered; anything else might be somebody's data.
    return f"{said}: {body[:200].decode(errors='replace')}" if body.lstrip()[:1] == b"<" else said


def _shown(value: object) -> str:
    return json.dumps(_hidden(value, 0), ensure_ascii=False, default=_number)


def _number(value: object) -> float | str:
    return float(value) if isinstance(value, Decimal) else str(value)


def _hidden(value: object, depth: int) -> object:
    """A copy, shortened, with personal values replaced."""
    if depth > MAX_DEPTH:
        return "..."
    match value:
        case Mapping():
            some = list(islice(value.items(), MAX_MEMBERS))
            names = {str(name).lower() for name, _ in some}
            return {
                str(name)[:MAX_TEXT]: HIDDEN
                if _is_personal(str(name).lower(), names, inner)
                else _hidden(inner, depth + 1)
                for name, inner in some
            }
        case list():
            shown = [_hidden(each, depth + 1) for each in value[:MAX_ITEMS]]
            more = len(value) - MAX_ITEMS
            return [*shown, f"... {more} more"] if more > 0 else shown
        case str():
            return value if len(value) <= MAX_TEXT else f"{value[:MAX_TEXT]}..."
        case _:
            return value


def _is_personal(name: str, beside: set[str], value: object) -> bool:
    if name == "uid":
        return not beside & _OF_AN_EVSE
    return name in _PERSONAL and not isinstance(value, Mapping | list)
