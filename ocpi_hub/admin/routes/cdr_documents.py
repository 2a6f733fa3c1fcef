"""CDRs that somebody has at hand: what they should cost, what their meter data proves."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from ocpi_hub.admin.actions import cdr_documents
from ocpi_hub.admin.actions.cdr_documents import MAX_BYTES
from ocpi_hub.admin.keys import Scope
from ocpi_hub.admin.routes.base import API, AnyRoute, Body, Call, Route, Text
from ocpi_hub.admin.routes.onboarding import NoParameters
from ocpi_hub.admin.views.cdr_documents import MeterView
from ocpi_hub.admin.views.cdr_life import PriceView
from ocpi_hub.clearing.pricing.zones import find_zone


def _zone(name: str) -> str:
    if find_zone(name) is None:
        raise ValueError("there is no such time zone")
    return name


class CdrDocument(Body):
    """A CDR; text, so that its numbers stay exact."""

    content: str = Field(description='JSON of a CDR, or {"cdr": ..., "tariffs": [...]}')


class CdrToPrice(CdrDocument):
    """A CDR, and where it was."""

    time_zone: Annotated[Text, AfterValidator(_zone)] | None = Field(
        None, description="of the Location; null: as the country tells"
    )


def cdr_document_routes() -> tuple[AnyRoute, ...]:
    async def price(call: Call[NoParameters, CdrToPrice]) -> PriceView:
        return await cdr_documents.price(call.body.content, call.body.time_zone)

    async def meter(call: Call[NoParameters, CdrDocument]) -> MeterView:
        return await cdr_documents.meter(call.body.content)

    return (
        Route("POST", f"{API}/cdrs/price", Scope.READ, "What a CDR that is sent along should cost",
              NoParameters, CdrToPrice, PriceView, price,
              max_body_bytes=MAX_BYTES, only_looks=True),
        Route("POST", f"{API}/cdrs/meter", Scope.READ,
              "What the signed meter data of a CDR that is sent along proves",
              NoParameters, CdrDocument, MeterView, meter,
              max_body_bytes=MAX_BYTES, only_looks=True),
    )  # fmt: skip
