"""A party platform with one fault, for the self-test: what passes on the way to it is altered.

A fault changes the request before the platform sees it, or the answer before the checker does; the
platform itself is as good as ever. `FAULTS` is the list that the tests plant, each with the check
that is there to find it.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import httpx

from ocpi_hub.domain.exchange import Answer, Exchange, OutboundClient, OutboundRequest
from ocpi_hub.party.platform import PartyPlatform
from tests.support.party import (
    make_cdr,
    make_connector,
    make_evse,
    make_location,
    make_session,
    make_token,
    party_config,
    party_role,
)


@dataclass(frozen=True, slots=True)
class Asked:
    """A request on its way to the platform.

    Attributes:
        right: the Authorization header that opens it.
    """

    method: str
    server: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes | None
    right: str

    @property
    def lists(self) -> bool:
        """Whether it is about the list of a SENDER interface."""
        return re.fullmatch(r"/ocpi/2\.2\.1/sender/[a-z]+/?", self.path) is not None

    @property
    def url(self) -> str:
        return f"{self.server}{self.path}{f'?{urlencode(self.query)}' if self.query else ''}"

    def having(self, header: str, text: str) -> Asked:
        return replace(self, headers={**self.headers, header: text})


@dataclass(frozen=True, slots=True)
class Answered:
    """An answer on its way back. Names of headers are in lower case."""

    http: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def value(self) -> Any:
        return json.loads(self.body)

    def with_value(self, value: Any) -> Answered:
        return replace(self, body=json.dumps(value).encode())

    def with_data(self, data: Any) -> Answered:
        return self.with_value({**self.value, "data": data})

    def without(self, header: str) -> Answered:
        return replace(self, headers={n: t for n, t in self.headers.items() if n != header})

    def having(self, header: str, text: str) -> Answered:
        return replace(self, headers={**self.headers, header: text})


def _same_request(asked: Asked) -> Asked:
    return asked


def _same_answer(_asked: Asked, answered: Answered) -> Answered:
    return answered


@dataclass(frozen=True, slots=True)
class PlantedFault:
    """Something that a partner does wrong.

    Attributes:
        found_by: the check that is there to find it.
    """

    name: str
    found_by: str
    before: Callable[[Asked], Asked] = _same_request
    after: Callable[[Asked, Answered], Answered] = _same_answer


NO_FAULT = PlantedFault("nothing", "")


# What goes in ------------------------------------------------------------------------------------


def _ignores(parameter: str) -> Callable[[Asked], Asked]:
    def before(asked: Asked) -> Asked:
        if not asked.lists or not asked.query.get(parameter, "").isdecimal():
            return asked
        query = {name: text for name, text in asked.query.items() if name != parameter}
        return replace(asked, query=query)

    return before


def _inclusive_end(asked: Asked) -> Asked:
    if "date_to" not in asked.query:
        return asked
    end = asked.query["date_to"].replace("Z", "").partition(".")[0]
    return replace(asked, query={**asked.query, "date_to": f"{end}.5Z"})


def _forgives(parameter: str) -> Callable[[Asked], Asked]:
    def before(asked: Asked) -> Asked:
        text = asked.query.get(parameter, "0")
        if not asked.lists or text.removeprefix("-").isdecimal():
            return asked
        return replace(asked, query={**asked.query, parameter: "0"})

    return before


def _any_case(asked: Asked) -> Asked:
    """Compares tokens without regard to case."""
    presented = asked.headers.get("Authorization", "")
    same = _token(presented) is not None and _token(presented) == _token(asked.right)
    return asked.having("Authorization", asked.right) if same else asked


def _token(header: str) -> str | None:
    try:
        return base64.b64decode(header.removeprefix("Token "), validate=True).decode().casefold()
    except ValueError:
        return None


def _open_lists(asked: Asked) -> Asked:
    return asked.having("Authorization", asked.right) if asked.lists else asked


def _exact_names(asked: Asked) -> Asked:
    """Reads headers only by their usual spelling."""
    known = {n: t for n, t in asked.headers.items() if n != "authorization"}
    return replace(asked, headers=known)


# What comes back ---------------------------------------------------------------------------------


def _each(module: str, change: Callable[[dict[str, Any]], dict[str, Any]]) -> Any:
    """Changes every object of a module's list, and each that is read by itself."""

    def after(asked: Asked, answered: Answered) -> Answered:
        if f"/sender/{module}" not in asked.path or answered.http != 200:
            return answered
        data = answered.value.get("data")
        if isinstance(data, list):
            return answered.with_data([change(each) for each in data])
        return answered

    return after


def _lists(change: Callable[[Asked, Answered], Answered]) -> Any:
    def after(asked: Asked, answered: Answered) -> Answered:
        return change(asked, answered) if asked.lists and answered.http == 200 else answered

    return after


def _good(answered: Answered) -> bool:
    return answered.http in {200, 201}


def _foreign_link(_asked: Asked, answered: Answered) -> Answered:
    link = answered.headers.get("link", "")
    return answered.having("link", link.replace("127.0.0.1", "localhost")) if link else answered


def _link_without_filters(_asked: Asked, answered: Answered) -> Answered:
    link = re.sub(r"date_from=[^&>]*&?", "", answered.headers.get("link", ""))
    return answered.having("link", link) if link else answered


def _found_anyway(asked: Asked, answered: Answered) -> Answered:
    if answered.http == 404 and re.search(r"/sender/locations/[^/%]+$", asked.path):
        return Answered(200, answered.headers, _ok(answered))
    return answered


def _ok(answered: Answered) -> bytes:
    value = {"data": None, "status_code": 1000, "timestamp": answered.value["timestamp"]}
    return json.dumps(value).encode()


def _offset_time(_asked: Asked, answered: Answered) -> Answered:
    value = answered.value
    return answered.with_value({**value, "timestamp": value["timestamp"].replace("Z", "+00:00")})


def _html_errors(_asked: Asked, answered: Answered) -> Answered:
    if answered.http != 404:
        return answered
    return Answered(404, {**answered.headers, "content-type": "text/html"}, b"<h1>Not Found</h1>")


def _other_token(asked: Asked, answered: Answered) -> Answered:
    if not asked.path.endswith("/credentials") or not _good(answered):
        return answered
    data = answered.value["data"]
    return answered.with_data({**data, "token": "another-token-of-32-characters-00"})


def _total_of_all(asked: Asked, answered: Answered) -> Answered:
    return answered.having("x-total-count", "4") if "date_from" in asked.query else answered


def _strict_slash(asked: Asked, answered: Answered) -> Answered:
    if asked.path.endswith("/") and "/sender/" in asked.path:
        value = {"status_code": 2000, "timestamp": answered.value["timestamp"]}
        return Answered(404, answered.headers, json.dumps(value).encode())
    return answered


def _set(header: str, text: str) -> Any:
    def after(_asked: Asked, answered: Answered) -> Answered:
        return answered.having(header, text) if _good(answered) else answered

    return after


def _drop(header: str) -> Any:
    def after(_asked: Asked, answered: Answered) -> Answered:
        return answered.without(header) if answered.http != 401 else answered

    return after


def _link_on_last(asked: Asked, answered: Answered) -> Answered:
    offset = asked.query.get("offset", "0")
    last = int(offset if offset.isdecimal() else 0) + 1 == int(
        answered.headers.get("x-total-count", "0")
    )
    if not last or "link" in answered.headers or asked.query.get("limit") != "1":
        return answered
    url = f"{asked.server}{asked.path}?offset=9999"
    return answered.having("link", f'<{url}>; rel="next"')


def _with_connector(item: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {
        **item,
        "evses": [
            {**evse, "connectors": [{**each, **changes} for each in evse["connectors"]]}
            for evse in item["evses"]
        ],
    }


FAULTS = (
    PlantedFault("tokens in any case", "access.token_case", before=_any_case),
    PlantedFault("lists open to all", "access.lists", before=_open_lists),
    PlantedFault("exact header names", "http.header_case", before=_exact_names),
    PlantedFault("no total", "paging.total", after=_lists(_drop("x-total-count"))),
    PlantedFault("no limit header", "paging.limit_header", after=_lists(_drop("x-limit"))),
    PlantedFault("limit ignored", "paging.limit", before=_ignores("limit")),
    PlantedFault("no link", "paging.link", after=_lists(_drop("link"))),
    PlantedFault("link elsewhere", "paging.link_url", after=_lists(_foreign_link)),
    PlantedFault("link drops filters", "paging.link_filters", after=_lists(_link_without_filters)),
    PlantedFault("link on the last page", "paging.last_page", after=_lists(_link_on_last)),
    PlantedFault("broken offset taken as 0", "paging.bad_offset", before=_forgives("offset")),
    PlantedFault("total ignores filters", "dates.total", after=_lists(_total_of_all)),
    PlantedFault("date_to includes its time", "dates.exclusive", before=_inclusive_end),
    PlantedFault("request id not repeated", "headers.request_id", after=_drop("x-request-id")),
    PlantedFault("no routing headers", "headers.routing", after=_drop("ocpi-to-party-id")),
    PlantedFault("wrong type", "headers.content_type", after=_set("content-type", "text/plain")),
    PlantedFault("time with an offset", "envelope.timestamp", after=_offset_time),
    PlantedFault("pages for errors", "envelope.errors", after=_html_errors),
    PlantedFault("another token in credentials", "credentials.token", after=_other_token),
    PlantedFault("unknown location is found", "locations.unknown", after=_found_anyway),
    PlantedFault("slash not understood", "http.trailing_slash", after=_strict_slash),
    PlantedFault(
        "no such time zone", "locations.time_zone",
        after=_each("locations", lambda item: {**item, "time_zone": "Europe/Nowhere"}),
    ),
    PlantedFault(
        "tariff not listed", "locations.tariffs",
        after=_each("locations", lambda item: _with_connector(item, tariff_ids=["GONE"])),
    ),
    PlantedFault(
        "number as text", "locations.valid",
        after=_each("locations", lambda item: _with_connector(item, max_voltage="230")),
    ),
    PlantedFault(
        "unknown value", "tokens.tidy",
        after=_each("tokens", lambda item: {**item, "whitelist": "SOMETIMES"}),
    ),
    PlantedFault(
        "energy does not add up", "cdrs.energy",
        after=_each("cdrs", lambda item: {**item, "total_energy": 99.0}),
    ),
    PlantedFault(
        "ends before it begins", "sessions.times",
        after=_each("sessions", lambda item: {**item, "end_date_time": "2020-01-01T00:00:00Z"}),
    ),
    PlantedFault(
        "owner is nobody here", "objects.owner",
        after=_each("tokens", lambda item: {**item, "party_id": "XXX"}),
    ),
)  # fmt: skip
"""At least one of every kind: paging, dates, headers, envelope, credentials, objects, errors."""


class BrokenWay:
    """The way to a platform, with a fault on it. Satisfies `OutboundClient`.

    Args:
        right: the Authorization header that opens the platform.
    """

    def __init__(self, client: OutboundClient, fault: PlantedFault, right: str) -> None:
        self._client = client
        self._fault = fault
        self._right = right

    async def send(self, request: OutboundRequest) -> Exchange:
        try:
            parts = urlsplit(request.url)
        except ValueError:
            return await self._client.send(request)
        asked = self._fault.before(
            Asked(
                request.method,
                f"{parts.scheme}://{parts.netloc}",
                parts.path,
                dict(parse_qsl(parts.query, keep_blank_values=True)),
                request.headers,
                request.body,
                self._right,
            )
        )
        exchange = await self._client.send(replace(request, url=asked.url, headers=asked.headers))
        if not isinstance(exchange, Answer):
            return exchange
        came = Answered(exchange.http_status, exchange.headers, exchange.body)
        shown = self._fault.after(asked, came)
        return Answer(shown.http, shown.headers, shown.body)


@asynccontextmanager
async def filled_platform() -> AsyncIterator[PartyPlatform]:
    """A CPO and eMSP with objects on every list."""
    both = (party_role("CPO", "NL*CPO"), party_role("EMSP", "DE*MSP"))
    config = party_config("CPO", "NL*CPO", parties=both, control_port=0)
    async with PartyPlatform(config) as platform:
        await fill(platform)
        yield platform


def make_tariff(identifier: str, **overrides: Any) -> dict[str, Any]:
    component = {"type": "ENERGY", "price": 0.3, "vat": 21, "step_size": 1}
    return {
        "country_code": "NL",
        "party_id": "CPO",
        "id": identifier,
        "currency": "EUR",
        "elements": [{"price_components": [component]}],
        "last_updated": "2026-01-01T00:00:00Z",
        **overrides,
    }


def objects() -> dict[str, list[dict[str, Any]]]:
    """Objects for every list; the newest of each is one alone."""
    connector = make_connector(tariff_ids=["T1"])
    return {
        "tariffs": [make_tariff("T1"), make_tariff("T2", last_updated="2026-02-01T00:00:00Z")],
        "locations": [
            make_location(
                f"LOC{number}",
                evses=[make_evse(f"E{number}", connectors=[connector])],
                last_updated=f"2026-01-0{number}T00:00:00Z",
            )
            for number in (1, 2, 3)
        ],
        "tokens": [make_token(f"CARD{number}") for number in (1, 2, 3)],
        "sessions": [make_session("S1"), make_session("S2")],
        "cdrs": [make_cdr(f"C{number}", tariffs=[make_tariff("T1")]) for number in (1, 2)],
    }


async def fill(platform: PartyPlatform) -> None:
    """Put objects on the platform's lists, as its operator would."""
    assert platform.control_url is not None
    async with httpx.AsyncClient(base_url=platform.control_url, trust_env=False) as control:
        for module, items in objects().items():
            (await control.post(f"/{module}", json=items)).raise_for_status()
