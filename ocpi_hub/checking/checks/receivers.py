"""RECEIVER interfaces, read only: what is not there is answered as such."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from types import MappingProxyType
from typing import Final

from ocpi_hub.checking.checks.locations import UNKNOWN
from ocpi_hub.checking.model import Check, Notes, NotPermitted, Run, Severity, Skip
from ocpi_hub.checking.partner import RECEIVER, SENDER, Partner
from ocpi_hub.domain.party import Module

MUST, SHOULD, INFO = Severity.MUST, Severity.SHOULD, Severity.INFO

CODES: Final[Mapping[Module, int]] = MappingProxyType({Module.LOCATIONS: 2003, Module.TOKENS: 2004})
"""Status codes that the specification has for one kind of unknown object."""

NOTHING: Final = "there is no RECEIVER interface that this party may use"
_LONG = "x" * 1500


def owner_path(partner: Partner, identifier: str) -> tuple[str, ...]:
    """Where an object of ours would be."""
    sender = partner.sender
    return (*(sender or ("ZZ", "ZZZ")), identifier)


def unknown(module: Module) -> Run:
    """That an unknown object of ours is answered 404."""

    async def run(partner: Partner, notes: Notes) -> None:
        seen = await partner.ask(module, RECEIVER, *owner_path(partner, UNKNOWN))
        notes.saw(seen)
        if seen.http != 404:
            notes.fault(f"expected HTTP 404, got {seen.outcome}", seen)
        elif module in CODES and seen.code not in {CODES[module], None}:
            notes.remark(f"status_code is {seen.code}; {CODES[module]} would say more")

    return run


async def unknown_cdr(partner: Partner, notes: Notes) -> None:
    seen = await partner.ask(Module.CDRS, RECEIVER, UNKNOWN)
    notes.saw(seen)
    if seen.http != 404:
        notes.fault(f"expected HTTP 404, got {seen.outcome}", seen)


async def no_list(partner: Partner, notes: Notes) -> None:
    """A RECEIVER interface has no list: what others own must not be read there."""
    for module in (Module.LOCATIONS, Module.TARIFFS, Module.TOKENS, Module.SESSIONS):
        if (module, RECEIVER) in await partner.endpoints():
            with suppress(NotPermitted):
                seen = await partner.ask(module, RECEIVER)
                notes.saw(seen)
                if seen.succeeded and isinstance(seen.data, list) and seen.data:
                    notes.fault(f"{module} RECEIVER lists objects", seen)
                elif seen.succeeded:
                    notes.fault(f"{module} RECEIVER is answered with {seen.outcome}", seen)
    if not notes.seen:
        raise Skip(NOTHING)


async def foreign_objects(partner: Partner, notes: Notes) -> None:
    for module in (Module.LOCATIONS, Module.TARIFFS, Module.TOKENS, Module.SESSIONS):
        if (module, RECEIVER) in await partner.endpoints():
            with suppress(NotPermitted):
                seen = await partner.ask(module, RECEIVER, "ZZ", "ZZZ", UNKNOWN)
                notes.saw(seen)
                if seen.succeeded or seen.http >= 500:
                    notes.fault(
                        f"{module}: an object of ZZ*ZZZ is answered with {seen.outcome}", seen
                    )
    if not notes.seen:
        raise Skip(NOTHING)


async def long_ids(partner: Partner, notes: Notes) -> None:
    for module in (Module.LOCATIONS, Module.TOKENS):
        if (module, RECEIVER) in await partner.endpoints():
            with suppress(NotPermitted):
                seen = await partner.ask(module, RECEIVER, *owner_path(partner, _LONG))
                notes.saw(seen)
                if seen.succeeded or seen.http >= 500:
                    text = f"{module}: an id of {len(_LONG)} characters: {seen.outcome}"
                    notes.fault(text, seen)
    if not notes.seen:
        raise Skip(NOTHING)


async def short_paths(partner: Partner, notes: Notes) -> None:
    for module in (Module.LOCATIONS, Module.TOKENS):
        if (module, RECEIVER) in await partner.endpoints():
            with suppress(NotPermitted):
                seen = await partner.ask(module, RECEIVER, "ZZ")
                notes.saw(seen)
                if seen.succeeded or seen.http >= 500:
                    notes.fault(f"{module}: half a path is answered with {seen.outcome}", seen)
    if not notes.seen:
        raise Skip(NOTHING)


async def commands_read(partner: Partner, notes: Notes) -> None:
    seen = await partner.ask(Module.COMMANDS, RECEIVER, "START_SESSION")
    notes.saw(seen)
    if seen.succeeded or seen.http >= 500:
        notes.fault(f"GET of a command is answered with {seen.outcome}", seen)


async def unknown_module(partner: Partner, notes: Notes) -> None:
    for (module, role), url in (await partner.endpoints()).items():
        if role is SENDER and url.rstrip("/").endswith(f"/{module}"):
            other = f"{url.rstrip('/').removesuffix(module)}check-no-such-module"
            seen = await partner.conversation.ask(other)
            if seen.http == 401:
                raise Skip(f"the token is not accepted there ({seen.outcome})")
            notes.saw(seen)
            if seen.http != 404:
                notes.fault(f"expected HTTP 404, got {seen.outcome}", seen)
            return
    raise Skip("no URL ends with the name of its module")


_FIX = "Answer 404, with the status_code that the module has for it."
CHECKS = (
    Check("locations.received_unknown", "A Location that was never pushed is answered 404",
          ("ER-03", "LO-03"), MUST, _FIX, unknown(Module.LOCATIONS)),
    Check("tariffs.received_unknown", "A Tariff that was never pushed is answered 404",
          ("ER-03", "TA-01"), MUST, _FIX, unknown(Module.TARIFFS)),
    Check("tokens.received_unknown", "A Token that was never pushed is answered 404",
          ("ER-03", "TK-01"), MUST, _FIX, unknown(Module.TOKENS)),
    Check("sessions.received_unknown", "A Session that was never pushed is answered 404",
          ("ER-03", "SE-01"), MUST, _FIX, unknown(Module.SESSIONS)),
    Check("cdrs.received_unknown", "A CDR that was never sent is answered 404",
          ("ER-03", "CD-01"), MUST, _FIX, unknown_cdr),
    Check("receiving.no_list", "RECEIVER interfaces have no lists", ("ER-08", "RT-39"), MUST,
          "Answer 404 or 405 to GET without an object: lists belong to the SENDER interface.",
          no_list),
    Check("receiving.foreign", "Objects of others are not handed out", ("TF-25",), MUST,
          "Answer 404 when country_code and party_id in the URL are not the caller's.",
          foreign_objects),
    Check("receiving.long_ids", "Overlong ids are refused", ("TY-02",), SHOULD,
          "Answer 404 or 2001.", long_ids),
    Check("receiving.short_paths", "Incomplete paths are refused", ("TF-24", "ER-03"), SHOULD,
          "Answer 404 when the URL lacks a part of the object's name.", short_paths),
    Check("commands.read", "Commands cannot be read", ("CM-01", "ER-08"), SHOULD,
          "Answer 405: commands are POSTed.", commands_read),
    Check("http.unknown_module", "An unknown module is answered 404", ("ER-03",), SHOULD,
          "Answer 404, with an envelope.", unknown_module),
)  # fmt: skip
