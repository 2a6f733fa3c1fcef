"""Checks that send more than GET; made only when asked for.

What they send is wrong on purpose and has to be refused, or is an object of our own party that is
taken back: a Tariff is deleted, a Token (which nobody can delete) is never valid. Credentials are
never touched, because a platform that takes nonsense for credentials would be cut off.
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable
from contextlib import suppress

from ocpi_hub.checking.checks.locations import UNKNOWN
from ocpi_hub.checking.checks.receivers import NOTHING
from ocpi_hub.checking.conversation import Seen
from ocpi_hub.checking.model import Check, Notes, NotPermitted, Run, Severity, Skip
from ocpi_hub.checking.partner import RECEIVER, SENDER, Partner
from ocpi_hub.checking.reading import Object
from ocpi_hub.domain.party import InterfaceRole, Module, PartyId
from ocpi_hub.ocpi.envelope import dump, timestamp

MUST, SHOULD = Severity.MUST, Severity.SHOULD

_PUSHED = (Module.LOCATIONS, Module.TARIFFS, Module.TOKENS, Module.SESSIONS)
_PATCHED = (Module.LOCATIONS, Module.TOKENS, Module.SESSIONS)
_UNKNOWN_TOKEN = 2004

Push = Callable[[Partner, Module, PartyId], Awaitable[Seen]]


def _us(partner: Partner) -> PartyId:
    if partner.sender is None:
        raise Skip("say which party sends: --from CC*PID")
    return partner.sender


def pushes(modules: tuple[Module, ...], push: Push, judge: Callable[[Seen], str | None]) -> Run:
    """That each RECEIVER interface answers a push as it should."""

    async def run(partner: Partner, notes: Notes) -> None:
        us = _us(partner)
        for module in modules:
            if (module, RECEIVER) in await partner.endpoints():
                with suppress(NotPermitted):
                    seen = await push(partner, module, us)
                    notes.saw(seen)
                    if (text := judge(seen)) is not None:
                        notes.fault(f"{module}: {text}", seen)
        if not notes.seen:
            raise Skip(NOTHING)

    return run


def _sends(method: str, body: Callable[[], bytes]) -> Push:
    async def push(partner: Partner, module: Module, us: PartyId) -> Seen:
        path = () if module is Module.CDRS else (*us, UNKNOWN)
        how = "POST" if module is Module.CDRS else method
        return await partner.ask(module, RECEIVER, *path, method=how, body=body())

    return push


def _is_400(seen: Seen) -> str | None:
    return None if seen.http == 400 else f"expected HTTP 400, got {seen.outcome}"


def _is_refused(seen: Seen) -> str | None:
    refused = seen.code is not None and 2000 <= seen.code < 3000 and seen.http < 500
    return None if refused else f"expected a status_code 2xxx, got {seen.outcome}"


def _is_405(seen: Seen) -> str | None:
    return None if seen.http == 405 else f"expected HTTP 405, got {seen.outcome}"


def _not_accepted(seen: Seen) -> str | None:
    accepted = seen.succeeded or seen.http >= 500 or seen.failure is not None
    return f"answered with {seen.outcome}" if accepted else None


async def round_trip(partner: Partner, notes: Notes) -> None:
    """A Tariff: put, read, put again, deleted, gone."""
    us, name = _us(partner), f"check-{secrets.token_hex(6)}"
    tariff = make_tariff(us, name, partner)

    async def send(method: str, body: Object | None = None) -> Seen:
        text = None if body is None else dump(body)
        seen = await partner.ask(
            Module.TARIFFS, RECEIVER, *us, name, method=method, body=text, again=True,
            takes_back=method == "DELETE",
        )  # fmt: skip
        notes.saw(seen)
        return seen

    first = await send("PUT", tariff)
    try:
        _must_succeed(first, "PUT of a new Tariff", notes)
        read = await send("GET")
        same = isinstance(read.data, dict) and read.data.get("id") == name
        if not read.succeeded or not same:
            notes.fault(f"a Tariff that was put is answered with {read.outcome}", read)
        _must_succeed(await send("PUT", tariff), "PUT of the same Tariff", notes)
    finally:
        gone = await send("DELETE")
    _must_succeed(gone, "DELETE of the Tariff", notes)
    after = await send("GET")
    if after.http != 404:
        notes.fault(f"a Tariff that was deleted is answered with {after.outcome}", after)


async def blocked_token(partner: Partner, notes: Notes) -> None:
    """A Token that is not valid: put, read, changed. It stays, as Tokens do, and opens nothing."""
    us, uid = _us(partner), f"CHECK{secrets.token_hex(5).upper()}"
    token = make_token(us, uid, partner)
    path = (*us, uid)
    put = await partner.ask(Module.TOKENS, RECEIVER, *path, method="PUT", body=dump(token))
    notes.saw(put)
    _must_succeed(put, "PUT of a new Token", notes)
    read = await partner.ask(Module.TOKENS, RECEIVER, *path)
    notes.saw(read)
    if not isinstance(read.data, dict) or read.data.get("valid") is not False:
        notes.fault(f"a Token that was put is answered with {read.outcome}", read)
    change = dump({"valid": False, "last_updated": token["last_updated"]})
    patched = await partner.ask(Module.TOKENS, RECEIVER, *path, method="PATCH", body=change)
    notes.saw(patched)
    _must_succeed(patched, "PATCH of the Token", notes)


async def other_id(partner: Partner, notes: Notes) -> None:
    us, name = _us(partner), f"check-{secrets.token_hex(6)}"
    body = dump(make_tariff(us, f"{name}-b", partner))
    seen = await partner.ask(Module.TARIFFS, RECEIVER, *us, name, method="PUT", body=body)
    notes.saw(seen)
    if seen.succeeded:
        notes.fault("a body with another id than the URL is accepted", seen)
        for each in (name, f"{name}-b"):
            await partner.ask(Module.TARIFFS, RECEIVER, *us, each, method="DELETE", takes_back=True)


async def unknown_delete(partner: Partner, notes: Notes) -> None:
    seen = await partner.ask(Module.TARIFFS, RECEIVER, *_us(partner), UNKNOWN, method="DELETE")
    notes.saw(seen)
    if seen.http != 404:
        notes.fault(f"expected HTTP 404, got {seen.outcome}", seen)


async def unknown_token(partner: Partner, notes: Notes) -> None:
    uid = f"CHECK{secrets.token_hex(5).upper()}"
    seen = await partner.ask(Module.TOKENS, SENDER, uid, "authorize", method="POST", body=b"")
    if (seen.code or 0) >= 4000:
        raise Skip(f"nobody answers whom the hub could ask ({seen.outcome})")
    notes.saw(seen)
    if (seen.http, seen.code) != (404, _UNKNOWN_TOKEN):
        notes.fault(f"expected HTTP 404 with {_UNKNOWN_TOKEN}, got {seen.outcome}", seen)


def only_get(url_of: Callable[[Partner], Awaitable[str]], method: str) -> Run:
    async def run(partner: Partner, notes: Notes) -> None:
        seen = await partner.conversation.ask(await url_of(partner), method=method, body=b"")
        notes.saw(seen)
        if (text := _is_405(seen)) is not None:
            notes.fault(text, seen)

    return run


async def _versions_url(partner: Partner) -> str:
    return partner.target.versions_url


async def _credentials_url(partner: Partner) -> str:
    return await partner.credentials_url()


def list_refuses(method: str) -> Run:
    async def run(partner: Partner, notes: Notes) -> None:
        for listing in await partner.listings():
            role: InterfaceRole = SENDER
            seen = await partner.ask(listing.module, role, method=method, body=b"{}")
            notes.saw(seen)
            if (text := _not_accepted(seen)) is not None:
                notes.fault(f"{listing.module}: {text}", seen)

    return run


def make_tariff(us: PartyId, name: str, partner: Partner) -> dict[str, object]:
    component = {"type": "ENERGY", "price": 0.0, "step_size": 1}
    return {
        "country_code": us.country_code,
        "party_id": us.party_id,
        "id": name,
        "currency": "EUR",
        "elements": [{"price_components": [component]}],
        "last_updated": timestamp(partner.clock.now()),
    }


def make_token(us: PartyId, uid: str, partner: Partner) -> dict[str, object]:
    return {
        "country_code": us.country_code,
        "party_id": us.party_id,
        "uid": uid,
        "type": "RFID",
        "contract_id": f"{us.country_code}{us.party_id}C{uid}"[:36],
        "issuer": "self-test",
        "valid": False,
        "whitelist": "NEVER",
        "last_updated": timestamp(partner.clock.now()),
    }


def _must_succeed(seen: Seen, what: str, notes: Notes) -> None:
    if not seen.succeeded:
        notes.fault(f"{what}: {seen.outcome}", seen)


def _garbage() -> bytes:
    return b'{"check": '


def _empty() -> bytes:
    return b"{}"


def _only_time() -> bytes:
    return b'{"last_updated": "2020-01-01T00:00:00Z"}'


_FIX_405 = "Answer 405 to methods that the interface does not have."
CHECKS = (
    Check("write.garbage", "A body that is no JSON is answered 400", ("ER-01",), MUST,
          "Answer 400 when the body cannot be parsed.",
          pushes((*_PUSHED, Module.CDRS), _sends("PUT", _garbage), _is_400), True),
    Check("write.incomplete", "An object without its required fields is refused", ("TF-20",), MUST,
          "Answer HTTP 200 with 2001 and name the field.",
          pushes((*_PUSHED, Module.CDRS), _sends("PUT", _empty), _is_refused), True),
    Check("write.no_time", "PATCH without last_updated is refused", ("ER-09",), MUST,
          "Answer 2001: whoever reads the list by date would miss the change.",
          pushes(_PATCHED, _sends("PATCH", _empty), _is_refused), True),
    Check("write.unknown_patch", "PATCH of an unknown object is refused", ("ER-10",), SHOULD,
          "Answer 404: the owner sends the whole object then.",
          pushes(_PATCHED, _sends("PATCH", _only_time), _not_accepted), True),
    Check("write.method", "POST to an object is answered 405", ("ER-08", "TF-24"), SHOULD,
          _FIX_405, pushes(_PUSHED, _sends("POST", _empty), _is_405), True),
    Check("write.list", "Lists cannot be written", ("ER-08",), MUST, _FIX_405,
          list_refuses("PUT"), True),
    Check("write.versions", "Versions cannot be written", ("ER-08", "VE-01"), SHOULD, _FIX_405,
          only_get(_versions_url, "PUT"), True),
    Check("write.credentials", "PATCH of credentials is answered 405", ("CR-01",), SHOULD,
          _FIX_405, only_get(_credentials_url, "PATCH"), True),
    Check("write.tariff", "A Tariff can be put, read and deleted", ("TA-01", "TA-02", "ER-04"),
          MUST, "Keep what is put, answer GET with it, and forget it after DELETE.", round_trip,
          True),
    Check("write.token", "A Token can be put, read and changed", ("TK-01", "ER-04", "TF-21"), MUST,
          "Keep what is put, answer GET with it, and take PATCH.", blocked_token, True),
    Check("write.other_id", "A body about another object is refused", ("TF-26",), SHOULD,
          "Compare country_code, party_id and id of body and URL; answer 2001.", other_id, True),
    Check("write.unknown_delete", "DELETE of an unknown Tariff is answered 404", ("TA-02",), SHOULD,
          "Answer 404.", unknown_delete, True),
    Check("write.authorize", "An unknown Token is answered 404 with 2004", ("TK-07",), MUST,
          "Answer HTTP 404 with status_code 2004 when you have not issued the Token.",
          unknown_token, True),
)  # fmt: skip
