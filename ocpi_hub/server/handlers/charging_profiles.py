"""Charging profiles: from an eMSP or SCSP to a CPO, results and updates back.

Spec: 2.2.1 mod_charging_profiles.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from ocpi_hub.delivery.asynchronous import Asked, AsynchronousAnswers
from ocpi_hub.delivery.leg import Leg
from ocpi_hub.delivery.quality import Quality, noticed
from ocpi_hub.delivery.relay import Relay, leg_of
from ocpi_hub.directory.snapshot import Directory
from ocpi_hub.domain.message import Message, Reply
from ocpi_hub.domain.party import InterfaceRole, Module, PartyId
from ocpi_hub.errors import InvalidRequest, NotFound, UnknownReceiver
from ocpi_hub.ocpi.base import OcpiModel
from ocpi_hub.ocpi.parse import Parsed, parse_object
from ocpi_hub.ocpi.registry import profile_result
from ocpi_hub.ocpi.response_url import AskedInQuery, read_query, replaced_in_body
from ocpi_hub.ocpi.v2_2_1.charging_profiles import ActiveChargingProfile, SetChargingProfile
from ocpi_hub.routing.addressees import Addressees, askable, only_one
from ocpi_hub.routing.route import ToParty, check_caller, route
from ocpi_hub.routing.rules import RULES
from ocpi_hub.server.handlers.common import Limits, subject_of
from ocpi_hub.server.inbound import Inbound

RULE = RULES[Module.CHARGING_PROFILES]

_DURATION = "duration"
_SECONDS = re.compile(r"[0-9]{1,10}")


class ChargingProfilesHandler:
    """Serves both interfaces of the chargingprofiles module."""

    def __init__(
        self,
        answers: AsynchronousAnswers,
        addressees: Addressees,
        relay: Relay,
        limits: Limits,
        quality: Quality,
    ) -> None:
        self._answers = answers
        self._addressees = addressees
        self._relay = relay
        self._limits = limits
        self._quality = quality

    async def __call__(self, inbound: Inbound) -> Reply:
        message, directory = inbound.message, inbound.directory
        check_caller(message, RULE, directory)
        if len(message.path) != 1:
            raise NotFound(f"{RULE.module} {message.interface_role} takes one id in its URL")
        if message.interface_role is InterfaceRole.RECEIVER:
            return await self._request(message, directory)
        if message.method == "PUT":
            return await self._update(message, directory)
        return await self._result(message, directory)

    # To the receiver -----------------------------------------------------------------------------

    async def _request(self, message: Message, directory: Directory) -> Reply:
        if message.method == "PUT":
            return await self._set(message, directory)
        query = _query(message)
        target = await self._target(message, directory)

        def leg(url: str) -> Leg:
            return leg_of(message, target, query=query.replaced(url))

        return await self._ask(message, target, query.response_url, leg)

    async def _set(self, message: Message, directory: Directory) -> Reply:
        parsed = parse_object(message.body, SetChargingProfile, max_depth=self._limits.json_depth)
        target = await self._target(message, directory)
        self._note(message, parsed, message.path[0])

        def leg(url: str) -> Leg:
            return leg_of(message, target, body=replaced_in_body(message.body, url))

        return await self._ask(message, target, parsed.value.response_url, leg)

    async def _ask(
        self, message: Message, target: ToParty, response_url: str, leg: Callable[[str], Leg]
    ) -> Reply:
        asked = Asked(
            response_url=response_url,
            action=message.method,
            subject=message.path[0],
            path=(),
            leg=leg,
        )
        return await self._answers.ask(message, target, asked)

    async def _target(self, message: Message, directory: Directory) -> ToParty:
        """The party that TO names, else the one whose Session it is (RT-37).

        Raises:
            InvalidRequest: TO is the hub; these messages concern one party (CP-04, RT-28).
            UnknownReceiver: nobody is named, or several.
        """
        if message.to == directory.hub:
            raise InvalidRequest(
                f"{RULE.module} concern one party: set the OCPI-to headers to it, not to the hub"
            )
        party = None if message.to else await self._named(message, directory)
        target = route(message, RULE, directory, content_party=party)
        if not isinstance(target, ToParty):
            raise UnknownReceiver
        return target

    async def _named(self, message: Message, directory: Directory) -> PartyId:
        [session_id] = message.path
        if message.interface_role is InterfaceRole.SENDER:
            found = await self._addressees.with_profile(session_id, message.sender)
        else:
            among = askable(Module.CHARGING_PROFILES, message.sender, directory)
            found = await self._addressees.with_session(session_id, message.sender, among)
        return only_one(found, "session_id")

    # Back to the sender --------------------------------------------------------------------------

    async def _update(self, message: Message, directory: Directory) -> Reply:
        """The EVSE's profile has changed (CP-06): only the receiver knows whom that concerns."""
        parsed = parse_object(
            message.body, ActiveChargingProfile, max_depth=self._limits.json_depth
        )
        target = await self._target(message, directory)
        self._note(message, parsed, message.path[0])
        return await self._relay.pass_on(message, target)

    async def _result(self, message: Message, directory: Directory) -> Reply:
        answer = await self._answers.expected(message, directory, message.path[0])
        model = profile_result(message.version, answer.action)
        if model is None:
            raise NotFound("No result is expected at this URL")
        parsed = parse_object(message.body, model, max_depth=self._limits.json_depth)
        # The id in the URL is a secret between the hub and whoever it asked.
        self._note(message, parsed, answer.subject)
        return await self._answers.pass_back(message, answer, directory)

    def _note(self, message: Message, parsed: Parsed[OcpiModel], session_id: str) -> None:
        self._quality.accepted(subject_of(message, None, session_id), noticed(parsed))


def _query(message: Message) -> AskedInQuery:
    """The query of GET and DELETE.

    Raises:
        InvalidRequest: it lacks a parameter, or the duration is no number of seconds.
    """
    getting = message.method == "GET"
    query = read_query(message.raw_query, known=(_DURATION,) if getting else ())
    if getting:
        durations = [value for name, value in (*query.before, *query.after) if name == _DURATION]
        if not durations:
            raise InvalidRequest(f"{_DURATION}: is required in the query")
        if not all(_SECONDS.fullmatch(value) for value in durations):
            raise InvalidRequest(f"{_DURATION}: must be a number of seconds")
    return query
