"""serve: run the hub until it is told to stop."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator

import uvloop

from ocpi_hub.assembly import Roles
from ocpi_hub.errors import ConfigError, HubError
from ocpi_hub.settings import load_settings
from ocpi_hub.supervisor import serve
from ocpi_hub.telemetry import configure_logging, get_logger

log = get_logger(__name__)

EXAMPLE = """\
example:
  ocpi-hub serve --host 0.0.0.0 --port 8080 --workers 2

Without database_url the hub runs its own PostgreSQL in data_dir and stops it at the end. Ends in
order on SIGTERM and SIGINT. With --json a line {"url"} on stdout tells that it is ready.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """How to serve; sets `run_service`."""
    parser.epilog = EXAMPLE
    parser.add_argument("--host", help="address to listen on")
    parser.add_argument("--port", type=int, help="port to listen on; 0 chooses a free one")
    parser.add_argument("--workers", type=int, help="processes that share the work")
    parser.add_argument(
        "--roles", default="api,worker", help="what this machine does: api, worker or both"
    )
    parser.set_defaults(run_service=run_serve)


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
