"""Keeps one process's snapshot of the directory in step with the database.

A notification is the hint, polling is the guarantee. Each poll first tells the database which
version this process runs (the heartbeat), then reads the database's version, and loads when they
differ. The order is what makes `everyone_has` right: whoever changed the directory and then looks
at the heartbeats either finds this process and waits for it, or came before the heartbeat, and then
the version read after it contains the change.

A process that cannot reach the database stops vouching for its snapshot `directory_max_age_s`
after the start of its last good poll, so nobody has to wait longer than that for it. The start
counts, on the monotonic clock, because the heartbeat's own time can only be later.
"""

from __future__ import annotations

import asyncio
import os
import socket
import uuid
from collections.abc import Iterator, Sequence
from typing import Literal

from ocpi_hub.clock import Clock
from ocpi_hub.directory.protocols import DirectoryStore, InvitationExpired, ProcessRow
from ocpi_hub.directory.snapshot import CredentialsKind, Directory, IssuedCredentials
from ocpi_hub.directory.token_bucket import TokenBucket
from ocpi_hub.domain.party import CredentialsToken
from ocpi_hub.errors import StoreError
from ocpi_hub.settings import Settings
from ocpi_hub.telemetry import get_logger

log = get_logger(__name__)

KEEP_PROCESS_S = 600.0
"""Seconds after which the row of a silent process is removed, at least."""

_NO_VERSION = 0
_LISTEN_RETRY_S = 1.0
_LAGGARD_POLL_S = 0.05


class DirectoryKeeper:
    """The snapshot of one process.

    Args:
        public_url: base of the URLs this process hands out, for commands that need it.

    Attributes:
        process: this process, as `everyone_has` sees it.
        processes: how many are alive, this one included.
    """

    def __init__(
        self,
        store: DirectoryStore,
        settings: Settings,
        clock: Clock,
        *,
        public_url: str | None = None,
    ) -> None:
        self._store = store
        self._settings = settings
        self._max_age_s = settings.directory_max_age_s
        self._clock = clock
        self._current: Directory | None = None
        self._verified_at = 0.0
        self._doubtful = False
        self._verifying = asyncio.Lock()
        self._wake = asyncio.Event()
        self._first_uses: set[bytes] = set()
        self._look_ups: dict[bytes, asyncio.Future[IssuedCredentials | None]] = {}
        self._budget = TokenBucket(settings.unknown_credentials_per_s, clock)
        self.processes = 1
        self.process = ProcessRow(uuid.uuid4(), socket.gethostname(), os.getpid(), public_url)

    @property
    def current(self) -> Directory:
        """The snapshot in force. `start` comes first."""
        if self._current is None:
            raise RuntimeError("start() comes first")
        return self._current

    @property
    def age_s(self) -> float:
        """Seconds since the snapshot was verified."""
        return self._clock.monotonic() - self._verified_at

    def fresh(self) -> bool:
        """Whether the snapshot was verified lately enough to act on it."""
        # Asked for every request: the settings' own reading of an attribute is slow.
        return self._current is not None and self.age_s <= self._max_age_s

    async def start(self) -> None:
        """Load the directory.

        Raises:
            StoreUnavailable: the database cannot be reached.
        """
        await self.refresh()

    async def run(self, stop: asyncio.Event) -> None:
        """Follow the database until `stop` is set, then take back the heartbeat."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._listen(stop))
            group.create_task(self._poll(stop))
        try:
            await self._store.leave(self.process)
        except StoreError as error:
            # The row ages out by itself.
            log.warning("directory_heartbeat_left_behind", reason=str(error))

    async def refresh(self) -> None:
        """Bring the snapshot up to date now; on return it contains all that was committed before.

        Raises:
            StoreUnavailable: the database cannot be reached; the snapshot stays as it was.
        """
        async with self._verifying:
            began = self._clock.monotonic()
            try:
                await self._beat()
                self.processes = await self._store.live_processes(
                    max_age_s=self._settings.directory_max_age_s
                )
                version = await self._store.version()
                if self._current is None or self._doubtful or version != self._current.version:
                    self._current = await self._store.load()
                    log.info("directory_loaded", version=self._current.version)
                    await self._beat()
            except StoreError:
                # The database that answers next may be another one, after a failover, with other
                # content under an equal version.
                self._doubtful = True
                raise
            self._doubtful = False
            self._verified_at = began
            self._first_uses = set(self._unused())

    async def look_up_credentials(self, token: CredentialsToken) -> Directory | None:
        """A snapshot that knows a credentials token which the current one does not.

        One look-up at a time for a token, and a bounded number per second in all: above that, and
        for a token the database does not hold either, the answer is None.

        Raises:
            InvitationExpired: it is that of an invitation, too late.
            StoreUnavailable: the database cannot be reached.
        """
        digest = token.sha256
        while (running := self._look_ups.get(digest)) is not None:
            await asyncio.wait({running})
            if not running.cancelled():
                return self._holding(digest, running.result())
        if known := self._holding(digest):
            return known
        if not self._budget.take():
            log.warning("unknown_credentials_above_rate")
            return None
        done: asyncio.Future[IssuedCredentials | None] = asyncio.get_running_loop().create_future()
        self._look_ups[digest] = done
        try:
            found = await self._store.find_credentials(digest)
            if found is not None and not self._is_over(found):
                await self.refresh()
            done.set_result(found)
        finally:
            del self._look_ups[digest]
            done.cancel()  # without effect on a result; else those who waited try themselves
        return self._holding(digest, found)

    def note_use(self, issued: IssuedCredentials) -> None:
        """Take note that a credentials token was used; call it for every authenticated request.

        Only the first use of an access token matters: from then on the platform's older ones work
        for `token_grace_s` seconds. A token that is to expire itself starts nothing: it belongs to
        a handshake that is not complete, or has been replaced. The request does not wait for the
        database: what is lost in a crash, the next request brings again.
        """
        if (
            issued.kind is CredentialsKind.ACCESS
            and issued.first_used_at is None
            and issued.expires_at is None
            and issued.token_sha256 not in self._first_uses
        ):
            self._first_uses.add(issued.token_sha256)
            self._wake.set()

    async def _store_first_uses(self) -> None:
        for digest in tuple(self._first_uses):
            if await self._store.note_first_use(digest, grace_s=self._settings.token_grace_s):
                log.info("credentials_first_use_noted")

    def _holding(self, digest: bytes, found: IssuedCredentials | None = None) -> Directory | None:
        """The snapshot, if it holds this token.

        Args:
            found: what the database knows of it.

        Raises:
            InvitationExpired: the token is over, as far as anybody may know that.
        """
        issued = self.current.credentials.get(digest)
        told = issued or found
        if (
            told is not None
            and told.kind is CredentialsKind.REGISTRATION
            and told.expires_at is not None
            and self._is_over(told)
        ):
            raise InvitationExpired(told.platform_id, told.expires_at)
        return self.current if issued is not None else None

    def _is_over(self, issued: IssuedCredentials) -> bool:
        return issued.expires_at is not None and issued.expires_at <= self._clock.now()

    def _unused(self) -> Iterator[bytes]:
        """Digests of tokens that the snapshot shows as never used."""
        for digest in self._first_uses:
            issued = self.current.credentials.get(digest)
            if issued is not None and issued.first_used_at is None and issued.expires_at is None:
                yield digest

    async def _beat(self) -> None:
        version = self._current.version if self._current else _NO_VERSION
        keep_s = max(KEEP_PROCESS_S, 2 * self._settings.directory_max_age_s)
        await self._store.heartbeat(self.process, version, keep_s=keep_s)

    async def _poll(self, stop: asyncio.Event) -> None:
        reachable = True
        while not stop.is_set():
            try:
                await self._store_first_uses()
                await self.refresh()
            except StoreError as error:
                if reachable:
                    log.error("directory_not_verified", reason=str(error))
                reachable = False
            else:
                if not reachable:
                    log.info("directory_verified_again", version=self.current.version)
                reachable = True
            await self._pause(self._settings.directory_poll_s, stop, self._wake)
            self._wake.clear()

    async def _listen(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            try:
                await self._store.listen(self._wake.set, stop)
            except StoreError as error:
                log.warning("directory_notifications_lost", reason=str(error))
                await self._pause(_LISTEN_RETRY_S, stop)

    async def _pause(self, delay_s: float, *events: asyncio.Event) -> None:
        """Until one of the events is set, `delay_s` seconds at most."""
        waiting = [asyncio.ensure_future(event.wait()) for event in events]
        waiting.append(asyncio.ensure_future(self._sleep(delay_s)))
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for future in waiting:
                future.cancel()

    async def _sleep(self, delay_s: float) -> Literal[True]:
        await self._clock.sleep(delay_s)
        return True


async def everyone_has(
    store: DirectoryStore, version: int, *, max_age_s: float, timeout_s: float, clock: Clock
) -> Sequence[ProcessRow]:
    """Wait until every process that may still act on its snapshot runs at least `version`.

    Args:
        max_age_s: `directory_max_age_s` of the processes: one whose heartbeat is older refuses
            requests by itself.

    Returns:
        the processes that had not followed after `timeout_s` seconds; empty when all have.

    Raises:
        StoreUnavailable: the database cannot be reached.
    """
    deadline = clock.monotonic() + timeout_s
    while laggards := await store.laggards(version, max_age_s=max_age_s):
        if clock.monotonic() >= deadline:
            return laggards
        await clock.sleep(_LAGGARD_POLL_S)
    return ()
