"""How simulated charge points behave."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class Simulation(BaseModel):
    """How simulated charge points behave.

    `kw` flows at most, and `speed` seconds of it in a second; a charge tells every `interval_s`
    seconds how it stands, and ends by itself at `max_kwh`. `evse_status` pushes the status of the
    EVSE with it, `cdrs` a CDR at the end.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    interval_s: float = Field(2.0, ge=0.01, le=3600)
    kw: float = Field(11.0, gt=0)
    speed: float = Field(1.0, gt=0)
    max_kwh: float | None = Field(None, gt=0)
    evse_status: bool = True
    cdrs: bool = True
