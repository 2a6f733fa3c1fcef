"""Pushes of Client Owned Objects: GET, PUT and PATCH of an object whose URL names its owner.

The same functions answer what a peer pushes and change what this platform owns itself.
Spec: 2.2.1 transport_and_format_client_owned_object_push.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ocpi_hub.domain.party import PartyId
from ocpi_hub.errors import InvalidRequest, MethodNotAllowed, NotFound, UnknownToken
from ocpi_hub.party.exchange import Answer, Inbound, success
from ocpi_hub.party.locations import LocationTable, Place
from ocpi_hub.party.paging import parse_datetime
from ocpi_hub.party.tables import (
    DEFAULT_TOKEN_TYPE,
    ClientTable,
    TokenTable,
    owner_of,
    required_text,
)


def push_token(table: TokenTable, request: Inbound, owner: PartyId, uid: str) -> Answer:
    """Raises: OcpiError: what the envelope then says."""
    token_type = request.query.get("type")
    entry = table.get(owner, uid, token_type or DEFAULT_TOKEN_TYPE)
    match request.method:
        case "GET":
            if entry is None:
                raise UnknownToken
            return success(entry.listed.text)
        case "PUT":
            token = request.json_object()
            _check_token(token, owner, uid, token_type)
            return _stored(new=table.put(token))
        case "PATCH":
            changes = request.json_object()
            parse_datetime(required_text(changes, "last_updated"))
            if entry is None:
                raise UnknownToken
            token = {**entry.value, **changes}
            _check_token(token, owner, uid, token_type)
            table.put(token)
            return success()
        case _:
            raise MethodNotAllowed


def push_location(table: LocationTable, request: Inbound, place: Place) -> Answer:
    """Raises: OcpiError: what the envelope then says."""
    match request.method:
        case "GET":
            return success(table.get(place).encode())
        case "PUT":
            return _stored(new=table.put(place, request.body))
        case "PATCH":
            table.patch(place, request.body)
            return success()
        case _:
            raise MethodNotAllowed


def push_client_info(table: ClientTable, request: Inbound, party: PartyId) -> Answer:
    """Raises: OcpiError: what the envelope then says."""
    match request.method:
        case "GET":
            text = table.get(party)
            if text is None:
                raise NotFound
            return success(text.encode())
        case "PUT":
            return _stored(new=table.put(party, request.json_object(), request.text))
        case _:
            raise MethodNotAllowed


def _stored(*, new: bool) -> Answer:
    return success(http_status=201 if new else 200)


def _check_token(
    token: Mapping[str, Any], owner: PartyId, uid: str, token_type: str | None
) -> None:
    """Raises: InvalidRequest: the body is about another Token than the URL."""
    if owner_of(token) != owner or required_text(token, "uid").upper() != uid.upper():
        raise InvalidRequest("The body names another Token than the URL")
    if token_type is not None and token.get("type") != token_type:
        raise InvalidRequest("The body has another type than the URL")
