"""What the hub fetches by itself: owners' lists, token lists on a schedule, what it has told."""

from __future__ import annotations

from collections.abc import Callable

from ocpi_hub.assembly.delivery import Delivery
from ocpi_hub.assembly.stores import Stores
from ocpi_hub.assembly.surroundings import Surroundings
from ocpi_hub.delivery.client_info_verifier import ClientInfoVerifier
from ocpi_hub.delivery.full_lists import FullLists
from ocpi_hub.delivery.inbound_catch_up import InboundCatchUp
from ocpi_hub.delivery.kinds import KINDS
from ocpi_hub.delivery.listed import ListedObjects
from ocpi_hub.delivery.listed_cdrs import ListedCdrs
from ocpi_hub.delivery.listed_sessions import ListedSessions
from ocpi_hub.delivery.listed_shared import ListedShared
from ocpi_hub.delivery.whitelist_lists import WhitelistLists, Withdrawing
from ocpi_hub.delivery.whitelist_scheduler import WhitelistScheduler, periods_of
from ocpi_hub.delivery.whitelist_staleness import WhitelistStaleness
from ocpi_hub.directory.snapshot import Directory
from ocpi_hub.domain.party import Module
from ocpi_hub.settings import Settings


class Pulls:
    """What comes in because the hub asks for it."""

    def __init__(
        self,
        around: Surroundings,
        stores: Stores,
        delivery: Delivery,
        directory: Callable[[], Directory],
    ) -> None:
        settings, clock = around.settings, around.clock
        listed = _listed(settings, stores, delivery)
        self.whitelist = InboundCatchUp(
            stores.whitelist_runs,
            {Module.TOKENS.value: listed[Module.TOKENS.value]},
            delivery.client,
            directory,
            clock,
            WhitelistLists(stores.whitelist_runs, hold_above=settings.whitelist_hold_share),
            timeout_s=settings.relay_timeout_s,
            poll_s=settings.delivery_poll_s,
            page_s=1 / settings.whitelist_pages_per_s if settings.whitelist_pages_per_s else 0.0,
        )
        self.whitelist_scheduler = WhitelistScheduler(
            stores.whitelist,
            Withdrawing(stores.whitelist_runs, stores.shared),
            directory,
            periods_of(settings),
            poll_s=settings.delivery_poll_s,
        )
        self.whitelist_staleness = WhitelistStaleness(
            stores.whitelist_alarms,
            directory,
            max_age_s=settings.whitelist_max_age_s,
            near_share=settings.whitelist_near_share,
        )
        self.catch_up = InboundCatchUp(
            stores.catch_up,
            listed,
            delivery.client,
            directory,
            clock,
            FullLists(stores.catch_up, stores.shared),
            timeout_s=settings.relay_timeout_s,
            poll_s=settings.delivery_poll_s,
        )
        self.client_info_verifier = ClientInfoVerifier(
            stores.client_info,
            delivery.client,
            directory,
            clock,
            every_s=settings.client_info_verify_s,
            attempt_s=settings.relay_timeout_s,
            differs=delivery.client_info.wake,
        )


def _listed(settings: Settings, stores: Stores, delivery: Delivery) -> dict[str, ListedObjects]:
    """Who takes what owners' lists hold, by module."""
    listed: dict[str, ListedObjects] = {
        module: ListedShared(
            stores.shared,
            kind,
            delivery.quality,
            max_depth=settings.max_json_depth,
            max_bytes=settings.max_object_bytes,
        )
        for module, kind in KINDS.items()
    }
    listed[Module.CDRS.value] = ListedCdrs(
        delivery.custody,
        max_depth=settings.max_json_depth,
        examiner=delivery.examiner,
        found=delivery.directed.wake,
        quality=delivery.quality,
        batch_due=delivery.directed.batch_due,
    )
    listed[Module.SESSIONS.value] = ListedSessions(
        stores.sessions,
        max_depth=settings.max_json_depth,
        max_bytes=settings.max_object_bytes,
        found=delivery.directed.wake,
        quality=delivery.quality,
    )
    return listed
