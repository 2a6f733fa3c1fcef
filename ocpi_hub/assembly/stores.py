"""Everything that is kept, on one pool."""

from __future__ import annotations

from datetime import timedelta

from ocpi_hub.assembly.surroundings import Surroundings
from ocpi_hub.delivery.custody import Patience
from ocpi_hub.delivery.messages import shaped
from ocpi_hub.domain.party import PartyId, RelationMode
from ocpi_hub.store.addressees import PostgresAddressees
from ocpi_hub.store.answer_url import PostgresAnswerUrlStore
from ocpi_hub.store.authorization import PostgresDecisionStore, PostgresTokenLookup
from ocpi_hub.store.cdr_rechecks import PostgresRecheckStore
from ocpi_hub.store.check_context import CheckContexts
from ocpi_hub.store.circuits import PostgresCircuitStore
from ocpi_hub.store.client_info import PostgresClientInfoStore
from ocpi_hub.store.custody import PostgresCustodyStore
from ocpi_hub.store.default_relation import PostgresDefaultRelationStore
from ocpi_hub.store.directory import PostgresDirectoryStore
from ocpi_hub.store.evidence import EvidenceRetention
from ocpi_hub.store.feed import PostgresFeedStore
from ocpi_hub.store.liveness import PostgresCatchUpStore, PostgresLivenessStore
from ocpi_hub.store.message_days import MessageDays
from ocpi_hub.store.messages import PostgresMessageWriter
from ocpi_hub.store.quality import PostgresQualityStore
from ocpi_hub.store.registration import PostgresRegistrationStore
from ocpi_hub.store.renewal import PostgresRenewalStore
from ocpi_hub.store.sessions import PostgresSessionStore
from ocpi_hub.store.shared import PostgresSharedStore
from ocpi_hub.store.token_cache import TokenCache
from ocpi_hub.store.tombstones import PostgresTombstoneStore
from ocpi_hub.store.whitelist import WhitelistAdmin
from ocpi_hub.store.whitelist_alarms import PostgresWhitelistAlarms
from ocpi_hub.store.whitelist_runs import PostgresWhitelistRuns

CIRCUIT_LEASE_MARGIN_S = 10.0
"""Seconds, on top of a probe's own time, in which an authorization is let through and answered."""
CHECK_AGAIN_S = 60.0
"""Seconds between checks of a platform that stays silent, at most."""


class Stores:
    """The stores of one process."""

    def __init__(self, around: Surroundings) -> None:
        settings, database = around.settings, around.database
        batches = {
            "batch_rows": settings.batch_rows,
            "batch_queue_rows": settings.batch_queue_rows,
        }
        self.directory = PostgresDirectoryStore(
            database,
            around.keyring,
            PartyId(settings.hub_country_code, settings.hub_party_id),
            RelationMode(settings.default_relation),
        )
        self.registration = PostgresRegistrationStore(
            database, around.keyring, overlap=timedelta(seconds=settings.catch_up_overlap_s)
        )
        self.renewal = PostgresRenewalStore(database)
        self.tokens = PostgresTokenLookup(database, **batches)
        self.token_cache = TokenCache(
            self.tokens,
            database,
            around.clock,
            most=settings.token_cache_rows,
            most_bytes=settings.token_cache_bytes,
        )
        self.shared = PostgresSharedStore(
            database,
            relay_time=timedelta(seconds=settings.lease_s),
            changed=self.token_cache.forget,
            **batches,
        )
        self.custody = PostgresCustodyStore(
            database,
            lease=timedelta(seconds=settings.lease_s),
            patience=Patience(
                settings.retry_min_s,
                settings.retry_max_s,
                timedelta(days=settings.retry_give_up_days),
            ),
            **batches,
        )
        self.sessions = PostgresSessionStore(
            database, lease=timedelta(seconds=settings.lease_s), **batches
        )
        self.feed = PostgresFeedStore(
            database, gap_lease=timedelta(seconds=settings.lease_s), **batches
        )
        self.client_info = PostgresClientInfoStore(
            database,
            lease=timedelta(seconds=settings.lease_s),
            hold=timedelta(seconds=settings.client_info_offline_after_s),
        )
        self.check_contexts = CheckContexts(database, around.clock, **batches)
        self.cdr_rechecks = PostgresRecheckStore(database)
        self.decisions = PostgresDecisionStore(database, **batches)
        self.evidence_retention = EvidenceRetention(
            database, keep=timedelta(days=settings.evidence_retention_days)
        )
        self.circuits = PostgresCircuitStore(
            database,
            pause=timedelta(seconds=settings.circuit_probe_s),
            lease=timedelta(seconds=settings.handshake_timeout_s + CIRCUIT_LEASE_MARGIN_S),
        )
        self.liveness = PostgresLivenessStore(
            database,
            check_every=timedelta(seconds=min(settings.still_alive_s, CHECK_AGAIN_S)),
            overlap=timedelta(seconds=settings.catch_up_overlap_s),
        )
        self.catch_up = PostgresCatchUpStore(database, lease=timedelta(seconds=settings.lease_s))
        self.whitelist = WhitelistAdmin(database)
        self.whitelist_runs = PostgresWhitelistRuns(
            database, lease=timedelta(seconds=settings.lease_s)
        )
        self.whitelist_alarms = PostgresWhitelistAlarms(database)
        self.tombstones = PostgresTombstoneStore(database)
        self.addressees = PostgresAddressees(database)
        self.answer_urls = PostgresAnswerUrlStore(
            database,
            keep=timedelta(seconds=settings.answer_url_keep_s),
            longest=timedelta(days=settings.answer_url_longest_days),
            **batches,
        )
        self.quality = PostgresQualityStore(database)
        self.default_relation = PostgresDefaultRelationStore(database)
        self.message_days = MessageDays(database, keep_days=settings.message_retention_days)
        self.message_contents = MessageDays(
            database,
            keep_days=min(settings.message_body_retention_days, settings.message_retention_days),
            table="message_content",
        )
        self.messages = PostgresMessageWriter(
            database,
            self.message_days,
            self.message_contents,
            lambda seen: shaped(seen, around.mask_uid, settings.message_hidden_fields),
            queue_rows=settings.message_queue_rows,
        )
