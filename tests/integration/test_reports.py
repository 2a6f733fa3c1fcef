"""Reports from the ledger: energy of charge points and relations, the ledger as a file."""

from __future__ import annotations

import csv
import itertools
import json
import random
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from ocpi_hub.clearing.reports import Year, energy_within, power_kw
from ocpi_hub.errors import OperatorError
from ocpi_hub.store.address import DatabaseAddress
from ocpi_hub.store.custody import PostgresCustodyStore
from ocpi_hub.store.database import Database
from ocpi_hub.store.reports import ReportStore
from tests.bench.archive import store_cdrs
from tests.support.factories import CPO, EMSP
from tests.support.ledger import Run, body, bring, clearing_commands
from tests.support.stores import custody_store, execute

THG = ("report", "thg", "--year", "2025")


@pytest.fixture
async def store(database: Database) -> AsyncIterator[PostgresCustodyStore]:
    async with custody_store(database) as store:
        yield store


@pytest.fixture
async def run(address: DatabaseAddress, database: Database) -> Run:
    return await clearing_commands(address, database)


async def insert_location(
    database: Database, location: dict[str, Any], audience: str = "*"
) -> None:
    await execute(
        database,
        "insert into shared_object (module, country_code, party_id, object_id, audience, position,"
        " body, last_updated, origin, correlation_id) values"
        " ('locations', $1, $2, $3, $4, nextval('shared_object_position'), $5::json, now(),"
        " 'broadcast', 'c')",
        *CPO,
        location["id"].upper(),
        audience,
        json.dumps(location),
    )


def location(name: str, *evses: str, publish: bool = True) -> dict[str, Any]:
    connector = {"max_voltage": 230, "max_amperage": 32, "power_type": "AC_3_PHASE"}
    strong = {"max_electric_power": 50000, "power_type": "DC"}
    return {
        "id": name,
        "publish": publish,
        "operator": {"name": "=Charge Co"},
        "address": "Dorpsstraat 1",
        "city": "Utrecht",
        "country": "NLD",
        "coordinates": {"latitude": "52.1", "longitude": "5.1"},
        "evses": [{"uid": evse, "connectors": [connector, strong]} for evse in evses],
    }


def at(
    evse: str, ended_at: str, *, place: str = "LOC1", cdr_id: str | None = None, **fields: Any
) -> dict[str, Any]:
    made = body(cdr_id or f"{evse}-{ended_at}", ended_at=ended_at, **fields)
    made["cdr_location"] |= {"id": place, "evse_uid": evse, "evse_id": f"NL*CPO*{evse}"}
    return made


async def test_yearly_energy_counts_public_charge_points_only(
    store: PostgresCustodyStore, run: Run, database: Database, tmp_path: Path
) -> None:
    await insert_location(database, location("empty"))
    await insert_location(database, location("loc1", "e1", "E2"))
    await insert_location(database, location("LOC2", "E1", publish=False))
    await bring(store, at("E1", "2025-01-01T02:00:00Z"))
    await bring(store, at("e1", "2025-12-31T20:00:00Z"))
    await bring(store, at("E2", "2025-06-01T12:00:00Z"))
    await bring(store, at("E1", "2025-06-01T12:00:00Z", place="LOC2", cdr_id="PRIVATE"))
    await bring(store, at("E9", "2025-06-01T12:00:00Z", cdr_id="UNKNOWN"))
    await bring(store, at("E1", "2026-02-01T12:00:00Z"))
    file = tmp_path / "quota.csv"
    report = await run(*THG, "--csv", str(file))
    assert (report["points"], report["energy_kwh"], report["complete"]) == (2, "37.035", True)
    assert (report["left_out_points"], report["left_out_kwh"]) == (2, "24.69")
    with file.open(newline="", encoding="utf-8-sig") as stream:
        first, second = csv.DictReader(stream)
    assert (first["evse_id"], first["cdrs"], first["energy_kwh"]) == ("NL*CPO*e1", "2", "24.69")
    assert (first["power_kw"], first["operator"], first["address"]) == (
        "50",
        "'=Charge Co",
        "Dorpsstraat 1",
    )
    assert (second["evse_id"], second["energy_kwh"], second["complete"]) == (
        "NL*CPO*E2",
        "12.345",
        "yes",
    )
    everything = await run(*THG, "--locations", "all")
    assert (everything["points"], everything["energy_kwh"]) == (4, "61.725")


async def test_what_was_taken_back_is_no_energy_and_a_correction_is(
    store: PostgresCustodyStore, run: Run
) -> None:
    await bring(store, at("E1", "2025-01-01T12:00:00Z", cdr_id="WRONG"))
    credit = at(
        "E1", "2025-01-01T12:00:00Z", cdr_id="BACK", credit=True, credit_reference_id="WRONG"
    )
    credit["total_cost"] = {"excl_vat": -10, "incl_vat": -12.1}
    await bring(store, credit)
    await bring(store, at("E1", "2026-01-20T12:00:00Z"))
    right = at("E1", "2025-01-01T12:00:00Z", cdr_id="RIGHT")
    await bring(store, right | {"total_energy": 11})
    report = await run(*THG, "--locations", "all")
    assert (report["energy_kwh"], report["items"][0]["cdrs"]) == ("11", 1)


async def test_an_incomplete_year_is_never_reported_as_complete(
    store: PostgresCustodyStore, run: Run
) -> None:
    await bring(store, at("E1", "2025-03-01T12:00:00Z"))
    with pytest.raises(OperatorError, match="its first CDR here is of 2025-03-01"):
        await run(*THG, "--locations", "all")
    await bring(store, at("E1", "2025-01-01T12:00:00Z"))
    with pytest.raises(OperatorError, match="its last CDR here is of 2025-03-01"):
        await run(*THG, "--locations", "all")
    await bring(store, at("E1", "2026-01-20T12:00:00Z"))
    assert (await run(*THG, "--locations", "all"))["complete"]
    await bring(store, at("E1", "2025-04-01T12:00:00Z"), state="held")
    with pytest.raises(OperatorError, match="1 CDRs are not delivered yet"):
        await run(*THG, "--locations", "all")
    report = await run(*THG, "--locations", "all", "--allow-incomplete")
    assert (report["complete"], report["items"][0]["complete"]) == (False, False)
    assert report["energy_kwh"] == "24.69"
    year = str(datetime.now(UTC).year)
    with pytest.raises(OperatorError, match=f"{year} is not over yet"):
        await run("report", "thg", "--year", year)


async def test_a_year_without_cdrs_is_not_complete(store: PostgresCustodyStore, run: Run) -> None:
    with pytest.raises(OperatorError, match="has no CDR of anybody in 2025"):
        await run(*THG)
    await bring(store, at("E1", "2025-01-01T12:00:00Z"))
    await bring(store, at("E1", "2026-01-20T12:00:00Z"))
    with pytest.raises(OperatorError, match="has no CDR of FR\\*XYZ in 2025"):
        await run(*THG, "--cpo", "FR*XYZ")


async def test_a_year_with_cdrs_that_the_ledger_lacks_is_not_complete(
    store: PostgresCustodyStore, run: Run, database: Database
) -> None:
    await bring(store, at("E1", "2025-01-01T12:00:00Z"))
    await bring(store, at("E1", "2026-01-20T12:00:00Z"))
    await bring(store, at("E1", "2025-02-01T12:00:00Z", cdr_id="LACKING"))
    await execute(database, "delete from cdr_ledger where cdr_id = 'LACKING'")
    with pytest.raises(OperatorError, match="1 CDRs are not in the ledger yet"):
        await run(*THG, "--locations", "all")


async def test_times_that_a_cpo_does_not_know_neither_stop_a_report_nor_shrink_it(
    store: PostgresCustodyStore, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ocpi_hub.store.reports.BODIES", 1)
    await bring(store, at("E1", "2025-01-01T12:00:00Z"))
    await bring(store, at("E1", "2026-01-20T12:00:00Z"))
    unknown = "1970-1-1T00:00:00Z"
    for number in range(2):
        odd = at("E1", "2025-03-01T12:00:00Z", cdr_id=f"ODD-{number}")
        periods = [{"start_date_time": unknown, "dimensions": [{"type": "ENERGY", "volume": 7}]}]
        await bring(store, odd | {"start_date_time": unknown, "charging_periods": periods})
    assert (await run(*THG, "--locations", "all"))["energy_kwh"] == "26.345"
    endless = at("E1", "2025-03-01T12:00:00Z", cdr_id="ENDLESS")
    await bring(store, endless | {"end_date_time": unknown})
    with pytest.raises(OperatorError, match="1 CDRs end before they start"):
        await run(*THG, "--locations", "all")


async def test_a_session_over_new_year_is_divided(store: PostgresCustodyStore, run: Run) -> None:
    # 22:00 to 02:00 in Amsterdam; 4 kWh before 23:30, 10 kWh evenly after.
    long = at("E1", "2025-01-01T01:00:00Z", cdr_id="LONG")
    long |= {
        "start_date_time": "2024-12-31T21:00:00Z",
        "total_energy": 14,
        "charging_periods": [
            {
                "start_date_time": "2024-12-31T21:00:00Z",
                "dimensions": [{"type": "ENERGY", "volume": 4}],
            },
            {
                "start_date_time": "2024-12-31T22:30:00Z",
                "dimensions": [{"type": "ENERGY", "volume": 10}, {"type": "TIME", "volume": 2.5}],
            },
        ],
    }
    await bring(store, long)
    await bring(store, at("E1", "2026-01-20T12:00:00Z"))
    report = await run(*THG, "--locations", "all")
    assert report["energy_kwh"] == "8"
    before = await run(
        "report", "thg", "--year", "2024", "--locations", "all", "--allow-incomplete"
    )
    assert before["energy_kwh"] == "6"


async def test_daily_energy_is_by_relation_and_local_day(
    store: PostgresCustodyStore, run: Run
) -> None:
    await bring(store, at("E1", "2025-06-01T12:00:00Z"))
    await bring(store, at("E2", "2025-06-01T22:30:00Z"))
    days = await run("report", "energy", "--month", "2025-06")
    assert [(day["cpo"], day["emsp"], day["day"], day["cdrs"]) for day in days] == [
        (str(CPO), str(EMSP), "2025-06-01", 1),
        (str(CPO), str(EMSP), "2025-06-02", 1),
    ]


async def test_the_ledger_is_written_whole_and_names_no_token(
    store: PostgresCustodyStore, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ocpi_hub.store.reports.ENTRIES", 2)
    for number in range(5):
        await bring(store, at(f"E{number}", "2025-06-01T12:00:00Z"))
    file = tmp_path / "ledger.csv"
    assert (await run("report", "ledger", "--csv", str(file)))["written"] == 5
    text = file.read_text(encoding="utf-8-sig")
    assert "04AABBCC" not in text
    rows = list(csv.DictReader(text.splitlines()))
    assert [row["evse_uid"] for row in rows] == [f"E{number}" for number in range(5)]
    assert {row["stage"] for row in rows} == {"delivered"}
    with pytest.raises(OperatorError, match="cannot be written"):
        await run("report", "ledger", "--csv", str(tmp_path / "none" / "ledger.csv"))


@pytest.mark.parametrize("shuffled", [False, True], ids=["in-order", "shuffled"])
async def test_the_ledger_of_a_time_comes_whole_page_by_page(
    database: Database, monkeypatch: pytest.MonkeyPatch, shuffled: bool
) -> None:
    """Whether CDRs came in the order in which they ended or not, each of the time comes once."""
    chance = random.Random(3)  # noqa: S311 - repeatable, not secret
    end = datetime(2026, 9, 20, tzinfo=UTC)
    async with database.transaction() as connection:
        await store_cdrs(connection, CPO, EMSP, 40, end)
        rows = await connection.fetch("select entry, ended_at from cdr_ledger order by entry")
        times = [row["ended_at"] for row in rows]
        if shuffled:
            chance.shuffle(times)
        ended = dict(zip((row["entry"] for row in rows), times, strict=True))
        setting = "update cdr_ledger set ended_at = $2 where entry = $1"
        await connection.executemany(setting, list(ended.items()))
    reports = ReportStore(database)
    monkeypatch.setattr("ocpi_hub.store.reports.NEAR", 2)
    moments = [None, *sorted(times)[::9], end + timedelta(days=1)]
    for since, until in itertools.product(moments, moments):
        expected = [
            entry
            for entry, at in ended.items()
            if (since is None or at >= since) and (until is None or at < until)
        ]
        monkeypatch.setattr("ocpi_hub.store.reports.ENTRIES", chance.randint(1, 7))
        found = [entry["entry"] async for entry in reports.ledger(since, until)]
        assert found == expected, (since, until)


def test_the_parts_of_a_session_in_two_years_are_the_whole() -> None:
    zone = ZoneInfo("Europe/Amsterdam")
    start = datetime(2025, 12, 31, 20, 15, tzinfo=UTC)
    periods = [
        {
            "start_date_time": (start + timedelta(minutes=37 * number)).isoformat(),
            "dimensions": [{"type": "ENERGY", "volume": 3.3}],
        }
        for number in range(9)
    ]
    text = json.dumps({"end_date_time": "2026-01-01T03:00:00Z", "charging_periods": periods})
    parts = [energy_within(text, Year.of(number, zone)) for number in (2025, 2026)]
    assert abs(sum(parts) - Decimal("29.7")) < Decimal("1e-20")
    assert all(part > 0 for part in parts)


def test_power_of_a_connector() -> None:
    assert power_kw(Decimal(50000), None, None, "DC") == 50
    assert power_kw(None, Decimal(230), Decimal(16), "AC_3_PHASE") == Decimal("11.04")
    assert power_kw(None, Decimal(230), None, "AC_1_PHASE") is None
