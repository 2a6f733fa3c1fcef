"""What the platform holds: the objects of its own parties, and those that others gave it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ocpi_hub.clock import Clock, SystemClock
from ocpi_hub.domain.party import Module, PartyId, PartyRole, Role
from ocpi_hub.errors import InvalidRequest, OcpiError
from ocpi_hub.ocpi.envelope import dump
from ocpi_hub.party.asking import QuestionTable
from ocpi_hub.party.charge_points import ChargePoints
from ocpi_hub.party.exchange import Inbound
from ocpi_hub.party.later import RequestTable
from ocpi_hub.party.locations import LocationTable, Place
from ocpi_hub.party.pushes import push_location, push_token
from ocpi_hub.party.sessions import SessionTable, push_session
from ocpi_hub.party.tables import CdrTable, ClientTable, TokenTable, named_owner, owner_of
from ocpi_hub.party.tariffs import TariffTable, push_tariff


class Holdings:
    """The tables of the platform.

    Attributes:
        issued: Tokens of its eMSPs.
        cached: Tokens that eMSPs gave to its CPOs.
        locations: Locations of its CPOs.
        cached_locations: Locations that CPOs gave to its eMSPs.
        tariffs: Tariffs of its CPOs.
        cached_tariffs: Tariffs that CPOs gave to its eMSPs.
        sessions: Sessions of its CPOs.
        cached_sessions: Sessions that CPOs gave to its eMSPs.
        questions: what its eMSPs have asked for and are answered later.
        requests: what its CPOs were asked for and answer later.
        charge_points: those of its CPOs; they do nothing until there is a simulation.
    """

    def __init__(self, parties: Sequence[PartyRole], clock: Clock | None = None) -> None:
        self._parties = parties
        self.issued = TokenTable()
        self.cached = TokenTable()
        self.locations = LocationTable()
        self.cached_locations = LocationTable()
        self.tariffs = TariffTable()
        self.cached_tariffs = TariffTable()
        self.sessions = SessionTable()
        self.cached_sessions = SessionTable()
        self.cdrs = CdrTable()
        self.clients = ClientTable()
        self.questions = QuestionTable()
        self.charge_points = ChargePoints(self.locations, self.tariffs, clock or SystemClock())
        self.requests = RequestTable(self.charge_points)

    def owners(self, to: PartyId | None, role: Role) -> list[PartyId]:
        """Whose objects are meant: those of the party addressed, else of all in that role."""
        return [to] if to else [p.party for p in self._parties if p.role is role]

    def change(self, request: Inbound) -> None:
        """Change an object of this platform as the request will change it at the peer.

        Raises:
            OcpiError: no such object, or not this platform's.
        """
        match (request.module, request.method, request.tail):
            case (Module.TOKENS, "PUT" | "PATCH", (country_code, party_id, uid)):
                owner = self._own(named_owner(country_code, party_id), Role.EMSP)
                push_token(self.issued, request, owner, uid)
            case (Module.LOCATIONS, "PUT" | "PATCH", (country_code, party_id, *ids)):
                owner = self._own(named_owner(country_code, party_id), Role.CPO)
                push_location(self.locations, request, Place.of(owner, ids))
            case (Module.SESSIONS, "PUT" | "PATCH", (country_code, party_id, session_id)):
                owner = self._own(named_owner(country_code, party_id), Role.CPO)
                push_session(self.sessions, request, owner, session_id)
            case (Module.TARIFFS, "PUT" | "DELETE", (country_code, party_id, tariff_id)):
                owner = self._own(named_owner(country_code, party_id), Role.CPO)
                push_tariff(self.tariffs, request, owner, tariff_id)
            case (Module.CDRS, "POST", ()):
                self.load_cdr(request.text)
            case _:
                raise InvalidRequest("This request changes no object of its sender")

    def load_token(self, value: object) -> None:
        """Put a Token into the eMSP's table.

        Raises:
            InvalidRequest: it is not usable, or no eMSP of this platform issued it.
        """
        token = _an_object(value)
        self._own(owner_of(token), Role.EMSP)
        self.issued.put(token)

    def load_location(self, text: str) -> None:
        """Put a Location, given as its JSON text, on the list the CPO serves.

        Raises:
            InvalidRequest: it is not usable, or no CPO of this platform operates it.
        """
        self._own(owner_of(_an_object(json.loads(text))), Role.CPO)
        self.locations.load(text.encode())

    def load_tariff(self, text: str) -> None:
        """Put a Tariff, given as its JSON text, on the list the CPO serves.

        Raises:
            InvalidRequest: it is not usable, or it is no Tariff of a CPO of this platform.
        """
        self._own(owner_of(_an_object(json.loads(text))), Role.CPO)
        self.tariffs.put(text.encode())

    def load_session(self, text: str) -> None:
        """Put a Session, given as its JSON text, on the list the CPO serves.

        Raises:
            InvalidRequest: it is not usable, or no CPO of this platform runs it.
        """
        self._own(owner_of(_an_object(json.loads(text))), Role.CPO)
        self.sessions.put(text.encode())

    def load_cdr(self, text: str) -> None:
        """Put a CDR, given as its JSON text, on the list the CPO serves.

        Raises:
            InvalidRequest: it is not usable, or no CPO of this platform made it.
        """
        cdr = _an_object(json.loads(text))
        self._own(owner_of(cdr), Role.CPO)
        self.cdrs.load(cdr, text)

    def keep(self, module: str, objects: Iterable[Any]) -> list[str]:
        """Keep what a peer's list held; why objects were not kept."""
        refused = []
        for value in objects:
            try:
                self._keep(module, value)
            except OcpiError as error:
                refused.append(error.message)
        return refused

    def _keep(self, module: str, value: Any) -> None:
        """Raises: OcpiError: the object is not usable."""
        match module:
            case Module.TOKENS:
                self.cached.put(_an_object(value))
            case Module.LOCATIONS:
                self.cached_locations.load(dump(value))
            case Module.TARIFFS:
                self.cached_tariffs.put(dump(value))
            case Module.SESSIONS:
                self.cached_sessions.put(dump(value))
            case Module.CDRS:
                self.cdrs.learn(_an_object(value), dump(value).decode())
            case _:
                raise InvalidRequest(f"{module} has no list that is kept")

    def _own(self, owner: PartyId, role: Role) -> PartyId:
        """Raises: InvalidRequest: no party of this platform in that role."""
        if all(each.party != owner or each.role is not role for each in self._parties):
            raise InvalidRequest(f"{owner} is not a party of this platform in the role {role}")
        return owner


def _an_object(value: object) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise InvalidRequest("A JSON object is expected")
    return value
