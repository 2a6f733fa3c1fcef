"""Commands module: bodies of commands, the CPO's answer, the Charge Point's result.

Spec: 2.2.1 mod_commands_commands_module.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Annotated, Final

from ocpi_hub.ocpi.base import (
    CiString,
    DateTime,
    Finding,
    Identifier,
    Integer,
    Many,
    OcpiModel,
    OpenEnum,
    Rule,
    Url,
)
from ocpi_hub.ocpi.v2_2_1.common import CrossChecked, DisplayText
from ocpi_hub.ocpi.v2_2_1.tokens import Token


class CommandType(StrEnum):
    """The last segment of a command's URL. Spec: 2.2.1 mod_commands_commandtype_enum."""

    CANCEL_RESERVATION = "CANCEL_RESERVATION"
    RESERVE_NOW = "RESERVE_NOW"
    START_SESSION = "START_SESSION"
    STOP_SESSION = "STOP_SESSION"
    UNLOCK_CONNECTOR = "UNLOCK_CONNECTOR"


class CommandResponseType(StrEnum):
    """What the CPO says at once. Spec: 2.2.1 mod_commands_commandresponsetype_enum."""

    NOT_SUPPORTED = "NOT_SUPPORTED"
    REJECTED = "REJECTED"
    ACCEPTED = "ACCEPTED"
    UNKNOWN_SESSION = "UNKNOWN_SESSION"


class CommandResultType(StrEnum):
    """What the Charge Point says later. Spec: 2.2.1 mod_commands_commandresulttype_enum."""

    ACCEPTED = "ACCEPTED"
    CANCELED_RESERVATION = "CANCELED_RESERVATION"
    EVSE_OCCUPIED = "EVSE_OCCUPIED"
    EVSE_INOPERATIVE = "EVSE_INOPERATIVE"
    FAILED = "FAILED"
    NOT_SUPPORTED = "NOT_SUPPORTED"
    REJECTED = "REJECTED"
    TIMEOUT = "TIMEOUT"
    UNKNOWN_RESERVATION = "UNKNOWN_RESERVATION"


class Command(OcpiModel, frozen=True):
    """What all commands have: where the CommandResult goes. Spec: 2.2.1 mod_commands_flow."""

    response_url: Url


class CancelReservation(Command, frozen=True):
    """Spec: 2.2.1 mod_commands_cancelreservation_object."""

    reservation_id: Annotated[str, Identifier(36)]


class ReserveNow(Command, frozen=True):
    """`reservation_id` is unique for the eMSP alone (CM-19).

    Spec: 2.2.1 mod_commands_reservenow_object.
    """

    token: Token
    expiry_date: DateTime
    reservation_id: Annotated[str, Identifier(36)]
    location_id: Annotated[str, Identifier(36)]
    evse_uid: Annotated[str, Identifier(36)] | None = None
    authorization_reference: Annotated[str, CiString(36)] | None = None


class StartSession(Command, CrossChecked, frozen=True):
    """Spec: 2.2.1 mod_commands_startsession_object."""

    token: Token
    location_id: Annotated[str, Identifier(36)]
    evse_uid: Annotated[str, Identifier(36)] | None = None
    connector_id: Annotated[str, Identifier(36)] | None = None
    authorization_reference: Annotated[str, CiString(36)] | None = None

    def own_findings(self) -> Iterator[Finding]:
        if self.connector_id is not None and self.evse_uid is None:
            yield Finding(Rule.CROSS_FIELD, "evse_uid", "is required beside connector_id")


class StopSession(Command, frozen=True):
    """Spec: 2.2.1 mod_commands_stopsession_object."""

    session_id: Annotated[str, Identifier(36)]


class UnlockConnector(Command, frozen=True):
    """Spec: 2.2.1 mod_commands_unlockconnector_object."""

    location_id: Annotated[str, Identifier(36)]
    evse_uid: Annotated[str, Identifier(36)]
    connector_id: Annotated[str, Identifier(36)]


class CommandResponse(OcpiModel, frozen=True):
    """The answer to a command; a result follows only if it is ACCEPTED (CM-10).

    Attributes:
        timeout: seconds after which no result is to be expected any more.

    Spec: 2.2.1 mod_commands_commandresponse_object.
    """

    result: Annotated[str, OpenEnum(CommandResponseType)]
    timeout: Integer
    message: Many[DisplayText] = ()


class CommandResult(OcpiModel, frozen=True):
    """What arrives at the `response_url`. Spec: 2.2.1 mod_commands_commandresult_object."""

    result: Annotated[str, OpenEnum(CommandResultType)]
    message: Many[DisplayText] = ()


COMMANDS: Final[Mapping[str, type[Command]]] = MappingProxyType(
    {
        CommandType.CANCEL_RESERVATION: CancelReservation,
        CommandType.RESERVE_NOW: ReserveNow,
        CommandType.START_SESSION: StartSession,
        CommandType.STOP_SESSION: StopSession,
        CommandType.UNLOCK_CONNECTOR: UnlockConnector,
    }
)
"""The body of each command."""
