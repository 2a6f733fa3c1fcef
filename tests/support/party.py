"""Party platforms for end-to-end tests: as processes, and the objects they exchange."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from types import TracebackType
from typing import Any

import httpx

from ocpi_hub.domain.party import PartyId, PartyRole, Role
from ocpi_hub.party.config import PartyConfig
from tests.support.plain_http import trusting_nobody
from tests.support.program import PIPE, Process, forked

START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 10.0


def party_role(role: str, party: str, name: str | None = None) -> PartyRole:
    return PartyRole(PartyId.parse(party), Role(role), name or f"{role} {party}")


def make_token(uid: str = "TOKEN1", party: str = "DE*MSP", **overrides: Any) -> dict[str, Any]:
    owner = PartyId.parse(party)
    return {
        "country_code": owner.country_code,
        "party_id": owner.party_id,
        "uid": uid,
        "type": "RFID",
        "contract_id": f"{owner.country_code}{owner.party_id}C{uid}"[:36],
        "issuer": "Example mobility",
        "valid": True,
        "whitelist": "ALLOWED",
        "last_updated": "2026-01-01T00:00:00Z",
        **overrides,
    }


def make_connector(connector_id: str = "1", **overrides: Any) -> dict[str, Any]:
    return {
        "id": connector_id,
        "standard": "IEC_62196_T2",
        "format": "SOCKET",
        "power_type": "AC_3_PHASE",
        "max_voltage": 230,
        "max_amperage": 32,
        "last_updated": "2026-01-01T00:00:00Z",
        **overrides,
    }


def make_evse(uid: str = "EVSE1", **overrides: Any) -> dict[str, Any]:
    return {
        "uid": uid,
        "evse_id": f"NL*CPO*E{uid}",
        "status": "AVAILABLE",
        "connectors": [make_connector()],
        "last_updated": "2026-01-01T00:00:00Z",
        **overrides,
    }


def make_location(
    location_id: str = "LOC1", owner: str = "NL*CPO", **overrides: Any
) -> dict[str, Any]:
    """A Location with two EVSEs, `EVSE1` and `EVSE2`."""
    cpo = PartyId.parse(owner)
    return {
        "country_code": cpo.country_code,
        "party_id": cpo.party_id,
        "id": location_id,
        "publish": True,
        "address": "Teststraat 1",
        "city": "Utrecht",
        "country": "NLD",
        "coordinates": {"latitude": "52.09083", "longitude": "5.12222"},
        "evses": [make_evse("EVSE1"), make_evse("EVSE2")],
        "time_zone": "Europe/Amsterdam",
        "last_updated": "2026-01-01T00:00:00Z",
        **overrides,
    }


def make_session(
    session_id: str = "SES1", owner: str = "NL*CPO", receiver: str = "DE*MSP", **overrides: Any
) -> dict[str, Any]:
    """An active Session without charging periods."""
    cpo, emsp = PartyId.parse(owner), PartyId.parse(receiver)
    return {
        "country_code": cpo.country_code,
        "party_id": cpo.party_id,
        "id": session_id,
        "start_date_time": "2026-01-01T10:00:00Z",
        "kwh": 0.0,
        "cdr_token": {
            "country_code": emsp.country_code,
            "party_id": emsp.party_id,
            "uid": "TOKEN1",
            "type": "RFID",
            "contract_id": "DEMSPC0001",
        },
        "auth_method": "AUTH_REQUEST",
        "location_id": "LOC1",
        "evse_uid": "EVSE1",
        "connector_id": "1",
        "currency": "EUR",
        "status": "ACTIVE",
        "last_updated": "2026-01-01T10:00:00Z",
        **overrides,
    }


def make_session_patch(number: int, **overrides: Any) -> dict[str, Any]:
    """A PATCH of a Session in its minute `number`, with a charging period that says so."""
    moment = f"2026-01-01T10:{number:02}:00Z"
    period = {
        "start_date_time": moment,
        "dimensions": [{"type": "ENERGY", "volume": number + 0.5}],
    }
    return {
        "kwh": number + 1.0,
        "charging_periods": [period],
        "last_updated": moment,
        **overrides,
    }


def make_cdr(
    cdr_id: str = "CDR1", owner: str = "NL*CPO", receiver: str = "DE*MSP", **overrides: Any
) -> dict[str, Any]:
    cpo, emsp = PartyId.parse(owner), PartyId.parse(receiver)
    return {
        "country_code": cpo.country_code,
        "party_id": cpo.party_id,
        "id": cdr_id,
        "start_date_time": "2026-01-01T10:00:00Z",
        "end_date_time": "2026-01-01T11:00:00Z",
        "cdr_token": {
            "country_code": emsp.country_code,
            "party_id": emsp.party_id,
            "uid": "TOKEN1",
            "type": "RFID",
            "contract_id": "DEMSPC0001",
        },
        "auth_method": "AUTH_REQUEST",
        "cdr_location": {
            "id": "LOC1",
            "address": "Teststraat 1",
            "city": "Utrecht",
            "postal_code": "3511AA",
            "country": "NLD",
            "coordinates": {"latitude": "52.09083", "longitude": "5.12222"},
            "evse_uid": "EVSE1",
            "evse_id": "NL*CPO*E1",
            "connector_id": "1",
            "connector_standard": "IEC_62196_T2",
            "connector_format": "SOCKET",
            "connector_power_type": "AC_3_PHASE",
        },
        "currency": "EUR",
        "charging_periods": [
            {
                "start_date_time": "2026-01-01T10:00:00Z",
                "dimensions": [{"type": "ENERGY", "volume": 11.0}],
            }
        ],
        "total_cost": {"excl_vat": 3.3, "incl_vat": 3.99},
        "total_energy": 11.0,
        "total_time": 1.0,
        "last_updated": "2026-01-01T11:00:05Z",
        **overrides,
    }


def party_config(role: str, party: str, **overrides: Any) -> PartyConfig:
    """A platform of one party for use in-process, without its control side."""
    values = {"parties": (party_role(role, party),), "control_port": None, **overrides}
    return PartyConfig(**values)


class PartyProcess:
    """`party run` as a process of its own; an async context manager.

    Attributes:
        ready: the line of JSON it printed when it was ready.
    """

    def __init__(self, *arguments: str) -> None:
        self._arguments = arguments
        self._process: Process | None = None
        self._http = httpx.AsyncClient(verify=trusting_nobody(), trust_env=False, timeout=90.0)
        self.ready: dict[str, Any] = {}

    @classmethod
    def of(cls, parties: Sequence[tuple[str, str]], *arguments: str) -> PartyProcess:
        """A platform of parties given as (role, `CC*PID`), with further arguments."""
        pairs = [text for role, party in parties for text in ("--role", role, "--party", party)]
        return cls(*pairs, *arguments)

    async def __aenter__(self) -> PartyProcess:
        self._process = await forked("ocpi_hub", "party", "run", *self._arguments, stdout=PIPE)
        assert self._process.stdout is not None
        try:
            async with asyncio.timeout(START_TIMEOUT_S):
                line = await self._process.stdout.readline()
            if not line:
                status = await self._process.wait()
                raise RuntimeError(f"the party ended with status {status} before it was ready")
            self.ready = json.loads(line)
        except BaseException:
            await self.stop()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.stop()

    async def stop(self) -> int:
        """SIGTERM, and SIGKILL if that does not help; the exit status."""
        await self._http.aclose()
        process = self._process
        assert process is not None
        if process.returncode is None:
            process.terminate()
        try:
            async with asyncio.timeout(STOP_TIMEOUT_S):
                await process.communicate()
        except TimeoutError:
            process.kill()
            await process.communicate()
        assert process.returncode is not None
        return process.returncode

    async def kill(self) -> None:
        """SIGKILL, as a crash."""
        assert self._process is not None
        self._process.kill()
        await self._process.communicate()

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def versions_url(self) -> str:
        return str(self.ready["versions_url"])

    @property
    def control_url(self) -> str:
        return str(self.ready["control_url"])

    async def control(self, method: str, path: str, body: object = None, **query: str) -> Any:
        """One call of the control side.

        Raises:
            AssertionError: it answered with an error, which the message holds.
        """
        response = await self._http.request(
            method,
            f"{self.control_url}{path}",
            params=query,
            content=None if body is None else json.dumps(body),
        )
        assert response.is_success, f"{method} {path}: {response.text}"
        return response.json()

    async def status(self) -> dict[str, Any]:
        return dict(await self.control("GET", "/status"))

    async def invite(self) -> str:
        """A credentials token with which another platform may register here."""
        return str((await self.control("POST", "/invite"))["token"])

    async def register(self, versions_url: str, token: str) -> dict[str, Any]:
        body = {"versions_url": versions_url, "token": token}
        return dict(await self.control("POST", "/register", body))

    async def rotate(self) -> dict[str, Any]:
        return dict(await self.control("POST", "/rotate"))

    async def unregister(self) -> dict[str, Any]:
        return dict(await self.control("POST", "/unregister"))

    async def credentials(self) -> dict[str, Any]:
        return dict(await self.control("GET", "/credentials"))

    async def record(self, **query: str) -> list[dict[str, Any]]:
        return list((await self.control("GET", "/record", **query))["items"])

    async def wait_for_record(self, timeout_s: float = 20.0, **wanted: Any) -> dict[str, Any]:
        """The first exchange whose fields equal `wanted`, once there is one.

        Raises:
            TimeoutError: there was none in time.
        """
        since = 0
        async with asyncio.timeout(timeout_s):
            while True:
                answer = await self.control("GET", "/record", since=str(since), wait_s="5")
                for item in answer["items"]:
                    if all(item[name] == value for name, value in wanted.items()):
                        return dict(item)
                since = answer["next"]

    async def clear_record(self) -> None:
        await self.control("DELETE", "/record")

    async def fault(self, **fault: Any) -> None:
        await self.control("POST", "/fault", fault)

    async def clear_faults(self) -> None:
        await self.control("DELETE", "/fault")

    async def load_tokens(self, *tokens: dict[str, Any]) -> None:
        await self.control("POST", "/tokens", list(tokens))

    async def load_cdrs(self, *cdrs: dict[str, Any]) -> None:
        await self.control("POST", "/cdrs", list(cdrs))

    async def load_locations(self, *locations: dict[str, Any]) -> None:
        """Put Locations on the list the CPO serves, without telling anybody."""
        await self.control("POST", "/locations", list(locations))

    async def decide(self, uid: str, allowed: str, kind: str = "RFID") -> None:
        decision = {"uid": uid, "allowed": allowed, "token_type": kind}
        await self.control("POST", "/decisions", [decision])

    async def tokens(self) -> dict[str, list[dict[str, Any]]]:
        """`issued`: the eMSP's table; `cached`: what the CPO was given."""
        return dict(await self.control("GET", "/tokens"))

    async def locations(self) -> dict[str, dict[str, Any]]:
        """The Locations this platform holds, the CPO's own and those the eMSP was given, by
        `CC*PID/id`."""
        held = await self.control("GET", "/locations")
        return {
            f"{item['country_code']}*{item['party_id']}/{item['id']}".upper(): item
            for item in [*held["own"], *held["cached"]]
        }

    async def received_cdrs(self) -> list[dict[str, Any]]:
        return list((await self.control("GET", "/cdrs"))["received"])

    async def send(self, method: str, module: str, **request: Any) -> dict[str, Any]:
        """One OCPI request; keys as in the control side's /send (`from_` stands for `from`)."""
        if "from_" in request:
            request["from"] = request.pop("from_")
        body = {"method": method, "module": module, **request}
        return dict(await self.control("POST", "/send", body))

    async def send_many(
        self, requests: Sequence[dict[str, Any]], concurrency: int = 16
    ) -> list[dict[str, Any]]:
        body = {"requests": list(requests), "concurrency": concurrency}
        return list((await self.control("POST", "/send_many", body))["results"])

    async def ask(self, method: str, module: str, path: str, **request: Any) -> dict[str, Any]:
        """A command or a request for a charging profile, with a `response_url` of its own."""
        wanted = {"method": method, "module": module, "path": path, **request}
        return dict(await self.control("POST", "/ask", wanted))

    async def command(self, name: str, body: dict[str, Any], **request: Any) -> dict[str, Any]:
        return await self.ask("POST", "commands", name, body=body, **request)

    async def asked(self) -> dict[str, dict[str, Any]]:
        """What this platform has asked for, with the results that came, by id."""
        items = (await self.control("GET", "/asked"))["asked"]
        return {item["id"]: item for item in items}

    async def profile_updates(self) -> list[dict[str, str]]:
        return list((await self.control("GET", "/asked"))["updates"])

    async def requests(self) -> list[dict[str, Any]]:
        """What this platform was asked for and answers later."""
        return list((await self.control("GET", "/requests"))["items"])

    async def react(self, **reaction: Any) -> None:
        """How the CPO reacts from now on; keys as in the control side's /reactions."""
        await self.control("POST", "/reactions", reaction)

    async def send_result(self, number: int, **result: Any) -> dict[str, Any]:
        """Send a result for the request of that number."""
        return dict(await self.control("POST", "/results", {"number": number, **result}))

    async def pull(self, module: str, **request: Any) -> dict[str, Any]:
        body = {"module": module, "role": "SENDER", **request}
        return dict(await self.control("POST", "/pull", body))

    async def authorize(self, uid: str, **request: Any) -> dict[str, Any]:
        """A real-time authorization request."""
        return await self.send("POST", "tokens", role="SENDER", path=f"{uid}/authorize", **request)

    async def push_cdr(self, cdr: dict[str, Any], **request: Any) -> dict[str, Any]:
        return await self.send("POST", "cdrs", role="RECEIVER", raw_body=json.dumps(cdr), **request)

    async def push_session(self, session: dict[str, Any], **request: Any) -> dict[str, Any]:
        """PUT a Session, which then is one of the CPO's own."""
        path = f"{session['country_code']}/{session['party_id']}/{session['id']}"
        return await self.push_own("PUT", path, session, module="sessions", **request)

    async def patch_session(
        self, session_id: str, patch: dict[str, Any], owner: str = "NL*CPO", **request: Any
    ) -> dict[str, Any]:
        """PATCH a Session of the CPO: at home first, then at the peer."""
        path = f"{owner.replace('*', '/')}/{session_id}"
        return await self.push_own("PATCH", path, patch, module="sessions", **request)

    async def load_sessions(self, *sessions: dict[str, Any]) -> None:
        """Put Sessions on the list the CPO serves, without telling anybody."""
        await self.control("POST", "/sessions", list(sessions))

    async def sessions(self) -> dict[str, list[dict[str, Any]]]:
        """`own`: the CPO's; `cached`: what the eMSP was given."""
        return dict(await self.control("GET", "/sessions"))

    async def push_location(self, location: dict[str, Any], **request: Any) -> dict[str, Any]:
        """PUT a Location, which then is one of the CPO's own."""
        path = f"{location['country_code']}/{location['party_id']}/{location['id']}"
        return await self.push_own("PUT", path, location, **request)

    async def push_evse_status(
        self, path: str, status: str, last_updated: str, **request: Any
    ) -> dict[str, Any]:
        """PATCH the status of an EVSE, `path` being `CC/PID/location_id/evse_uid`, which changes
        with the CPO too."""
        body = {"status": status, "last_updated": last_updated}
        return await self.push_own("PATCH", path, body, **request)

    async def push_own(
        self,
        method: str,
        path: str,
        body: dict[str, Any],
        *,
        module: str = "locations",
        **request: Any,
    ) -> dict[str, Any]:
        """PUT or PATCH a Location, EVSE, connector or Session of the CPO: at home first, then at
        the peer.

        Args:
            path: `CC/PID/id`; of a part of a Location `CC/PID/location_id/evse_uid[/connector_id]`.
        """
        wanted = {"role": "RECEIVER", "path": path, "raw_body": json.dumps(body), "own": True}
        return await self.send(method, module, **{**wanted, **request})
