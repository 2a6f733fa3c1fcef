"""The self-test of a partner against platforms that are right, wrong, hostile, or not there."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from ocpi_hub.checking.model import Limits, Outcome, Report, Severity, Target
from ocpi_hub.checking.runner import check_over
from ocpi_hub.clock import SystemClock
from ocpi_hub.delivery.client import HttpClient
from ocpi_hub.domain.party import PartyId
from ocpi_hub.ocpi import headers
from ocpi_hub.party.platform import PartyPlatform
from tests.support.broken_partner import (
    FAULTS,
    NO_FAULT,
    BrokenWay,
    PlantedFault,
    filled_platform,
)
from tests.support.postgres import make_settings

pytestmark = pytest.mark.asyncio(loop_scope="module")

LOOPBACK = ["127.0.0.0/8"]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def platform() -> AsyncIterator[PartyPlatform]:
    """A platform without a fault; no test changes what is on its lists."""
    async with filled_platform() as running:
        yield running


async def check(
    platform: PartyPlatform,
    fault: PlantedFault = NO_FAULT,
    *,
    write: bool = False,
    limits: Limits | None = None,
) -> Report:
    token = platform.credentials.issue()
    settings = make_settings(allow_http=True, allow_networks=LOOPBACK)
    target = Target(platform.versions_url, token, PartyId("EU", "HUB"), write=write)
    async with HttpClient(settings, clock=SystemClock()) as client:
        way = BrokenWay(client, fault, headers.authorization(token))
        return await check_over(way, target, settings, SystemClock(), limits or Limits())


def wrong(report: Report) -> dict[str, str]:
    """What has not passed, with the reason."""
    return {
        result.check.check_id: result.text
        for result in report.results
        if result.outcome in {Outcome.FAILED, Outcome.WARNING}
    }


def passed(report: Report) -> int:
    return report.count(Outcome.PASSED)


async def test_a_platform_of_both_roles_passes_every_check_that_can_be_made(
    platform: PartyPlatform,
) -> None:
    report = await check(platform, write=True)
    assert wrong(report) == {}
    assert report.conforms
    assert passed(report) >= 140
    assert report.party_names == ("NL*CPO CPO", "DE*MSP EMSP")


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name.replace(" ", "-"))
async def test_a_planted_fault_is_found_by_its_check_and_no_other(
    fault: PlantedFault, platform: PartyPlatform
) -> None:
    report = await check(platform, fault)
    assert wrong(report).keys() == {fault.found_by}
    found = next(each for each in report.results if each.check.check_id == fault.found_by)
    assert found.evidence, "what was seen is shown"
    must = found.check.severity is Severity.MUST
    assert (found.outcome is Outcome.FAILED) == must
    assert report.conforms != must
