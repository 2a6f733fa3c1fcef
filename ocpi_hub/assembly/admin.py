"""What operators reach over HTTP."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from ocpi_hub.admin.access import OperatorAccess
from ocpi_hub.admin.api import AdminApi
from ocpi_hub.admin.keys import KeyRing
from ocpi_hub.admin.metrics.endpoint import MetricsEndpoint
from ocpi_hub.admin.metrics.figures import FigureReader
from ocpi_hub.admin.metrics.instruments import Instruments
from ocpi_hub.admin.metrics.pulse import Pulse, Queue
from ocpi_hub.admin.metrics.workers import shared_directory
from ocpi_hub.admin.parts import AdminParts
from ocpi_hub.admin.routes import all_routes
from ocpi_hub.assembly.delivery import Delivery
from ocpi_hub.assembly.serving import onboarding
from ocpi_hub.assembly.stores import Stores
from ocpi_hub.assembly.surroundings import Surroundings
from ocpi_hub.directory.keeper import DirectoryKeeper
from ocpi_hub.store.admin_keys import PostgresAdminKeys
from ocpi_hub.store.lane_admin import LaneAdmin
from ocpi_hub.store.messages import PostgresMessages


def admin_api(
    around: Surroundings, stores: Stores, delivery: Delivery, keeper: DirectoryKeeper
) -> AdminApi:
    settings, database, clock = around.settings, around.database, around.clock
    keys = PostgresAdminKeys(database)
    parts = AdminParts(
        access=OperatorAccess(settings, database, around.keyring, stores.directory),
        onboarding=onboarding(around, stores, delivery),
        keeper=keeper,
        keys=keys,
        decisions=stores.decisions,
        lanes=LaneAdmin(database),
        messages=PostgresMessages(database),
        quality=stores.quality,
        clock=clock,
    )
    ring = KeyRing(keys, clock, unknown_per_s=settings.unknown_credentials_per_s)
    return AdminApi(all_routes(parts), ring, clock)


def pulse(
    around: Surroundings,
    stores: Stores,
    keeper: DirectoryKeeper,
    instruments: Instruments,
    queues: Sequence[Queue],
) -> Pulse:
    records, reads = stores.messages.records, stores.feed.reads
    return Pulse(instruments, around.clock, keeper, queues, records, lambda: reads)


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
