"""CDRs in the ledger as tests need them, and the commands that look at it."""

from __future__ import annotations

import argparse
import base64
import json
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from ocpi_hub.clearing.ledger import (
    CdrFinding,
    Examination,
    PriceOutcome,
    VatAmount,
    ledger_facts,
)
from ocpi_hub.cli.main import build_parser
from ocpi_hub.delivery.custody import Start
from ocpi_hub.delivery.verdict import Delivered, Refused
from ocpi_hub.ocpi.v2_2_1.cdrs import CDR
from ocpi_hub.settings import Settings
from ocpi_hub.store.address import DatabaseAddress
from ocpi_hub.store.custody import PostgresCustodyStore
from ocpi_hub.store.database import Database
from tests.support.directory import KEY, insert_platform
from tests.support.factories import CPO, EMSP, cdr
from tests.support.postgres import make_settings
from tests.support.stores import NO, OK, ended, make_intake

Run = Callable[..., Awaitable[Any]]


def clearing_settings(address: DatabaseAddress) -> Settings:
    return make_settings(
        database_url=address.as_dsn(),
        secret_key=base64.b64encode(KEY).decode(),
        statement_time_zone="Europe/Amsterdam",
    )


async def clearing_commands(address: DatabaseAddress, database: Database) -> Run:
    """The hub's commands, with a CPO and an eMSP on board; its months end in Amsterdam."""
    await insert_platform(database, "p-cpo", roles=(("CPO", str(CPO)),))
    await insert_platform(database, "p-msp", roles=(("EMSP", str(EMSP)),))
    settings = clearing_settings(address)

    async def command(*arguments: str) -> Any:
        args: argparse.Namespace = build_parser().parse_args(arguments)
        return json.loads(json.dumps(await args.run(args, settings)))

    return command


def body(
    cdr_id: str,
    excl: str = "10.00",
    incl: str | None = "12.10",
    *,
    ended_at: str = "2026-09-10T12:00:00Z",
    **fields: Any,
) -> dict[str, Any]:
    cost = {"excl_vat": float(excl)} | ({"incl_vat": float(incl)} if incl else {})
    start = datetime.fromisoformat(ended_at) - timedelta(hours=2)
    return cdr(
        cdr_id,
        start_date_time=start.strftime("%Y-%m-%dT%H:%M:%SZ"),
        end_date_time=ended_at,
        total_cost=cost,
        total_energy=12.345,
        total_time=2,
        **fields,
    )


def price(*rates: str) -> PriceOutcome:
    parts = tuple(VatAmount(Decimal(rate), Decimal(1), Decimal(1)) for rate in rates)
    return PriceOutcome("equal", Decimal(1), Decimal(2), parts)


async def bring(
    store: PostgresCustodyStore,
    content: dict[str, Any],
    *,
    state: str = "delivered",
    outcome: PriceOutcome | None = None,
    flags: Iterable[str] = (),
) -> None:
    """A CDR in custody, in the state it is to be in."""
    facts = ledger_facts(CDR.model_validate_json(json.dumps(content)))
    findings = tuple(CdrFinding(flag, "as it is") for flag in flags)
    start = Start.SEND if state in ("delivered", "refused") else Start.HOLD
    intake = make_intake(content["id"], body=json.dumps(content), start=start)
    examined = Examination(facts, findings, outcome, complete=True)
    taken = await store.take_in(replace(intake, examined=examined))
    if taken.attempt is not None:
        verdict = Delivered(OK) if state == "delivered" else Refused(NO)
        await store.record(ended(taken.attempt, verdict))
