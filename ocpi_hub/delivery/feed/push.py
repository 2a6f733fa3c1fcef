"""One object to one receiver: PUT of its current text, or DELETE of what is withdrawn.

A token cannot be deleted: one that is withdrawn is told as not valid.

The text is read when it is sent, so that whatever has changed meanwhile goes out in its newest
state. A broadcast object comes from the hub, one that was addressed from its owner; both carry the
correlation id of the message that brought them.
Spec: 2.2.1 transport_and_format_message_routing_broadcast_push.
"""

from __future__ import annotations

import functools
import json

from ocpi_hub.delivery.feed.protocols import Current
from ocpi_hub.delivery.leg import Leg
from ocpi_hub.delivery.shared import EVSE, is_evse
from ocpi_hub.domain.exchange import LegKind
from ocpi_hub.domain.objects import Origin
from ocpi_hub.domain.party import InterfaceRole, Module, PartyId, Platform
from ocpi_hub.ocpi.json_text import members
from ocpi_hub.ocpi.withdrawn_token import withdrawn_token

_ID_FIELD = {Module.TOKENS.value: "uid"}


def push_leg(current: Current, receiver: PartyId, platform: Platform, hub: PartyId) -> Leg:
    """The request that brings a receiver up to date with one object."""
    return Leg(
        receiver=receiver,
        platform=platform,
        sender=current.key.owner if current.origin is Origin.DIRECT else hub,
        module=current.key.module,
        interface_role=InterfaceRole.RECEIVER,
        method="DELETE" if is_told_by_delete(current) else "PUT",
        correlation_id=current.correlation_id,
        path=_path(current),
        query=_query(current),
        body=_body(current),
        kind=LegKind.PUSH,
    )


def is_told_by_delete(current: Current) -> bool:
    """Whether receivers are told by DELETE that an object is over."""
    return current.deleted and current.key.module != Module.TOKENS


def _body(current: Current) -> bytes:
    if is_told_by_delete(current):
        return b""
    return (withdrawn_token(current.body) if current.deleted else current.body).encode()


@functools.lru_cache(maxsize=16)  # each entry keeps a text
def _path(current: Current) -> tuple[str, ...]:
    """Owner and id as the owner spells them; of an EVSE the location's id comes first.

    One change goes to many receivers: it is looked for once.
    """
    key, fields = current.key, _strings(current.body)
    owner = (
        fields.get("country_code", key.owner.country_code),
        fields.get("party_id", key.owner.party_id),
    )
    if is_evse(key):
        location = current.path or (*owner, key.object_id)
        return (*location, fields.get("uid", key.object_type.removeprefix(EVSE)))
    return (*owner, fields.get(_ID_FIELD.get(key.module, "id"), key.object_id))


def _query(current: Current) -> tuple[tuple[str, str], ...]:
    if current.key.module == Module.TOKENS:
        return (("type", current.key.object_type),)
    return ()


def _strings(text: str) -> dict[str, str]:
    """The string members of an object, by name."""
    return {name: _unquoted(raw) for name, raw in members(text) if raw.startswith('"')}


def _unquoted(raw: str) -> str:
    value = json.loads(raw)
    return value if isinstance(value, str) else ""
