"""The modules tokens and cdrs, both interfaces, and hubclientinfo as its receiver.

Which interface is answered follows from the URL alone: SENDER and RECEIVER have different ones.
Spec: 2.2.1 mod_tokens_tokens_module, mod_cdrs_cdrs_module, mod_hub_client_info_client_interface.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from ocpi_hub.domain.party import InterfaceRole, Module, PartyId, Role
from ocpi_hub.errors import InvalidRequest, MethodNotAllowed, NotFound, UnknownToken
from ocpi_hub.party.config import OFFERED, VERSION, PartyConfig
from ocpi_hub.party.exchange import Answer, Inbound, success, success_value
from ocpi_hub.party.listener import Listener
from ocpi_hub.party.paging import Listed, list_page, parse_datetime
from ocpi_hub.party.tables import (
    DEFAULT_TOKEN_TYPE,
    CdrTable,
    ClientTable,
    TokenEntry,
    TokenTable,
    owner_of,
    required_text,
)


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
    """The tables of the platform and the requests that read and change them."""

    def __init__(self, config: PartyConfig, address: Listener) -> None:
        self._config = config
        self._address = address
        self._interfaces = frozenset(config.interfaces)
        self._decisions: dict[tuple[str, str], Allowed] = {}
        self.issued = TokenTable()
        self.cached = TokenTable()
        self.cdrs = CdrTable()
        self.clients = ClientTable()

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
        match (request.module, request.role, request.method, request.tail):
            case (Module.TOKENS, InterfaceRole.SENDER, "GET", ()):
                return self._list(request, self.issued.listed())
            case (Module.TOKENS, InterfaceRole.SENDER, "POST", (uid, "authorize")):
                return self._authorize(request, uid)
            case (Module.TOKENS, InterfaceRole.RECEIVER, _, (country_code, party_id, uid)):
                return self._cached_token(request, _owner(country_code, party_id), uid)
            case (Module.CDRS, InterfaceRole.SENDER, "GET", ()):
                return self._list(request, self.cdrs.listed())
            case (Module.CDRS, InterfaceRole.RECEIVER, "POST", ()):
                return self._receive_cdr(request)
            case (Module.CDRS, InterfaceRole.RECEIVER, "GET", (serial,)):
                return self._received_cdr(serial)
            case (Module.HUB_CLIENT_INFO, InterfaceRole.RECEIVER, _, (country_code, party_id)):
                return self._client_info(request, _owner(country_code, party_id))
            case (_, _, "GET", _):
                raise NotFound
            case _:
                raise MethodNotAllowed

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
        owners = [to] if to else [p.party for p in self._config.parties if p.role is Role.EMSP]
        found = (self.issued.get(owner, uid, token_type) for owner in owners)
        return next((entry for entry in found if entry is not None), None)

    def _cached_token(self, request: Inbound, owner: PartyId, uid: str) -> Answer:
        token_type = request.query.get("type")
        entry = self.cached.get(owner, uid, token_type or DEFAULT_TOKEN_TYPE)
        match request.method:
            case "GET":
                if entry is None:
                    raise UnknownToken
                return success(entry.listed.text)
            case "PUT":
                token = request.json_object()
                _check_identity(token, owner, uid, token_type)
                new = self.cached.put(token)
                return success(http_status=201 if new else 200)
            case "PATCH":
                changes = request.json_object()
                parse_datetime(required_text(changes, "last_updated"))
                if entry is None:
                    raise UnknownToken
                token = {**entry.value, **changes}
                _check_identity(token, owner, uid, token_type)
                self.cached.put(token)
                return success()
            case _:
                raise MethodNotAllowed

    def _client_info(self, request: Inbound, party: PartyId) -> Answer:
        match request.method:
            case "GET":
                text = self.clients.get(party)
                if text is None:
                    raise NotFound
                return success(text.encode())
            case "PUT":
                new = self.clients.put(party, request.json_object(), request.text)
                return success(http_status=201 if new else 200)
            case _:
                raise MethodNotAllowed

    def _receive_cdr(self, request: Inbound) -> Answer:
        value = request.json_object()
        self._check_receiver(value)
        held = self.cdrs.receive(value, request.text)
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
        held = self.cdrs.by_serial(int(serial)) if serial.isdecimal() else None
        if held is None:
            raise NotFound
        return success(held.text.encode())

    def load_token(self, value: object) -> None:
        """Put a Token into the eMSP's table.

        Raises:
            InvalidRequest: it is not usable, or no eMSP of this platform issued it.
        """
        if not isinstance(value, dict):
            raise InvalidRequest("A Token is a JSON object")
        owner = owner_of(value)
        if all(p.party != owner or p.role is not Role.EMSP for p in self._config.parties):
            raise InvalidRequest(f"{owner} is not an eMSP of this platform")
        self.issued.put(value)

    def load_cdr(self, text: str) -> None:
        """Put a CDR, given as its JSON text, on the list the CPO serves.

        Raises:
            InvalidRequest: it is not usable, or no CPO of this platform made it.
        """
        value = json.loads(text)
        if not isinstance(value, dict):
            raise InvalidRequest("A CDR is a JSON object")
        owner = owner_of(value)
        if all(p.party != owner or p.role is not Role.CPO for p in self._config.parties):
            raise InvalidRequest(f"{owner} is not a CPO of this platform")
        self.cdrs.load(value, text)


_PLAYED_BY: Mapping[tuple[str, InterfaceRole | None], Role] = {
    interface: role for role, interfaces in OFFERED.items() for interface in interfaces
}


def _owner(country_code: str, party_id: str) -> PartyId:
    return owner_of({"country_code": country_code, "party_id": party_id})


def _check_identity(
    token: Mapping[str, Any], owner: PartyId, uid: str, token_type: str | None
) -> None:
    """Raises: InvalidRequest: the body is about another Token than the URL."""
    if owner_of(token) != owner or required_text(token, "uid").upper() != uid.upper():
        raise InvalidRequest("The body names another Token than the URL")
    if token_type is not None and token.get("type") != token_type:
        raise InvalidRequest("The body has another type than the URL")
