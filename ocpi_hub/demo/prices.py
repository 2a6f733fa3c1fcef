"""What charging costs at the demo's sites, as tariffs."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from ocpi_hub.demo.countries import (
    AUSTRIA,
    BELGIUM,
    DENMARK,
    FRANCE,
    GERMANY,
    NETHERLANDS,
    PORTUGAL,
    Country,
)
from ocpi_hub.demo.parties import Company
from ocpi_hub.demo.sites import Power
from ocpi_hub.ocpi.v2_2_1.tariffs import TariffDimensionType, TariffType

CURRENCY = "EUR"
LAST_UPDATED = "2026-05-01T00:00:00Z"
OFFER = "SUMMER"
"""Name of a tariff that no charging point has yet."""

_COMPONENT = Decimal("0.0001")
_TOTAL = Decimal("0.01")


@dataclass(frozen=True, slots=True)
class DemoTariff:
    """Prices in EUR without VAT: per kWh, once, and per hour of standing there without charging."""

    country: Country
    name: str
    per_kwh: Decimal
    once: Decimal
    parking_per_hour: Decimal

    @property
    def tariff_id(self) -> str:
        return f"{self.country.alpha2}-{self.name}"

    def as_ocpi(self, last_updated: str = LAST_UPDATED) -> dict[str, Any]:
        """The Tariff object. What costs nothing is left out."""
        priced = (
            (TariffDimensionType.ENERGY, self.per_kwh),
            (TariffDimensionType.FLAT, self.once),
            (TariffDimensionType.PARKING_TIME, self.parking_per_hour),
        )
        owner = self.country.operator.party
        return {
            "country_code": owner.country_code,
            "party_id": owner.party_id,
            "id": self.tariff_id,
            "currency": CURRENCY,
            "type": TariffType.REGULAR.value,
            "elements": [
                {
                    "price_components": [
                        {
                            "type": kind.value,
                            "price": price,
                            "vat": Decimal(self.country.vat),
                            "step_size": 1,
                        }
                        for kind, price in priced
                        if price
                    ]
                }
            ],
            "last_updated": last_updated,
        }

    def price(self, amount: Decimal) -> dict[str, Decimal]:
        """A part of the cost: exact to four digits."""
        return self._rounded(amount, _COMPONENT)

    def total(self, amount: Decimal) -> dict[str, Decimal]:
        """The whole cost: cents, rounded once."""
        return self._rounded(amount, _TOTAL)

    def _rounded(self, amount: Decimal, digits: Decimal) -> dict[str, Decimal]:
        with_vat = amount * (100 + self.country.vat) / 100
        return {
            "excl_vat": amount.quantize(digits, ROUND_HALF_UP),
            "incl_vat": with_vat.quantize(digits, ROUND_HALF_UP),
        }


def tariff_of(country: Country, power: Power) -> DemoTariff:
    """The tariff of a charging point."""
    return _TARIFFS[country.alpha2, _class_of(power)]


def tariffs_of(operator: Company) -> list[DemoTariff]:
    return [tariff for tariff in _TARIFFS.values() if tariff.country.operator == operator]


def _class_of(power: Power) -> str:
    if not power.is_dc:
        return "AC"
    return "DC" if power is Power.DC_50 else "HPC"


def _tariffs(
    country: Country, *rows: tuple[str, str, str, str]
) -> dict[tuple[str, str], DemoTariff]:
    return {
        (country.alpha2, name): DemoTariff(country, name, *map(Decimal, prices))
        for name, *prices in rows
    }


_TARIFFS = {
    **_tariffs(
        GERMANY,
        ("AC", "0.4538", "0", "0"),
        ("DC", "0.5294", "0", "6.00"),
        ("HPC", "0.6218", "0", "6.00"),
        (OFFER, "0.3900", "0", "0"),
    ),
    **_tariffs(
        AUSTRIA,
        ("AC", "0.4425", "0", "0"),
        ("DC", "0.5158", "0", "5.00"),
        ("HPC", "0.6075", "0", "5.00"),
        (OFFER, "0.3800", "0", "0"),
    ),
    **_tariffs(
        NETHERLANDS,
        ("AC", "0.3306", "0.2893", "0"),
        ("DC", "0.4876", "0.2893", "4.80"),
        ("HPC", "0.5950", "0.2893", "4.80"),
        (OFFER, "0.2900", "0", "0"),
    ),
    **_tariffs(
        BELGIUM,
        ("AC", "0.3719", "0", "0.50"),
        ("DC", "0.5207", "0", "7.50"),
        ("HPC", "0.6281", "0", "7.50"),
        (OFFER, "0.3100", "0", "0"),
    ),
    **_tariffs(
        FRANCE,
        ("AC", "0.3250", "0", "0"),
        ("DC", "0.4167", "0.4167", "5.00"),
        ("HPC", "0.4917", "0.4167", "5.00"),
        (OFFER, "0.2900", "0", "0"),
    ),
    **_tariffs(
        PORTUGAL,
        ("AC", "0.2846", "0.2439", "0"),
        ("DC", "0.4065", "0.2439", "4.00"),
        ("HPC", "0.4959", "0.2439", "4.00"),
        (OFFER, "0.2500", "0", "0"),
    ),
    **_tariffs(
        DENMARK,
        ("AC", "0.4160", "0", "0"),
        ("DC", "0.5040", "0", "4.00"),
        ("HPC", "0.6240", "0", "4.00"),
        (OFFER, "0.3600", "0", "0"),
    ),
}
