"""Sessions as CPOs report them: one PUT, then a PATCH for what is new, as long as somebody charges.

A careful CPO that got no 1000 for a change puts the whole Session next time. The hub takes care of
the rest: it tells an eMSP that was away how the Session is now.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from ocpi_hub.demo.parties import Company
from ocpi_hub.demo.plan import Driver
from ocpi_hub.demo.prices import CURRENCY, tariff_of
from ocpi_hub.demo.report import Progress
from ocpi_hub.demo.traffic import Sender
from ocpi_hub.ocpi.envelope import timestamp
from ocpi_hub.ocpi.json_text import dump
from ocpi_hub.ocpi.status_codes import StatusCode
from ocpi_hub.ocpi.v2_2_1.cdrs import AuthMethod, CdrDimensionType
from ocpi_hub.ocpi.v2_2_1.sessions import SessionStatus

PAUSE_S = 1.0
"""Seconds between two reports of a Session."""
CONCURRENCY = 4
PERIOD_HOURS = Decimal("0.05")
"""Hours of charging that a report tells of: the demo's clocks run fast."""

_TICK = timedelta(milliseconds=1)


class DemoSession:
    """A Session at its CPO.

    Attributes:
        owed: the hub did not acknowledge the last change.
        reports: changes sent so far.
    """

    def __init__(self, session_id: str, driver: Driver, *, named: bool) -> None:
        self.session_id = session_id
        self.driver = driver
        self.owed = False
        self.reports = 0
        self._named = named
        self._moment = datetime.now(UTC)
        self._value: dict[str, Any] = {}

    def reserve(self) -> Mapping[str, object]:
        """The PUT of a reservation."""
        return self._begun(SessionStatus.RESERVATION)

    def begin(self) -> Mapping[str, object]:
        """The PUT of a Session that waits for the car."""
        return self._begun(SessionStatus.PENDING)

    def start(self) -> Mapping[str, object]:
        """The PATCH that says the car is charging: that is when the Session starts."""
        now = self._now()
        return self._patch(now, status=SessionStatus.ACTIVE.value, start_date_time=now)

    def charge(self) -> Mapping[str, object]:
        """The PATCH with another charging period."""
        now = self._now()
        energy = (self.driver.evse.power.value * PERIOD_HOURS * Decimal("0.7")).quantize(
            Decimal("0.001")
        )
        dimensions = [
            {"type": CdrDimensionType.ENERGY.value, "volume": energy},
            {"type": CdrDimensionType.TIME.value, "volume": PERIOD_HOURS},
        ]
        tariff = tariff_of(self.driver.evse.site.country, self.driver.evse.power)
        period = {
            "start_date_time": now,
            "dimensions": dimensions,
            "tariff_id": tariff.tariff_id,
        }
        kwh = self._value["kwh"] + energy
        cost = tariff.total(kwh * tariff.per_kwh + tariff.once)
        return self._patch(now, kwh=kwh, charging_periods=[period], total_cost=cost)

    def complete(self) -> Mapping[str, object]:
        """The PATCH that ends it."""
        now = self._now()
        return self._patch(now, status=SessionStatus.COMPLETED.value, end_date_time=now)

    def whole(self) -> Mapping[str, object]:
        """The PUT of all of it, as it is."""
        return self._request("PUT", self._value)

    def noted(self, result: Mapping[str, Any]) -> None:
        """What became of the last change."""
        self.reports += 1
        self.owed = result.get("ocpi") != StatusCode.SUCCESS or result["http"] >= 300

    def _begun(self, status: SessionStatus) -> Mapping[str, object]:
        now, driver = self._now(), self.driver
        owner, token = driver.cpo.party, driver.token
        self._value = {
            "country_code": owner.country_code,
            "party_id": owner.party_id,
            "id": self.session_id,
            "start_date_time": now,
            "kwh": Decimal(0),
            "cdr_token": {
                "country_code": token.owner.country_code,
                "party_id": token.owner.party_id,
                "uid": token.uid,
                "type": token.type.value,
                "contract_id": token.contract_id,
            },
            "auth_method": AuthMethod.COMMAND.value,
            "location_id": driver.evse.site.location_id,
            "evse_uid": driver.evse.uid,
            "connector_id": "1",
            "currency": CURRENCY,
            "status": status.value,
            "last_updated": now,
        }
        return self.whole()

    def _patch(self, now: str, **fields: Any) -> Mapping[str, object]:
        changes = {**fields, "last_updated": now}
        before = self._value.get("charging_periods", [])
        added = fields.get("charging_periods", [])
        self._value |= changes | ({"charging_periods": [*before, *added]} if added else {})
        return self._request("PATCH", changes)

    def _request(self, method: str, body: Mapping[str, Any]) -> Mapping[str, object]:
        owner = self.driver.cpo.party
        request: dict[str, object] = {
            "method": method,
            "module": "sessions",
            "role": "RECEIVER",
            "path": f"{owner.country_code}/{owner.party_id}/{self.session_id}",
            "raw_body": dump(dict(body)).decode(),
            "own": True,
        }
        return request | ({"to": str(self.driver.token.owner)} if self._named else {})

    def _now(self) -> str:
        """The time, later than that of the change before."""
        self._moment = max(datetime.now(UTC), self._moment + _TICK)
        return timestamp(self._moment)


Change = Callable[[DemoSession], Mapping[str, object]]


class Charging:
    """The Sessions of all CPOs.

    Attributes:
        sessions: all, in the order in which they began.
        live: how many changes of each were sent before anything went wrong.
    """

    def __init__(self, cpos: Mapping[Company, Sender], pause_s: float = PAUSE_S) -> None:
        self._cpos = cpos
        self._pause_s = pause_s
        self._end = asyncio.Event()
        self.sessions: list[DemoSession] = []
        self.live: dict[str, int] = {}

    def add(self, driver: Driver) -> DemoSession:
        """A new Session; every other one leaves it to the hub to find its eMSP."""
        number = len(self.sessions)
        session_id = f"{driver.evse.site.country.alpha2}-APP-{number + 1:04d}"
        session = DemoSession(session_id, driver, named=number % 2 == 0)
        self.sessions.append(session)
        return session

    async def report(
        self, sessions: Sequence[DemoSession], change: Change, progress: Progress | None = None
    ) -> list[float]:
        """Send the same change of several Sessions; milliseconds to the answers, which are those
        of the eMSPs as long as they can be reached."""

        async def of_one(sender: Sender, own: Sequence[DemoSession]) -> list[float]:
            results = await sender.send_many([_next(each, change) for each in own], CONCURRENCY)
            for session, result in zip(own, results, strict=True):
                session.noted(result)
            if progress is not None:
                progress.update(len(own))
            return [result["ms"] for result in results]

        parts = {cpo: [each for each in sessions if each.driver.cpo == cpo] for cpo in self._cpos}
        times = await asyncio.gather(
            *(of_one(self._cpos[cpo], own) for cpo, own in parts.items() if own)
        )
        return [ms for part in times for ms in part]

    def all_well_until_now(self) -> None:
        """From now on something may go wrong."""
        self.live = {each.session_id: each.reports for each in self.sessions}

    @asynccontextmanager
    async def flowing(self, sessions: Sequence[DemoSession]) -> AsyncIterator[None]:
        """Cars charge meanwhile."""
        driving = asyncio.ensure_future(self._drive(sessions))
        try:
            yield
            self._end.set()
            await driving
        finally:
            driving.cancel()
            await asyncio.gather(driving, return_exceptions=True)

    async def _drive(self, sessions: Sequence[DemoSession]) -> None:
        while not self._end.is_set():
            await self.report(sessions, DemoSession.charge)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._end.wait(), self._pause_s)


def _next(session: DemoSession, change: Change) -> Mapping[str, object]:
    """The change as it is sent: what the hub did not acknowledge comes with it."""
    request = change(session)
    return session.whole() if session.owed else request
