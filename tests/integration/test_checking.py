"""The self-test of a partner against platforms that are right, wrong, hostile, or not there."""

from __future__ import annotations

import json
import ssl
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio
from aiohttp import web

from ocpi_hub.admin.actions.checks import check_url
from ocpi_hub.checking import runner
from ocpi_hub.checking.model import Limits, Notes, Outcome, Report, Severity, Target
from ocpi_hub.checking.page import as_page
from ocpi_hub.checking.partner import Partner
from ocpi_hub.checking.registry import CHECKS
from ocpi_hub.checking.runner import STUMBLED, check_over
from ocpi_hub.checking.text import as_text
from ocpi_hub.clock import SystemClock
from ocpi_hub.delivery.client import HttpClient
from ocpi_hub.domain.exchange import Answer, Exchange, OutboundRequest
from ocpi_hub.domain.party import CredentialsToken, PartyId
from ocpi_hub.ocpi import headers
from ocpi_hub.party.platform import PartyPlatform
from tests.support.broken_partner import (
    FAULTS,
    NO_FAULT,
    Answered,
    Asked,
    BrokenWay,
    PlantedFault,
    filled_platform,
)
from tests.support.hub import free_port
from tests.support.party import party_config
from tests.support.pki import Pair, make_certificate, write_pair
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


async def check_token(
    versions_url: str,
    token: str,
    *,
    write: bool = False,
    networks: Sequence[str] = LOOPBACK,
    **changes: object,
) -> Report:
    settings = make_settings(**{"allow_http": True, "allow_networks": list(networks)} | changes)
    known = CredentialsToken(token)
    return await check_url(settings, SystemClock(), versions_url, known, write=write)


async def check_answering(answer: Callable[[OutboundRequest], Exchange]) -> Report:
    """What is said of a partner that answers in this way, whatever it is asked."""

    class Client:
        async def send(self, request: OutboundRequest) -> Exchange:
            return answer(request)

    target = Target("https://partner.invalid/", CredentialsToken("a-token"), PartyId("EU", "HUB"))
    return await check_over(Client(), target, make_settings(), SystemClock(), Limits())


def outcomes(report: Report) -> dict[str, Outcome]:
    return {result.check.check_id: result.outcome for result in report.results}


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


async def test_a_token_for_registering_shows_versions_and_credentials_alone() -> None:
    config = party_config("CPO", "NL*CPO", token_a="a-token-to-register-with-0123")
    async with PartyPlatform(config) as invited:
        report = await check_token(invited.versions_url, "a-token-to-register-with-0123")
    assert wrong(report).keys() == {"access.modules"}
    assert report.conforms
    assert outcomes(report)["credentials.get"] is Outcome.PASSED
    assert outcomes(report)["paging.total"] is Outcome.SKIPPED


async def test_a_partner_that_takes_raw_tokens_only_is_checked_all_the_same() -> None:
    config = party_config("CPO", "NL*CPO", raw_token=True)
    async with PartyPlatform(config) as raw:
        report = await check_token(raw.versions_url, raw.credentials.issue())
    assert wrong(report).keys() == {"access.base64"}
    assert outcomes(report)["paging.lists"] is Outcome.PASSED


async def test_a_wrong_token_is_said_to_be_wrong(platform: PartyPlatform) -> None:
    report = await check_token(platform.versions_url, "nobody-has-this-token-0123456789")
    assert not report.conforms
    assert wrong(report)["access.base64"] == "the token is not accepted: HTTP 401 with 2000"
    assert report.requests < 20


async def test_a_partner_that_is_not_there_is_asked_a_few_times_only() -> None:
    report = await check_token(f"http://127.0.0.1:{free_port()}/ocpi/versions", "a-token")
    assert wrong(report)["http.answers"] == "connection refused"
    assert not report.conforms
    assert report.requests < 20


async def test_urls_that_the_hub_may_not_call_are_not_called(platform: PartyPlatform) -> None:
    report = await check_token(platform.versions_url, "a-token", allow_http=True, networks=[])
    assert wrong(report)["http.answers"] == "the URL's host is a loopback address"


async def test_a_run_ends_when_its_requests_are_used_up(platform: PartyPlatform) -> None:
    report = await check(platform, limits=Limits(requests=30))
    assert report.requests == 30
    assert outcomes(report)["dates.from"] is Outcome.SKIPPED


async def test_a_run_ends_when_its_time_is_up(platform: PartyPlatform) -> None:
    report = await check(platform, limits=Limits(total_s=0.0))
    assert report.requests == 0
    assert report.count(Outcome.SKIPPED) == len(report.results)


async def test_slow_answers_are_a_warning_past_the_limit_only(platform: PartyPlatform) -> None:
    report = await check(platform, limits=Limits(response_s=0.0))
    assert wrong(report).keys() == {"http.time"}
    assert report.conforms


async def test_nothing_but_get_is_sent_unless_asked_for(platform: PartyPlatform) -> None:
    platform.record.clear()
    await check(platform)
    assert {item.method for item in platform.record} == {"GET", "OPTIONS"}


async def test_what_was_written_is_gone_afterwards(platform: PartyPlatform) -> None:
    await check(platform, write=True)
    held = platform.held
    assert not list(held.cached_tariffs.listed())
    assert not [each for each in held.cached.listed() if json.loads(each.text)["valid"]]
    assert len(list(held.locations.listed())) == 3


HOSTILE = (
    b"",
    b"null",
    b"[]",
    b"{}",
    b'{"status_code": 1000}',
    b'{"data": null, "status_code": 1000, "timestamp": null}',
    b'{"data": [null, 1, "x", [], {}], "status_code": 1000, "timestamp": 7}',
    b'{"data": {"endpoints": [null, {}, {"identifier": 1, "role": [], "url": {}}], "version": []},'
    b' "status_code": 1000, "timestamp": "2026-01-01T00:00:00Z"}',
    b'{"data": [{"version": "2.2.1", "url": "http://169.254.169.254/"}], "status_code": 1000,'
    b' "timestamp": "2026-01-01T00:00:00Z"}',
    b'{"status_code": 1e99, "data": ' + b"[" * 500 + b"]" * 500 + b"}",
    b'{"data": "' + b"\\ud800" * 10 + b'", "status_code": 1000}',
    b"\x1f\x8b\x00garbage",
)


@pytest.mark.parametrize("body", HOSTILE, ids=[str(number) for number in range(len(HOSTILE))])
async def test_nonsense_is_a_finding_and_never_a_failure_of_the_checker(body: bytes) -> None:
    report = await check_answering(lambda _asked: Answer(200, {}, body))
    assert not report.conforms
    assert as_page(report)
    assert as_text(report)


async def test_nonsense_behind_good_version_details_is_only_a_finding(
    platform: PartyPlatform,
) -> None:
    def after(asked: Asked, answered: Answered) -> Answered:
        if "/sender/" not in asked.path and "/receiver/" not in asked.path:
            return answered
        return numbers.pop() if numbers else answered

    headers_of = {"x-total-count": "9" * 400, "x-limit": "-1", "link": '<::>; rel="next"'}
    numbers = [Answered(200, headers_of, body) for body in HOSTILE * 10]
    report = await check(platform, PlantedFault("nonsense", "", after=after))
    assert not report.conforms
    assert as_page(report)
    assert as_text(report)


@pytest.mark.parametrize(
    "endpoint",
    [
        {"identifier": "cdrs", "role": ["SENDER"], "url": "https://partner.example/cdrs"},
        {"identifier": "cdrs", "role": "SENDER", "url": "https://[partner/cdrs"},
    ],
    ids=["a role that is a list", "a URL with half an address"],
)
async def test_endpoints_that_are_none_are_findings(
    platform: PartyPlatform, endpoint: dict[str, object]
) -> None:
    def after(asked: Asked, answered: Answered) -> Answered:
        data = answered.value.get("data") if asked.path.endswith("/2.2.1") else None
        if data is None:
            return answered
        return answered.with_data({**data, "endpoints": [endpoint, *data["endpoints"]]})

    report = await check(platform, PlantedFault("strange endpoint", "", after=after))
    assert not report.conforms
    assert not any(STUMBLED in result.text for result in report.results)


async def test_a_check_that_stumbles_fails_and_the_others_are_made(
    platform: PartyPlatform, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def stumble(partner: Partner, notes: Notes) -> None:
        raise KeyError("unthought of")

    sound, strange = CHECKS[1], replace(CHECKS[0], run=stumble, severity=Severity.MUST)
    monkeypatch.setattr(runner, "CHECKS", (strange, sound))
    report = await check(platform)
    assert [result.check.check_id for result in report.results] == [
        strange.check_id,
        sound.check_id,
    ]
    assert report.results[0].outcome is Outcome.FAILED
    assert STUMBLED in report.results[0].text


@asynccontextmanager
async def https_server(directory: Path, authority: Pair) -> AsyncIterator[str]:
    """A server that answers 401 to everybody, with a certificate that is good for an hour; its
    versions URL."""

    async def handle(_request: web.BaseRequest) -> web.Response:
        return web.json_response({"status_code": 2000}, status=401)

    files = write_pair(directory, "server", make_certificate("127.0.0.1", authority))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*files)
    runner = web.ServerRunner(web.Server(handle))
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
        await site.start()
        yield f"https://127.0.0.1:{site.port}/ocpi/versions"
    finally:
        await runner.cleanup()


async def test_a_certificate_is_trusted_current_and_about_to_expire(tmp_path: Path) -> None:
    authority = make_certificate("Test CA", None)
    ca_file, _ = write_pair(tmp_path, "ca", authority)
    async with https_server(tmp_path, authority) as versions_url:
        report = await check_token(
            versions_url, "a-token", allow_http=False, extra_ca_file=str(ca_file)
        )
    found = outcomes(report)
    assert found["tls.https"] is Outcome.PASSED
    assert found["tls.certificate"] is Outcome.PASSED
    assert found["tls.protocol"] is Outcome.PASSED
    assert found["tls.expiry"] is Outcome.WARNING
    assert "in 0 days" in wrong(report)["tls.expiry"]


async def test_a_certificate_that_nobody_vouches_for_is_found(tmp_path: Path) -> None:
    async with https_server(tmp_path, make_certificate("Test CA", None)) as versions_url:
        report = await check_token(versions_url, "a-token", allow_http=False)
    assert "unable to get local issuer certificate" in wrong(report)["tls.certificate"]
    assert outcomes(report)["tls.expiry"] is Outcome.SKIPPED


async def test_plain_http_is_a_fault_where_the_hub_does_not_allow_it(
    platform: PartyPlatform,
) -> None:
    report = await check_token(platform.versions_url, "a-token", allow_http=False)
    assert "is not encrypted" in wrong(report)["tls.https"]


async def test_a_run_reads_so_much_and_no_more(platform: PartyPlatform) -> None:
    report = await check(platform, limits=Limits(total_bytes=20_000))
    assert 5 < report.requests < 60
    assert "a run reads at most" in "".join(each.text for each in report.results)


async def test_answers_of_countless_values_are_not_read(platform: PartyPlatform) -> None:
    report = await check(platform, limits=Limits(answer_values=40))
    texts = [result.text for result in report.results]
    assert any("more than 40 values" in text for text in texts)
    report = await check(platform, limits=Limits(total_values=40))
    assert any("at most 40 values" in result.text for result in report.results)


async def test_what_was_written_is_taken_back_although_the_run_is_over(
    platform: PartyPlatform,
) -> None:
    whole = await check(platform, write=True)
    for left in range(6, 11):
        await check(platform, write=True, limits=Limits(requests=whole.requests - left))
        assert not list(platform.held.cached_tariffs.listed()), left


@pytest.mark.parametrize(("role", "party"), [("CPO", "NL*CPO"), ("EMSP", "DE*MSP")])
async def test_a_platform_of_one_role_with_empty_lists_passes(role: str, party: str) -> None:
    async with PartyPlatform(party_config(role, party)) as alone:
        report = await check_token(alone.versions_url, alone.credentials.issue(), write=True)
    assert wrong(report) == {}
    assert report.conforms
