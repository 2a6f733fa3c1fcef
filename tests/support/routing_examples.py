"""Example requests: every method of both interfaces of every module."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ocpi_hub.domain.party import InterfaceRole, Module, PartyId, Role
from ocpi_hub.routing.rules import RULES
from tests.support.factories import CPO, EMSP, cdr
from tests.support.party import make_evse, make_location, make_session, make_token
from tests.unit.ocpi import factories

RESPONSE_URL = "https://partner.example/results/1"
DATED = "2026-01-01T00:00:00Z"
SENDER, RECEIVER = InterfaceRole.SENDER, InterfaceRole.RECEIVER
OWNER = "{country_code}/{party_id}"


@dataclass(frozen=True, slots=True)
class Example:
    """A request of one module.

    Attributes:
        path, query, body: of the request, the path after the endpoint's URL.
        label: the path as it is shown.
    """

    module: Module
    role: InterfaceRole
    method: str
    label: str
    path: tuple[str, ...] = ()
    query: tuple[tuple[str, str], ...] = ()
    body: object = None

    @property
    def sender(self) -> PartyId:
        """Who may call this interface."""
        return CPO if Role.CPO in RULES[self.module].callers[self.role] else EMSP


def examples() -> Iterator[Example]:
    """Every method of both interfaces of every module, with each shape of its URL."""
    yield from _shared()
    yield from _directed()
    yield from _asked()


def _shared() -> Iterator[Example]:
    for module in (Module.LOCATIONS, Module.TARIFFS, Module.TOKENS):
        yield Example(module, SENDER, "GET", "")
    yield Example(Module.LOCATIONS, SENDER, "GET", "{location_id}", ("LOC1",))
    yield Example(Module.TOKENS, SENDER, "POST", "{uid}/authorize", ("T1", "authorize"))
    location = ("NL", "CPO", "LOC1")
    dated = {"last_updated": DATED}
    for place, path, body in (
        ("{location_id}", location, make_location()),
        ("{location_id}/{evse_uid}", (*location, "EVSE1"), make_evse()),
    ):
        for method, sent in (("GET", None), ("PUT", body), ("PATCH", dated)):
            yield Example(Module.LOCATIONS, RECEIVER, method, f"{OWNER}/{place}", path, (), sent)
    tariff = factories.make_tariff(country_code="NL", party_id="CPO", id="T1")
    token = make_token("T1")
    for module, path, methods in (
        (Module.TARIFFS, ("NL", "CPO", "T1"), {"GET": None, "PUT": tariff, "DELETE": None}),
        (Module.TOKENS, ("DE", "MSP", "T1"), {"GET": None, "PUT": token, "PATCH": dated}),
    ):
        for method, sent in methods.items():
            yield Example(module, RECEIVER, method, f"{OWNER}/{{id}}", path, (), sent)


def _directed() -> Iterator[Example]:
    session = ("NL", "CPO", "S1")
    dated = (("date_from", DATED),)
    preferences = {"profile_type": "GREEN"}
    wished = ("S1", "charging_preferences")
    yield Example(Module.SESSIONS, SENDER, "GET", "", (), dated)
    yield Example(
        Module.SESSIONS, SENDER, "PUT", "{id}/charging_preferences", wished, (), preferences
    )
    for method, body in (
        ("GET", None),
        ("PUT", make_session("S1")),
        ("PATCH", {"last_updated": DATED, "kwh": 1}),
    ):
        yield Example(Module.SESSIONS, RECEIVER, method, f"{OWNER}/{{id}}", session, (), body)
    yield Example(Module.CDRS, SENDER, "GET", "")
    yield Example(Module.CDRS, RECEIVER, "GET", "the URL given", ("NL", "CPO", "CDR-1"))
    yield Example(Module.CDRS, RECEIVER, "POST", "", body=cdr())


def _asked() -> Iterator[Example]:
    url = {"response_url": RESPONSE_URL}
    stop = {**url, "session_id": "S1"}
    command, profile = Module.COMMANDS, Module.CHARGING_PROFILES
    yield Example(command, RECEIVER, "POST", "{command}", ("STOP_SESSION",), (), stop)
    result = {"result": "ACCEPTED"}
    path = ("STOP_SESSION", "command-1")
    yield Example(command, SENDER, "POST", "the response_url", path, (), result)
    asked = (("duration", "900"), ("response_url", RESPONSE_URL))
    wanted = factories.make_charging_profile()
    setting = {**url, "charging_profile": wanted}
    for method, query, body in (
        ("GET", asked, None),
        ("PUT", (), setting),
        ("DELETE", asked[1:], None),
    ):
        yield Example(profile, RECEIVER, method, "{session_id}", ("S1",), query, body)
    yield Example(profile, SENDER, "POST", "the response_url", ("profile-1",), (), result)
    active = {"start_date_time": DATED, "charging_profile": wanted}
    yield Example(profile, SENDER, "PUT", "{session_id}", ("S1",), (), active)
