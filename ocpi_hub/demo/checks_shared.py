"""What must be true of Sessions and Tariffs, of the hub's lists, and of strangers. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

from ocpi_hub.demo.crawls import key_of
from ocpi_hub.demo.evidence import Checks, Evidence
from ocpi_hub.demo.notes import Leg, company_of, exact
from ocpi_hub.demo.parties import ALL_CPOS, CPOS, EMSPS, HUB, Company, related
from ocpi_hub.domain.party import InterfaceRole, Module, PartyId
from ocpi_hub.ocpi.v2_2_1.sessions import SessionStatus

Objects = Mapping[str, Mapping[str, Any]]


def _sessions_arrived(evidence: Evidence) -> Iterator[str]:
    """While all was well, an eMSP saw every change at once and in order; later in order."""
    arrived = {emsp: _by_place(_pushes(evidence, emsp, Module.SESSIONS)) for emsp in EMSPS}
    for cpo in CPOS:
        for place, sent in _by_place(_own_pushes(evidence, cpo, Module.SESSIONS)).items():
            payer = _payer(sent)
            for emsp in EMSPS:
                came = arrived[emsp].get(place, [])
                if emsp.party != payer:
                    if came:
                        yield f"{place} came to {emsp.name}, but is of {payer}"
                    continue
                count = evidence.live.get(place.rpartition("/")[2], 0)
                yield from _as_it_happened(f"{place} at {emsp.name}", sent, came, count)
                yield from _misrouted(cpo.party, emsp, came)


def _as_it_happened(
    name: str, sent: Sequence[Leg], came: Sequence[Leg], live: int
) -> Iterator[str]:
    if not live:
        yield f"{name}: nothing was told while all was well"
    first, expected = [_trace(leg) for leg in came[:live]], [_trace(leg) for leg in sent[:live]]
    if first != expected:
        methods = [leg.method for leg in came[:live]]
        yield f"{name}: the first {live} changes came as {methods}, or with other contents"
    moments = [exact(leg.body)["last_updated"] for leg in came]
    if moments != sorted(moments):
        yield f"{name}: an older state came after a newer one"
    patches = {_trace(leg) for leg in sent if leg.method == "PATCH"}
    later = Counter(_trace(leg) for leg in came if leg.method == "PATCH")
    for trace, count in later.items():
        if count > 1 or trace not in patches:
            yield f"{name}: a PATCH came {count} times, or with a content that nobody sent"


def _sessions_agree(evidence: Evidence) -> Iterator[str]:
    for emsp in EMSPS:
        own = {
            key_of(session): session
            for cpo in ALL_CPOS
            for session in evidence.notes[cpo].sessions
            if PartyId.parse(_owner(session["cdr_token"])) == emsp.party
        }
        held = {key_of(session): session for session in evidence.notes[emsp].sessions}
        yield from _unlike(emsp.name, held, own)
        for key, session in own.items():
            if session["status"] != SessionStatus.COMPLETED:
                yield f"{key} is {session['status']} at the end, expected COMPLETED"


def _prices_arrived(evidence: Evidence) -> Iterator[str]:
    """What an eMSP was told of a Tariff is what its CPO told, in order, the last of it too."""
    for emsp in EMSPS:
        arrived = _by_place(_pushes(evidence, emsp, Module.TARIFFS))
        for cpo in ALL_CPOS:
            own = _by_place(_own_pushes(evidence, cpo, Module.TARIFFS))
            for place, sent in own.items() if related(cpo, emsp) else ():
                came = arrived.get(place, [])
                name = f"{place} at {emsp.name}"
                if not came or _trace(came[-1]) != _trace(sent[-1]):
                    last = came[-1].method if came else "nothing"
                    yield f"{name}: {last} came last, expected {sent[-1].method} or its content"
                if not _is_part(came, sent):
                    methods = [leg.method for leg in came]
                    yield f"{name}: {methods} came, not in the order of what was sent"
                yield from _misrouted(HUB, emsp, came)


def _misrouted(sender: PartyId, emsp: Company, came: Sequence[Leg]) -> Iterator[str]:
    """What came to everybody is FROM the hub; what came to one eMSP, FROM its CPO."""
    for leg in came:
        if (leg.sender, leg.to) != (sender, emsp.party):
            yield f"{leg.place} came to {emsp.name} with FROM {leg.sender} and TO {leg.to}"


def _tariffs_agree(evidence: Evidence) -> Iterator[str]:
    for emsp in EMSPS:
        own = {
            key_of(tariff): tariff
            for cpo in ALL_CPOS
            if related(cpo, emsp)
            for tariff in evidence.notes[cpo].tariffs
        }
        held = {key_of(tariff): tariff for tariff in evidence.notes[emsp].tariffs}
        yield from _unlike(emsp.name, held, own)


def _prices_told_once(evidence: Evidence) -> Iterator[str]:
    company, since = evidence.returned
    pushes = (leg for leg in _pushes(evidence, company, Module.TARIFFS) if leg.at >= since)
    counted = Counter(leg.place for leg in pushes)
    if not counted:
        yield f"{company.name} was not told of any price that changed while it was away"
    for place, count in counted.items():
        if count > 1:
            yield f"{company.name} was told {count} times of {place} after its return, expected 1"


def _lists_are_complete(evidence: Evidence) -> Iterator[str]:
    for crawl in evidence.crawls:
        yield from crawl.faults()
        if len(crawl.pages) < 2:
            yield f"the list of {crawl.module} for {crawl.reader.name} had one page only"


def _strangers_stay_strangers(evidence: Evidence) -> Iterator[str]:
    for company, notes in evidence.notes.items():
        for leg in notes.legs:
            other = company_of(leg.sender)
            if not leg.sent and other is not None and not related(company, other):
                yield f"{leg.method} {leg.place} of {other.name} came to {company.name}"


# What both have in common --------------------------------------------------------------------


def _own_pushes(evidence: Evidence, cpo: Company, module: str) -> Iterator[Leg]:
    return evidence.notes[cpo].sent(module, InterfaceRole.RECEIVER)


def _pushes(evidence: Evidence, emsp: Company, module: str) -> Iterator[Leg]:
    """Pushes that an eMSP took."""
    legs = evidence.notes[emsp].arrived(module, InterfaceRole.RECEIVER)
    return (leg for leg in legs if leg.acked)


def _by_place(legs: Iterator[Leg]) -> dict[str, list[Leg]]:
    found: dict[str, list[Leg]] = {}
    for leg in legs:
        found.setdefault(leg.place, []).append(leg)
    return found


def _payer(sent: Sequence[Leg]) -> PartyId | None:
    """Whose token a Session was begun with."""
    bodies = (exact(leg.body) for leg in sent if leg.method == "PUT")
    return next((PartyId.parse(_owner(body["cdr_token"])) for body in bodies), None)


def _owner(value: Mapping[str, Any]) -> str:
    return f"{value['country_code']}*{value['party_id']}"


def _trace(leg: Leg) -> tuple[str, str]:
    """Method and exact content, numbers by their value."""
    return leg.method, repr(exact(leg.body)) if leg.body else ""


def _is_part(came: Sequence[Leg], sent: Sequence[Leg]) -> bool:
    """Whether all of one stands in the other, in its order; a state may come again."""
    rest = iter([_trace(leg) for leg in sent])
    return all(trace in rest for trace, _ in groupby(_trace(leg) for leg in came))


def _unlike(name: str, held: Objects, own: Objects) -> Iterator[str]:
    for key in sorted(own.keys() | held.keys()):
        if key not in held:
            yield f"{name} lacks {key}"
        elif key not in own:
            yield f"{name} has {key}, which it should not"
        elif held[key] != own[key]:
            fields = own[key].keys() | held[key].keys()
            other = sorted(f for f in fields if own[key].get(f) != held[key].get(f))
            yield f"{name} has {key} with other {', '.join(other)} than its CPO"


CHECKS: Checks = (
    ("eMSPs saw sessions as they happened", _sessions_arrived),
    ("eMSPs have every session as its CPO", _sessions_agree),
    ("eMSPs were told of prices in order", _prices_arrived),
    ("eMSPs have every tariff as its CPO", _tariffs_agree),
    ("who was away was told each price once", _prices_told_once),
    ("lists show everything once, and how many", _lists_are_complete),
    ("strangers see nothing of each other", _strangers_stay_strangers),
)
