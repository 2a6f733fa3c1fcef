"""What CDRs that somebody has at hand should cost, and what their meter data proves.

Nothing of them is kept. Large ones are for the command, which has a process to itself.
"""

from __future__ import annotations

import asyncio
from typing import Final

from ocpi_hub.admin.views.cdr_documents import MeterView
from ocpi_hub.admin.views.cdr_life import PriceView
from ocpi_hub.clearing import metering, pricing
from ocpi_hub.clearing.checks import is_large
from ocpi_hub.errors import OperatorError

MAX_BYTES: Final = 256 * 1024
"""Of a request that holds a CDR."""


async def price(content: str, time_zone: str | None) -> PriceView:
    """What a CDR should cost.

    Args:
        content: JSON of a CDR, or `{"cdr", "tariffs"}`.
        time_zone: of the Location; None: as the country tells.

    Raises:
        InvalidRequest: the content is none.
        OperatorError: it would take long.
    """
    source = pricing.read_source(content.encode())
    if is_large(source.cdr, source.tariffs):
        raise OperatorError("this CDR is too large for a request: use `ocpi-hub cdr price FILE`")
    check = await asyncio.to_thread(
        pricing.check_price, source.cdr, tariffs=source.tariffs, time_zone=time_zone
    )
    explained = tuple(pricing.as_text(check).splitlines())
    return PriceView(answer=pricing.as_json(check), explained=explained)


async def meter(content: str) -> MeterView:
    """What the signed meter data of a CDR proves; raises as `price` does."""
    cdr = pricing.read_source(content.encode()).cdr
    if is_large(cdr):
        raise OperatorError("this CDR is too large for a request: use `ocpi-hub cdr meter FILE`")
    if cdr.signed_data is None:
        raise OperatorError("the CDR has no signed_data")
    result = await asyncio.to_thread(
        metering.verify, cdr.signed_data, total_energy_kwh=cdr.total_energy
    )
    explained = tuple(metering.as_text(result).splitlines())
    return MeterView(answer=metering.as_json(result), explained=explained)
