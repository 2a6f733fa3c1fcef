"""The hub's admin API, as an operator's program uses it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import httpx

from ocpi_hub.demo.processes import Hub
from ocpi_hub.errors import OperatorError

TIMEOUT_S = 30.0
PAGE = "1000"


LOGIN = "demo"


@dataclass(frozen=True, slots=True)
class Login:
    """Of the console."""

    name: str
    password: str = field(repr=False)


class Admin:
    """Calls of the admin API; the hub may be another process each time.

    Attributes:
        secret: of the key, once there is one.
    """

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        # No connection is kept: the hub is killed and comes back.
        limits = httpx.Limits(max_keepalive_connections=0)
        self._http = httpx.AsyncClient(trust_env=False, timeout=TIMEOUT_S, limits=limits)
        self.secret = ""

    async def make_key(self) -> None:
        """Make a key with the hub's own command: whoever has the machine has the first key.

        Raises:
            OperatorError: the command failed.
        """
        made = await self._hub.command(
            "admin", "key", "create", "--scope", "admin", "--name", "demo"
        )
        self.secret = str(made["secret"])

    async def make_login(self) -> Login:
        """Make an admin of the console; its password is good until the first login.

        Raises:
            OperatorError: the command failed.
        """
        made = await self._hub.command("admin", "account", "create", LOGIN, "--role", "admin")
        return Login(LOGIN, str(made["password"]))

    async def disconnect(self) -> None:
        await self._http.aclose()

    async def call(self, method: str, path: str, body: object = None, **query: str) -> Any:
        """What the API answers; `path` follows `/admin/api`.

        Raises:
            OperatorError: with an error, or not at all.
        """
        text = f"{method} /admin/api{path}"
        try:
            response = await self._http.request(
                method,
                f"{self._hub.url}/admin/api{path}",
                params=query,
                json=body,
                headers={"Authorization": f"Bearer {self.secret}"},
            )
        except httpx.HTTPError as error:
            raise OperatorError(f"{text}: {type(error).__name__}") from error
        if not response.is_success:
            raise OperatorError(f"{text}: {response.text}")
        return response.json()

    async def items(self, path: str) -> list[dict[str, Any]]:
        """A whole list.

        Raises:
            OperatorError: as `call`.
        """
        page = await self.call("GET", path, limit=PAGE)
        found = list(page["items"])
        while page["next"] is not None:
            page = await self.call("GET", path, limit=PAGE, next=page["next"])
            found += page["items"]
        return found
