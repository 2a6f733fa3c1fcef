"""Commands: from an eMSP to a CPO, and their results back. Spec: 2.2.1 mod_commands."""

from __future__ import annotations

from ocpi_hub.delivery.asynchronous import Asked, AsynchronousAnswers
from ocpi_hub.delivery.leg import Leg
from ocpi_hub.delivery.quality import Quality, noticed
from ocpi_hub.delivery.relay import leg_of
from ocpi_hub.directory.snapshot import Directory
from ocpi_hub.domain.message import Message, Reply
from ocpi_hub.domain.party import InterfaceRole, Module, PartyId
from ocpi_hub.errors import InvalidRequest, NotFound, UnknownReceiver
from ocpi_hub.ocpi.parse import parse_object
from ocpi_hub.ocpi.registry import command_body
from ocpi_hub.ocpi.response_url import replaced_in_body
from ocpi_hub.ocpi.v2_2_1.commands import (
    CancelReservation,
    Command,
    CommandResult,
    ReserveNow,
    StartSession,
    StopSession,
    UnlockConnector,
)
from ocpi_hub.routing.addressees import Addressees, askable, only_one
from ocpi_hub.routing.route import ToParty, check_caller, route
from ocpi_hub.routing.rules import RULES
from ocpi_hub.server.handlers.common import Limits, subject_of
from ocpi_hub.server.inbound import Inbound

RULE = RULES[Module.COMMANDS]


class CommandsHandler:
    """Serves both interfaces of the commands module."""

    def __init__(
        self,
        answers: AsynchronousAnswers,
        addressees: Addressees,
        limits: Limits,
        quality: Quality,
    ) -> None:
        self._answers = answers
        self._addressees = addressees
        self._limits = limits
        self._quality = quality

    async def __call__(self, inbound: Inbound) -> Reply:
        message, directory = inbound.message, inbound.directory
        check_caller(message, RULE, directory)
        if message.interface_role is InterfaceRole.SENDER:
            return await self._result(message, directory)
        return await self._command(message, directory)

    async def _command(self, message: Message, directory: Directory) -> Reply:
        if len(message.path) != 1:
            raise NotFound("commands RECEIVER takes POST {command}")
        name = message.path[0]
        model = command_body(message.version, name)
        if model is None:
            raise InvalidRequest(f"{message.version} has no such command")
        parsed = parse_object(message.body, model, max_depth=self._limits.json_depth)
        command = parsed.value
        _require_own_token(command, message.sender)
        party = None if message.to else await self._named(command, message.sender, directory)
        target = route(message, RULE, directory, content_party=party)
        if not isinstance(target, ToParty):
            raise UnknownReceiver
        self._quality.accepted(subject_of(message, None, name), noticed(parsed))

        def leg(url: str) -> Leg:
            return leg_of(message, target, body=replaced_in_body(message.body, url))

        reservation = command if isinstance(command, ReserveNow) else None
        asked = Asked(
            response_url=command.response_url,
            action=name,
            subject=reservation.reservation_id if reservation else "",
            path=(name,),
            leg=leg,
            # Long after its result the CPO may cancel a reservation at the same URL.
            until=reservation.expiry_date if reservation else None,
        )
        return await self._answers.ask(message, target, asked)

    async def _named(self, command: Command, asker: PartyId, directory: Directory) -> PartyId:
        """The party that the Location, Session or reservation in a command names (RT-37).

        Raises:
            UnknownReceiver: none or several.
        """
        among = askable(Module.COMMANDS, asker, directory)
        match command:
            case StartSession() | ReserveNow() | UnlockConnector():
                found = await self._addressees.with_location(command.location_id, asker, among)
                return only_one(found, "location_id")
            case StopSession():
                found = await self._addressees.with_session(command.session_id, asker, among)
                return only_one(found, "session_id")
            case CancelReservation():
                found = await self._addressees.with_reservation(command.reservation_id, asker)
                return only_one(found, "reservation_id")
            case _:
                raise UnknownReceiver

    async def _result(self, message: Message, directory: Directory) -> Reply:
        if len(message.path) != 2:
            raise NotFound("commands SENDER takes results at the response_url of their command")
        name, answer_id = message.path
        answer = await self._answers.expected(message, directory, answer_id)
        if answer.action != name:
            raise NotFound("No result is expected at this URL")
        parsed = parse_object(message.body, CommandResult, max_depth=self._limits.json_depth)
        self._quality.accepted(subject_of(message, None, name), noticed(parsed))
        return await self._answers.pass_back(message, answer, directory)


def _require_own_token(command: Command, sender: PartyId) -> None:
    """An eMSP commands with tokens of its own only (CM-17). They may be unknown to the hub.

    Raises:
        InvalidRequest: the token is another party's.
    """
    if isinstance(command, StartSession | ReserveNow):
        owner = PartyId(command.token.country_code, command.token.party_id)
        if owner != sender:
            raise InvalidRequest(f"token: belongs to {owner}, but the command is of {sender}")
