"""What the commands about CDRs and about sessions share."""

from __future__ import annotations

import argparse
from typing import Any, Final

from ocpi_hub.admin.views.cdrs import cdr_item
from ocpi_hub.cli.common import party_argument, positive
from ocpi_hub.domain.objects import DirectedState
from ocpi_hub.store.custody_admin import CustodyAdmin

PARTY: Final[dict[str, Any]] = {"type": party_argument, "metavar": "CC*PID"}
"""An argument that names a party."""


def add_filters(listing: argparse.ArgumentParser) -> None:
    """Which objects to list."""
    listing.add_argument(
        "--state", choices=[state.value for state in DirectedState], help="of its delivery"
    )
    listing.add_argument("--owner", **PARTY, help="only this CPO's")
    listing.add_argument("--receiver", **PARTY, help="only for this eMSP")
    listing.add_argument("--limit", type=positive, default=100, metavar="N", help="at most")


async def items(custody: CustodyAdmin, args: argparse.Namespace) -> list[dict[str, object]]:
    """Items as the surfaces of the hub define them."""
    rows = await custody.list(
        state=DirectedState(args.state) if args.state else None,
        owner=args.owner,
        receiver=args.receiver,
        limit=args.limit,
    )
    return [cdr_item(row).shown() for row in rows]
