"""What parties would have on record after a small demo in which nothing went wrong."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ocpi_hub.demo.crawls import Crawl, Page, key_of
from ocpi_hub.demo.notes import Leg, Notes, exact
from ocpi_hub.demo.parties import (
    COMPANIES,
    FAHRTWIND,
    FJORDLADE,
    HUB,
    ROULIBRE,
    STROMWEIDE,
    Company,
)
from ocpi_hub.demo.plan import Driver, make_plan
from ocpi_hub.demo.prices import DemoTariff, tariffs_of
from ocpi_hub.demo.sessions import DemoSession
from ocpi_hub.demo.wishes import ACCEPTED, CANCELED, Asked, Wish, command, profile_wish
from ocpi_hub.ocpi.json_text import dump

HUB_URL = "http://127.0.0.1:8000"
RETURN = "2026-06-01T00:01:00.000Z"
DRIVER = next(each for each in make_plan(0.02).drivers if each.emsp is FAHRTWIND)
PROFILE = {
    "charging_rate_unit": "W",
    "charging_profile_period": [{"start_period": 0, "limit": 5.5}],
}

_numbers = itertools.count(1)


def make_leg(**fields: Any) -> Leg:
    values = {
        "at": "2026-06-01T00:00:00.000Z",
        "sent": True,
        "module": "commands",
        "role": "RECEIVER",
        "method": "POST",
        "path": "",
        "query": "",
        "body": "",
        "sender": None,
        "to": None,
        "correlation_id": f"C{next(_numbers)}",
        "acked": True,
    }
    return Leg(**{**values, **fields})


class Records:
    """Records of all parties, written as if a hub were in between."""

    def __init__(self) -> None:
        self.legs: dict[Company, list[Leg]] = {company: [] for company in COMPANIES}
        self.sessions: dict[Company, list[Any]] = {company: [] for company in COMPANIES}
        self.tariffs: dict[Company, list[Any]] = {company: [] for company in COMPANIES}

    def notes(self) -> dict[Company, Notes]:
        return {
            each: Notes(self.legs[each], self.sessions[each], self.tariffs[each])
            for each in COMPANIES
        }

    def passed(
        self, sender: Company, receiver: Company, leg: Leg, *, broadcast: bool = False
    ) -> None:
        """A request, at its sender and where the hub passed it on."""
        sent_to = HUB if broadcast else receiver.party
        arrived_from = HUB if broadcast else sender.party
        self.legs[sender].append(replace(leg, sender=sender.party, to=sent_to))
        self.legs[receiver].append(replace(leg, sent=False, sender=arrived_from, to=receiver.party))

    def ask(self, wish: Wish) -> Asked:
        """A wish, what its CPO was asked, and its results."""
        number = next(_numbers)
        tail = f"{wish.action}/Q{number}" if wish.module == "commands" else f"Q{number}"
        path = f"/ocpi/2.2.1/sender/{wish.module}/{tail}"
        own = f"http://127.0.0.1:9000{path}?of=1"
        hubs = f"{HUB_URL}/ocpi/2.2.1/sender/{wish.module}/{tail.replace('Q', 'H')}"
        leg = make_leg(
            module=wish.module.value,
            method="POST" if wish.module == "commands" else wish.action,
            path=f"/ocpi/2.2.1/receiver/{wish.module}/{wish.path}",
        )
        self.legs[wish.emsp].append(_asking(leg, wish, own))
        if wish.answer is not None:
            arrived = replace(_asking(leg, wish, hubs), sent=False, to=wish.cpo.party)
            self.legs[wish.cpo].append(arrived)
        for result in wish.results:
            body: dict[str, Any] = {"result": result}
            if wish.profile is not None:
                body["profile"] = {"start_date_time": RETURN, "charging_profile": wish.profile}
            told = make_leg(module=wish.module.value, role="SENDER", body=json.dumps(body))
            hub_path = hubs.removeprefix(HUB_URL)
            self.passed(wish.cpo, wish.emsp, replace(told, path=hub_path))
            self.legs[wish.emsp][-1] = replace(self.legs[wish.emsp][-1], path=path, query="of=1")
        return Asked(wish, f"Q{number}", wish.code, wish.answer, 5.0)

    def tell_tariff(
        self, tariff: DemoTariff, *emsps: Company, at: str, method: str = "PUT"
    ) -> None:
        """A Tariff that its CPO tells everybody."""
        cpo = tariff.country.operator
        path = f"/ocpi/2.2.1/receiver/tariffs/{'/'.join(_ids(cpo))}/{tariff.tariff_id}"
        body = "" if method == "DELETE" else dump(tariff.as_ocpi(at)).decode()
        leg = make_leg(module="tariffs", method=method, path=path, body=body, at=at)
        self.legs[cpo].append(replace(leg, sender=cpo.party, to=HUB))
        for emsp in emsps:
            arrived = replace(leg, sent=False, sender=HUB, to=emsp.party)
            self.legs[emsp].append(arrived)
        for company in (cpo, *emsps):
            kept = [each for each in self.tariffs[company] if each["id"] != tariff.tariff_id]
            self.tariffs[company] = [*kept, *([exact(body)] if body else [])]


def _asking(leg: Leg, wish: Wish, url: str) -> Leg:
    """A request that wants its result at this URL, as it leaves its eMSP."""
    if wish.body is not None:
        leg = replace(leg, body=json.dumps({**wish.body, "response_url": url}))
    else:
        leg = replace(leg, query=f"duration=900&response_url={url.replace('?', '%3F')}")
    return replace(leg, sender=wish.emsp.party, to=wish.cpo.party if wish.named else None)


def _ids(company: Company) -> tuple[str, str]:
    return company.party.country_code, company.party.party_id


def charge(records: Records, driver: Driver) -> DemoSession:
    """A Session from its beginning to its end."""
    session = DemoSession("S1", driver, named=True)
    changes = (session.begin, session.start, session.charge, session.charge, session.complete)
    for change in changes:
        request: Mapping[str, Any] = change()
        leg = make_leg(
            module="sessions",
            method=request["method"],
            path=f"/ocpi/2.2.1/receiver/sessions/{request['path']}",
            body=request["raw_body"],
        )
        records.passed(driver.cpo, driver.emsp, leg)
    whole: Mapping[str, Any] = session.whole()
    for company in (driver.cpo, driver.emsp):
        records.sessions[company].append(exact(whole["raw_body"]))
    return session


def wishes(driver: Driver) -> list[Wish]:
    start = {"location_id": driver.evse.site.location_id}
    stranger = Driver(FJORDLADE, ROULIBRE, driver.evse, driver.token)
    return [
        command(driver, "START_SESSION", start, named=False),
        command(driver, "RESERVE_NOW", {"reservation_id": "R1"}, results=(ACCEPTED, CANCELED)),
        profile_wish(driver, "PUT", "S1", body={"charging_profile": PROFILE}),
        profile_wish(driver, "GET", "S1", query={"duration": "900"}, profile=PROFILE),
        command(stranger, "START_SESSION", start, code=4003, answer=None, results=()),
    ]


def roam() -> tuple[Records, list[Asked]]:
    """One driver charges, prices change while Roulibre is away, all is told."""
    records = Records()
    asked = [records.ask(wish) for wish in wishes(DRIVER)]
    charge(records, DRIVER)
    update = make_leg(
        module="chargingprofiles",
        role="SENDER",
        method="PUT",
        path="/ocpi/2.2.1/sender/chargingprofiles/S1",
        body=json.dumps({"charging_profile": PROFILE}),
    )
    records.passed(DRIVER.cpo, DRIVER.emsp, update)
    dear, offer, *_ = tariffs_of(STROMWEIDE)
    for tariff in (dear, offer):
        records.tell_tariff(tariff, FAHRTWIND, ROULIBRE, at="2026-06-01T00:00:01.000Z")
    records.tell_tariff(dear, FAHRTWIND, at="2026-06-01T00:00:02.000Z")
    records.tell_tariff(dear, FAHRTWIND, ROULIBRE, at=RETURN)
    records.tell_tariff(offer, FAHRTWIND, ROULIBRE, at=RETURN, method="DELETE")
    records.tell_tariff(tariffs_of(FJORDLADE)[0], FAHRTWIND, at=RETURN)
    return records, asked


def make_crawl(**fields: Any) -> Crawl:
    """A list of Tariffs in three pages."""
    objects = [tariff.as_ocpi() for tariff in tariffs_of(STROMWEIDE)[:3]]
    pages = [
        Page("3", "1", f"{HUB_URL}/next/{number}" if number < 2 else None, [each])
        for number, each in enumerate(objects)
    ]
    values = {
        "reader": FAHRTWIND,
        "module": "tariffs",
        "limit": 1,
        "expected": {key_of(each) for each in objects},
        "pages": pages,
        "again": pages[1],
    }
    return Crawl(**{**values, **fields})


RECORDS, WANTED = roam()
NOTES = RECORDS.notes()
LIVE = {"S1": 5}
