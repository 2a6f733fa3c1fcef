"""check: does a partner's platform speak OCPI as it should."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ocpi_hub.admin.actions.checks import check_platform, check_url
from ocpi_hub.admin.views.checks import check_report
from ocpi_hub.checking.model import Limits
from ocpi_hub.checking.page import as_page
from ocpi_hub.checking.text import as_text
from ocpi_hub.cli.common import operator_access, party_argument
from ocpi_hub.clock import SystemClock
from ocpi_hub.domain.party import CredentialsToken, PlatformId
from ocpi_hub.errors import ConfigError, OperatorError

if TYPE_CHECKING:
    from ocpi_hub.checking.model import Report
    from ocpi_hub.settings import Settings

FAILED: Final = 1
LONGEST_S: Final = 3600.0

EXAMPLE = """\
example:
  ocpi-hub check --versions-url https://partner.example/ocpi/versions --token T
  ocpi-hub check --platform p-3f9a1c02 --html report.html

Sends GET only, unless --write is given, and one request at a time. A token that was given out for
registering shows versions and credentials; all the rest needs the token that registering has
brought, which the hub has for its platforms. To check a hub as one of its parties, say --from.
docs/check.md lists the checks. Exit status: 0 every check of what must be has passed or was
skipped, 1 one of them failed, 2 wrong usage.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `check` takes; it has no commands of its own."""
    parser.epilog = EXAMPLE
    whom = parser.add_mutually_exclusive_group(required=True)
    whom.add_argument("--versions-url", metavar="U", help="where the partner's versions are")
    whom.add_argument("--platform", metavar="ID", help="a platform that is registered here")
    parser.add_argument("--token", metavar="T", help="the credentials token for --versions-url")
    parser.add_argument(
        "--from", dest="sender", type=party_argument, metavar="CC*PID",
        help="the party in whose name to ask; as a rule the hub's own",
    )  # fmt: skip
    parser.add_argument(
        "--write", action="store_true", help="also send what has to be refused or is taken back"
    )
    parser.add_argument("--html", type=Path, metavar="FILE", help="write the report as a page, too")
    parser.add_argument(
        "--timeout-s", type=_seconds, default=Limits().total_s, metavar="S",
        help="for all of it; checks that are left then are skipped (default: %(default)g)",
    )  # fmt: skip
    parser.add_argument(
        "--max-response-s", type=_seconds, default=Limits().response_s, metavar="S",
        help="slower answers get a warning (default: %(default)g)",
    )  # fmt: skip
    parser.set_defaults(run=run_check)


def _seconds(text: str) -> float:
    """A number of seconds, for argparse."""
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number <= LONGEST_S:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds up to {LONGEST_S:g}")
    return number


async def run_check(args: argparse.Namespace, settings: Settings) -> object:
    """The report; `args.status` says whether the partner conforms."""
    if args.versions_url and not args.token:
        raise ConfigError("--versions-url needs --token")
    if args.platform and (args.token or args.sender):
        raise ConfigError("--platform brings its own token and party")
    report = await _check(args, settings)
    if args.html is not None:
        _write(args.html, as_page(report))
    if not report.conforms:
        args.status = FAILED
    if getattr(args, "json", False):
        return check_report(report).shown()
    return as_text(report)


async def _check(args: argparse.Namespace, settings: Settings) -> Report:
    limits = Limits(total_s=args.timeout_s, response_s=args.max_response_s)
    clock = SystemClock()
    if args.platform:
        platform_id = PlatformId(args.platform)
        async with operator_access(settings) as access:
            return await check_platform(access, clock, platform_id, write=args.write, limits=limits)
    return await check_url(
        settings,
        clock,
        args.versions_url.strip(),
        CredentialsToken(args.token.strip()),
        sender=args.sender,
        write=args.write,
        limits=limits,
    )


def _write(path: Path, page: str) -> None:
    try:
        path.write_text(page, encoding="utf-8")
    except OSError as error:
        raise OperatorError(f"{path}: {error.strerror}") from None
