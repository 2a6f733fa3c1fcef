"""The admin API does what its OpenAPI document says, whatever one sends: cases are made from it.

Schemathesis makes them, some that follow the document and some that do not, and judges the answers.
Whatever a call changed has to stand in the audit log, whichever route it came by.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
import pytest_asyncio
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import CheckFunction
from schemathesis.core.failures import FailureGroup
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from ocpi_hub.admin.keys import Scope
from ocpi_hub.delivery.custody import Start
from ocpi_hub.store.database import Database
from tests.support.admin import AdminHub, admin_hub
from tests.support.directory import insert_platform, insert_token
from tests.support.locations import store_locations
from tests.support.stores import custody_store, make_intake
from tests.support.thorough import rounds

CHECKS: list[CheckFunction] = [
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
MODES = (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
THERE: Mapping[str, str] = {
    "platform": "p-1", "owner": "NL*CPO", "id": "CDR-1", "cpo": "NL*CPO", "emsp": "DE*MSP",
    "receiver": "DE*MSP", "module": "locations", "month": "2026-10", "correlation_id": "c",
    "serial": "1", "year": "2026", "entry": "1", "run": "1", "account": "a", "at": "2026-10-01",
}  # fmt: skip
"""What stands in paths and is there; half of the cases ask for it."""
LONGEST = 8000
_UNTOUCHED = ("/keys/{key_id}/revoke",)


@pytest_asyncio.fixture
async def hub(database: Database) -> AsyncIterator[AdminHub]:
    await insert_platform(database, "p-1", roles=(("CPO", "NL*CPO"),))
    await insert_platform(database, "p-2", roles=(("EMSP", "DE*MSP"),))
    await insert_token(database, "of-p-1")
    await store_locations(database, "NL*CPO", 3)
    async with custody_store(database) as custody:
        await custody.take_in(make_intake(body='{"id":"CDR-1"}', start=Start.HOLD))
    async with admin_hub(database) as running:
        yield running


@dataclass
class Said:
    """What was found.

    Attributes:
        calls: what calls that may change something were answered: route, correlation id, status.
        faults: answers that are not as described.
    """

    calls: list[tuple[str, str, int]] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)


def operations(document: dict[str, Any]) -> Iterator[Any]:
    """Each operation of the document."""
    for found in schemathesis.openapi.from_dict(document).get_all_operations():
        assert isinstance(found, Ok), found
        yield found.ok()


def drive(hub: AdminHub, key: str, document: dict[str, Any], said: Said) -> None:
    """Send cases of every operation, and judge the answers."""
    headers = {"Authorization": f"Bearer {key}"}
    for operation in operations(document):
        if operation.path.endswith(_UNTOUCHED):
            continue
        for mode in MODES:
            send(hub, headers, operation, mode, said)


def send(
    hub: AdminHub, headers: Mapping[str, str], operation: Any, mode: GenerationMode, said: Said
) -> None:
    """Cases of one operation."""

    @settings(
        max_examples=rounds(3, 60),
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode), there=st.booleans())
    def each(case: Any, there: bool) -> None:
        if there:
            case.path_parameters = {
                name: THERE.get(name, value) for name, value in (case.path_parameters or {}).items()
            }
        if len(case.as_curl_command()) > LONGEST:
            return  # no request line that the HTTP server reads: it says so by itself
        correlation_id = str(uuid.uuid4())
        answer = case.call(
            base_url=hub.url,
            headers={**headers, "X-Correlation-ID": correlation_id},
            timeout=60,
        )
        name = f"{operation.method.upper()} {operation.path}"
        if answer.status_code == 500:
            said.faults.append(f"{name}: 500 for {case.query} {case.body}")
        try:
            case.validate_response(answer, checks=CHECKS)
        except FailureGroup as faults:
            said.faults += [f"{name}: {fault}" for fault in faults.exceptions]
        if operation.method.upper() != "GET":
            said.calls.append((name, correlation_id, answer.status_code))

    each()


# A case for each of a hundred operations: more than the usual time, where others work as well.
@pytest.mark.timeout(300)
async def test_whatever_is_sent_the_answer_is_as_described_and_changes_are_noted(
    hub: AdminHub,
) -> None:
    said = Said()
    key = await hub.make_key(Scope.ADMIN)
    async with hub.client(key) as client:
        document = (await client.get("/admin/openapi.json")).json()
    await asyncio.to_thread(drive, hub, key, document, said)
    assert said.faults == []
    async with hub.database.connection() as connection:
        rows = await connection.fetch("select distinct correlation_id from audit_entry")
    noted = {row["correlation_id"] for row in rows}
    done = [(name, known) for name, known, http_status in said.calls if http_status < 300]
    silent = sorted({name for name, correlation_id in done if correlation_id not in noted})
    assert silent == []
    assert len({name for name, _ in done}) >= 10, done
