"""What owners do with their objects: requests at random, and what each makes of the object."""

from __future__ import annotations

import random
from typing import Any

from tests.support.copies import Fields, Given, Key, changed_object
from tests.support.party import (
    make_cdr,
    make_connector,
    make_evse,
    make_location,
    make_session,
    make_token,
)
from tests.support.roaming_model import EVERYBODY, Ask, Dates, Owned

STATUSES = ("AVAILABLE", "CHARGING", "BLOCKED", "OUTOFORDER", "REMOVED")
MOST_EVSES = 5


class Owner:
    """Makes requests about objects. `chance` decides which."""

    def __init__(self, chance: random.Random, dates: Dates) -> None:
        self._chance = chance
        self._dates = dates

    def changes(self, item: Owned, audiences: tuple[str, ...]) -> list[Ask]:
        """The next thing an owner does with an object; several requests go out at once.

        Args:
            audiences: the parties that a tariff or token of its own may go to.
        """
        match item.key.module:
            case "locations":
                return self._location(item)
            case "sessions":
                return [self._session(item)]
            case "cdrs":
                return [self.whole(item)]
            case _:
                return [self._addressed(item, audiences)]

    def whole(self, item: Owned, audience: str = EVERYBODY) -> Ask:
        """PUT (of a CDR: POST) the object as it is, or as it begins, with a new date."""
        held = item.fields(audience)
        if item.key.module == "cdrs":
            cdr = held or make_cdr(item.key.object_id, item.key.owner, item.payer)
            return Ask("POST", "", cdr, cdr)
        fields = dict(held or self._begun(item)) | {"last_updated": self._dates.next()}
        return Ask("PUT", self._path(item.key), fields, fields, audience)

    def _begun(self, item: Owned) -> Fields:
        _, owner, object_id, _ = item.key
        match item.key.module:
            case "locations":
                return make_location(object_id, owner)
            case "tariffs":
                return _tariff(object_id, owner)
            case "tokens":
                return make_token(object_id, owner)
            case _:
                return make_session(object_id, owner, item.payer)

    @staticmethod
    def _path(key: Key, *part: str) -> str:
        return "/".join(["", *key.owner.split("*"), key.object_id, *part])

    # Tariffs and tokens --------------------------------------------------------------------------

    def _addressed(self, item: Owned, audiences: tuple[str, ...]) -> Ask:
        """For everybody, or for one party."""
        audience = self._chance.choice([EVERYBODY, EVERYBODY, EVERYBODY, *audiences[:1]])
        held = item.fields(audience)
        if held is None:
            return self._changed(self.whole(item, audience))
        tariff = item.key.module == "tariffs"
        if tariff and self._chance.random() < 0.3:
            return Ask("DELETE", self._path(item.key), None, None, audience)
        if not tariff and audience == EVERYBODY and self._chance.random() < 0.5:
            return self._patch(item, held, valid=self._chance.random() < 0.5)
        return self._changed(self.whole(item, audience))

    def _changed(self, ask: Ask) -> Ask:
        """The same with another content."""
        assert ask.body is not None
        fields = ask.body | {"x_content": self._chance.randrange(1000)}
        return Ask(ask.method, ask.path, fields, fields, ask.audience)

    def _patch(self, item: Owned, held: Fields, **values: Any) -> Ask:
        body = {**values, "last_updated": self._dates.next()}
        return self._partial("PATCH", item.key, (), body, held)

    # Locations -----------------------------------------------------------------------------------

    def _location(self, item: Owned) -> list[Ask]:
        held = item.fields()
        if held is None or self._chance.random() < 0.2:
            return [self._changed(self.whole(item))]
        if self._chance.random() < 0.2:
            return [self._patch(item, held, name=f"Site {self._chance.randrange(100)}")]
        uids = [evse["uid"] for evse in held["evses"]]
        asks = []
        for uid in self._chance.sample(uids, self._chance.randint(1, len(uids))):
            asks.append(self._evse(item.key, uid, held))
            assert asks[-1].after is not None
            held = asks[-1].after
        return asks

    def _evse(self, key: Key, uid: str, held: Fields) -> Ask:
        date = self._dates.next()
        kind = self._chance.randrange(6)
        if kind <= 2:
            status = self._chance.choice(STATUSES)
            body: Fields = {"status": status, "last_updated": date}
            return self._partial("PATCH", key, (uid,), body, held)
        if kind == 3:
            evse = make_evse(uid, last_updated=date, x_content=self._chance.randrange(1000))
            return self._partial("PUT", key, (uid,), evse, held)
        if kind == 4 and len(held["evses"]) < MOST_EVSES:
            new = f"EVSE{len(held['evses']) + 1}"
            return self._partial("PUT", key, (new,), make_evse(new, last_updated=date), held)
        if self._chance.random() < 0.5:
            amperage = {"max_amperage": self._chance.randrange(16, 64), "last_updated": date}
            return self._partial("PATCH", key, (uid, "1"), amperage, held)
        connector = make_connector(self._chance.choice(["1", "2"]), last_updated=date)
        return self._partial("PUT", key, (uid, connector["id"]), connector, held)

    # Sessions ------------------------------------------------------------------------------------

    def _session(self, item: Owned) -> Ask:
        held = item.fields()
        if held is None or item.behind or self._chance.random() < 0.15:
            return self.whole(item)
        date = self._dates.next()
        body: Fields = {"kwh": held["kwh"] + 0.5, "last_updated": date}
        if self._chance.random() < 0.8:
            dimensions = [{"type": "ENERGY", "volume": self._chance.randrange(100)}]
            body["charging_periods"] = [{"start_date_time": date, "dimensions": dimensions}]
        if self._chance.random() < 0.1:
            body["status"] = self._chance.choice(["COMPLETED", "ACTIVE"])
        return self._partial("PATCH", item.key, (), body, held)

    def _partial(
        self, method: str, key: Key, part: tuple[str, ...], body: Fields, held: Fields
    ) -> Ask:
        after = changed_object(held, Given(method, "", key, part, body))
        assert after is not None
        return Ask(method, self._path(key, *part), body, after)


def _tariff(tariff_id: str, owner: str) -> Fields:
    country_code, party_id = owner.split("*")
    component = {"type": "ENERGY", "price": 0.25, "step_size": 1}
    return {
        "country_code": country_code,
        "party_id": party_id,
        "id": tariff_id,
        "currency": "EUR",
        "elements": [{"price_components": [component]}],
        "last_updated": "2026-01-01T00:00:00Z",
    }
