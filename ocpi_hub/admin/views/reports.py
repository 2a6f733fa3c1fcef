"""How reports look. Figures are exact decimals as texts."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal

from pydantic import Field

from ocpi_hub.admin.views.base import Moment, PartyText, View
from ocpi_hub.admin.views.statements import Amount, amount
from ocpi_hub.clearing.life import Stage
from ocpi_hub.clearing.reports import DayEnergy, PointRow, YearReport
from ocpi_hub.ocpi.envelope import timestamp


class PointEnergyView(View):
    """A charge point's energy in a calendar year."""

    evse_id: str
    cpo: PartyText
    operator: str | None
    address: str | None
    postal_code: str | None
    city: str | None
    country: str | None
    latitude: str | None
    longitude: str | None
    power_kw: Amount | None = Field(description="of its strongest connector")
    commissioned: str | None = Field(description="null: OCPI does not tell")
    published: bool | None = Field(description="null: the hub knows no such EVSE")
    year: int
    cdrs: int
    energy_kwh: Amount
    complete: bool = Field(description="nothing is known that this figure lacks")


class YearReportView(View):
    """Energy of public charge points in a calendar year, for quota reporting."""

    year: int
    points: int
    energy_kwh: Amount
    complete: bool
    doubts: tuple[str, ...]
    left_out_points: int
    left_out_kwh: Amount
    items: tuple[PointEnergyView, ...]


class DayEnergyView(View):
    """A relation's CDRs that ended on a day."""

    cpo: PartyText
    emsp: PartyText
    day: str
    cdrs: int
    energy_kwh: Amount
    time_h: Amount


class LedgerEntryView(View):
    """A CDR as the ledger has it. kWh, hours, money in `currency`. Names no token."""

    entry: int
    cpo: PartyText
    emsp: PartyText
    id: str
    stage: Stage
    received_at: Moment | None
    delivered_at: Moment | None
    session_id: str | None
    authorization_reference: str | None
    location_id: str | None
    evse_uid: str | None
    evse_id: str | None
    connector_id: str | None
    started_at: Moment | None
    ended_at: Moment | None
    energy_kwh: Amount | None
    time_h: Amount | None
    parking_h: Amount | None
    currency: str
    cost_excl_vat: Amount
    cost_incl_vat: Amount | None
    is_credit: bool
    credited_id: str | None
    price_verdict: str | None
    price_excl_vat: Amount | None
    price_incl_vat: Amount | None
    metering: str | None
    flags: tuple[str, ...]
    holds: tuple[str, ...]
    statement_id: int | None


def ledger_entry_view(entry: Mapping[str, object]) -> LedgerEntryView:
    return LedgerEntryView.model_validate({name: _told(each) for name, each in entry.items()})


def _told(value: object) -> object:
    match value:
        case Decimal():
            return amount(value)
        case datetime():
            return timestamp(value)
        case _:
            return value


def year_report_view(report: YearReport) -> YearReportView:
    doubts = tuple(f"{each.cpo}: {each.text}" if each.cpo else each.text for each in report.doubts)
    return YearReportView(
        year=report.year,
        points=len(report.rows),
        energy_kwh=amount(report.energy_kwh),
        complete=not doubts,
        doubts=doubts,
        left_out_points=report.left_out_points,
        left_out_kwh=amount(report.left_out_kwh),
        items=tuple(_point(row, report.year) for row in report.rows),
    )


def _point(row: PointRow, year: int) -> PointEnergyView:
    energy, known = row.energy, row.known
    power = known.power_kw if known else None
    return PointEnergyView(
        evse_id=energy.evse_id,
        cpo=str(energy.key.cpo),
        operator=known.operator if known else None,
        address=known.address if known else None,
        postal_code=known.postal_code if known else None,
        city=known.city if known else None,
        country=known.country if known else None,
        latitude=known.latitude if known else None,
        longitude=known.longitude if known else None,
        power_kw=None if power is None else amount(power),
        commissioned=None,
        published=known.published if known else None,
        year=year,
        cdrs=energy.cdrs,
        # Wh are as fine as meters are.
        energy_kwh=amount(energy.energy_kwh.quantize(Decimal("0.001"))),
        complete=row.complete,
    )


def day_view(day: DayEnergy) -> DayEnergyView:
    return DayEnergyView(
        cpo=str(day.cpo),
        emsp=str(day.emsp),
        day=day.day.isoformat(),
        cdrs=day.cdrs,
        energy_kwh=amount(day.energy_kwh),
        time_h=amount(day.time_h),
    )
