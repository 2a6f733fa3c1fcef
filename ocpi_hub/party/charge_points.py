"""What simulated charge points do with commands: which EVSE is taken, by whom, until when.

A command is judged when it arrives, so that two of them cannot take one EVSE; what follows from it
begins once its result was sent. `charge_life` does what follows.
Spec: 2.2.1 mod_commands_flow, mod_commands_reservenow_object, mod_commands_startsession_object.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Iterable, Iterator

from ocpi_hub.clock import Clock
from ocpi_hub.domain.party import PartyId
from ocpi_hub.errors import UnknownLocation
from ocpi_hub.ocpi.v2_2_1.cdrs import AuthMethod
from ocpi_hub.ocpi.v2_2_1.commands import (
    CancelReservation,
    Command,
    CommandResponseType,
    CommandResultType,
    ReserveNow,
    StartSession,
    StopSession,
    UnlockConnector,
)
from ocpi_hub.ocpi.v2_2_1.sessions import SessionStatus
from ocpi_hub.party.charging import Authorization, Charge, Reservation
from ocpi_hub.party.later import Plan
from ocpi_hub.party.locations import LocationTable
from ocpi_hub.party.simulation import Simulation
from ocpi_hub.party.spots import Spot, SpotFinder
from ocpi_hub.party.tariffs import TariffTable

_REJECTED = Plan(answer=CommandResponseType.REJECTED.value)
_OBSTACLES = {
    "CHARGING": CommandResultType.EVSE_OCCUPIED,
    "BLOCKED": CommandResultType.EVSE_OCCUPIED,
    "RESERVED": CommandResultType.EVSE_OCCUPIED,
    "INOPERATIVE": CommandResultType.EVSE_INOPERATIVE,
    "OUTOFORDER": CommandResultType.EVSE_INOPERATIVE,
    "PLANNED": CommandResultType.EVSE_INOPERATIVE,
    "REMOVED": CommandResultType.EVSE_INOPERATIVE,
}
"""What becomes of a start at an EVSE with this status."""


class ChargePoints:
    """Reservations and charges that have not ended.

    Attributes:
        simulation: None: charge points do nothing.
        due: charges that begin.
    """

    def __init__(self, locations: LocationTable, tariffs: TariffTable, clock: Clock) -> None:
        self._spots = SpotFinder(locations, tariffs)
        self._clock = clock
        self._charges: dict[str, Charge] = {}
        self.simulation: Simulation | None = None
        self.due: asyncio.Queue[Charge] = asyncio.Queue()

    def __iter__(self) -> Iterator[Charge]:
        return iter(tuple(self._charges.values()))

    @property
    def active(self) -> bool:
        return self.simulation is not None

    def get(self, session_id: str) -> Charge | None:
        return self._charges.get(session_id.casefold())

    def forget(self, charge: Charge) -> None:
        self._charges.pop(charge.session_id.casefold(), None)

    def runs(self, session_id: str, asked: PartyId) -> bool:
        charge = self.get(session_id)
        return charge is not None and charge.owner == asked

    def capacity_w(self, session_id: str) -> float | None:
        """What the EVSE of a Session can give; None: there is no such charge."""
        charge = self.get(session_id)
        return charge.spot.max_kw * 1000 if charge else None

    def wake(self, session_id: str) -> None:
        """Have the power of a Session looked at at once."""
        charge = self.get(session_id)
        if charge is not None:
            charge.wake()

    def plan(self, command: Command, asker: PartyId | None, asked: PartyId) -> Plan:
        """What charge points make of a command."""
        match command:
            case StartSession():
                return self._start(command, asker, asked)
            case StopSession():
                return self._stop(command, asker, asked)
            case ReserveNow():
                return self._reserve(command, asker, asked)
            case CancelReservation():
                found = self.reservation(asker, command.reservation_id, asked)
                if found is None:
                    return Plan(result=CommandResultType.UNKNOWN_RESERVATION.value)
                return Plan(then=_ending(found))
            case UnlockConnector():
                wanted = (command.location_id, command.evse_uid, command.connector_id)
                return Plan() if self._spots.find(asked, *wanted) else _REJECTED
            case _:
                return Plan(answer=CommandResponseType.NOT_SUPPORTED.value)

    def begin(
        self,
        authorization: Authorization,
        owner: PartyId,
        location_id: str,
        evse_uid: str | None = None,
        connector_id: str | None = None,
    ) -> Charge | CommandResultType:
        """Take an EVSE for a charge, which begins with `go`; or why that is not possible.

        What is returned may be a reservation for this token, which the charge then uses up.

        Raises:
            UnknownLocation: there is no such Location, EVSE or connector.
        """
        spots = self._spots.find(owner, location_id, evse_uid, connector_id)
        if not spots:
            raise UnknownLocation
        for charge in self._at(spots):
            mine = charge.is_reserved and charge.authorization.same_token(authorization)
            if mine and not charge.ending:
                return charge
        spot = self._free(spots)
        if isinstance(spot, CommandResultType):
            return spot
        return self._add(spot, authorization, SessionStatus.PENDING)

    def go(self, charge: Charge, authorization: Authorization) -> None:
        """Let the energy flow of a charge that `begin` returned.

        A reservation may have been used or have ended since then: nothing happens to it.
        """
        if charge.reservation is None:
            self.due.put_nowait(charge)
        elif charge.is_reserved:
            charge.authorization = authorization
            charge.status = SessionStatus.PENDING
            charge.wake()

    def reservation(
        self, asker: PartyId | None, reservation_id: str, asked: PartyId
    ) -> Charge | None:
        """A reservation that nobody has used yet."""
        for charge in self:
            held = charge.reservation
            if held is None or not charge.is_reserved or charge.owner != asked:
                continue
            same_id = held.reservation_id.casefold() == reservation_id.casefold()
            if same_id and held.asker == asker:
                return charge
        return None

    def _start(self, command: StartSession, asker: PartyId | None, asked: PartyId) -> Plan:
        authorization = _commanded(command)
        if asker is not None and authorization.issuer != asker:
            return _REJECTED
        wanted = (command.location_id, command.evse_uid, command.connector_id)
        try:
            begun = self.begin(authorization, asked, *wanted)
        except UnknownLocation:
            return _REJECTED
        if isinstance(begun, CommandResultType):
            return Plan(result=begun.value)
        return Plan(then=lambda: self.go(begun, authorization))

    def _stop(self, command: StopSession, asker: PartyId | None, asked: PartyId) -> Plan:
        charge = self.get(command.session_id)
        if charge is None or charge.owner != asked:
            return Plan(answer=CommandResponseType.UNKNOWN_SESSION.value)
        if asker is not None and charge.authorization.issuer != asker:
            return _REJECTED
        return Plan(then=_ending(charge))

    def _reserve(self, command: ReserveNow, asker: PartyId | None, asked: PartyId) -> Plan:
        authorization = _commanded(command)
        reservation = Reservation(
            asker, command.reservation_id, command.response_url, command.expiry_date
        )
        foreign = asker is not None and authorization.issuer != asker
        if foreign or reservation.expires <= self._clock.now():
            return _REJECTED
        spots = self._spots.find(asked, command.location_id, command.evse_uid)
        held = self.reservation(asker, command.reservation_id, asked)
        if held is not None:
            if all(held.spot.evse_key != spot.evse_key for spot in spots):
                return _REJECTED
            return Plan(then=lambda: _replace(held, authorization, reservation))
        if not spots:
            return _REJECTED
        spot = self._free(spots)
        if isinstance(spot, CommandResultType):
            return Plan(result=spot.value)
        charge = self._add(spot, authorization, SessionStatus.RESERVATION)
        charge.reservation = reservation
        return Plan(then=lambda: self.due.put_nowait(charge))

    def _add(self, spot: Spot, authorization: Authorization, status: SessionStatus) -> Charge:
        charge = Charge(str(uuid.uuid4()), spot, authorization, self._clock.now(), status)
        self._charges[charge.session_id.casefold()] = charge
        return charge

    def _free(self, spots: Iterable[Spot]) -> Spot | CommandResultType:
        """The first that can be taken; else why the first cannot."""
        taken = {charge.spot.evse_key for charge in self}
        why: CommandResultType | None = None
        for spot in spots:
            busy = spot.evse_key in taken
            status = str(spot.evse["status"])
            obstacle = CommandResultType.EVSE_OCCUPIED if busy else _OBSTACLES.get(status)
            if obstacle is None:
                return spot
            why = why or obstacle
        return why or CommandResultType.EVSE_INOPERATIVE

    def _at(self, spots: Iterable[Spot]) -> Iterator[Charge]:
        keys = {spot.evse_key for spot in spots}
        return (charge for charge in self if charge.spot.evse_key in keys)


def _commanded(command: StartSession | ReserveNow) -> Authorization:
    token = command.token.model_dump(mode="json", exclude_unset=True)
    return Authorization(token, AuthMethod.COMMAND, command.authorization_reference)


def _ending(charge: Charge) -> Callable[[], None]:
    def end() -> None:
        charge.ending = True
        charge.wake()

    return end


def _replace(charge: Charge, authorization: Authorization, reservation: Reservation) -> None:
    charge.authorization = authorization
    charge.reservation = reservation
    charge.wake()
