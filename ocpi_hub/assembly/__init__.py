"""Which part gets which: one process of the hub, put together.

`surroundings` is given, `stores` keep, `delivery` sends, `serving` answers; `offer` says what the
hub announces.
"""

from __future__ import annotations

from ocpi_hub.admin.metrics.instruments import Instruments
from ocpi_hub.assembly.admin import admin_api, admin_parts, console, metrics_endpoint, pulse
from ocpi_hub.assembly.delivery import Delivery, feed_worker
from ocpi_hub.assembly.offer import FEED_MODULES, OFFERED
from ocpi_hub.assembly.pulls import Pulls
from ocpi_hub.assembly.readiness import Readiness
from ocpi_hub.assembly.serving import ocpi_server, renewal
from ocpi_hub.assembly.stores import Stores
from ocpi_hub.assembly.surroundings import Loop, Parts, Roles, Surroundings, Wrappers, Writer
from ocpi_hub.delivery.answer_url import AnswerUrlSweep
from ocpi_hub.delivery.default_relation import follow_default_relation
from ocpi_hub.directory.keeper import DirectoryKeeper
from ocpi_hub.directory.snapshot import Directory
from ocpi_hub.server.app import build_app
from ocpi_hub.store.traffic import PostgresTraffic

__all__ = ["OFFERED", "Loop", "Parts", "Roles", "Surroundings", "Wrappers", "assemble"]


def assemble(around: Surroundings) -> Parts:
    """Put a process together; nothing runs yet."""
    stores = Stores(around)
    keeper = DirectoryKeeper(
        stores.directory, around.settings, around.clock, public_url=around.known_url
    )
    instruments = Instruments()

    def directory() -> Directory:
        return keeper.current

    delivery = Delivery(around, stores, directory, instruments.leg, instruments.deviates)
    pulls = Pulls(around, stores, delivery, directory)
    feed = feed_worker(around, stores, delivery, keeper)
    server = ocpi_server(around, stores, delivery, keeper, instruments)
    operators = admin_parts(around, stores, delivery, keeper)
    api = admin_api(around, operators)
    traffic = PostgresTraffic(around.database, around.clock)
    writers = _writers(stores, delivery)
    heart = pulse(around, stores, keeper, instruments, writers)

    async def follow_settings() -> None:
        await follow_default_relation(stores.default_relation, keeper.current, FEED_MODULES)

    return Parts(
        keeper=keeper,
        liveness_store=stores.liveness,
        follow_settings=follow_settings,
        always=(
            ("directory", keeper.run),
            ("liveness", delivery.liveness.run),
            ("token-cache", stores.token_cache.run),
            ("circuits", delivery.circuit_keeper.run),
            ("errands", delivery.errands.run),
            ("message-days", stores.message_days.run),
            ("message-content-days", stores.message_contents.run),
            ("pulse", heart.run),
        ),
        background=(
            ("delivery", delivery.directed.run),
            ("cdr-checks", delivery.cdr_rechecks.run),
            ("late-endpoints", delivery.late_endpoints.run),
            ("catch-up", pulls.catch_up.run),
            ("whitelist", pulls.whitelist.run),
            ("whitelist-schedule", pulls.whitelist_scheduler.run),
            ("whitelist-age", pulls.whitelist_staleness.run),
            ("renewal", renewal(around, stores, delivery, keeper).run),
            ("feed", feed.run),
            ("client-info", delivery.client_info.run),
            ("client-info-check", pulls.client_info_verifier.run),
            ("tombstones", delivery.tombstones.run),
            ("evidence", stores.evidence_retention.run),
            ("traffic", traffic.run),
            ("answer-urls", AnswerUrlSweep(stores.answer_urls).run),
        ),
        writers=writers,
        app=build_app(
            server,
            max_body_bytes=around.settings.max_body_bytes,
            ready=Readiness(around.database, keeper, around.clock).reason,
            admin=api.handle,
            metrics=metrics_endpoint(around, api, keeper, instruments, heart).handle,
            console=console(operators),
        ),
    )


def _writers(stores: Stores, delivery: Delivery) -> tuple[Writer, ...]:
    """In the order in which they are started."""
    return (
        stores.shared.changes,
        stores.custody.intakes,
        stores.sessions.changes,
        stores.custody.reports,
        stores.decisions.decisions,
        stores.decisions.late,
        stores.tokens.questions,
        stores.check_contexts.questions,
        stores.answer_urls.writes,
        stores.feed.questions,
        stores.feed.gaps,
        stores.messages.records,
        delivery.quality,
    )
