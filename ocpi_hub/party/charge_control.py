"""The control side of simulated charge points: switch them on, plug in, unplug, change limits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from aiohttp import web
from pydantic import BaseModel, ConfigDict, JsonValue

from ocpi_hub.domain.party import InterfaceRole, Module, PartyId, Role
from ocpi_hub.errors import InvalidRequest, NotFound, OperatorError
from ocpi_hub.ocpi.envelope import dump
from ocpi_hub.ocpi.parse import parse_object
from ocpi_hub.ocpi.v2_2_1.cdrs import AuthMethod
from ocpi_hub.ocpi.v2_2_1.charging_profiles import ChargingProfile
from ocpi_hub.ocpi.v2_2_1.commands import CommandResultType
from ocpi_hub.ocpi.v2_2_1.tokens import AuthorizationInfo
from ocpi_hub.party.charge_life import ChargeLife
from ocpi_hub.party.charging import Authorization, Charge
from ocpi_hub.party.config import PartyConfig
from ocpi_hub.party.holdings import Holdings
from ocpi_hub.party.later import MAX_JSON_DEPTH
from ocpi_hub.party.outbox import Outbox, PartyText, SendRequest
from ocpi_hub.party.simulation import Simulation


class _Form(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class _Plug(_Form):
    """A driver holds a token to the reader of an EVSE; `owner` defaults to the only CPO here.

    `to` is the eMSP that is asked; None: the peer finds it.
    """

    uid: str
    type: str = "RFID"
    location_id: str
    evse_uid: str | None = None
    connector_id: str | None = None
    owner: PartyText | None = None
    to: PartyText | None = None


class _Session(_Form):
    session_id: str


class _Limit(_Form):
    """The profile of a Session becomes this one, or none, without anybody having asked."""

    session_id: str
    charging_profile: dict[str, JsonValue] | None = None


class _Reservation(_Form):
    """`asker` is who reserved; None: whoever did."""

    reservation_id: str
    asker: PartyText | None = None


@dataclass(frozen=True, slots=True)
class ChargeControl:
    """One handler for each thing that can be done."""

    config: PartyConfig
    held: Holdings
    life: ChargeLife
    outbox: Outbox

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/simulation", self._get_simulation),
            web.post("/simulation", self._simulate),
            web.delete("/simulation", self._stop_simulation),
            web.get("/charges", self._charges),
            web.post("/charges", self._plug_in),
            web.post("/charges/stop", self._stop),
            web.post("/charges/limit", self._limit),
            web.post("/charges/cancel_reservation", self._cancel_reservation),
        ]

    async def _get_simulation(self, _request: web.Request) -> web.Response:
        simulation = self.held.charge_points.simulation
        return _answer({"simulation": simulation.model_dump() if simulation else None})

    async def _simulate(self, request: web.Request) -> web.Response:
        body = await request.read()
        simulation = Simulation.model_validate_json(body or b"{}")
        self.held.charge_points.simulation = simulation
        return _answer({"simulation": simulation.model_dump()})

    async def _stop_simulation(self, _request: web.Request) -> web.Response:
        """Commands are no longer acted on; charges that run go on to their end."""
        self.held.charge_points.simulation = None
        return _answer({"simulation": None})

    async def _charges(self, _request: web.Request) -> web.Response:
        return _answer({"items": [_as_json(charge) for charge in self.held.charge_points]})

    async def _plug_in(self, request: web.Request) -> web.Response:
        """Ask the eMSP in real time; if it allows it, charge."""
        plug = _Plug.model_validate_json(await request.read())
        if not self.held.charge_points.active:
            raise OperatorError("there is no simulation: POST /simulation first")
        owner = plug.owner or self._only_cpo()
        asked = await self.outbox.send(_authorize(plug, owner))
        info = asked.data() if asked.accepted else None
        told: dict[str, Any] = {"authorization": asked.as_json(), "session_id": None}
        if not isinstance(info, dict) or info.get("allowed") != "ALLOWED":
            return _answer({**told, "result": "NOT_ALLOWED"})
        allowed = parse_object(dump(info), AuthorizationInfo, max_depth=MAX_JSON_DEPTH).value
        authorization = Authorization(
            info["token"], AuthMethod.AUTH_REQUEST, allowed.authorization_reference
        )
        place = (plug.location_id, plug.evse_uid, plug.connector_id)
        begun = self.held.charge_points.begin(authorization, owner, *place)
        if isinstance(begun, CommandResultType):
            return _answer({**told, "result": begun.value})
        self.held.charge_points.go(begun, authorization)
        return _answer({**told, "result": "ACCEPTED", "session_id": begun.session_id})

    async def _stop(self, request: web.Request) -> web.Response:
        wanted = _Session.model_validate_json(await request.read())
        charge = self._charge(wanted.session_id)
        charge.ending = True
        charge.wake()
        return _answer({"session_id": charge.session_id})

    async def _limit(self, request: web.Request) -> web.Response:
        """Change the profile of a Session, and tell whoever has set one."""
        wanted = _Limit.model_validate_json(await request.read())
        if wanted.charging_profile is not None:
            parse_object(dump(wanted.charging_profile), ChargingProfile, max_depth=MAX_JSON_DEPTH)
        charge = self._charge(wanted.session_id)
        profiles = self.held.requests.profiles
        profiles.change(charge.session_id, wanted.charging_profile)
        charge.wake()
        if not profiles.is_followed(charge.session_id):
            return _answer({"told": None})
        told = await self.life.tell_profile(charge.session_id, charge.owner)
        return _answer({"told": told.as_json() if told else None})

    async def _cancel_reservation(self, request: web.Request) -> web.Response:
        """The CPO takes a reservation back, and says so where the RESERVE_NOW wanted its result.

        Spec: 2.2.1 mod_commands_flow.
        """
        wanted = _Reservation.model_validate_json(await request.read())
        found = [
            (charge, charge.reservation)
            for charge in self.held.charge_points
            if charge.is_reserved
            and charge.reservation is not None
            and charge.reservation.reservation_id == wanted.reservation_id
            and wanted.asker in (None, charge.reservation.asker)
        ]
        if len(found) != 1:
            raise InvalidRequest(f"{len(found)} reservations are meant")
        ((charge, reservation),) = found
        charge.ending = True
        charge.wake()
        return _answer(await self.life.tell_cancelled(charge, reservation))

    def _charge(self, session_id: str) -> Charge:
        charge = self.held.charge_points.get(session_id)
        if charge is None:
            raise NotFound("there is no such charge")
        return charge

    def _only_cpo(self) -> PartyId:
        owners = self.held.owners(None, Role.CPO)
        if len(owners) != 1:
            raise InvalidRequest("say which party's charge point it is: owner")
        return owners[0]


def _authorize(plug: _Plug, owner: PartyId) -> SendRequest:
    place: dict[str, Any] = {"location_id": plug.location_id}
    if plug.evse_uid is not None:
        place["evse_uids"] = [plug.evse_uid]
    return SendRequest(
        method="POST",
        module=Module.TOKENS,
        role=InterfaceRole.SENDER,
        path=f"{quote(plug.uid, safe='')}/authorize",
        query={"type": plug.type},
        body=place,
        to=plug.to,
        sender=owner,
    )


def _as_json(charge: Charge) -> dict[str, Any]:
    return {
        "session_id": charge.session_id,
        "owner": str(charge.owner),
        "status": charge.status.value,
        "location_id": charge.spot.location["id"],
        "evse_uid": charge.spot.evse["uid"],
        "kw": charge.kw,
        "kwh": charge.kwh,
        "reservation_id": charge.reservation.reservation_id if charge.reservation else None,
    }


def _answer(value: Any) -> web.Response:
    return web.Response(body=dump(value), content_type="application/json")
