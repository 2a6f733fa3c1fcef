"""Locations module. Spec: 2.2.1 mod_locations_locations_module."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from enum import StrEnum
from typing import Annotated

from ocpi_hub.domain.party import PartyId
from ocpi_hub.ocpi.base import (
    Boolean,
    CiString,
    CountryCode,
    DateTime,
    Finding,
    Identifier,
    Integer,
    Many,
    OcpiModel,
    OcpiString,
    OpenEnum,
    PartyCode,
    Rule,
    Some,
    Url,
)
from ocpi_hub.ocpi.evse_id import EvseIdForm
from ocpi_hub.ocpi.v2_2_1.common import (
    BusinessDetails,
    ConnectorFormat,
    ConnectorType,
    CrossChecked,
    DisplayText,
    EnergyMix,
    GeoLocation,
    Image,
    PowerType,
)
from ocpi_hub.ocpi.v2_2_1.hours import Hours
from ocpi_hub.ocpi.v2_2_1.tokens import TokenType


class Capability(StrEnum):
    """Spec: 2.2.1 mod_locations_capability_enum."""

    CHARGING_PROFILE_CAPABLE = "CHARGING_PROFILE_CAPABLE"
    CHARGING_PREFERENCES_CAPABLE = "CHARGING_PREFERENCES_CAPABLE"
    CHIP_CARD_SUPPORT = "CHIP_CARD_SUPPORT"
    CONTACTLESS_CARD_SUPPORT = "CONTACTLESS_CARD_SUPPORT"
    CREDIT_CARD_PAYABLE = "CREDIT_CARD_PAYABLE"
    DEBIT_CARD_PAYABLE = "DEBIT_CARD_PAYABLE"
    PED_TERMINAL = "PED_TERMINAL"
    REMOTE_START_STOP_CAPABLE = "REMOTE_START_STOP_CAPABLE"
    RESERVABLE = "RESERVABLE"
    RFID_READER = "RFID_READER"
    START_SESSION_CONNECTOR_REQUIRED = "START_SESSION_CONNECTOR_REQUIRED"
    TOKEN_GROUP_CAPABLE = "TOKEN_GROUP_CAPABLE"  # noqa: S105 - a name, not a secret
    UNLOCK_CAPABLE = "UNLOCK_CAPABLE"


class Facility(StrEnum):
    """Spec: 2.2.1 mod_locations_facility_enum."""

    HOTEL = "HOTEL"
    RESTAURANT = "RESTAURANT"
    CAFE = "CAFE"
    MALL = "MALL"
    SUPERMARKET = "SUPERMARKET"
    SPORT = "SPORT"
    RECREATION_AREA = "RECREATION_AREA"
    NATURE = "NATURE"
    MUSEUM = "MUSEUM"
    BIKE_SHARING = "BIKE_SHARING"
    BUS_STOP = "BUS_STOP"
    TAXI_STAND = "TAXI_STAND"
    TRAM_STOP = "TRAM_STOP"
    METRO_STATION = "METRO_STATION"
    TRAIN_STATION = "TRAIN_STATION"
    AIRPORT = "AIRPORT"
    PARKING_LOT = "PARKING_LOT"
    CARPOOL_PARKING = "CARPOOL_PARKING"
    FUEL_STATION = "FUEL_STATION"
    WIFI = "WIFI"


class ParkingRestriction(StrEnum):
    """Spec: 2.2.1 mod_locations_parkingrestriction_enum."""

    EV_ONLY = "EV_ONLY"
    PLUGGED = "PLUGGED"
    DISABLED = "DISABLED"
    CUSTOMERS = "CUSTOMERS"
    MOTORCYCLES = "MOTORCYCLES"


class ParkingType(StrEnum):
    """Spec: 2.2.1 mod_locations_parkingtype_enum."""

    ALONG_MOTORWAY = "ALONG_MOTORWAY"
    PARKING_GARAGE = "PARKING_GARAGE"
    PARKING_LOT = "PARKING_LOT"
    ON_DRIVEWAY = "ON_DRIVEWAY"
    ON_STREET = "ON_STREET"
    UNDERGROUND_GARAGE = "UNDERGROUND_GARAGE"


class Status(StrEnum):
    """Of an EVSE. Spec: 2.2.1 mod_locations_status_enum."""

    AVAILABLE = "AVAILABLE"
    BLOCKED = "BLOCKED"
    CHARGING = "CHARGING"
    INOPERATIVE = "INOPERATIVE"
    OUTOFORDER = "OUTOFORDER"
    PLANNED = "PLANNED"
    REMOVED = "REMOVED"
    RESERVED = "RESERVED"
    UNKNOWN = "UNKNOWN"


class AdditionalGeoLocation(GeoLocation, frozen=True):
    """Spec: 2.2.1 mod_locations_additionalgeolocation_class."""

    name: DisplayText | None = None


class PublishTokenType(CrossChecked, frozen=True):
    """A token matches when all fields that are set match. Spec: 2.2.1
    mod_locations_publish_token_class."""

    uid: Annotated[str, CiString(36)] | None = None
    type: Annotated[str, OpenEnum(TokenType)] | None = None
    visual_number: Annotated[str, OcpiString(64)] | None = None
    issuer: Annotated[str, OcpiString(64)] | None = None
    group_id: Annotated[str, CiString(36)] | None = None

    def own_findings(self) -> Iterator[Finding]:
        if self.uid is None and self.visual_number is None and self.group_id is None:
            yield Finding(Rule.CROSS_FIELD, "uid", "or visual_number or group_id is required")
        if self.uid is not None and self.type is None:
            yield Finding(Rule.CROSS_FIELD, "type", "is required beside uid")
        if self.visual_number is not None and self.issuer is None:
            yield Finding(Rule.CROSS_FIELD, "issuer", "is required beside visual_number")


class StatusSchedule(OcpiModel, frozen=True):
    """What is planned; the `status` of the EVSE alone counts (LO-15).

    Spec: 2.2.1 mod_locations_statusschedule_class.
    """

    period_begin: DateTime
    period_end: DateTime | None = None
    status: Annotated[str, OpenEnum(Status)]


class Connector(OcpiModel, frozen=True):
    """Volt (line to neutral for AC_3_PHASE), ampere, watt. Its id is unique within its EVSE only.

    Spec: 2.2.1 mod_locations_connector_object.
    """

    id: Annotated[str, Identifier(36)]
    standard: Annotated[str, OpenEnum(ConnectorType)]
    format: Annotated[str, OpenEnum(ConnectorFormat)]
    power_type: Annotated[str, OpenEnum(PowerType)]
    max_voltage: Integer
    max_amperage: Integer
    max_electric_power: Integer | None = None
    tariff_ids: Many[Annotated[str, CiString(36)]] = ()
    terms_and_conditions: Url | None = None
    last_updated: DateTime


class EVSE(CrossChecked, frozen=True):
    """Its `uid` never changes; `evse_id` is for people, and may go once REMOVED (LO-14).

    Spec: 2.2.1 mod_locations_evse_object.
    """

    uid: Annotated[str, Identifier(36)]
    evse_id: Annotated[str, CiString(48), EvseIdForm()] | None = None
    status: Annotated[str, OpenEnum(Status)]
    status_schedule: Many[StatusSchedule] = ()
    capabilities: Many[Annotated[str, OpenEnum(Capability)]] = ()
    connectors: Some[Connector]
    floor_level: Annotated[str, OcpiString(4)] | None = None
    coordinates: GeoLocation | None = None
    physical_reference: Annotated[str, OcpiString(16)] | None = None
    directions: Many[DisplayText] = ()
    parking_restrictions: Many[Annotated[str, OpenEnum(ParkingRestriction)]] = ()
    images: Many[Image] = ()
    last_updated: DateTime

    def own_findings(self) -> Iterator[Finding]:
        if _repeats(connector.id for connector in self.connectors):
            yield Finding(Rule.CROSS_FIELD, "connectors", "two of them have the same id")
        if self.evse_id is None and self.status != Status.REMOVED:
            yield Finding(Rule.MISSING, "evse_id", "absent; only one that is REMOVED has none")


class Location(CrossChecked, frozen=True):
    """Its field `owner` is a business, so the party that owns the object is `party` here.

    Spec: 2.2.1 mod_locations_location_object.
    """

    country_code: CountryCode
    party_id: PartyCode
    id: Annotated[str, Identifier(36)]
    publish: Boolean
    publish_allowed_to: Many[PublishTokenType] = ()
    name: Annotated[str, OcpiString(255)] | None = None
    address: Annotated[str, OcpiString(255)]
    city: Annotated[str, OcpiString(45)]
    postal_code: Annotated[str, OcpiString(10)] | None = None
    state: Annotated[str, OcpiString(45)] | None = None
    country: Annotated[str, OcpiString(3, form="^[A-Z]{3}$")]
    coordinates: GeoLocation
    related_locations: Many[AdditionalGeoLocation] = ()
    parking_type: Annotated[str, OpenEnum(ParkingType)] | None = None
    evses: Many[EVSE] = ()
    directions: Many[DisplayText] = ()
    operator: BusinessDetails | None = None
    suboperator: BusinessDetails | None = None
    owner: BusinessDetails | None = None
    facilities: Many[Annotated[str, OpenEnum(Facility)]] = ()
    time_zone: Annotated[str, OcpiString(255, form="^[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+)*$")]
    opening_times: Hours | None = None
    charging_when_closed: Boolean | None = None
    images: Many[Image] = ()
    energy_mix: EnergyMix | None = None
    last_updated: DateTime

    @property
    def party(self) -> PartyId:
        return PartyId(self.country_code, self.party_id)

    @property
    def charges_when_closed(self) -> bool:
        """`charging_when_closed` with its default (LO-24)."""
        return self.charging_when_closed is not False

    def own_findings(self) -> Iterator[Finding]:
        if self.publish and self.publish_allowed_to:
            yield Finding(Rule.CROSS_FIELD, "publish_allowed_to", "only if publish is false")
        if _repeats(evse.uid for evse in self.evses):
            yield Finding(Rule.CROSS_FIELD, "evses", "two of them have the same uid")


def _repeats(identifiers: Iterable[str]) -> bool:
    """Whether two CiStrings are the same."""
    return any(count > 1 for count in Counter(each.casefold() for each in identifiers).values())
