"""What checks can find: every code, what it means, and what it weighs unless somebody says else.

A CDR that is right must never wait. So only that holds by default which no right CDR can show;
everything else is a flag, or off where many right CDRs show it.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from ocpi_hub.domain.cdr_rules import Weight
from ocpi_hub.domain.value import value


class Group(StrEnum):
    """What a check looks at."""

    FIGURES = "figures"
    TIMES = "times and periods"
    PRICE = "tariffs and price"
    SESSION = "session and authorization"
    CREDIT = "credits and corrections"
    PLACE = "charge point"
    METER = "signed meter data"
    CHECK = "the check itself"


@value
class Code:
    """A kind of finding.

    Attributes:
        meaning: for the documentation, a sentence's rest: "the CDR ...".
    """

    code: str
    group: Group
    weight: Weight
    meaning: str


_H, _F, _O = Weight.HOLD, Weight.FLAG, Weight.OFF


def _registry(*codes: Code) -> Mapping[str, Code]:
    return MappingProxyType({each.code: each for each in codes})


CODES: Final = _registry(
    Code("total_energy_above_limit", Group.FIGURES, _H, "total_energy is above the limit"),
    Code("total_time_above_limit", Group.FIGURES, _H, "total_time is above the limit"),
    Code("total_cost_above_limit", Group.FIGURES, _H, "total_cost is above the limit"),
    Code("absurd_total", Group.FIGURES, _H, "a total is beyond what a session can come to"),
    Code("negative_total", Group.FIGURES, _F, "total_cost is below 0, and it is no Credit CDR"),
    Code("negative_energy", Group.FIGURES, _F, "total_energy is below 0"),
    Code("negative_time", Group.FIGURES, _H, "total_time or total_parking_time is below 0"),
    Code("vat_below_net", Group.FIGURES, _F, "a price is smaller with VAT than without"),
    Code("power_above_connector", Group.FIGURES, _F,
         "average power is above what the connector gives; where it is not known, above what its"
         " power_type allows"),
    Code("ends_before_start", Group.TIMES, _F, "the session ends before it starts"),
    Code("in_future", Group.TIMES, _F, "the session ends later than the CDR came"),
    Code("ancient", Group.TIMES, _F, "the session ended longer ago than the limit"),
    Code("time_differs", Group.TIMES, _F, "total_time is not the time from start to end"),
    Code("parking_above_time", Group.TIMES, _F, "total_parking_time is above total_time"),
    Code("energy_unbacked", Group.TIMES, _F, "total_energy is not the sum of the periods"),
    Code("periods_unsorted", Group.TIMES, _F, "charging periods are not in order of time"),
    Code("periods_overlap", Group.TIMES, _F,
         "two charging periods start at once, or one has more time than passes until the next"),
    Code("period_outside", Group.TIMES, _F, "a charging period starts outside the session"),
    Code("currency_differs", Group.PRICE, _F, "a tariff is in another currency than the CDR"),
    Code("no_tariff", Group.PRICE, _F, "there is no tariff, in the CDR or known to the hub"),
    Code("tariff_missing", Group.PRICE, _F, "a period names a tariff that nobody has"),
    Code("tariff_not_in_cdr", Group.PRICE, _O, "a tariff is taken from those known to the hub"),
    Code("tariff_changed", Group.PRICE, _F, "a tariff was changed after the session had started"),
    Code("tariff_not_valid", Group.PRICE, _F, "a tariff was not valid when the session started"),
    Code("tariff_unclear", Group.PRICE, _F, "something in the CDR or a tariff cannot be priced"),
    Code("time_zone_unknown", Group.PRICE, _F, "local times matter, and the zone is not known"),
    Code("periods_too_coarse", Group.PRICE, _F,
         "a price changes within a period, or asks for a current or power that none tells"),
    Code("price_not_checkable", Group.PRICE, _F, "the price cannot be recomputed otherwise"),
    Code("price_differs", Group.PRICE, _F, "total_cost is not the recomputed price"),
    Code("price_difference_above_limit", Group.PRICE, _H,
         "total_cost is further from the recomputed price than the limit"),
    Code("price_ambiguous", Group.PRICE, _O,
         "total_cost fits another reading of the specification than ours"),
    Code("subtotal_differs", Group.PRICE, _F, "a part of total_cost is not the recomputed one"),
    Code("session_unknown", Group.SESSION, _O, "the hub does not know the session"),
    Code("session_invalid", Group.SESSION, _F, "the session is INVALID"),
    Code("session_energy_differs", Group.SESSION, _F, "the session has other energy"),
    Code("session_currency_differs", Group.SESSION, _F, "the session is in another currency"),
    Code("session_token_differs", Group.SESSION, _F, "the session has another token"),
    Code("session_location_differs", Group.SESSION, _F, "the session is at another charge point"),
    Code("session_billed_twice", Group.SESSION, _F,
         "another CDR that was not taken back is of the same session"),
    Code("authorization_denied", Group.SESSION, _F, "the authorization that it names was refused"),
    Code("authorization_unknown", Group.SESSION, _O,
         "the hub does not know the authorization that it names"),
    Code("authorization_token_differs", Group.SESSION, _F,
         "the authorization that it names is of another token"),
    Code("credit_positive", Group.CREDIT, _F, "it is a Credit CDR with a total above 0"),
    Code("credit_without_reference", Group.CREDIT, _F, "it does not say what it takes back"),
    Code("credit_original_unknown", Group.CREDIT, _F, "the hub does not know what it takes back"),
    Code("credit_cyclic", Group.CREDIT, _H, "it takes itself back, or two take each other back"),
    Code("credit_of_other_party", Group.CREDIT, _H, "it takes back a CDR of other parties"),
    Code("credit_of_credit", Group.CREDIT, _F, "it takes back a Credit CDR"),
    Code("credit_currency", Group.CREDIT, _H, "it takes back a CDR in another currency"),
    Code("credit_again", Group.CREDIT, _H, "it takes back what was taken back already"),
    Code("credit_sign", Group.CREDIT, _H, "it does not reduce what it takes back"),
    Code("credit_exceeds_original", Group.CREDIT, _H, "it takes back more than there was"),
    Code("credit_partial", Group.CREDIT, _F, "something remains of what it takes back"),
    Code("credit_vat_differs", Group.CREDIT, _F, "something remains with VAT, and nothing without"),
    Code("location_unknown", Group.PLACE, _F,
         "the hub knows Locations of this CPO, and this one is not among them"),
    Code("connector_unknown", Group.PLACE, _F, "the Location has no such EVSE or connector"),
    Code("location_unpublished", Group.PLACE, _O, "the Location is not published"),
    Code("signature_invalid", Group.METER, _H, "signed meter data does not fit its signature"),
    Code("signature_not_verifiable", Group.METER, _O,
         "signed meter data cannot be verified: no key, or a kind that is not supported"),
    Code("signed_data_unreadable", Group.METER, _F, "signed meter data is cut off or unreadable"),
    Code("meter_energy_differs", Group.METER, _F, "total_energy is not what the meter signed"),
    Code("not_yet_checked", Group.CHECK, _H,
         "something that may hold it is still to be looked at; the hub does that by itself"),
)  # fmt: skip
