"""What operators reach over HTTP."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from aiohttp import web

from ocpi_hub.admin.access import OperatorAccess
from ocpi_hub.admin.accounts import Passwords
from ocpi_hub.admin.api import AdminApi
from ocpi_hub.admin.keys import KeyRing
from ocpi_hub.admin.metrics.endpoint import MetricsEndpoint
from ocpi_hub.admin.metrics.figures import FigureReader
from ocpi_hub.admin.metrics.instruments import Instruments
from ocpi_hub.admin.metrics.pulse import Pulse, Queue
from ocpi_hub.admin.metrics.workers import shared_directory
from ocpi_hub.admin.overview import OverviewFigures
from ocpi_hub.admin.parts import AdminParts
from ocpi_hub.admin.routes import all_routes
from ocpi_hub.assembly.delivery import Delivery
from ocpi_hub.assembly.serving import onboarding
from ocpi_hub.assembly.stores import Stores
from ocpi_hub.assembly.surroundings import Surroundings
from ocpi_hub.console.pages import all_pages
from ocpi_hub.console.pipeline import console_app
from ocpi_hub.console.visit import ConsoleParts
from ocpi_hub.directory.keeper import DirectoryKeeper
from ocpi_hub.store.admin_keys import PostgresAdminKeys
from ocpi_hub.store.audit import AuditLog
from ocpi_hub.store.lane_admin import LaneAdmin
from ocpi_hub.store.messages import PostgresMessages
from ocpi_hub.store.traffic import PostgresTraffic


def admin_parts(
    around: Surroundings, stores: Stores, delivery: Delivery, keeper: DirectoryKeeper
) -> AdminParts:
    """What the admin API and the console are made of."""
    database, clock = around.database, around.clock
    access = OperatorAccess(around.settings, database, around.keyring, stores.directory)
    figures = FigureReader(
        database, clock, alive=timedelta(seconds=around.settings.directory_max_age_s)
    )
    return AdminParts(
        access=access,
        onboarding=onboarding(around, stores, delivery),
        keeper=keeper,
        keys=PostgresAdminKeys(database),
        decisions=stores.decisions,
        lanes=LaneAdmin(database),
        messages=PostgresMessages(database),
        quality=stores.quality,
        accounts=access.accounts,
        passwords=Passwords(),
        audit=AuditLog(database),
        overview=OverviewFigures(PostgresTraffic(database, clock), figures, keeper, clock),
        clock=clock,
    )


def admin_api(around: Surroundings, parts: AdminParts) -> AdminApi:
    clock = around.clock
    per_s = around.settings.unknown_credentials_per_s
    ring = KeyRing(parts.keys, clock, unknown_per_s=per_s)
    return AdminApi(all_routes(parts), ring, parts.audit, parts.access.privacy, clock)


def console(parts: AdminParts) -> web.Application:
    return console_app(ConsoleParts(parts), all_pages())


def pulse(
    around: Surroundings,
    stores: Stores,
    keeper: DirectoryKeeper,
    instruments: Instruments,
    queues: Sequence[Queue],
) -> Pulse:
    records, reads = stores.messages.records, stores.feed.reads
    refused = around.database.refused.counts
    return Pulse(instruments, around.clock, keeper, queues, records, lambda: reads, refused)


def metrics_endpoint(
    around: Surroundings,
    api: AdminApi,
    keeper: DirectoryKeeper,
    instruments: Instruments,
    heart: Pulse,
) -> MetricsEndpoint:
    settings, clock = around.settings, around.clock
    alive = timedelta(seconds=settings.directory_max_age_s)
    return MetricsEndpoint(
        settings,
        api,
        instruments,
        FigureReader(around.database, clock, alive=alive),
        keeper,
        clock,
        note=heart.note,
        shared_directory=shared_directory(),
    )
