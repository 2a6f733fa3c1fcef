"""What a CPO accepts now and answers later: commands and requests for charging profiles.

How it reacts is scripted: what it says at once, and the result it sends to the `response_url`
afterwards. Charge points, if it has any, decide where no script does, and do what was accepted.
Spec: 2.2.1 mod_commands_flow, mod_charging_profiles_flow.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from pydantic import BaseModel, ConfigDict, Field

from ocpi_hub.domain.party import Module, OcpiVersion, PartyId
from ocpi_hub.errors import InvalidRequest
from ocpi_hub.ocpi.parse import parse_object
from ocpi_hub.ocpi.registry import command_body
from ocpi_hub.ocpi.v2_2_1.charging_profiles import SetChargingProfile
from ocpi_hub.ocpi.v2_2_1.commands import Command
from ocpi_hub.party.config import VERSION
from ocpi_hub.party.exchange import Answer, Inbound, success_value
from ocpi_hub.party.profiles import ProfileTable

MAX_JSON_DEPTH = 64
ACCEPTED = "ACCEPTED"
UNKNOWN_SESSION = "UNKNOWN_SESSION"


class Reaction(BaseModel):
    """How the CPO reacts to a request.

    `action` is a command, or the method of a request for a charging profile; None: all of them.
    `answer` is the result it says at once, with its `timeout` in seconds. If that is ACCEPTED, it
    sends `result` after `after_s`; None: it sends none by itself.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    action: str | None = None
    answer: str = "ACCEPTED"
    timeout: int = 30
    result: str | None = "ACCEPTED"
    after_s: float = Field(0.1, ge=0)


@dataclass(slots=True)
class Request:
    """A request that was answered at once; results go to its `response_url`.

    Attributes:
        number: counts all of them, from 0.
        action: see `Reaction`.
        session_id: of a charging profile; else empty.
        asker, asked: who sent it, and which party of this platform it is for.
        results: those sent, with the HTTP status and OCPI code of their answers.
    """

    number: int
    module: str
    action: str
    session_id: str
    response_url: str
    body: str
    asker: PartyId | None
    asked: PartyId
    results: list[dict[str, Any]] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        return {
            "number": self.number,
            "module": self.module,
            "action": self.action,
            "session_id": self.session_id,
            "response_url": self.response_url,
            "body": self.body,
            "asker": str(self.asker) if self.asker else None,
            "asked": str(self.asked),
            "results": self.results,
        }


@dataclass(frozen=True, slots=True)
class Plan:
    """What is made of a request.

    Attributes:
        answer: what is said at once; only ACCEPTED is followed by `result`.
        then: what follows once the result was sent.
    """

    answer: str = ACCEPTED
    result: str = ACCEPTED
    then: Callable[[], None] | None = None


@dataclass(frozen=True, slots=True)
class Due:
    """A result to be sent, and what happens then."""

    request: Request
    body: Mapping[str, Any]
    after_s: float
    then: Callable[[], None] | None = None


class Performer(Protocol):
    """The charge points of a CPO."""

    @property
    def active(self) -> bool: ...

    def plan(self, command: Command, asker: PartyId | None, asked: PartyId) -> Plan: ...

    def runs(self, session_id: str, asked: PartyId) -> bool: ...

    def capacity_w(self, session_id: str) -> float | None: ...

    def wake(self, session_id: str) -> None: ...


class RequestTable:
    """The requests of the CPO's partners, and how it reacts to them.

    Attributes:
        due: results that are to be sent.
        profiles: charging profiles in force.
    """

    def __init__(self, performer: Performer) -> None:
        self._performer = performer
        self._requests: list[Request] = []
        self._reactions: list[Reaction] = []
        self.profiles = ProfileTable()
        self.due: asyncio.Queue[Due] = asyncio.Queue()

    def react(self, reaction: Reaction) -> None:
        """React like this from now on; later words win."""
        self._reactions.insert(0, reaction)

    def as_json(self) -> list[dict[str, Any]]:
        return [request.as_json() for request in self._requests]

    def get(self, number: int) -> Request | None:
        return self._requests[number] if 0 <= number < len(self._requests) else None

    def take_command(self, request: Inbound, name: str, asked: PartyId) -> Answer:
        """Raises: OcpiError: what the envelope then says."""
        model = command_body(OcpiVersion(VERSION), name)
        if model is None:
            raise InvalidRequest("There is no such command")
        command = parse_object(request.body, model, max_depth=MAX_JSON_DEPTH).value

        def plan() -> Plan:
            return self._performer.plan(command, request.sender, asked)

        return self._take(_request(request, name, "", command.response_url, asked), plan)

    def take_profile(self, request: Inbound, session_id: str, asked: PartyId) -> Answer:
        """Raises: OcpiError: what the envelope then says."""
        profile: Mapping[str, Any] | None = None
        url = request.query.get("response_url", "")
        if request.method == "PUT":
            wanted = parse_object(request.body, SetChargingProfile, max_depth=MAX_JSON_DEPTH).value
            profile, url = request.json_object()["charging_profile"], wanted.response_url
        if not url:
            raise InvalidRequest("response_url is missing")
        if request.method == "GET" and not request.query.get("duration", "").isdecimal():
            raise InvalidRequest("duration is missing or no number")

        def plan() -> Plan:
            runs = self._performer.runs(session_id, asked)
            return Plan() if runs else Plan(answer=UNKNOWN_SESSION)

        def done() -> None:
            if profile is not None:
                self.profiles.set(session_id, profile, request.sender)
            elif request.method == "DELETE":
                self.profiles.clear(session_id)
            self._performer.wake(session_id)

        return self._take(_request(request, request.method, session_id, url, asked), plan, done)

    def result_of(self, request: Request, result: str) -> dict[str, Any]:
        """The body that tells this result."""
        if (request.module, request.action) != (Module.CHARGING_PROFILES, "GET"):
            return {"result": result}
        capacity = self._performer.capacity_w(request.session_id)
        return {"result": result, "profile": self.profiles.active(request.session_id, capacity)}

    def _take(
        self,
        request: Request,
        plan: Callable[[], Plan],
        done: Callable[[], None] = lambda: None,
    ) -> Answer:
        """Note a request and answer it.

        Args:
            plan: what the charge points make of it.
            done: called if it is accepted now and later.
        """
        request.number = len(self._requests)
        self._requests.append(request)
        scripted = next((r for r in self._reactions if r.action in (None, request.action)), None)
        reaction = scripted or Reaction()
        planned = Plan()
        if self._performer.active and (reaction.answer, reaction.result) == (ACCEPTED, ACCEPTED):
            planned = plan()
        if scripted is None:
            reaction = Reaction(answer=planned.answer, result=planned.result)
        if reaction.answer == ACCEPTED and reaction.result is not None:
            if reaction.result == ACCEPTED:
                done()
            body = self.result_of(request, reaction.result)
            self.due.put_nowait(Due(request, body, reaction.after_s, planned.then))
        return success_value({"result": reaction.answer, "timeout": reaction.timeout})


def _request(inbound: Inbound, action: str, session_id: str, url: str, asked: PartyId) -> Request:
    """Raises: InvalidRequest: half a FROM."""
    return Request(
        number=0,
        module=inbound.module,
        action=action,
        session_id=session_id,
        response_url=url,
        body=inbound.text,
        asker=inbound.sender,
        asked=asked,
    )
