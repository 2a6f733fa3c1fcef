"""What an eMSP asks of a CPO and is answered later: commands and charging profiles. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

from ocpi_hub.demo.parties import Company
from ocpi_hub.demo.plan import Driver
from ocpi_hub.demo.sessions import DemoSession
from ocpi_hub.domain.party import Module
from ocpi_hub.ocpi.envelope import timestamp
from ocpi_hub.ocpi.status_codes import StatusCode
from ocpi_hub.ocpi.v2_2_1.commands import CommandResultType

ACCEPTED = CommandResultType.ACCEPTED.value
OCCUPIED = CommandResultType.EVSE_OCCUPIED.value
CANCELED = CommandResultType.CANCELED_RESERVATION.value
RESERVED_FOR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Wish:
    """A request whose result comes later, and what has to come of it.

    Attributes:
        action: the command, or the method of a request for a charging profile.
        path: what the URL says behind the module.
        named: TO names the CPO; else the hub has to find it.
        code: OCPI status code of the answer.
        answer: what the CPO says at once; None: it is not asked.
        results: what it says later, in this order.
        profile: what the first result has to tell.
    """

    emsp: Company
    cpo: Company
    module: Module
    action: str
    path: str
    body: Mapping[str, Any] | None = None
    query: Mapping[str, str] | None = None
    named: bool = True
    code: int = StatusCode.SUCCESS.value
    answer: str | None = ACCEPTED
    results: tuple[str, ...] = (ACCEPTED,)
    profile: Mapping[str, Any] | None = None

    @property
    def name(self) -> str:
        what = self.action if self.module is Module.COMMANDS else f"{self.action} {self.module}"
        return f"{what} of {self.emsp.name} to {self.cpo.name}"


@dataclass(frozen=True, slots=True)
class Asked:
    """A wish that was sent, and the answer it got.

    Attributes:
        question_id: part of the `response_url`, by which the eMSP knows the results.
        answer: what the CPO said at once.
        ms: from the request to the answer.
    """

    wish: Wish
    question_id: str
    code: int | None
    answer: str | None
    ms: float


def command(
    driver: Driver, name: str, body: Mapping[str, Any], *, named: bool = True, **expected: Any
) -> Wish:
    """A command of a driver's eMSP."""
    return Wish(driver.emsp, driver.cpo, Module.COMMANDS, name, name, body, named=named, **expected)


def profile_wish(driver: Driver, method: str, session_id: str, **fields: Any) -> Wish:
    """A request for a charging profile by a driver's eMSP."""
    path = quote(session_id, safe="")
    return Wish(driver.emsp, driver.cpo, Module.CHARGING_PROFILES, method, path, **fields)


def place(driver: Driver) -> dict[str, str]:
    return {"location_id": driver.evse.site.location_id, "evse_uid": driver.evse.uid}


def start_body(driver: Driver) -> dict[str, Any]:
    return {"token": driver.token.as_ocpi(), **place(driver)}


def reserve(number: int, driver: Driver, *results: str) -> Wish:
    """The command that reserves the charging point of a driver."""
    until = datetime.now(UTC) + RESERVED_FOR
    body = {
        "token": driver.token.as_ocpi(),
        "expiry_date": timestamp(until),
        "reservation_id": f"R-{driver.emsp.party.party_id}-{number + 1:04d}",
        **place(driver),
    }
    return command(driver, "RESERVE_NOW", body, named=number % 2 == 0, results=results)


def reservation_id(wish: Wish) -> str:
    return str((wish.body or {})["reservation_id"])


def profile(session: DemoSession, divided_by: int = 1) -> Mapping[str, Any]:
    """Half of what the charging point can give for a quarter of an hour, then all of it."""
    watts = session.driver.evse.power.value * 1000
    limits = ((0, watts / 2), (900, watts))
    return {
        "charging_rate_unit": "W",
        "charging_profile_period": [
            {"start_period": start, "limit": limit / divided_by} for start, limit in limits
        ],
    }
