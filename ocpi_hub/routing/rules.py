"""What the specification says about each functional module, as data.

One row decides the methods of both interfaces, who may call them, who owns the objects, and what
the hub keeps. Spec: 2.2.1, "Interfaces and Endpoints" and "Data owner" of each module, and
transport_and_format_message_routing_broadcast_push.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from ocpi_hub.domain.party import InterfaceRole, Module, Role

SENDER = InterfaceRole.SENDER
RECEIVER = InterfaceRole.RECEIVER

_CPO = frozenset({Role.CPO})
_EMSP = frozenset({Role.EMSP, Role.OTHER})
_CPO_OR_NAP = frozenset({Role.CPO, Role.NAP})
_READERS = frozenset({Role.EMSP, Role.NSP, Role.OTHER, Role.NAP, Role.SCSP})
_CONTROLLERS = frozenset({Role.EMSP, Role.OTHER, Role.SCSP})


class Keeping(StrEnum):
    """What the hub does with the objects of a module besides passing them on."""

    SHARED = "shared"
    """Kept as current state, for lists and catch-up."""
    DIRECTED = "directed"
    """Taken into custody for the one receiver they concern."""
    NOTHING = "nothing"
    """Relayed only."""


@dataclass(frozen=True, slots=True)
class ModuleRules:
    """One functional module.

    Attributes:
        methods: HTTP methods by interface; anything else is 405.
        callers: roles whose parties may call an interface (RT-05: else 403/2001).
        broadcast_to: roles that get a Broadcast Push; empty: never broadcast (RT-28).
        by_file: what is pushed also goes to parties that exchange files instead of messages.
    """

    module: Module
    keeping: Keeping
    methods: Mapping[InterfaceRole, frozenset[str]]
    callers: Mapping[InterfaceRole, frozenset[Role]]
    broadcast_to: frozenset[Role] = frozenset()
    by_file: bool = False


def _rules(
    module: Module,
    keeping: Keeping,
    *,
    sender: tuple[str, frozenset[Role]],
    receiver: tuple[str, frozenset[Role]],
    broadcast_to: frozenset[Role] = frozenset(),
    by_file: bool = False,
) -> ModuleRules:
    return ModuleRules(
        module,
        keeping,
        methods={SENDER: frozenset(sender[0].split()), RECEIVER: frozenset(receiver[0].split())},
        callers={SENDER: sender[1], RECEIVER: receiver[1]},
        broadcast_to=broadcast_to,
        by_file=by_file,
    )


_CPO_DATA = frozenset({Role.EMSP, Role.NSP, Role.OTHER, Role.NAP})
"""Who gets what a CPO broadcasts: the eMSP-like roles, and NAPs (RT-25, RT-26)."""

RULES: Mapping[str, ModuleRules] = {
    rules.module.value: rules
    for rules in (
        _rules(
            Module.LOCATIONS,
            Keeping.SHARED,
            sender=("GET", _READERS),
            receiver=("GET PUT PATCH", _CPO_OR_NAP),
            broadcast_to=_CPO_DATA,
        ),
        _rules(
            Module.TARIFFS,
            Keeping.SHARED,
            sender=("GET", _READERS),
            receiver=("GET PUT DELETE", _CPO_OR_NAP),
            broadcast_to=_CPO_DATA,
        ),
        _rules(
            Module.TOKENS,
            Keeping.SHARED,
            sender=("GET POST", _CPO),
            receiver=("GET PUT PATCH", _EMSP),
            broadcast_to=_CPO,
        ),
        _rules(
            Module.SESSIONS,
            Keeping.DIRECTED,
            sender=("GET PUT", _READERS),
            receiver=("GET PUT PATCH", _CPO),
        ),
        _rules(
            Module.CDRS,
            Keeping.DIRECTED,
            sender=("GET", _READERS),
            receiver=("GET POST", _CPO),
            by_file=True,
        ),
        _rules(
            Module.COMMANDS,
            Keeping.NOTHING,
            sender=("POST", _CPO),
            receiver=("POST", _CONTROLLERS),
        ),
        _rules(
            Module.CHARGING_PROFILES,
            Keeping.NOTHING,
            # An eMSP that passes an SCSP's profiles on answers it as a CPO answers the eMSP.
            sender=("POST PUT", _CPO | _EMSP),
            receiver=("GET PUT DELETE", _CONTROLLERS),
        ),
    )
}
"""Every functional module of the specification, by identifier."""
