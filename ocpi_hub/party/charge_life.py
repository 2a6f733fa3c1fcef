"""From the plug to the CDR: what follows once a charge or a reservation has begun.

Each charge tells its Session when it begins, at each interval and at its end, the status of its
EVSE at both ends, and a CDR afterwards. What a partner did not take is not sent again: it gets the
whole Session with the next change, and finds the rest on this platform's lists.
Spec: 2.2.1 mod_sessions_push_model, mod_sessions_reservations, mod_cdrs_push_model.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from ocpi_hub.clock import Clock
from ocpi_hub.domain.party import InterfaceRole, Module, PartyId
from ocpi_hub.errors import HubError
from ocpi_hub.ocpi.envelope import dump, timestamp
from ocpi_hub.ocpi.v2_2_1.commands import CommandResultType
from ocpi_hub.party import charge_texts
from ocpi_hub.party.charge_points import ChargePoints
from ocpi_hub.party.charging import Charge, Reservation
from ocpi_hub.party.client import SendResult
from ocpi_hub.party.holdings import Holdings
from ocpi_hub.party.locations import Place
from ocpi_hub.party.outbox import Outbox, SendRequest
from ocpi_hub.party.profiles import profile_kw
from ocpi_hub.party.simulation import Simulation

log = logging.getLogger(__name__)


class ChargeLife:
    """Runs charges and reservations, and tells the peer about them."""

    def __init__(self, held: Holdings, outbox: Outbox, clock: Clock) -> None:
        self._held = held
        self._points: ChargePoints = held.charge_points
        self._outbox = outbox
        self._clock = clock

    async def run(self) -> None:
        """Take care of all charges until cancelled."""
        async with asyncio.TaskGroup() as group:
            while True:
                group.create_task(self._live(await self._points.due.get()))

    async def _live(self, charge: Charge) -> None:
        try:
            if charge.is_reserved:
                await self._keep_reserved(charge)
            if not charge.ending:
                await self._charge(charge)
            await self._end(charge)
        except Exception:  # one charge that fails must not end the others
            log.exception("charge %s failed", charge.session_id)
        finally:
            self._points.forget(charge)
            self._held.requests.profiles.clear(charge.session_id)

    async def _keep_reserved(self, charge: Charge) -> None:
        """Until it is used, cancelled or expired."""
        await self._tell(charge)
        await self._set_status(charge, "RESERVED")
        while (reservation := charge.open_reservation()) is not None:
            left_s = (reservation.expires - self._clock.now()).total_seconds()
            if left_s <= 0:
                charge.ending = True
            elif await self._wait(charge, left_s) and charge.open_reservation() is not None:
                charge.told = False  # replaced by another reservation: all may be different
                await self._tell(charge)

    async def _charge(self, charge: Charge) -> None:
        charge.activate(charge.authorization, self._clock.now(), self._kw(charge))
        charge.told = False  # there is more to tell than a PATCH of what changes
        await self._tell(charge)
        await self._set_status(charge, "CHARGING")
        while True:
            await self._wait(charge, self._simulation.interval_s)
            if charge.ending:
                return
            ended = charge.count(self._clock.now(), self._kw(charge), self._simulation.speed)
            full = self._simulation.max_kwh
            if full is not None and charge.kwh >= full:
                charge.ending = True
                charge.told = charge.told and not ended
                return
            await self._tell(charge, ended)

    async def _end(self, charge: Charge) -> None:
        now = self._clock.now()
        charge.count(now, charge.kw, self._simulation.speed)
        await self._tell(charge, charge.complete(now))
        await self._set_status(charge, "AVAILABLE")
        if charge.charged and self._simulation.cdrs:
            await self._send_cdr(charge)

    @property
    def _simulation(self) -> Simulation:
        """As it stands; charges that run when it is taken away end as by default."""
        return self._points.simulation or Simulation()

    def _kw(self, charge: Charge) -> float:
        """What may flow now: the least of simulation, connector and charging profile."""
        elapsed_s = (self._clock.now() - charge.began).total_seconds() if charge.charged else 0.0
        profile = self._held.requests.profiles.get(charge.session_id)
        limit = profile_kw(profile, elapsed_s, charge.spot.phases)
        kw = min(self._simulation.kw, charge.spot.max_kw)
        return kw if limit is None else min(kw, limit)

    async def _wait(self, charge: Charge, seconds: float) -> bool:
        """That long, or until something about the charge has changed; whether it has."""
        tasks = (
            asyncio.ensure_future(self._clock.sleep(seconds)),
            asyncio.ensure_future(charge.changed.wait()),
        )
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        changed = charge.changed.is_set()
        charge.changed.clear()
        return changed

    async def _tell(self, charge: Charge, periods: Sequence[dict[str, Any]] = ()) -> None:
        """Tell the Session: its changes to who knows the rest, else all of it."""
        now = self._clock.now()
        session = charge_texts.session(charge, now)
        self._held.sessions.put(dump(session))
        if charge.told:
            changes = charge_texts.changes(charge, now)
            if periods:
                changes["charging_periods"] = list(periods)
            patched = await self._push_session(charge, "PATCH", changes)
            charge.told = patched is not None and patched.accepted
            if charge.told or patched is None or patched.error is not None:
                return
        put = await self._push_session(charge, "PUT", session)
        charge.told = put is not None and put.accepted

    async def _push_session(
        self, charge: Charge, method: str, body: dict[str, Any]
    ) -> SendResult | None:
        owner = charge.owner
        path = f"{owner.country_code}/{owner.party_id}/{quote(charge.session_id, safe='')}"
        return await self._send(
            SendRequest(
                method=method,
                module=Module.SESSIONS,
                role=InterfaceRole.RECEIVER,
                path=path,
                body=body,
                to=charge.authorization.issuer,
                sender=owner,
            )
        )

    async def _send_cdr(self, charge: Charge) -> None:
        cdr = charge_texts.cdr(charge, self._clock.now())
        await self._send(
            SendRequest(
                method="POST",
                module=Module.CDRS,
                role=InterfaceRole.RECEIVER,
                body=cdr,
                to=charge.authorization.issuer,
                sender=charge.owner,
                own=True,
            )
        )

    async def _set_status(self, charge: Charge, status: str) -> None:
        """Change the status of the EVSE, here and at whoever is told about Locations."""
        if not self._simulation.evse_status:
            return
        place = (charge.owner, (charge.spot.location["id"], charge.spot.evse["uid"]))
        body = {"status": status, "last_updated": timestamp(self._clock.now())}
        told = await self._push_location("PATCH", *place, dump(body).decode(), own=True)
        if told is not None and told.error is None and not told.accepted:
            # Whoever does not know the EVSE gets the Location as a whole.
            owner, (location_id, _) = place
            whole = self._held.locations.get(Place.of(owner, (location_id,)))
            await self._push_location("PUT", owner, (location_id,), whole)

    async def _push_location(
        self, method: str, owner: PartyId, ids: tuple[str, ...], text: str, *, own: bool = False
    ) -> SendResult | None:
        parts = (owner.country_code, owner.party_id, *ids)
        return await self._send(
            SendRequest(
                method=method,
                module=Module.LOCATIONS,
                role=InterfaceRole.RECEIVER,
                path="/".join(quote(part, safe="") for part in parts),
                raw_body=text,
                to=self._outbox.audience(),
                sender=owner,
                own=own,
            )
        )

    async def tell_profile(self, session_id: str, asked: PartyId) -> SendResult | None:
        """Tell who has set the profile of a Session what it is now; None: nobody could be told."""
        profiles = self._held.requests.profiles
        capacity = self._points.capacity_w(session_id)
        return await self._send(
            SendRequest(
                method="PUT",
                module=Module.CHARGING_PROFILES,
                role=InterfaceRole.SENDER,
                path=quote(session_id, safe=""),
                body=profiles.active(session_id, capacity),
                to=profiles.setter(session_id),
                sender=asked,
            )
        )

    async def tell_cancelled(self, charge: Charge, reservation: Reservation) -> dict[str, Any]:
        """Tell that the CPO takes a reservation back, at the `response_url` of its RESERVE_NOW.

        Raises:
            HubError: not registered, or that URL is not on a host of the peer.
        """
        result = await self._outbox.send(
            SendRequest(
                method="POST",
                module=Module.COMMANDS,
                role=InterfaceRole.SENDER,
                url=reservation.response_url,
                body={"result": CommandResultType.CANCELED_RESERVATION.value},
                to=reservation.asker,
                sender=charge.owner,
            )
        )
        return result.as_json()

    async def _send(self, request: SendRequest) -> SendResult | None:
        """None: it could not be sent at all."""
        try:
            return await self._outbox.send(request)
        except HubError as error:
            log.warning("%s %s is told to nobody: %s", request.method, request.module, error)
            return None
