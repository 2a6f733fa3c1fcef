"""serve, migrate, check-config."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator

import uvloop

from ocpi_hub.assembly import Roles
from ocpi_hub.errors import ConfigError, HubError
from ocpi_hub.listening import server_tls
from ocpi_hub.settings import Settings, load_settings
from ocpi_hub.store.locate import database_address
from ocpi_hub.store.migrate import migrate
from ocpi_hub.store.secret_key import load_keyring
from ocpi_hub.supervisor import serve
from ocpi_hub.telemetry import configure_logging, get_logger

log = get_logger(__name__)

SERVE_EXAMPLE = """\
example:
  ocpi-hub serve --host 0.0.0.0 --port 8080 --workers 2

Without database_url the hub runs its own PostgreSQL in data_dir and stops it at the end. Ends in
order on SIGTERM and SIGINT. With --json a line {"url"} on stdout tells that it is ready.
"""

MIGRATE_EXAMPLE = """\
example:
  OCPI_HUB_DATABASE_URL=postgresql://hub@db/hub ocpi-hub migrate

`serve` migrates by itself; run this first to do it ahead of a roll-out.
"""

CHECK_EXAMPLE = """\
example:
  OCPI_HUB_CONFIG=/etc/ocpi-hub.toml ocpi-hub check-config --json

Prints every key with the value in force; secrets are masked.
"""


def add_serve_parsers(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add serve, migrate and check-config."""
    serving = subparsers.add_parser(
        "serve",
        help="run the hub",
        epilog=SERVE_EXAMPLE,
    )
    serving.add_argument("--host", help="address to listen on")
    serving.add_argument("--port", type=int, help="port to listen on; 0 chooses a free one")
    serving.add_argument("--workers", type=int, help="processes that share the work")
    serving.add_argument(
        "--roles", default="api,worker", help="what this machine does: api, worker or both"
    )
    serving.set_defaults(run_service=run_serve)
    migrating = subparsers.add_parser(
        "migrate",
        help="bring the database's schema up to date",
        epilog=MIGRATE_EXAMPLE,
    )
    migrating.set_defaults(run=run_migrate)
    checking = subparsers.add_parser(
        "check-config",
        help="check the configuration and show it",
        epilog=CHECK_EXAMPLE,
    )
    checking.set_defaults(run=run_check)


def run_serve(args: argparse.Namespace) -> int:
    """Run the hub until it is told to stop.

    Raises:
        HubError: it cannot start.
    """
    given = {"host": args.host, "port": args.port, "workers": args.workers}
    settings = load_settings(**{key: value for key, value in given.items() if value is not None})
    configure_logging(settings)

    def ready(url: str) -> None:
        if getattr(args, "json", False):
            print(json.dumps({"url": url}), flush=True)

    try:
        uvloop.run(serve(settings, _roles(args.roles), ready=ready))
    except ExceptionGroup as group:
        for error in _leaves(group):
            if isinstance(error, HubError):
                raise error from group
        log.critical("service_failed", exc_info=group)
        return 1
    return 0


def _leaves(group: BaseExceptionGroup[BaseException]) -> Iterator[BaseException]:
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from _leaves(error)
        else:
            yield error


def _roles(text: str) -> Roles:
    names = {name.strip() for name in text.split(",") if name.strip()}
    if not names or names - {"api", "worker"}:
        raise ConfigError(f"--roles {text!r}: use api, worker or api,worker")
    return Roles(api="api" in names, worker="worker" in names)


async def run_migrate(_: argparse.Namespace, settings: Settings) -> dict[str, object]:
    """Apply what is missing."""
    async with database_address(settings) as address:
        return {"applied": await migrate(address, settings)}


async def run_check(_: argparse.Namespace, settings: Settings) -> dict[str, object]:
    """All settings, secrets masked."""
    if settings.secret_key.get_secret_value():
        load_keyring(settings)
    server_tls(settings)
    return settings.model_dump(mode="json") | {"data_dir": str(settings.data_path)}
