"""The functional modules, both interfaces, and hubclientinfo as its receiver.

Which interface is answered follows from the URL alone: SENDER and RECEIVER have different ones.
Spec: 2.2.1 mod_locations_locations_module, mod_tokens_tokens_module, mod_cdrs_cdrs_module,
mod_sessions_sessions_module, mod_tariffs_tariffs_module, mod_commands_commands_module,
mod_charging_profiles_module, mod_hub_client_info_client_interface.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from ocpi_hub.domain.party import InterfaceRole, Module, PartyId, Role
from ocpi_hub.errors import (
    InvalidRequest,
    MethodNotAllowed,
    NotFound,
    OcpiError,
    UnknownLocation,
    UnknownToken,
)
from ocpi_hub.ocpi.parse import parse_object
from ocpi_hub.ocpi.v2_2_1.sessions import ChargingPreferences, ChargingPreferencesResponse
from ocpi_hub.party.config import OFFERED, VERSION, PartyConfig
from ocpi_hub.party.exchange import Answer, Inbound, success, success_value
from ocpi_hub.party.holdings import Holdings
from ocpi_hub.party.listener import Listener
from ocpi_hub.party.locations import Place
from ocpi_hub.party.paging import Listed, list_page
from ocpi_hub.party.pushes import push_client_info, push_location, push_token
from ocpi_hub.party.sessions import push_session
from ocpi_hub.party.tables import DEFAULT_TOKEN_TYPE, TokenEntry, named_owner, owner_of
from ocpi_hub.party.tariffs import push_tariff
from ocpi_hub.party.texts import MAX_DEPTH


class Allowed(StrEnum):
    """Spec: 2.2.1 mod_tokens_allowedtype_enum."""

    ALLOWED = "ALLOWED"
    BLOCKED = "BLOCKED"
    EXPIRED = "EXPIRED"
    NO_CREDIT = "NO_CREDIT"
    NOT_ALLOWED = "NOT_ALLOWED"


@dataclass(frozen=True, slots=True)
class Decision:
    """What the eMSP will answer for one token, whatever its table says."""

    uid: str
    allowed: Allowed
    token_type: str = DEFAULT_TOKEN_TYPE


class Modules:
    """Answers requests from what the platform holds."""

    def __init__(self, config: PartyConfig, address: Listener, held: Holdings) -> None:
        self._config = config
        self._address = address
        self._interfaces = frozenset(config.interfaces)
        self._decisions: dict[tuple[str, str], Allowed] = {}
        self._held = held

    def decide(self, decision: Decision) -> None:
        """From now on answer this for that token."""
        self._decisions[(decision.uid.upper(), decision.token_type)] = decision.allowed

    def endpoints(self) -> list[dict[str, str]]:
        """The functional endpoints as the version details list them."""
        return [
            {"identifier": module.value, "role": role.value, "url": self._endpoint(module, role)}
            for module, role in self._config.interfaces
        ]

    def _endpoint(self, module: str, role: InterfaceRole) -> str:
        return f"{self._address.base_url}/ocpi/{VERSION}/{role.value.lower()}/{module}"

    def answerer(self, request: Inbound) -> PartyId:
        """The party of this platform that answers: the TO of the request.

        Raises:
            InvalidRequest: TO is no party of this platform, or half a pair.
        """
        parties = self._config.parties
        if request.to is not None:
            if all(party.party != request.to for party in parties):
                raise InvalidRequest(f"{request.to} is not a party of this platform")
            return request.to
        wanted = _PLAYED_BY.get((request.module, request.role))
        return next((party.party for party in parties if party.role is wanted), parties[0].party)

    def answer(self, request: Inbound) -> Answer:
        """Answer a request to a functional module.

        Raises:
            OcpiError: what the envelope then says.
        """
        self.answerer(request)
        if (request.module, request.role) not in self._interfaces:
            raise NotFound("This interface is not offered")
        if request.role is InterfaceRole.SENDER:
            return self._as_sender(request)
        return self._as_receiver(request)

    def _as_sender(self, request: Inbound) -> Answer:
        match (request.module, request.method, request.tail):
            case (module, "GET", ()):
                return self._list(request, self._own_objects(module))
            case (Module.LOCATIONS, "GET", ids):
                return success(self._location(request.to, ids).encode())
            case (Module.TOKENS, "POST", (uid, "authorize")):
                return self._authorize(request, uid)
            case (Module.SESSIONS, "PUT", (session_id, "charging_preferences")):
                return self._prefer(request, session_id)
            case (Module.COMMANDS, "POST", (command, question_id)):
                return self._held.questions.take_result(request, command, question_id)
            case (Module.CHARGING_PROFILES, "POST", (question_id,)):
                return self._held.questions.take_result(request, None, question_id)
            case (Module.CHARGING_PROFILES, "PUT", (session_id,)):
                return self._held.questions.take_update(request, session_id)
            case _:
                raise _not_there(request)

    def _as_receiver(self, request: Inbound) -> Answer:
        match (request.module, request.method, request.tail):
            case (Module.LOCATIONS, _, (country_code, party_id, *ids)):
                place = Place.of(named_owner(country_code, party_id), ids)
                return push_location(self._held.cached_locations, request, place)
            case (Module.TOKENS, _, (country_code, party_id, uid)):
                owner = named_owner(country_code, party_id)
                return push_token(self._held.cached, request, owner, uid)
            case (Module.TARIFFS, _, (country_code, party_id, tariff_id)):
                owner = named_owner(country_code, party_id)
                return push_tariff(self._held.cached_tariffs, request, owner, tariff_id)
            case (Module.SESSIONS, _, (country_code, party_id, session_id)):
                owner = named_owner(country_code, party_id)
                return push_session(self._held.cached_sessions, request, owner, session_id)
            case (Module.CDRS, "POST", ()):
                return self._receive_cdr(request)
            case (Module.CDRS, "GET", (serial,)):
                return self._received_cdr(serial)
            case (Module.COMMANDS, "POST", (command,)):
                return self._held.requests.take_command(request, command, self.answerer(request))
            case (Module.CHARGING_PROFILES, "GET" | "PUT" | "DELETE", (session_id,)):
                asked = self.answerer(request)
                return self._held.requests.take_profile(request, session_id, asked)
            case (Module.HUB_CLIENT_INFO, _, (country_code, party_id)):
                party = named_owner(country_code, party_id)
                return push_client_info(self._held.clients, request, party)
            case _:
                raise _not_there(request)

    def _own_objects(self, module: str) -> Iterable[Listed]:
        """The list that this platform serves.

        Raises:
            NotFound: the module has none.
        """
        match module:
            case Module.LOCATIONS:
                return self._held.locations.listed()
            case Module.TOKENS:
                return self._held.issued.listed()
            case Module.TARIFFS:
                return self._held.tariffs.listed()
            case Module.SESSIONS:
                return self._held.sessions.listed()
            case Module.CDRS:
                return self._held.cdrs.listed()
            case _:
                raise NotFound

    def _list(self, request: Inbound, objects: Iterable[Listed]) -> Answer:
        url = self._endpoint(request.module, InterfaceRole.SENDER)
        return list_page(objects, request.query, request.to, url, self._config.page_limit)

    def _authorize(self, request: Inbound, uid: str) -> Answer:
        token_type = request.query.get("type", DEFAULT_TOKEN_TYPE)
        location = request.json_object() if request.body else None
        entry = self._issued(request.to, uid, token_type)
        if entry is None:
            raise UnknownToken
        by_table = Allowed.ALLOWED if entry.valid else Allowed.BLOCKED
        allowed = self._decisions.get((uid.upper(), token_type), by_table)
        info: dict[str, Any] = {"allowed": allowed.value, "token": entry.value}
        if location is not None:
            info["location"] = location
        if allowed is Allowed.ALLOWED:
            info["authorization_reference"] = str(uuid.uuid4())
        return success_value(info)

    def _issued(self, to: PartyId | None, uid: str, token_type: str) -> TokenEntry | None:
        found = (
            self._held.issued.get(owner, uid, token_type)
            for owner in self._held.owners(to, Role.EMSP)
        )
        return next((entry for entry in found if entry is not None), None)

    def _location(self, to: PartyId | None, ids: Sequence[str]) -> str:
        """A Location, EVSE or connector of this platform's CPOs.

        Raises:
            UnknownLocation: none of them has it.
        """
        for owner in self._held.owners(to, Role.CPO):
            with suppress(UnknownLocation):
                return self._held.locations.get(Place.of(owner, ids))
        raise UnknownLocation

    def _prefer(self, request: Inbound, session_id: str) -> Answer:
        """Charging preferences are accepted for every Session that runs here."""
        parse_object(request.body, ChargingPreferences, max_depth=MAX_DEPTH)
        owners = self._held.owners(request.to, Role.CPO)
        if all(self._held.sessions.get(owner, session_id) is None for owner in owners):
            raise NotFound("No such Session runs here")
        return success_value(ChargingPreferencesResponse.ACCEPTED.value)

    def _receive_cdr(self, request: Inbound) -> Answer:
        value = request.json_object()
        self._check_receiver(value)
        held = self._held.cdrs.receive(value, request.text)
        location = f"{self._endpoint(Module.CDRS, InterfaceRole.RECEIVER)}/{held.serial}"
        first = held.count == 1
        return success(
            http_status=201 if first else 200,
            headers={"Location": location},
            note=None if first else "duplicate",
        )

    def _check_receiver(self, cdr: Mapping[str, Any]) -> None:
        """Refuse a CDR for another eMSP; one without cdr_token is not this platform's concern."""
        cdr_token = cdr.get("cdr_token")
        if not isinstance(cdr_token, dict) or "party_id" not in cdr_token:
            return
        issuer = owner_of(cdr_token)
        if all(party.party != issuer for party in self._config.parties):
            raise InvalidRequest(f"cdr_token belongs to {issuer}, not to this platform")

    def _received_cdr(self, serial: str) -> Answer:
        held = self._held.cdrs.by_serial(int(serial)) if serial.isdecimal() else None
        if held is None:
            raise NotFound
        return success(held.text.encode())


_PLAYED_BY: Mapping[tuple[str, InterfaceRole | None], Role] = {
    interface: role for role, interfaces in OFFERED.items() for interface in interfaces
}


def _not_there(request: Inbound) -> OcpiError:
    return NotFound() if request.method == "GET" else MethodNotAllowed()
