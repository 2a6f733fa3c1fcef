"""`/metrics`: what Prometheus fetches, and who may.

A key with scope `read` opens it. Without a key it is open to everybody when `metrics_public` says
so, and to this machine while the hub has no `public_url`: such a hub is being tried out. With one
there may be a proxy in front, and then everybody comes from this machine.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable

from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from prometheus_client.multiprocess import MultiProcessCollector

from ocpi_hub.admin.api import AdminApi
from ocpi_hub.admin.faults import refusal_of
from ocpi_hub.admin.keys import Scope
from ocpi_hub.admin.metrics.certificates import CertificateEnds
from ocpi_hub.admin.metrics.figures import FigureReader, StoredFigures
from ocpi_hub.admin.metrics.instruments import Instruments
from ocpi_hub.clock import Clock
from ocpi_hub.directory.keeper import DirectoryKeeper
from ocpi_hub.settings import Settings
from ocpi_hub.telemetry import bind

STALE_KEY_S = 3600.0
"""While the database is away, a key that was good this long ago still reads metrics."""


class MetricsEndpoint:
    """Serves `/metrics`.

    Args:
        note: brings the gauges of this process up to date.
        shared_directory: where worker processes keep their values; None: this process is alone.
    """

    def __init__(
        self,
        settings: Settings,
        api: AdminApi,
        instruments: Instruments,
        figures: FigureReader,
        keeper: DirectoryKeeper,
        clock: Clock,
        *,
        note: Callable[[], None],
        shared_directory: str | None,
    ) -> None:
        self._settings = settings
        self._api = api
        self._instruments = instruments
        self._figures = figures
        self._keeper = keeper
        self._clock = clock
        self._note = note
        self._shared_directory = shared_directory
        self._certificates = CertificateEnds(settings)

    async def handle(self, request: web.Request) -> web.Response:
        """Serve one scrape. It never fails because the database is away."""
        bind({})
        headers = {"Cache-Control": "no-store", "Server": "ocpi-hub"}
        try:
            if not self._is_open_to(request):
                await self._api.authenticate(request, Scope.READ, stale_s=STALE_KEY_S)
        except Exception as error:  # noqa: BLE001 - becomes an answer, as in the API
            refusal = refusal_of(error)
            return web.Response(
                status=refusal.http_status,
                body=refusal.body,
                headers={**headers, **refusal.headers},
                content_type="application/json",
            )
        registry = await self._registry()
        encode, content_type = choose_encoder(request.headers.get("Accept", ""))
        return web.Response(
            body=encode(registry), headers={**headers, "Content-Type": content_type}
        )

    async def _registry(self) -> CollectorRegistry:
        """Everything there is to tell, for one scrape."""
        registry = CollectorRegistry()
        self._note()
        if self._shared_directory is None:
            registry.register(self._instruments.registry)
        else:
            MultiProcessCollector(registry, self._shared_directory)  # type: ignore[no-untyped-call]  # has no annotations
        stored = StoredFigures(
            await self._figures.figures(), lambda: self._keeper.current, self._clock.now()
        )
        registry.register(stored)
        registry.register(self._certificates)
        return registry

    def _is_open_to(self, request: web.Request) -> bool:
        if self._settings.metrics_public:
            return True
        return not self._settings.public_url and _is_this_machine(request.remote)


def _is_this_machine(remote: str | None) -> bool:
    try:
        address = ipaddress.ip_address(remote or "")
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback
