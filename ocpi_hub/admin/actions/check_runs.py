"""Self-tests that go on while one looks at them, and are kept for whoever looks later."""

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta

from ocpi_hub.admin.access import OperatorAccess
from ocpi_hub.admin.actions.checks import check_platform
from ocpi_hub.admin.actions.platforms import find_platform
from ocpi_hub.admin.views.checks import CheckReportView, check_report
from ocpi_hub.checking.model import Limits
from ocpi_hub.clock import Clock
from ocpi_hub.domain.party import PlatformId
from ocpi_hub.errors import HubError, NoSuchObject, OperatorError, StoreError
from ocpi_hub.store.check_runs import CheckRun, CheckRuns, Refused
from ocpi_hub.telemetry import get_logger

log = get_logger(__name__)

PARTNERS_PAUSE = timedelta(minutes=5)
"""Between two self-tests that a partner starts."""
LIMITS = Limits(total_s=180.0)
_STOPPED = "its process ended"
_FAULT = "the hub failed: see its log"


async def begin_check(
    access: OperatorAccess,
    platform_id: PlatformId,
    started_by: str,
    *,
    write: bool = False,
    by_partner: bool = False,
) -> uuid.UUID:
    """Claim a platform for a self-test; `carry_out` makes it.

    Raises:
        NoSuchObject: there is no such platform.
        OperatorError: it has not registered, one is running, or a partner has to wait.
    """
    platform = find_platform(await access.load(), platform_id)
    if platform.versions_url is None or platform.our_token is None:
        raise OperatorError("it has not registered: there are no credentials to test it with")
    begun = await CheckRuns(access.database).begin(
        platform_id,
        started_by,
        writes=write,
        partners_pause=PARTNERS_PAUSE if by_partner else None,
    )
    match begun:
        case Refused(None):
            raise OperatorError("a self-test of this platform is running")
        case Refused(wait_s):
            raise OperatorError(f"one may be started again in {round(wait_s or 0) + 1} s")
        case run_id:
            return run_id


async def carry_out(
    access: OperatorAccess, clock: Clock, run_id: uuid.UUID, platform_id: PlatformId, *, write: bool
) -> None:
    """Make the self-test that was begun. Whatever happens, the run has an end."""
    runs = CheckRuns(access.database)

    async def progress(done: int, total: int) -> None:
        with suppress(StoreError):
            await runs.progress(run_id, done, total)

    report: object = None
    error: str | None = _STOPPED
    try:
        found = await check_platform(
            access, clock, platform_id, write=write, limits=LIMITS, progress=progress
        )
        report, error = _storable(check_report(found).shown()), None
    except HubError as refused:
        error = str(refused)
    except Exception:
        log.exception("self_test_failed", platform=platform_id)
        error = _FAULT
    finally:
        with suppress(StoreError):
            await runs.end(run_id, report=report, error=error)


async def list_runs(access: OperatorAccess, platform_id: PlatformId) -> Sequence[CheckRun]:
    """The newest few of a platform.

    Raises:
        NoSuchObject: there is no such platform.
    """
    find_platform(await access.load(), platform_id)
    return await CheckRuns(access.database).list(platform_id)


async def show_run(
    access: OperatorAccess, platform_id: PlatformId, run_id: uuid.UUID
) -> tuple[CheckRun, CheckReportView | None]:
    """A run, and its report once there is one.

    Raises:
        NoSuchObject: there is no such run of this platform.
    """
    runs = CheckRuns(access.database)
    run = await runs.find(platform_id, run_id)
    if run is None:
        raise NoSuchObject(f"{platform_id} has no self-test {run_id}: the newest few are kept")
    text = await runs.report(platform_id, run_id) if run.conforms is not None else None
    return run, CheckReportView.model_validate(json.loads(text)) if text else None


def _storable(value: object) -> object:
    """A JSON value without the characters that the database does not take."""
    match value:
        case str():
            return value.replace("\0", "").encode(errors="replace").decode()
        case dict():
            return {_storable(name): _storable(each) for name, each in value.items()}
        case list():
            return [_storable(each) for each in value]
        case _:
            return value
