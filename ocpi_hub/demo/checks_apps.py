"""What must be true of commands, charging profiles and their results. Pure."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from urllib.parse import parse_qsl, urlsplit

from ocpi_hub.demo.evidence import Checks, Evidence
from ocpi_hub.demo.notes import Leg, Notes, exact
from ocpi_hub.demo.parties import CPOS
from ocpi_hub.demo.wishes import Asked, Wish
from ocpi_hub.domain.party import InterfaceRole, Module

ASKED_LATER = (Module.COMMANDS, Module.CHARGING_PROFILES)


def _answered_at_once(evidence: Evidence) -> Iterator[str]:
    for asked in evidence.wanted:
        expected = (asked.wish.code, asked.wish.answer)
        if (asked.code, asked.answer) != expected:
            found = (asked.code, asked.answer)
            yield f"{asked.wish.name} was answered {found}, expected {expected}"


def _arrived_unchanged(evidence: Evidence) -> Iterator[str]:
    urls: Counter[str] = Counter()
    for asked in evidence.wanted:
        wish, sent = asked.wish, _sent(evidence, asked)
        if sent is None:
            yield f"{wish.name} is not on record at {wish.emsp.name}"
            continue
        arrived = _arrived(evidence, wish, sent)
        due = wish.answer is not None
        if len(arrived) != due:
            yield f"{wish.name} came {len(arrived)} times to {wish.cpo.name}, expected {due:d}"
        for leg in arrived[:due]:
            yield from _differences(evidence, wish, sent, leg)
            urls[leg.response_url] += 1
    for url, count in urls.items():
        if count > 1:
            yield f"{count} requests came with one response_url"
        if not url.startswith(f"{evidence.hub_url}/"):
            yield "a response_url that a CPO got is not of the hub"


def _differences(evidence: Evidence, wish: Wish, sent: Leg, arrived: Leg) -> Iterator[str]:
    """What is other at the CPO than at the eMSP, but for the `response_url`."""
    expected = (sent.method, sent.place, _content(sent), wish.emsp.party, wish.cpo.party)
    found = (arrived.method, arrived.place, _content(arrived), arrived.sender, arrived.to)
    if found != expected:
        yield f"{wish.name} came as {_short(found)}, expected {_short(expected)}"
    if wish.named != (sent.to == wish.cpo.party) or sent.sender != wish.emsp.party:
        yield f"{wish.name} left with FROM {sent.sender} and TO {sent.to}"


def _content(leg: Leg) -> object:
    """Body and query without the `response_url`."""
    body = exact(leg.body) if leg.body else {}
    fields = {name: value for name, value in body.items() if name != "response_url"}
    query = [each for each in parse_qsl(leg.query) if each[0] != "response_url"]
    return fields, query


def _results_came_back(evidence: Evidence) -> Iterator[str]:
    for asked in evidence.wanted:
        wish, sent = asked.wish, _sent(evidence, asked)
        came = _came(evidence.notes[wish.emsp], asked)
        found = tuple(str(json.loads(leg.body).get("result")) for leg in came)
        if found != wish.results:
            yield f"the results of {wish.name} were {found}, expected {wish.results}"
        told = _told(evidence, wish, sent)
        if _traces(came) != _traces(told):
            yield (
                f"{wish.cpo.name} told {len(told)} results of {wish.name}, and other ones came:"
                f" {_short(_traces(came))}, expected {_short(_traces(told))}"
            )
        for leg in came:
            yield from _misled(wish, sent, leg)
        if wish.profile is not None and came:
            active = exact(came[0].body).get("profile", {}).get("charging_profile")
            if active != exact(json.dumps(wish.profile)):
                yield f"{wish.name} told the profile {active}, expected {wish.profile}"


def _misled(wish: Wish, sent: Leg | None, leg: Leg) -> Iterator[str]:
    """What is wrong with a result that came."""
    if (leg.sender, leg.to) != (wish.cpo.party, wish.emsp.party):
        yield f"a result of {wish.name} came with FROM {leg.sender} and TO {leg.to}"
    if not leg.acked:
        yield f"a result of {wish.name} was not taken"
    if sent is not None and f"{leg.path}?{leg.query}" != _without_host(sent.response_url):
        yield f"a result of {wish.name} came to {leg.path}, which is not its response_url"


def _nobody_else_is_told(evidence: Evidence) -> Iterator[str]:
    """Whatever came to an eMSP is the result of something that it had asked."""
    for company, notes in evidence.notes.items():
        ids = {each.question_id for each in evidence.wanted if each.wish.emsp == company}
        for module in ASKED_LATER:
            for leg in notes.arrived(module, InterfaceRole.SENDER):
                if leg.method == "POST" and leg.path.rpartition("/")[2] not in ids:
                    yield f"a result came to {company.name}, which had not asked for it"


def _profile_updates_arrive(evidence: Evidence) -> Iterator[str]:
    """What CPOs tell of active profiles by themselves."""
    sent = [leg for cpo in CPOS for leg in _updates(evidence.notes[cpo], sent=True)]
    if not sent:
        yield "no CPO told of an active profile"
    came = {
        leg.correlation_id: (company, leg)
        for company, notes in evidence.notes.items()
        for leg in _updates(notes, sent=False)
    }
    for leg in sent:
        company, arrived = came.get(leg.correlation_id, (None, None))
        if company is None or arrived is None:
            yield f"the active profile of {leg.place} did not arrive at {leg.to}"
            continue
        expected = (leg.place, exact(leg.body), leg.sender, company.party)
        found = (arrived.place, exact(arrived.body), arrived.sender, arrived.to)
        if found != expected or company.party != leg.to:
            yield f"an active profile came as {_short(found)}, expected {_short(expected)}"


def _updates(notes: Notes, *, sent: bool) -> list[Leg]:
    legs = notes.sent if sent else notes.arrived
    module, role = Module.CHARGING_PROFILES, InterfaceRole.SENDER
    return [leg for leg in legs(module, role) if leg.method == "PUT"]


def _sent(evidence: Evidence, asked: Asked) -> Leg | None:
    """The request as its eMSP sent it."""
    sent = evidence.notes[asked.wish.emsp].sent(asked.wish.module, InterfaceRole.RECEIVER)
    return next((leg for leg in sent if f"/{asked.question_id}" in leg.response_url), None)


def _arrived(evidence: Evidence, wish: Wish, sent: Leg) -> list[Leg]:
    """The request as it came to its CPO."""
    arrived = evidence.notes[wish.cpo].arrived(wish.module, InterfaceRole.RECEIVER)
    return [leg for leg in arrived if leg.correlation_id == sent.correlation_id]


def _came(notes: Notes, asked: Asked) -> list[Leg]:
    """The results as they came to the eMSP."""
    legs = notes.arrived(asked.wish.module, InterfaceRole.SENDER)
    return [leg for leg in legs if leg.path.endswith(f"/{asked.question_id}")]


def _told(evidence: Evidence, wish: Wish, sent: Leg | None) -> list[Leg]:
    """The results as the CPO sent them, to the URL that it was given."""
    if sent is None:
        return []
    paths = {urlsplit(leg.response_url).path for leg in _arrived(evidence, wish, sent)}
    legs = evidence.notes[wish.cpo].sent(wish.module, InterfaceRole.SENDER)
    return [leg for leg in legs if leg.path in paths]


def _traces(legs: Sequence[Leg]) -> list[tuple[str, object]]:
    return [(leg.correlation_id, exact(leg.body)) for leg in legs]


def _without_host(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.path}?{parts.query}"


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= 200 else f"{text[:200]}..."


CHECKS: Checks = (
    ("every wish by app was answered as expected", _answered_at_once),
    ("every wish came to its CPO as it was sent", _arrived_unchanged),
    ("every result came to who had asked", _results_came_back),
    ("no result went to anybody else", _nobody_else_is_told),
    ("eMSPs were told of active profiles", _profile_updates_arrive),
)
